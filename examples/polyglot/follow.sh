#!/usr/bin/env bash
# Enqueues a task, waits for its outcome, and prints the events and the outcome.
#
#   ./follow.sh ID [KIND]
#
# README.md says which replica must be running.
# Environment: REDIS_PORT (6379), LTS_POOL (default).
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../../clients/bash/ltsworker.sh"
LTS_REDIS=redis://127.0.0.1:${REDIS_PORT:-6379}
id=$1

# Create the group before the task, so that it gets all of the task's events. Use a group per service and a consumer per
# process.
lts_group follow-sh
outcome=$(lts_call "${2:-text.upper}" '"from ä to z"' id="$id") || {
	echo "$id was rejected: $(jq -r .error <<<"$outcome")" >&2
	exit 1
}

version=0 # the highest that was printed: a group can get an event twice
show() {
	local state event_id v
	read -r state event_id v < <(jq -r '"\(.state) \(.id) \(.v)"' <<<"$1")
	if [[ $state == missed ]]; then
		echo "missed events"
	elif [[ $event_id == "$id" ]] && ((v > version)); then
		version=$v
		echo "$state"
	fi
}
lts_events follow-sh "sh-$$" show 1
jq -r '"outcome: \(.state) \(.error // .result)"' <<<"$outcome"
