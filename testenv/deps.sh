#!/usr/bin/env bash
# Installs with apt-get what the tests start: brokers, databases, the ERP, a browser. Prints what it installs and what it could not.
set -u
packages="mosquitto postgresql python3-psycopg2 tryton-server tryton-proteus tryton-modules-sale-credit-limit
tryton-modules-sale-opportunity tryton-modules-stock-lot tryton-modules-stock-package chromium systemd-container systemd-sysv dbus curl rpm lintian rpmlint binutils gnupg strace
mariadb-server-core wine wine64 binutils-mingw-w64-x86-64 wixl msitools osslsigncode python3-grpcio python3-protobuf python3-yaml protobuf-compiler libprotobuf-dev openssh-server
qemu-user-static"
missing=""
for p in $packages; do
	dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q '^install ok installed$' || missing="$missing $p"
done
[ -n "$missing" ] || exit 0
if ! command -v apt-get >/dev/null || [ "$(id -u)" != 0 ]; then
	echo "make deps: not installed, and this user may not install them:$missing" >&2
	echo "make deps: tests that need them are skipped and counted" >&2
	exit 0
fi
echo "make deps: installing$missing"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq || echo "make deps: package lists could not be renewed" >&2
install() { apt-get install -qq -y --no-install-recommends -o DPkg::Lock::Timeout=600 "$@" >/dev/null; }
# PostgreSQL's package would start a cluster of its own; tests make theirs.
case "$missing" in *postgresql*)
	install postgresql-common && sed -i 's/^#\?create_main_cluster.*/create_main_cluster = false/' /etc/postgresql-common/createcluster.conf ;;
esac
if ! install $missing; then
	for p in $missing; do install "$p" || echo "make deps: could not install $p: its tests are skipped and counted" >&2; done
fi
# Tests start a server of their own; the system's is not wanted.
case "$missing" in *openssh-server*) rm -f /etc/systemd/system/sshd.service /etc/systemd/system/multi-user.target.wants/ssh.service ;; esac
exit 0
