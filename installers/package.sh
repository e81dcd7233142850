#!/usr/bin/env bash
# package.sh VERSION FLAGS...: with these flags of go build, one archive for every system that Dockline supports, with checksums, in dist/.
set -euo pipefail
cd "$(dirname "$0")/.."
version=$1
shift
most=20000000 # bytes that an agent may have: sites load it over thin lines
# grpcnotrace leaves out gRPC's request tracing, which nothing here shows: 120 KB of every binary.
rm -rf dist && mkdir -p dist
for target in linux/amd64 linux/arm64 linux/arm windows/amd64; do
	os=${target%/*} arch=${target#*/} suffix=""
	[ "$os" = windows ] && suffix=.exe
	name=dockline-$version-$os-$arch
	mkdir -p "dist/$name"
	for main in agent/cmd/dockline-agent collector/cmd/dockline-collector plugins/wms-file plugins/wms-sql plugins/http plugins/sim; do
		binary=$(basename "$main")
		case $main in plugins/*) binary=dockline-plugin-$binary ;; esac
		CGO_ENABLED=0 GOOS=$os GOARCH=$arch GOARM=7 go build "$@" -o "dist/$name/$binary$suffix" "./$main"
	done
	size=$(stat -c %s "dist/$name/dockline-agent$suffix")
	echo "dockline-agent for $os/$arch: $size bytes"
	[ "$size" -le "$most" ] || { echo "package.sh: more than $most bytes" >&2; exit 1; }
	cp LICENSE README.md CHANGELOG.md "dist/$name/"
	[ "$os" = linux ] && cp agent/service/dockline-agent.service "dist/$name/"
	tar -C dist -czf "dist/$name.tar.gz" "$name" && rm -r "dist/${name:?}"
done
(cd dist && sha256sum ./*.tar.gz > SHA256SUMS && cat SHA256SUMS)
