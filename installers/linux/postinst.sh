#!/bin/sh
# After the files of dockline-@PRODUCT@ are in place. deb: configure [OLD-VERSION]; rpm: 1 at the first installation, 2 at an upgrade.
set -e
case "$1" in
configure) old=$2 ;;
1) old= ;;
2) old=yes ;;
*) exit 0 ;;
esac
if ! getent passwd @USER@ >/dev/null; then
	useradd --system --user-group --no-create-home --home-dir /var/lib/dockline-@PRODUCT@ --shell /usr/sbin/nologin @USER@
fi
install -d -m 0750 -o @USER@ -g @USER@ /var/lib/dockline-@PRODUCT@

# The package is installed whether or not its service comes up: a fault in the configuration is for a person, not for the package manager.
unwell() { echo "dockline-@PRODUCT@ does not start: journalctl -u dockline-@PRODUCT@ says why." >&2; }
begin() {
	systemctl enable dockline-@PRODUCT@.service
	systemctl restart dockline-@PRODUCT@.service || unwell
}
#SETUP
[ -d /run/systemd/system ] || exit 0
systemctl daemon-reload
if [ -e /etc/systemd/system/dockline-@PRODUCT@.service ]; then
	echo "/etc/systemd/system/dockline-@PRODUCT@.service hides the package's unit. To use the package's: remove it, systemctl daemon-reload, systemctl restart dockline-@PRODUCT@." >&2
fi
if [ -e /etc/dockline/.@PRODUCT@-enabled ]; then # it was removed, and goes on where it stood
	rm /etc/dockline/.@PRODUCT@-enabled
	begin
elif [ -n "$old" ]; then
	# What runs is replaced by the new one; what somebody has stopped stays so.
	systemctl try-restart dockline-@PRODUCT@.service || unwell
else
	first
fi
