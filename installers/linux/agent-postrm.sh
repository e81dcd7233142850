#!/bin/sh
# After the agent's files are gone. A removal keeps configuration, journal and identity, so that an installation goes on where this one ended;
# purge takes them away too. An rpm is never purged: its README says what to remove by hand.
set -e
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
fi
[ "$1" = purge ] || exit 0
rm -rf /var/lib/dockline-agent /etc/dockline/agent.yaml /etc/dockline/agent.yaml.* /etc/dockline/.agent-enabled /etc/systemd/system/dockline-agent.service.d
rmdir --ignore-fail-on-non-empty /etc/dockline 2>/dev/null || true
if getent passwd dockline >/dev/null; then
	userdel dockline
fi
