#!/bin/sh
# After the collector's files are gone. A removal keeps configuration, database and the authority of all sites; purge takes them away too.
set -e
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
fi
[ "$1" = purge ] || exit 0
rm -rf /var/lib/dockline-collector /etc/dockline/collector.yaml /etc/dockline/collector.yaml.* /etc/dockline/.collector-enabled /etc/systemd/system/dockline-collector.service.d
rmdir --ignore-fail-on-non-empty /etc/dockline 2>/dev/null || true
if getent passwd dockline-collector >/dev/null; then
	userdel dockline-collector
fi
