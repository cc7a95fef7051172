#!/usr/bin/env bash
# Prints the pattern for go test -run of the tests in redisstore that run over miniredis, or only without the race detector.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

awk '
	/^func / { name = "" }
	/^func Test/ { name = $2; sub(/\(.*/, "", name) }
	/^\/\/go:build !race/ { alone[FILENAME] = 1 }
	name && (FILENAME in alone || /(backends|randomly)\(t, / || /t\.Run\("miniredis"/) { print name }
' redisstore/*_test.go | sort -u | paste -sd '|' | sed 's:.*:^(&)$/^(miniredis|cluster)$:'
