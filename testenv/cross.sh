#!/usr/bin/env bash
# Builds everything that ships for every system, without cgo, and runs the journal's tests as 64 and 32 bit ARM programs under qemu-user.
# Tests that start their own program again are left out there: the kernel would need to know qemu for that.
set -euo pipefail
cd "$(dirname "$0")/.."
export CGO_ENABLED=0
for target in linux/amd64 linux/arm64 linux/arm windows/amd64; do
	GOOS=${target%/*} GOARCH=${target#*/} GOARM=7 go build -o /dev/null ./agent/... ./plugins/... ./collector/... 2>&1
	echo "built: $target"
done
missing=0
for target in arm64/qemu-aarch64-static arm/qemu-arm-static; do
	qemu=${target#*/}
	if ! command -v "$qemu" >/dev/null; then
		echo "SKIP-SERVER: $qemu: not installed: apt-get install qemu-user-static"
		missing=1
		continue
	fi
	GOARCH=${target%/*} GOARM=7 go test -count=1 -timeout 15m -exec "$qemu" -skip 'Killed|PowerCut|Child|Crashes|Sequences' ./agent/journal
	GOARCH=${target%/*} GOARM=7 go test -count=1 -timeout 15m -exec "$qemu" -run 'Sequences/[0-9]$' ./agent/journal
done
exit $missing
