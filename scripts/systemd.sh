# !/usr/bin/env bash Finds systemd-analyze, which checks the unit. As root on
# Debian or Ubuntu it installs the program if it is missing. Systems other
# than Linux do not need it.
set -euo pipefail

if [[ $(uname -s) != Linux ]] || command -v systemd-analyze >/dev/null; then
	exit
fi
if [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null; then
	echo "installing systemd"
	apt-get update -q
	DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends systemd
	exit
fi
cat >&2 <<END
The unit is checked with systemd-analyze, which comes with systemd and is not there.
  Debian, Ubuntu  sudo apt-get update && sudo apt-get install systemd
END
exit 1
