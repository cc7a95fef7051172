#!/usr/bin/env bash
# Tests the console in Chromium, which playwright-core drives: integration/browser. As root on Debian or Ubuntu it installs what is
# missing. CHROMIUM names a browser that scripts/chromium.sh does not find; chromium-headless-shell of Debian is used if it is
# there, because it needs a third less processor time. With -full it checks each page in both languages, themes and widths; with
# -soak it also measures a pool with a million tasks; with -screenshots it only makes the pictures of the documentation. Other
# arguments go to node --test.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/chromium.sh"
source "$(dirname "${BASH_SOURCE[0]}")/server.sh"
cd "$(dirname "${BASH_SOURCE[0]}")/.."

missing() {
	packages=()
	find_browser >/dev/null || packages+=(chromium)
	node -e 'if (process.versions.node.split(".")[0] < 20) process.exit(1)' 2>/dev/null || packages+=(nodejs)
	command -v npm >/dev/null || packages+=(npm)
	[[ ! ${pictures:-} ]] || fc-list ':lang=zh' | grep . >/dev/null || packages+=(fonts-noto-cjk)
	((${#packages[@]} > 0))
}

run=(node --test --test-reporter=spec)
tests=all.js
while (($# > 0)); do
	case $1 in
	-full) export FULL=1 ;;
	-soak) tests=soak.js ;;
	-screenshots) pictures=1 ;;
	*) run+=("$1") ;;
	esac
	shift
done
if missing; then install_packages "${packages[@]}" || true; fi
if missing; then
	cat >&2 <<-TEXT
		The tests of the console in a browser need Chromium and Node 20 with npm. Missing here: ${packages[*]}
		  Debian, Ubuntu  sudo apt-get update && sudo apt-get install ${packages[*]}
		  macOS           brew install chromium node
	TEXT
	exit 1
fi
[[ ${CHROMIUM:-} ]] || CHROMIUM=$(command -v chromium-headless-shell || true)
CHROMIUM=$(find_browser)
export CHROMIUM

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
install_program "$dir"
export LTSWORKER_PROGRAM=$dir/ltsworker
if [[ $tests == soak.js ]]; then
	export MILLION_PROGRAM=$dir/million
	go build -o "$MILLION_PROGRAM" ./integration/browser/million
fi
cd integration/browser
if ! npm ls --loglevel=silent >/dev/null 2>&1; then
	npm install --no-save --ignore-scripts --no-audit --no-fund --loglevel=error >"$dir/npm.log" 2>&1 || {
		echo "the packages of integration/browser/package.json are missing, and npm install failed" >&2
		tail -n 20 "$dir/npm.log" >&2
		exit 1
	}
fi
if [[ ${pictures:-} ]]; then node screenshots.js; else "${run[@]}" "$tests"; fi
