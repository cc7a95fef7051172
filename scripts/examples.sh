#!/usr/bin/env bash
# Runs the examples with the commands in their comments, against a separate redis-server.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/server.sh"
source "$(dirname "${BASH_SOURCE[0]}")/engine.sh"

dir=$(mktemp -d)
started=()
cleanup() {
	for pid in ${started[@]+"${started[@]}"}; do kill "$pid" 2>/dev/null || true; done
	wait
	[[ -z ${engine:-} ]] || rm -rf "$engine"
	rm -rf "$dir"
}
trap cleanup EXIT

expect() { # WHAT WANTED GOT
	if [[ $2 != "$3" ]]; then
		printf '%s printed:\n%s\nwanted:\n%s\n' "$1" "$3" "$2" >&2
		exit 1
	fi
	echo "$1: ok"
}

expect examples/service "20 pictures, 219000 bytes" "$(go run ./examples/service)"

expect examples/shards "78498 prime numbers below a million" "$(go run ./examples/shards)"

expect examples/triggers "three reports, three sweeps" "$(go run ./examples/triggers)"

start_redis "$dir"
started+=("$redis_pid")
export REDIS_PORT LTS_REDIS="redis://127.0.0.1:$REDIS_PORT/0"

printed='12 sums, 6 tries failed, 7 timed out'
expect examples/add "$(printf '%s\n' "polling: $printed" "callback: $printed" "both: $printed")" "$(go run ./examples/add)"

install_program "$dir"
"$dir/ltsworker" run -c examples/shell/ltsworker.yaml 2>"$dir/worker.log" &
started+=($!)
got=$(timeout 300 examples/shell/enqueue.sh text.count '"how long is this"') || { cat "$dir/worker.log" >&2; exit 1; }
expect examples/shell 'succeeded 18' "$(sed -nE 's/.*"state":"([a-z]+)".*"result":([0-9]+).*/\1 \2/p' <<<"$got")"
got=$(timeout 300 examples/shell/enqueue.sh text.repeat '{"text":"a \"$b\""}') || { cat "$dir/worker.log" >&2; exit 1; }
expect examples/shell '"a \"$b\"\na \"$b\"\n"' "$(sed -nE 's/.*"result_text":(.*)\}/\1/p' <<<"$got")"

if [[ ${DOCKERD:-} == none ]]; then
	echo "NOT RUN: examples/docker: DOCKERD=none"
	exit
fi
engine=$(mktemp -d /tmp/lts-engine-XXXXXX) # short, because sockets have short paths
if ! start_engine "$engine"; then
	echo "NOT RUN: examples/docker: the engine cannot run here: $engine_problem"
	exit
fi
started+=("$engine_pid")
got=$(PATH="$dir:$PATH" timeout 300 examples/docker/run.sh) || { printf '%s\n' "$got" >&2; exit 1; }
expect examples/docker "$(sed -n 's/^#   \(render-\|containers\)/\1/p' examples/docker/run.sh)" "$got"
