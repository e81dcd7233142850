package agent

import (
	"golang.org/x/sys/windows/svc/eventlog"

	"github.com/dockline/dockline/agent/service"
)

// refusedEvent is the number under which the event log has what was refused of a configuration.
const refusedEvent = 21

// reportEvent puts an error into the system's event log, where an administrator looks first. The log has it in any case.
func reportEvent(text string) {
	l, err := eventlog.Open(service.Name)
	if err != nil {
		return
	}
	defer l.Close()
	_ = l.Error(refusedEvent, text) // the agent's own log and the answer to the centre say it too
}
