#!/usr/bin/env bash
# Builds everything that ships for every system, without cgo, and runs the journal's tests as programs of the other systems: 64 and 32 bit
# ARM under qemu-user, Windows under Wine. All tests run that exist there, also those that kill the process and start it again. Not there:
#   TestPowerCut*, arm (32 bit): go-fuse, which makes the disk that loses its power, does not build for it
#   TestPowerCut*, windows:      FUSE is Linux's
# With arguments it runs these only, e.g. cross.sh build arm64 arm windows.
set -euo pipefail
cd "$(dirname "$0")/.."
export CGO_ENABLED=0 GOARM=7
missing=0

build() {
	for target in linux/amd64 linux/arm64 linux/arm windows/amd64; do
		GOOS=${target%/*} GOARCH=${target#*/} go build -o /dev/null ./agent/... ./plugins/... ./collector/...
		echo "built: $target"
	done
}

# emulated ARCH QEMU: the kernel can't start a program of that kind, so tests that start themselves again do it through qemu too.
emulated() {
	if ! command -v "$2" >/dev/null; then
		echo "SKIP-SERVER: $2: not installed: apt-get install qemu-user-static"
		missing=1
		return
	fi
	echo "tests as linux/$1:"
	DOCKLINE_EMULATOR=$2 GOARCH=$1 go test -count=1 -timeout 20m -exec "$2" ./agent/journal
}

windows() {
	echo "tests as windows/amd64:"
	# Of the host only what needs no plugin: there is no go in this Windows to build one. Of the service what leaves no temporary folder: Wine 8
	# cannot remove one the way that testing does.
	GOOS=windows GOARCH=amd64 testenv/wine.sh bash -c "go test -count=1 -timeout 20m -exec wine ./agent/journal && go test -count=1 -exec wine -run 'Job' ./agent/host && go test -count=1 -exec wine -run 'Handler|Configure|SID' ./agent/service" || {
		[ $? = 77 ] || return 1
		missing=1
	}
}

for step in "${@:-all}"; do
	case $step in
	build) build ;;
	arm64) emulated arm64 qemu-aarch64-static ;;
	arm) emulated arm qemu-arm-static ;;
	windows) windows ;;
	all)
		build
		emulated arm64 qemu-aarch64-static
		emulated arm qemu-arm-static
		windows
		;;
	*) echo "cross.sh: no step $step; build, arm64, arm, windows" >&2 && exit 2 ;;
	esac
done
exit $missing
