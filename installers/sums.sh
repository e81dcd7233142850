#!/usr/bin/env bash
# sums.sh FOLDER: writes FOLDER/SHA256SUMS of all files in it. With DOCKLINE_SIGN_GPG, a file with a secret OpenPGP key (DOCKLINE_SIGN_GPG_PASSWORD_FILE:
# a file with its password, where it has one), writes SHA256SUMS.asc too, a signature of it that stands alone.
set -euo pipefail
export LC_ALL=C # the order of names
cd "$1"
rm -f SHA256SUMS SHA256SUMS.asc
sums=$(sha256sum -- *)
printf '%s\n' "$sums" >SHA256SUMS
[ -n "${DOCKLINE_SIGN_GPG:-}" ] || exit 0
command -v gpg >/dev/null || { echo "sums.sh: gpg is not installed: apt-get install gnupg" >&2; exit 1; }
GNUPGHOME=$(mktemp -d)
export GNUPGHOME
trap 'gpgconf --kill all; rm -rf "$GNUPGHOME"' EXIT
gpg --batch --quiet --import "$DOCKLINE_SIGN_GPG"
password=()
[ -z "${DOCKLINE_SIGN_GPG_PASSWORD_FILE:-}" ] || password=(--pinentry-mode loopback --passphrase-file "$DOCKLINE_SIGN_GPG_PASSWORD_FILE")
gpg --batch --quiet "${password[@]}" --armor --detach-sign --output SHA256SUMS.asc SHA256SUMS
