#!/usr/bin/env bash
# Runs the programs of examples/polyglot, which use the clients of clients/, against a separate redis-server and replicas.
# Compares their output. As root on Debian or Ubuntu it installs the packages that are missing.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/server.sh"
cd "$(dirname "${BASH_SOURCE[0]}")/../examples/polyglot"

dir=$(mktemp -d)
started=()
cleanup() {
	for pid in ${started[@]+"${started[@]}"}; do kill "$pid" 2>/dev/null || true; done
	wait
	rm -rf "$dir"
}
trap cleanup EXIT
fail() {
	echo "$1" >&2
	tail -n 20 "$dir"/*.log >&2
	exit 1
}

# able PROGRAM FLAG SCRIPT prints the path of a program that can run the script: the one in PATH or the one of the system.
# The python3 or ruby of a version manager cannot load the packages of the system.
able() {
	local p
	for p in "$1" "/usr/bin/$1"; do
		if "$p" "$2" "$3" >/dev/null 2>&1; then echo "$p"; return; fi
	done
}
missing() { # sets packages to the Debian packages of what is missing
	python=$(able python3 -c 'import redis; redis.Redis.xautoclaim')
	ruby=$(able ruby -e 'require "redis"; Redis.instance_method(:xreadgroup)')
	node=$(able node -e 'if (process.versions.node.split(".")[0] < 20) process.exit(1)')
	php=$(able php -r 'exit(PHP_VERSION_ID >= 80100 && extension_loaded("redis") ? 0 : 1);')
	packages=()
	[[ $python ]] || packages+=(python3-redis)
	[[ $ruby ]] || packages+=(ruby ruby-redis)
	[[ $node ]] || packages+=(nodejs)
	[[ $php ]] || packages+=(php-cli php-redis)
	command -v npm >/dev/null || packages+=(npm)
	command -v jq >/dev/null || packages+=(jq)
	((${#packages[@]} > 0))
}

if missing && [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null; then
	echo "installing ${packages[*]}"
	apt-get update -q >"$dir/apt.log" 2>&1 || fail "apt-get update failed"
	DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${packages[@]}" >"$dir/apt.log" 2>&1 || fail "apt-get install failed"
fi
if missing; then
	cat >&2 <<-END
		The programs of examples/polyglot need Python 3 with redis-py 4.3, Node 20 with npm, Ruby 3 with redis-rb 4.8,
		PHP 8.1 with the extension redis 5.3, and jq. Missing here: ${packages[*]}
		  Debian, Ubuntu  sudo apt-get update && sudo apt-get install ${packages[*]}
		  other           pip install redis; gem install redis; pecl install redis; https://nodejs.org/en/download
	END
	exit 1
fi
if ! npm ls --loglevel=silent >/dev/null 2>&1; then
	npm install --no-save --ignore-scripts --no-audit --no-fund --loglevel=error >"$dir/npm.log" 2>&1 ||
		fail "the package redis of examples/polyglot/package.json is missing, and npm install failed"
fi

start_redis "$dir"
started+=("$redis_pid")
export REDIS_PORT LTS_REDIS="redis://127.0.0.1:$REDIS_PORT/0"
unset LTS_POOL
redis() { redis-cli -p "$REDIS_PORT" "$@"; }
until_true() { # WHAT COMMAND...: waits until the command succeeds
	local what=$1
	shift
	for _ in $(seq 1200); do
		if "$@"; then return; fi
		sleep 0.1
	done
	fail "$what"
}

(cd ../.. && install_program "$dir" && go build -o "$dir/" ./examples/polyglot)
"$dir/ltsworker" run -c ltsworker.yaml 2>"$dir/worker.log" &
started+=($!)
"$dir/polyglot" 2>"$dir/go.log" &
started+=($!)

languages=(py js rb php sh)
follow() { # LANGUAGE ID [KIND]
	case $1 in
	py) "$python" follow.py "${@:2}" ;;
	js) "$node" follow.js "${@:2}" ;;
	rb) "$ruby" follow.rb "${@:2}" ;;
	php) "$php" follow.php "${@:2}" ;;
	sh) ./follow.sh "${@:2}" ;;
	esac >>"$dir/$1.out" 2>"$dir/$1.log"
}
# all NUMBER [KIND] runs the programs of all languages at once, each with the id LANGUAGE-NUMBER.
all() {
	local l pids=()
	for l in "${languages[@]}"; do follow "$l" "$l-$1" "${@:2}" & pids+=($!); done
	for l in "${languages[@]}"; do
		wait "${pids[0]}" || fail "follow.$l failed"
		pids=("${pids[@]:1}")
	done
}
all 1
all 1 # the same ids again: no second tasks
all 2 text.refuse

# Tasks that are admitted in one step share an entry of the stream.
events='lts:{default}:events'
push() { redis RPUSH 'lts:{default}:inbox' "$@" >/dev/null; }
push_each() { # NUMBER
	local l entries=()
	for l in "${languages[@]}"; do entries+=("{\"id\":\"$l-$1\",\"kind\":\"text.upper\",\"payload\":\"from ä to z\"}"); done
	push "${entries[@]}"
}
push_each 3
all 3
redis XRANGE "$events" - + | grep -x 'py-3 js-3 rb-3 php-3 sh-3' >/dev/null || fail "the tasks do not share an entry"

PATH="$dir:$PATH" "$python" behaviour.py 2>"$dir/py.log" || fail "the test of the client in Python failed"
PATH="$dir:$PATH" "$node" behaviour.js 2>"$dir/js.log" || fail "the test of the client in JavaScript failed"

# Tasks end and their events are trimmed while no program runs.
push_each 4
ended() { for l in "${languages[@]}"; do [[ $(redis ZSCORE 'lts:{default}:ended:succeeded' "$l-4") ]] || return; done; }
until_true "the tasks have not succeeded" ended
redis HSET 'lts:{default}:meta' events:max 1 >/dev/null # the setting Config.MaxEvents of a service
many=()
for _ in $(seq 1500); do many+=('{"kind":"text.upper","delay_ms":86400000}'); done
push "${many[@]}"
trimmed() {
	push '{"kind":"text.upper"}'
	sleep 0.1
	! redis XRANGE "$events" - + | grep -w 'sh-4' >/dev/null
}
until_true "the events were not trimmed" trimmed
all 4

for l in "${languages[@]}"; do
	if ! diff -u --label wanted.txt --label "follow.$l" wanted.txt "$dir/$l.out"; then fail "follow.$l did not print wanted.txt"; fi
	echo "examples/polyglot/follow.$l: ok"
done

# If its entry is rejected, the program prints the reason and fails.
for l in "${languages[@]}"; do
	if follow "$l" "$l-5" "no kind"; then fail "follow.$l succeeded after a rejection"; fi
	grep -q "^$l-5 was rejected: kind " "$dir/$l.log" || fail "follow.$l does not print that its entry was rejected"
done
echo "clients: ok"
