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
newest() { redis XREVRANGE "$1" + - COUNT 1 | head -n 1; } # position of the newest entry of a stream

# What is in these streams already is not about this task.
after=$(newest "$pool:events") since=$(newest "$pool:inbox:rejected")
after=${after:-0-0} since=${since:-0-0}

id="shell-$(date +%s)-$$"
redis RPUSH "$pool:inbox" "{\"id\":\"$id\",\"kind\":\"$kind\",\"payload\":$payload,\"retain_ms\":60000}" >/dev/null

# The stream has every change of state of every task: each says to look again.
while :; do
  state=$(redis HGET "$pool:task:$id" state)
  case $state in
    succeeded | failed | stopped | expired) break ;;
    '') # no task: not yet, or never
      why=$(redis XREVRANGE "$pool:inbox:rejected" + "($since" COUNT 100 |
        awk -v id="\"id\":\"$id\"" 'last == "reason" { why = $0 } last == "entry" && index($0, id) { print why; exit } { last = $0 }')
      if [ -n "$why" ]; then
        echo "$id was rejected: $why" >&2
        exit 1
      fi
      ;;
  esac
  last=$(redis XREAD COUNT 1000 BLOCK 1000 STREAMS "$pool:events" "$after" | grep -E '^[0-9]+-[0-9]+$' | tail -n 1 || true)
  after=${last:-$after}
done
echo "$id $state"
redis HGET "$pool:task:$id" result
[ "$state" = succeeded ]
