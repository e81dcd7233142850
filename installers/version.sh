#!/usr/bin/env bash
# version.sh: this tree's version, as packages of every kind can hold it. A tag vX.Y.Z is X.Y.Z; a tag vX.Y.Z-rc1 is X.Y.Z~rc1, which dpkg and rpm
# take for older than X.Y.Z; commits behind a tag add +N.gHASH; without a tag it is 0.0.0+DATE.HASH by the commit's own time, so that the same tree has the same
# version everywhere. Changes that are not committed: .dirty.
set -euo pipefail
cd "$(dirname "$0")/.."
if described=$(git describe --tags --match 'v[0-9]*' --dirty 2>/dev/null); then
	dirty='' behind=''
	[[ $described =~ ^(.*)-dirty$ ]] && described=${BASH_REMATCH[1]} dirty=dirty
	[[ $described =~ ^(.*)-([0-9]+-g[0-9a-f]+)$ ]] && described=${BASH_REMATCH[1]} behind=${BASH_REMATCH[2]/-/.}
	version=$(tr - . <<<"${described#v}")
	# The first hyphen begins what comes before the release.
	[[ $described =~ ^v([^-]*)-(.*)$ ]] && version=${BASH_REMATCH[1]}~$(tr - . <<<"${BASH_REMATCH[2]}")
	[ -z "$behind$dirty" ] || version=$version+$behind${behind:+${dirty:+.}}$dirty
elif hash=$(git rev-parse --short=10 HEAD 2>/dev/null); then
	version=0.0.0+$(TZ=UTC git show -s --date=format-local:%Y%m%d%H%M%S --format=%cd HEAD).$hash
	git diff --quiet HEAD || version=$version.dirty
else
	version=0.0.0+unknown
fi
echo "$version"
