#!/usr/bin/env bash
# Finds a redis-server that is new enough for the tests. As root on Debian or
# Ubuntu it installs one if none is found.
set -euo pipefail

oldest=7
server=${REDIS_SERVER:-redis-server}

usable() {
	local version
	version=$("$server" --version 2>/dev/null) || return 1
	[[ $version =~ v=([0-9]+)\. ]] && ((BASH_REMATCH[1] >= oldest))
}

if ! usable && [[ -z ${REDIS_SERVER:-} && $(id -u) == 0 ]] && command -v apt-get >/dev/null; then
	echo "installing redis-server"
	apt-get update -q
	DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends redis-server
fi
if usable; then
	"$server" --version
	exit
fi
cat >&2 <<END
The tests need a redis-server of version $oldest.0 or newer, and "$server" is $("$server" --version 2>/dev/null || echo "not there").
  Debian, Ubuntu  sudo apt-get update && sudo apt-get install redis-server
  macOS           brew install redis
  other           https://redis.io/docs/latest/operate/oss_and_stack/install/
That page also says where newer ones are. A program outside PATH is named by REDIS_SERVER.
END
exit 1
