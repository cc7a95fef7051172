#!/usr/bin/env bash
# Runs govulncheck, given as arguments. Its database is on the network. Without access to it the script prints a message and
# succeeds. A finding fails. Building govulncheck and loading all packages takes long, so curl, if it is there, tries first
# whether the database can be reached.
set -euo pipefail

unreachable() { echo "govulncheck: NOT CHECKED, its database cannot be reached: $1"; }

if command -v curl >/dev/null && ! problem=$(curl --silent --show-error --fail --max-time 30 --output /dev/null https://vuln.go.dev/index/db.json 2>&1); then
	unreachable "$problem"
elif out=$("$@" 2>&1); then
	echo "govulncheck: ${out##*$'\n'}"
elif [[ $out == *"fetching vulnerabilities"* ]]; then
	unreachable "${out##*fetching vulnerabilities: }"
else
	printf '%s\n' "$out" >&2
	exit 1
fi
