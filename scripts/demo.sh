#!/usr/bin/env bash
# Runs the demo on a folder of this project once, without a terminal. Checks that
# every task ended although the demo killed a replica.
set -euo pipefail

limit=()
if command -v timeout >/dev/null; then limit=(timeout 300); fi

echo "go run ./cmd/ltsworker demo --json redisstore"
summary=$(${limit[@]+"${limit[@]}"} go run ./cmd/ltsworker demo --json redisstore </dev/null)
printf '%s\n' "$summary"

field() {
	[[ $summary =~ \"$1\":[[:space:]]*([0-9]+) ]] || { echo "the summary has no number \"$1\"" >&2; exit 1; }
	value=${BASH_REMATCH[1]}
}
expect() { # NAME OP NUMBER
	field "$1"
	if ! test "$value" "$2" "$3"; then
		echo "demo: $1 is $value, expected $2 $3" >&2
		exit 1
	fi
}

expect tasks -gt 0
expect succeeded -eq "$value"
expect failed -eq 0
expect killed -ge 1
field limit
expect max_running -le "$value"
