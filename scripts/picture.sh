#!/usr/bin/env bash
# Makes the picture in README.md: the demo, run on the tracked files of this repository.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
go build -o "$dir/ltsworker" ./cmd/ltsworker
mkdir "$dir/tree"
git ls-files -z | while IFS= read -r -d '' f; do if [[ -f $f ]]; then printf '%s\0' "$f"; fi; done |
	xargs -0 cp --parents -t "$dir/tree"
picture=$PWD/docs/demo.svg
go build -o "$dir/picture" ./scripts/picture
(cd "$dir/tree" && "$dir/picture" -o "$picture" -title "go run ./cmd/ltsworker demo" -frames 24 "$dir/ltsworker" demo)
