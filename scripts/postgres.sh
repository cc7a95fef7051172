#!/usr/bin/env bash
# Finds the programs of PostgreSQL for the tests. As root on Debian or Ubuntu it installs them if none are found.
set -euo pipefail

# bin prints the directory of initdb and postgres.
bin() {
	local dir
	for dir in ${POSTGRES_BIN:-"$(dirname "$(command -v initdb || echo /nowhere/initdb)")" $(printf '%s\n' /usr/lib/postgresql/*/bin | sort -Vr)}; do
		if [[ -x $dir/initdb && -x $dir/postgres ]]; then
			echo "$dir"
			return
		fi
	done
	return 1
}

if ! bin >/dev/null && [[ -z ${POSTGRES_BIN:-} && $(id -u) == 0 ]] && command -v apt-get >/dev/null; then
	echo "installing postgresql"
	apt-get update -q
	# The package would make and start a server of its own.
	mkdir -p /etc/postgresql-common
	[[ -e /etc/postgresql-common/createcluster.conf ]] || echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf
	DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends postgresql
fi
if dir=$(bin); then
	"$dir/postgres" --version
	exit
fi
cat >&2 <<END
The tests need the programs initdb and postgres of PostgreSQL.
  Debian, Ubuntu  sudo apt-get update && sudo apt-get install postgresql
  macOS           brew install postgresql
  other           https://www.postgresql.org/download/
POSTGRES_BIN names a directory of them outside PATH and /usr/lib/postgresql.
END
exit 1
