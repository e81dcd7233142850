#!/bin/sh
# Before the files of dockline-@PRODUCT@ go. deb: remove, or upgrade NEW-VERSION; rpm: 0 at a removal, 1 at an upgrade, which goes on with the new files.
set -e
case "$1" in
remove | 0) ;;
*) exit 0 ;;
esac
[ -d /run/systemd/system ] || exit 0
# An installation after this one goes on where it stood.
if systemctl is-enabled --quiet dockline-@PRODUCT@.service; then
	touch /etc/dockline/.@PRODUCT@-enabled
fi
systemctl disable --now dockline-@PRODUCT@.service
