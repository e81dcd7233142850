#!/usr/bin/env bash
# version.sh: this tree's version, as packages of every kind can hold it. A tag vX.Y.Z is X.Y.Z; commits behind it X.Y.Z+N.gHASH; without a
# tag 0.0.0+DATE.HASH by the commit's own time, so that the same tree has the same version everywhere. Changes that are not committed: .dirty.
set -euo pipefail
cd "$(dirname "$0")/.."
if described=$(git describe --tags --match 'v[0-9]*' --dirty 2>/dev/null); then
	version=${described#v}
	case $version in *-*) version=${version%%-*}+$(tr - . <<<"${version#*-}") ;; esac
elif hash=$(git rev-parse --short=10 HEAD 2>/dev/null); then
	version=0.0.0+$(TZ=UTC git show -s --date=format-local:%Y%m%d%H%M%S --format=%cd HEAD).$hash
	git diff --quiet HEAD || version=$version.dirty
else
	version=0.0.0+unknown
fi
echo "$version"
