#!/usr/bin/env bash
# Copies the libraries of the console's pages from their npm packages into console/assets/vendor, with their licences, and
# records names, versions, licences and checksums in vendor.json. The versions are set here.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
to=console/assets/vendor
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# name@version, then the files of the package that are served
packages=(
	"htmx.org@2.0.11 dist/htmx.min.js LICENSE"
	"uplot@1.6.32 dist/uPlot.iife.min.js dist/uPlot.min.css LICENSE"
)

rm -rf "$to"
mkdir -p "$to"
entries=()
for p in "${packages[@]}"; do
	read -r spec files <<<"$p"
	(cd "$tmp" && npm pack --silent "$spec" >/dev/null && mkdir -p "$spec" && tar -xzf ./*.tgz -C "$spec" --strip-components 1 && rm ./*.tgz)
	name=${spec%@*}
	for f in $files; do
		out=$(basename "$f")
		[ "$out" = LICENSE ] && out=$name.LICENSE
		cp "$tmp/$spec/$f" "$to/$out"
		entries+=("$(jq -n --arg name "$name" --arg version "${spec##*@}" --arg file "$out" \
			--arg licence "$(jq -r .license "$tmp/$spec/package.json")" --arg sha256 "$(sha256sum "$to/$out" | cut -d' ' -f1)" \
			'{file: $file, package: $name, version: $version, licence: $licence, sha256: $sha256}')")
	done
done
printf '%s\n' "${entries[@]}" | jq -s . >"$to/vendor.json"
