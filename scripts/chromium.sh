# Sourced by the scripts that need a browser.

# find_browser prints the path of Chromium. CHROMIUM names one that is found under none of the names below.
find_browser() {
	local name
	for name in ${CHROMIUM:-chromium chromium-browser google-chrome headless-shell}; do
		if command -v "$name"; then return; fi
	done
	return 1
}

# install_packages PACKAGE... installs packages as root on Debian or Ubuntu, and fails elsewhere.
install_packages() {
	[[ $(id -u) == 0 ]] && command -v apt-get >/dev/null || return 1
	echo "installing $*"
	apt-get update -q
	DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@"
}
