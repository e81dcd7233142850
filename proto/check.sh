#!/usr/bin/env bash
# Fails where the generated Go differs from what proto/ generates. The tools take minutes to build, so they run only where something in
# proto/ is not as it was when make proto last checked it (checked.sum).
set -euo pipefail
cd "$(dirname "$0")"
if ./sum.sh | cmp -s - checked.sum; then
	echo "proto: as checked"
	exit 0
fi
before=$(cat dockline/v1/*.pb.go dockline/connector/v1/*.pb.go | sha256sum)
./generate.sh
if [ "$before" != "$(cat dockline/v1/*.pb.go dockline/connector/v1/*.pb.go | sha256sum)" ]; then
	echo "proto: the committed Go was not what proto/ generates; run make proto and commit" >&2
	exit 1
fi
echo "proto: checked anew; commit proto/checked.sum"
