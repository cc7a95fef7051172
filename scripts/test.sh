#!/usr/bin/env bash
# Runs the steps of make test, two at a time: the tests under the race detector, which wait most of the time, beside the steps
# that compile. Each line of output starts with the name of its step. All steps run, also after one has failed. The summary at
# the end lists the steps, their durations and their CPU time. For a failed step it lists the failed tests or the last lines of
# output.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# The longest start first, so that both places are used until the end.
steps=(race emulated unraced lint containers polyglot browser deploy videocut cross benchmarks examples demo)

# The toolchain and the tests use more memory and less time.
export GOGC=${GOGC:-400}
# What is compiled or checked in one folder need not be compiled or checked again in another. No test needs DWARF, which
# takes a fifth of the time of the compiler and a tenth of that of the linker.
export GOFLAGS="${GOFLAGS:+$GOFLAGS }-trimpath -gcflags=all=-dwarf=false -ldflags=-w"
# A test binary under the race detector waits before it exits, a second by default.
export GORACE=${GORACE:-atexit_sleep_ms=100}
# The steps share one program. Its path is constant, so that go test can use results again.
export LTSWORKER_PROGRAM=$PWD/bin/test/ltsworker
go build -ldflags "-s -w" -o "$LTSWORKER_PROGRAM" ./cmd/ltsworker

logs=$(mktemp -d)
# run STEP runs one target of the Makefile. Its output goes to the terminal and to a file.
run() {
	local step=$1 begin=$SECONDS result=ok TIMEFORMAT='%0U %0S'
	note "$step" begins
	{
		time "${MAKE:-make}" --no-print-directory "$step" </dev/null 2>&1 | tee "$logs/$step.log" | label "$step" || result=FAIL
	} 2>"$logs/$step.cpu"
	echo "$result $((SECONDS - begin)) $(awk '{ print $1 + $2 }' "$logs/$step.cpu")" >"$logs/$step.result"
	note "$step" "$result after $((SECONDS - begin)) s"
}
note() { printf '%-10s | == %s\n' "$1" "$2"; }
label() { awk -v step="$1" '{ printf "%-10s | %s\n", step, $0; fflush() }'; }

# The steps have a process group, so that an interrupt ends all their processes.
export -f run note label
export logs
set -m
xargs -P 2 -n 1 bash -o pipefail -c 'run "$0"' <<<"${steps[*]}" &
trap 'kill -TERM -- -$! 2>/dev/null || true; rm -rf "$logs"; exit 130' INT TERM HUP
wait

# failures STEP prints the failed tests, or the last lines of output without one.
failures() {
	local found flags=
	if [[ $1 == race ]]; then flags=-race\ ; fi
	found=$(awk -v flags="$flags" -f scripts/failures.awk "$logs/$1.log")
	if [[ $found ]]; then printf '%s\n' "$found"; else tail -n 15 "$logs/$1.log" | sed 's/^/    /'; fi
}
echo
echo "make test: $SECONDS s"
failed=()
for step in "${steps[@]}"; do
	read -r result seconds cpu <"$logs/$step.result" || { result=FAIL seconds='?' cpu='?'; }
	printf '  %-4s  %-10s %4s s, %4s s of CPU\n' "$result" "$step" "$seconds" "$cpu"
	[[ $result == ok ]] || failed+=("$step")
	sed -n 's/^NOT RUN: /        NOT RUN: /p' "$logs/$step.log"
done
[[ ${DOCKERD:-} != none ]] || echo "  NOT RUN: the tests of executor/docker with an engine (DOCKERD=none)"
if ((${#failed[@]} == 0)); then
	rm -rf "$logs"
	exit
fi
for step in "${failed[@]}"; do
	printf '\n%s failed, see %s\n' "$step" "$logs/$step.log"
	failures "$step"
done
exit 1
