#!/bin/sh
# Enqueues a task, waits for its end and prints its result, with nothing but redis-cli.
#
#   examples/shell/enqueue.sh KIND JSON
#
# A replica that has a handler for KIND must be running, e.g. `ltsworker run -c examples/shell/ltsworker.yaml`.
# Environment: REDIS_PORT (6379), LTS_POOL (default).
set -eu
kind=$1 payload=$2
pool="lts:{${LTS_POOL:-default}}"
redis() { redis-cli -p "${REDIS_PORT:-6379}" "$@"; }

id="shell-$(date +%s)-$$"
redis RPUSH "$pool:inbox" "{\"id\":\"$id\",\"kind\":\"$kind\",\"payload\":$payload,\"retain_ms\":60000}" >/dev/null

# The stream has every change of state; this reads it from the beginning and waits for the one that ends the task.
after=0
while :; do
  state=$(redis HGET "$pool:task:$id" state)
  case $state in succeeded | failed | stopped | expired) break ;; esac
  last=$(redis XREAD COUNT 1000 BLOCK 1000 STREAMS "$pool:events" "$after" | grep -E '^[0-9]+-[0-9]+$' | tail -n 1 || true)
  after=${last:-$after}
done
echo "$id $state"
redis HGET "$pool:task:$id" result
[ "$state" = succeeded ]
