#!/usr/bin/env bash
# Runs the tests of examples/videocut, which need ffmpeg and Chromium. As root on Debian or Ubuntu it installs what is missing.
# CHROMIUM names a browser that is found under none of the names below.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../examples/videocut"

browser() {
	local name
	for name in ${CHROMIUM:-chromium chromium-browser google-chrome headless-shell}; do
		if command -v "$name"; then return; fi
	done
	return 1
}
missing() {
	packages=()
	command -v ffmpeg >/dev/null || packages+=(ffmpeg)
	browser >/dev/null || packages+=(chromium)
	((${#packages[@]} > 0))
}

if missing && [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null; then
	echo "installing ${packages[*]}"
	apt-get update -q
	DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${packages[@]}"
fi
if missing; then
	cat >&2 <<-END
		The tests of examples/videocut need ffmpeg and Chromium. Missing here: ${packages[*]}
		  Debian, Ubuntu  sudo apt-get update && sudo apt-get install ${packages[*]}
		  macOS           brew install ffmpeg chromium
	END
	exit 1
fi
CHROMIUM=$(browser)
export CHROMIUM
go vet ./...
go test ./...
