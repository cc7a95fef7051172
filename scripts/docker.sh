#!/usr/bin/env bash
# Finds dockerd for the tests and examples with containers, which start an engine of their own. As root on Debian or Ubuntu it
# installs docker.io if none is found. With DOCKERD=none they are not run.
set -euo pipefail

engine=${DOCKERD:-dockerd}
if [[ $engine == none ]]; then
	exit # the steps that need an engine print that they are not run
fi
if ! command -v "$engine" >/dev/null && [[ -z ${DOCKERD:-} && $(id -u) == 0 ]] && command -v apt-get >/dev/null; then
	echo "installing docker.io"
	apt-get update -q
	# The package would start an engine of its own.
	RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends docker.io
fi
# In newer releases the client is a package of its own.
if ! command -v docker >/dev/null && [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null; then
	DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends docker-cli
fi
if command -v "$engine" >/dev/null && command -v docker >/dev/null; then
	"$engine" --version
	exit
fi
cat >&2 <<END
The tests with containers need dockerd, docker and the rights of root, and "$engine" or docker is not there.
  Debian, Ubuntu  sudo apt-get update && sudo apt-get install docker.io
  other           https://docs.docker.com/engine/install/
DOCKERD names a program outside PATH. With DOCKERD=none these tests are not run, and make test says so.
END
exit 1
