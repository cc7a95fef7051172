#!/usr/bin/env bash
# Runs the tests of examples/videocut, which need ffmpeg and Chromium. As root on Debian or Ubuntu it installs what is missing.
# CHROMIUM names a browser that scripts/chromium.sh does not find.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/chromium.sh"
cd "$(dirname "${BASH_SOURCE[0]}")/../examples/videocut"

missing() {
	packages=()
	command -v ffmpeg >/dev/null || packages+=(ffmpeg)
	find_browser >/dev/null || packages+=(chromium)
	((${#packages[@]} > 0))
}

if missing; then install_packages "${packages[@]}" || true; fi
if missing; then
	cat >&2 <<-END
		The tests of examples/videocut need ffmpeg and Chromium. Missing here: ${packages[*]}
		  Debian, Ubuntu  sudo apt-get update && sudo apt-get install ${packages[*]}
		  macOS           brew install ffmpeg chromium
	END
	exit 1
fi
CHROMIUM=$(find_browser)
export CHROMIUM
go vet ./...
go test ./...
