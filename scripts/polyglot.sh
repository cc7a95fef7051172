#!/usr/bin/env bash
# Runs the programs of examples/polyglot against a redis-server and a replica of their own, and compares what they print.
# What they need is installed where that needs no decision of anybody: as root on Debian or Ubuntu.
set -euo pipefail
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

# able PROGRAM FLAG SCRIPT tries the program in PATH and the system's own: a python3 or ruby of a version manager does not
# see the packages of the system. It prints the one that can run the script.
able() {
	local p
	for p in "$1" "/usr/bin/$1"; do
		if "$p" "$2" "$3" >/dev/null 2>&1; then echo "$p"; return; fi
	done
}
missing() { # the Debian packages of what is not there
	python=$(able python3 -c 'import redis; redis.Redis.xautoclaim')
	ruby=$(able ruby -e 'require "redis"; Redis.instance_method(:xreadgroup)')
	node=$(able node -e 'if (process.versions.node.split(".")[0] < 18) process.exit(1)')
	packages=()
	[[ $python ]] || packages+=(python3-redis)
	[[ $ruby ]] || packages+=(ruby ruby-redis)
	[[ $node ]] || packages+=(nodejs)
	command -v npm >/dev/null || packages+=(npm)
	((${#packages[@]} > 0))
}

if missing && [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null; then
	echo "installing ${packages[*]}"
	apt-get update -q >"$dir/apt.log" 2>&1 || fail "apt-get update failed"
	DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${packages[@]}" >"$dir/apt.log" 2>&1 || fail "apt-get install failed"
fi
if missing; then
	cat >&2 <<-END
		The programs of examples/polyglot need Python 3 with redis-py 4.3, Ruby with redis-rb 4.8, Node 18 with npm.
		  Debian, Ubuntu  sudo apt-get update && sudo apt-get install ${packages[*]}
		  other           pip install redis; gem install redis -v '~> 4.8'; https://nodejs.org/en/download
	END
	exit 1
fi
if ! npm ls --loglevel=silent >/dev/null 2>&1; then
	npm install --no-save --ignore-scripts --no-audit --no-fund --loglevel=error >"$dir/npm.log" 2>&1 ||
		fail "the package redis of examples/polyglot/package.json is missing, and npm install failed"
fi

REDIS_PORT=$(shuf -i 20000-29999 -n 1)
export REDIS_PORT LTS_REDIS="redis://127.0.0.1:$REDIS_PORT/0"
unset LTS_POOL
redis() { redis-cli -p "$REDIS_PORT" "$@"; }
until_true() { # WHAT COMMAND...: waits until the command succeeds
	local what=$1
	shift
	for _ in $(seq 300); do
		if "$@"; then return; fi
		sleep 0.1
	done
	fail "$what"
}

"${REDIS_SERVER:-redis-server}" --port "$REDIS_PORT" --bind 127.0.0.1 --save "" --dir "$dir" >"$dir/redis.log" &
started+=($!)
answers() { [[ $(redis PING 2>/dev/null) == PONG ]]; }
until_true "redis-server does not answer" answers
(cd ../.. && go build -o "$dir/ltsworker" ./cmd/ltsworker)
"$dir/ltsworker" run -c ltsworker.yaml 2>"$dir/worker.log" &
started+=($!)

follow() { # LANGUAGE ID
	case $1 in
	py) "$python" follow.py "$2" ;;
	js) "$node" follow.js "$2" ;;
	rb) "$ruby" follow.rb "$2" ;;
	sh) ./follow.sh "$2" ;;
	esac >>"$dir/$1.out" 2>"$dir/$1.log" || fail "follow.$1 failed"
}
languages=(py js rb sh)
for l in "${languages[@]}"; do follow "$l" "$l-1"; done

# Now each is away while a task of it runs, and so long that its events are trimmed.
events='lts:{default}:events'
push() { redis RPUSH 'lts:{default}:inbox' "$@" >/dev/null; }
for l in "${languages[@]}"; do push "{\"id\":\"$l-2\",\"kind\":\"text.upper\",\"payload\":\"from ä to z\"}"; done
ended() { for l in "${languages[@]}"; do [[ $(redis HGET "lts:{default}:task:$l-2" state) == succeeded ]] || return; done; }
until_true "the tasks have not succeeded" ended
redis HSET 'lts:{default}:meta' events:max 1 >/dev/null # what a service says with Config.MaxEvents
many=()
for _ in $(seq 250); do many+=('{"kind":"text.upper","delay_ms":86400000}'); done
push "${many[@]}"
trimmed() { # the stream is looked at when a task is claimed, now and then
	push '{"kind":"text.upper"}'
	sleep 0.1
	! redis XRANGE "$events" - + | grep -qE '^[a-z]+-2$'
}
until_true "the events were not trimmed" trimmed
for l in "${languages[@]}"; do follow "$l" "$l-2"; done

for l in "${languages[@]}"; do
	if ! diff -u --label wanted.txt --label "follow.$l" wanted.txt "$dir/$l.out"; then fail "follow.$l printed something else"; fi
	echo "examples/polyglot/follow.$l: ok"
done
# The same id again made no second task.
[[ $(redis XLEN 'lts:{default}:inbox:rejected') == "${#languages[@]}" ]] || fail "not just the repeated ids were rejected"

# An entry that is no task ends the program, and says why.
rejected() { # LANGUAGE
	if (follow "$1" "a b") 2>/dev/null; then fail "follow.$1 went on after a rejection"; fi
	grep -q 'was rejected' "$dir/$1.log" "$dir/$1.out" || fail "follow.$1 does not say that its entry was rejected"
}
for l in "${languages[@]}"; do rejected "$l"; done
