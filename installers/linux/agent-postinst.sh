#!/bin/sh
# After the agent's files are in place. deb: configure [OLD-VERSION]; rpm: 1 at the first installation, 2 at an upgrade.
set -e
case "$1" in
configure) old=$2 ;;
1) old= ;;
2) old=yes ;;
*) exit 0 ;;
esac
if ! getent passwd dockline >/dev/null; then
	useradd --system --user-group --no-create-home --home-dir /var/lib/dockline-agent --shell /usr/sbin/nologin dockline
fi
install -d -m 0750 -o dockline -g dockline /var/lib/dockline-agent
[ -d /run/systemd/system ] || exit 0
systemctl daemon-reload

# The package is installed whether or not its service comes up: a fault in the configuration is for a person, not for the package manager.
unwell() { echo "dockline-agent does not start: journalctl -u dockline-agent says why." >&2; }
begin() {
	systemctl enable dockline-agent.service
	systemctl restart dockline-agent.service || unwell
}
if [ -e /etc/dockline/.agent-enabled ]; then
	rm /etc/dockline/.agent-enabled
	begin
elif [ -n "$old" ]; then
	# What runs is replaced by the new one; what somebody has stopped stays so.
	systemctl try-restart dockline-agent.service || unwell
elif [ -e /etc/dockline/agent.yaml ]; then
	begin
else
	echo "dockline-agent is installed. Next: dockline-agent enrol, with what 'dockline-collector site add' has printed."
fi
