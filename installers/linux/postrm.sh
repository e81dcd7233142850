#!/bin/sh
# After the files of dockline-@PRODUCT@ are gone. A removal keeps configuration, identities and data (an agent's journal, a collector's database), so that an
# installation goes on where this one ended; purge takes them away too. An rpm is never purged: docs/install.md says what to remove by hand.
set -e
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
fi
[ "$1" = purge ] || exit 0
rm -rf /var/lib/dockline-@PRODUCT@ /etc/dockline/@PRODUCT@.yaml /etc/dockline/@PRODUCT@.yaml.* /etc/dockline/.@PRODUCT@-enabled /etc/systemd/system/dockline-@PRODUCT@.service.d
rmdir --ignore-fail-on-non-empty /etc/dockline 2>/dev/null || true
if getent passwd @USER@ >/dev/null; then
	userdel @USER@
fi
