if [ ! -e /etc/dockline/collector.yaml ]; then
	dockline-collector init --config /etc/dockline/collector.yaml --data-dir /var/lib/dockline-collector >/dev/null
fi
# It may hold the way to passwords: the collector reads it, others do not.
chown root:@USER@ /etc/dockline/collector.yaml
chmod 0640 /etc/dockline/collector.yaml
first() {
	begin
	echo "dockline-collector runs, for this machine only. Next: mqtt.listen and mqtt.hosts in /etc/dockline/collector.yaml, then systemctl restart dockline-collector."
}
