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
# What would have a say in the bytes and is a machine's or a person's own: time zone, order of names, modes of new files, how Go compiles. In a
# repository programs hold their commit (go version -m); in a tree without one they cannot.
export SOURCE_DATE_EPOCH TZ=UTC LC_ALL=C CGO_ENABLED=0 GOARM=7 GOAMD64=v1 GOARM64=v8.0 GOFIPS140=off GOTOOLCHAIN=local GOWORK=off
unset GOEXPERIMENT
umask 022
stamp=-buildvcs=false commit=''
[ ! -e .git ] || stamp=-buildvcs=true commit=$(git rev-parse HEAD)
export GOFLAGS=$stamp
plugins=(plugins/*/main.go)
(cd installers/tools && GOFLAGS=-buildvcs=false go build -o ../../.build/ github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod github.com/goreleaser/nfpm/v2/cmd/nfpm)
rm -rf dist && mkdir -p dist
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# pack NAME: the folder as an archive whose bytes depend on its files alone.
pack() { tar -C "$work" --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX -cf - "$1" | gzip -9n >"dist/$1.tar.gz"; }

for target in ${TARGETS:-linux/amd64 linux/arm64 linux/arm windows/amd64}; do
	os=${target%/*} arch=${target#*/} suffix=""
	[ "$os" = windows ] && suffix=.exe
	name=dockline-$version-$os-$arch
	mkdir -p "$work/$name/sbom"
	for main in agent/cmd/dockline-agent collector/cmd/dockline-collector "${plugins[@]%/main.go}"; do
		binary=$(basename "$main")
		case $main in plugins/*) binary=dockline-plugin-$binary ;; esac
		GOOS=$os GOARCH=$arch go build "$@" -o "$work/$name/$binary$suffix" "./$main"
		# The toolchain leaves the commit out without a word where it finds no git.
		[ "$stamp" = -buildvcs=false ] || go version -m "$work/$name/$binary$suffix" | grep -q "vcs.revision=$commit" || {
			echo "package.sh: $binary does not hold its commit $commit" >&2
			exit 1
		}
		[ "$os" != windows ] || installers/windows/sign.sh "$work/$name/$binary$suffix"
		.build/cyclonedx-gomod bin -json -noserial -notimestamp -std -version "v$version" -output "$work/$name/sbom/$binary.cdx.json" "$work/$name/$binary$suffix" 2>/dev/null
		# What the sums of the tool itself are is this machine's affair.
		sed -i '/^    "tools": \[/,/^    \]/{/^        "hashes": \[/,/^        \],/d}' "$work/$name/sbom/$binary.cdx.json"
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
	if [ "$os" = windows ]; then
		installers/windows/msi.sh "$version" "$work/$name" "dist/dockline-agent-$version.msi"
	fi
	pack "$name"
done
mkdir -p "$work/site"
cp dist/dockline-agent* "$work/site/"
DOCKLINE_SIGN_GPG='' installers/sums.sh "$work/site"
installers/linux/packages.sh site-packages "$version" "$work" all dist
installers/sums.sh dist
cat dist/SHA256SUMS
