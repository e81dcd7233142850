#!/usr/bin/env bash
# package.sh VERSION FLAGS...: with these flags of go build, what a release has, in dist/: for every system an archive; .deb and .rpm of agent,
# collector and of what a collector hands to sites; the collector's image (OCI); what each program is made of (SBOM, CycloneDX); and checksums. The same commit gives the
# same bytes: everything has the commit's time. TARGETS="linux/amd64 ..." makes only those.
set -euo pipefail
cd "$(dirname "$0")/.."
version=$1
shift
most=20000000 # bytes that an agent may have: sites load it over thin lines
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git show -s --format=%ct HEAD)}
export SOURCE_DATE_EPOCH TZ=UTC
plugins=(plugins/*/main.go)
(cd installers/tools && GOFLAGS='' go build -o ../../.build/ github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod github.com/goreleaser/nfpm/v2/cmd/nfpm)
rm -rf dist && mkdir -p dist
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# pack NAME: the folder as an archive whose bytes depend on its files alone.
pack() { tar -C "$work" --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner -cf - "$1" | gzip -9n >"dist/$1.tar.gz"; }

for target in ${TARGETS:-linux/amd64 linux/arm64 linux/arm windows/amd64}; do
	os=${target%/*} arch=${target#*/} suffix=""
	[ "$os" = windows ] && suffix=.exe
	name=dockline-$version-$os-$arch
	mkdir -p "$work/$name/sbom" "$work/site"
	for main in agent/cmd/dockline-agent collector/cmd/dockline-collector "${plugins[@]%/main.go}"; do
		binary=$(basename "$main")
		case $main in plugins/*) binary=dockline-plugin-$binary ;; esac
		CGO_ENABLED=0 GOOS=$os GOARCH=$arch GOARM=7 go build "$@" -o "$work/$name/$binary$suffix" "./$main"
		.build/cyclonedx-gomod bin -json -noserial -notimestamp -std -version "v$version" -output "$work/$name/sbom/$binary.cdx.json" "$work/$name/$binary$suffix" 2>/dev/null
	done
	size=$(stat -c %s "$work/$name/dockline-agent$suffix")
	echo "dockline-agent for $os/$arch: $size bytes"
	[ "$size" -le "$most" ] || { echo "package.sh: more than $most bytes" >&2; exit 1; }
	cp LICENSE README.md CHANGELOG.md "$work/$name/"
	if [ "$os" = linux ]; then
		cp agent/service/dockline-agent.service installers/linux/dockline-collector.service "$work/$name/"
		installers/linux/packages.sh agent "$version" "$work/$name" "$arch" dist
		installers/linux/packages.sh collector "$version" "$work/$name" "$arch" dist
		rm -r "$work/$name/doc"
		installers/container/image.sh "$version" "$work/$name/dockline-collector" "$arch" "dist/dockline-collector-$version-$arch.oci.tar"
	fi
	pack "$name"
	if [ "$os" = windows ]; then
		installers/windows/msi.sh "$version" "$work/$name" "dist/dockline-agent-$version.msi" || {
			[ $? = 77 ] || exit 1
			echo "package.sh: no .msi was made" >&2
		}
	fi
done
cp dist/dockline-agent* "$work/site/"
(cd "$work/site" && sha256sum ./* >SHA256SUMS)
installers/linux/packages.sh site-packages "$version" "$work" all dist
(cd dist && sha256sum ./* >SHA256SUMS && cat SHA256SUMS)
