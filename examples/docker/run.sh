#!/usr/bin/env bash
# Runs tasks as containers, kills the replica that started one, and lets the next replica take the container over.
#
#   examples/docker/run.sh
#
# It prints the outcome of a task whose replica was killed, how many containers the task had, and the outcome of a task with a
# bad payload:
#
#   render-1	succeeded	{"rendered": 30}
#   containers of render-1: 1
#   render-2	failed	permanent	container ended with exit status 65: the payload must be {"frames": N}
#
# It needs Go, ltsworker and docker in PATH, access to a Docker engine (DOCKER_HOST; default: that of this machine), and a Redis
# server (LTS_REDIS; default: redis://127.0.0.1:6379/0), in which it uses the pool docker-example.
set -euo pipefail
cd "$(dirname "$0")"
export LTS_POOL=docker-example

dir=$(mktemp -d)
replica=
cleanup() {
	if (($? != 0)); then cat "$dir"/*.log >&2; fi
	if [[ $replica ]]; then kill "$replica" && wait "$replica" || true; fi
	rm -rf "$dir"
}
trap cleanup EXIT

# The image has one program and nothing else.
CGO_ENABLED=0 go build -o "$dir/render" ./render
cp Dockerfile "$dir"
docker build -q -t lts-example-render:1 "$dir" >"$dir/build.log"

run_replica() {
	ltsworker run -c ltsworker.yaml 2>>"$dir/replica.log" &
	replica=$!
}
of_task() { docker ps -aq --filter label=io.ltsworker.pool=docker-example --filter "label=io.ltsworker.pool.task=$1"; }

run_replica
ltsworker enqueue video.render '{"frames": 30}' --id render-1 >"$dir/enqueue.log"
until [[ $(of_task render-1) ]]; do sleep 0.1; done # the container exists
kill -KILL "$replica"
wait "$replica" 2>"$dir/killed.log" || true
run_replica
ltsworker wait render-1
echo "containers of render-1: $(of_task render-1 | wc -l)"

ltsworker enqueue video.render '"many"' --id render-2 --wait || true
