#!/usr/bin/env bash
# packages.sh PRODUCT VERSION FOLDER ARCH OUT: the .deb and the .rpm of agent, collector or site-packages, from the binaries in FOLDER, for amd64,
# arm64 or arm (armv7). The same binaries give the same bytes: every file in it has the time of the commit. With DOCKLINE_SIGN_GPG, a file
# with a secret OpenPGP key, both are signed (DOCKLINE_SIGN_GPG_PASSWORD_FILE: a file with its password, where it has one).
set -euo pipefail
cd "$(dirname "$0")/../.."
product=$1 folder=$3 out=$5
export VERSION=$2 ARCH=$4 FROM
[ "$ARCH" = arm ] && ARCH=arm7
FROM=$(cd "$folder" && pwd)
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git show -s --format=%ct HEAD 2>/dev/null || echo 0)}
export SOURCE_DATE_EPOCH
nfpm=${NFPM:-.build/nfpm}
[ -x "$nfpm" ] || (cd installers/tools && go build -o "../../.build/nfpm" github.com/goreleaser/nfpm/v2/cmd/nfpm)
mkdir -p "$out" "$FROM/doc"
{
	printf 'Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\nUpstream-Name: Dockline\nSource: https://github.com/dockline/dockline\n\n'
	printf 'Files: *\nCopyright: 2026 the Dockline authors\nLicense: Apache-2.0\n On Debian systems its text is in /usr/share/common-licenses/Apache-2.0.\n'
} >"$FROM/doc/copyright"
{
	printf '%s (%s) unstable; urgency=medium\n\n  * See CHANGELOG.md of this version.\n\n' "dockline" "$VERSION"
	printf ' -- Dockline <dockline@example.com>  %s\n' "$(TZ=UTC LC_ALL=C date -d "@$SOURCE_DATE_EPOCH" '+%a, %d %b %Y %H:%M:%S +0000')"
} | gzip -9n >"$FROM/doc/changelog.gz"
scripts=$(mktemp -d)
trap 'rm -rf "$scripts"' EXIT
config=$scripts/nfpm.yaml
sed "s|SCRIPTS|$scripts|" "installers/linux/$product.yaml" >"$config"
# One set of maintainer scripts for both services; what only one of them does before its first start is its own.
if [ "$product" != site-packages ]; then
	user=dockline
	[ "$product" = agent ] || user=dockline-$product
	for script in postinst prerm postrm; do
		sed -e "/^#SETUP$/{r installers/linux/$product-setup.sh
d}" "installers/linux/$script.sh" | sed "s|@PRODUCT@|$product|g; s|@USER@|$user|g" >"$scripts/$script.sh"
	done
fi
if [ -n "${DOCKLINE_SIGN_GPG:-}" ]; then
	[ -z "${DOCKLINE_SIGN_GPG_PASSWORD_FILE:-}" ] || NFPM_PASSPHRASE=$(cat "$DOCKLINE_SIGN_GPG_PASSWORD_FILE")
	export NFPM_PASSPHRASE
	sed -i "s|^deb: {|deb: {signature: {key_file: '$DOCKLINE_SIGN_GPG'}, |; s|^rpm: {|rpm: {signature: {key_file: '$DOCKLINE_SIGN_GPG'}, |" "$config"
fi
for kind in deb rpm; do
	"$nfpm" package --config "$config" --packager "$kind" --target "$out/"
done
