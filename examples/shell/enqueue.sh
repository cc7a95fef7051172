#!/bin/sh
# Enqueues a task, waits for its end and prints its reply, with nothing but redis-cli.
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
redis RPUSH "$pool:inbox" "{\"id\":\"$id\",\"kind\":\"$kind\",\"payload\":$payload,\"reply\":true}" >/dev/null

# BLPOP prints the name of the list and the reply, or an empty line after 10 s: then wait again.
reply=
while [ -z "$reply" ]; do
  reply=$(redis BLPOP "$pool:reply:$id" 10 | tail -n +2)
done
printf '%s\n' "$reply" # echo would change backslashes in some shells
case $reply in *'"state":"succeeded"'*) ;; *) exit 1 ;; esac
