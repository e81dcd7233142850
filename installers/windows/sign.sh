#!/usr/bin/env bash
# sign.sh FILE...: signs programs and packages for Windows (Authenticode) in place, but for those that are signed, with osslsigncode and what the environment gives:
#   DOCKLINE_SIGN_CERT           certificate with its chain, PEM; without it nothing is signed, and that is said
#   DOCKLINE_SIGN_KEY            its key, PEM
#   DOCKLINE_SIGN_PASSWORD_FILE  a file with the key's password, where it has one
#   DOCKLINE_SIGN_TIMESTAMP      URL of a time stamp server (RFC 3161); without one signatures end with the certificate
set -euo pipefail
if [ -z "${DOCKLINE_SIGN_CERT:-}" ]; then
	for path in "$@"; do echo "unsigned: $(basename "$path") (DOCKLINE_SIGN_CERT is not set): Windows warns of it, nobody can tell who built it"; done
	exit 0
fi
[ -n "${DOCKLINE_SIGN_KEY:-}" ] || { echo "sign.sh: DOCKLINE_SIGN_CERT is set, DOCKLINE_SIGN_KEY is not" >&2; exit 2; }
command -v osslsigncode >/dev/null || { echo "sign.sh: osslsigncode is not installed: apt-get install osslsigncode" >&2; exit 1; }
options=(-certs "$DOCKLINE_SIGN_CERT" -key "$DOCKLINE_SIGN_KEY" -h sha256 -n "Dockline agent")
[ -z "${DOCKLINE_SIGN_PASSWORD_FILE:-}" ] || options+=(-readpass "$DOCKLINE_SIGN_PASSWORD_FILE")
[ -z "${DOCKLINE_SIGN_TIMESTAMP:-}" ] || options+=(-ts "$DOCKLINE_SIGN_TIMESTAMP")
for path in "$@"; do
	! osslsigncode extract-signature -in "$path" -out /dev/null >/dev/null 2>&1 || continue # was signed before
	osslsigncode sign "${options[@]}" -in "$path" -out "$path.signed" >/dev/null
	mv "$path.signed" "$path"
	echo "signed: $(basename "$path")"
done
