#!/bin/sh
# After the collector's files are in place. deb: configure [OLD-VERSION]; rpm: 1 at the first installation, 2 at an upgrade.
set -e
case "$1" in
configure) old=$2 ;;
1) old= ;;
2) old=yes ;;
*) exit 0 ;;
esac
if ! getent passwd dockline-collector >/dev/null; then
	useradd --system --user-group --no-create-home --home-dir /var/lib/dockline-collector --shell /usr/sbin/nologin dockline-collector
fi
install -d -m 0750 -o dockline-collector -g dockline-collector /var/lib/dockline-collector
if [ ! -e /etc/dockline/collector.yaml ]; then
	dockline-collector init --config /etc/dockline/collector.yaml --data-dir /var/lib/dockline-collector >/dev/null
fi
# It may hold the way to passwords: the collector reads it, others do not.
chown root:dockline-collector /etc/dockline/collector.yaml
chmod 0640 /etc/dockline/collector.yaml
[ -d /run/systemd/system ] || exit 0
systemctl daemon-reload

# The package is installed whether or not its service comes up: a fault in the configuration is for a person, not for the package manager.
unwell() { echo "dockline-collector does not start: journalctl -u dockline-collector says why." >&2; }
begin() {
	systemctl enable dockline-collector.service
	systemctl restart dockline-collector.service || unwell
}
if [ -e /etc/dockline/.collector-enabled ]; then
	rm /etc/dockline/.collector-enabled
	begin
elif [ -n "$old" ]; then
	systemctl try-restart dockline-collector.service || unwell
else
	begin
	echo "dockline-collector runs, for this machine only. Next: mqtt.listen and mqtt.hosts in /etc/dockline/collector.yaml, then systemctl restart dockline-collector."
fi
