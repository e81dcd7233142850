first() {
	if [ -e /etc/dockline/agent.yaml ]; then
		begin
	else
		echo "dockline-agent is installed. Next: dockline-agent enrol, with what 'dockline-collector site add' has printed."
	fi
}
