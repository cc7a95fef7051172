#!/usr/bin/env bash
# Finds prometheus and promtool for the tests. As root on Debian or Ubuntu it installs them if they are not found.
set -euo pipefail

usable() {
	PATH=${PROMETHEUS_BIN:+$PROMETHEUS_BIN:}$PATH command -v "$1" >/dev/null
}

if ! { usable prometheus && usable promtool; } && [[ -z ${PROMETHEUS_BIN:-} && $(id -u) == 0 ]] && command -v apt-get >/dev/null; then
	echo "installing prometheus"
	apt-get update -q
	# With RUNLEVEL=1 the package does not start a server of its own.
	RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends prometheus
fi
if usable prometheus && usable promtool; then
	PATH=${PROMETHEUS_BIN:+$PROMETHEUS_BIN:}$PATH promtool --version 2>&1 | head -n 1
	exit
fi
cat >&2 <<END
The tests need the programs prometheus and promtool.
  Debian, Ubuntu  sudo apt-get update && sudo apt-get install prometheus
  macOS           brew install prometheus
  other           https://prometheus.io/download/
PROMETHEUS_BIN names a directory of them outside PATH.
END
exit 1
