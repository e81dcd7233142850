package event

import docklinev1 "github.com/dockline/dockline/proto/dockline/v1"

// machineRules: what is told of events, of the machinery and of exceptions.
var machineRules = map[docklinev1.EventKind]rule{
	docklinev1.EventKind_EVENT_KIND_COMMAND_COMPLETED: {payload: "command_result", needs: []string{"key"}, also: validResult},
	docklinev1.EventKind_EVENT_KIND_STREAM_GAP:        {payload: "stream_gap", needs: []string{"epoch"}, also: validGap},
	docklinev1.EventKind_EVENT_KIND_RECORD_REFUSED:    {payload: "dead_letter", needs: []string{"code", "text"}},
	docklinev1.EventKind_EVENT_KIND_POLICY_ACTIVATED:  {payload: "policy_activated", needs: []string{"version"}},
	docklinev1.EventKind_EVENT_KIND_MILESTONE_CHANGED: {payload: "milestone_change", needs: []string{"key", "name", "action", "reason"},
		words: map[string][]string{"action": {"signal", "reset", "extend", "pause", "resume", "stop"}}},
	docklinev1.EventKind_EVENT_KIND_EXCEPTION_DECIDED: {payload: "decision", needs: []string{"key", "action", "about", "reason"},
		words: map[string][]string{"action": {"approve", "substitute", "split", "move"}, "outcome": {"keep", "cancel", "split"}}},
	docklinev1.EventKind_EVENT_KIND_RECORD_SETTLED: {payload: "record_settlement", needs: []string{"event_id", "key", "outcome", "reason"},
		words: map[string][]string{"outcome": {"requeued", "discarded"}}},
	docklinev1.EventKind_EVENT_KIND_ERROR_DECLARED: {payload: "error_declaration", needs: []string{"event_id", "reason"},
		words: map[string][]string{"reason": {"did_not_occur", "incorrect_data"}}},
	docklinev1.EventKind_EVENT_KIND_EXCEPTION_OPENED:   {payload: "exception_notice", needs: []string{"number", "code", "title"}},
	docklinev1.EventKind_EVENT_KIND_EXCEPTION_CHANGED:  {payload: "exception_notice", needs: []string{"number", "code", "title"}},
	docklinev1.EventKind_EVENT_KIND_EXCEPTION_RESOLVED: {payload: "exception_notice", needs: []string{"number", "code", "title"}},
	docklinev1.EventKind_EVENT_KIND_AGENT_HEALTH: {payload: "agent_health", needs: []string{"status"},
		words: map[string][]string{"status": {"healthy", "unhealthy", "offline"}}},
}

func validResult(e *docklinev1.Event) *Fault {
	r := e.GetCommandResult()
	if r.GetOutcome() == docklinev1.CommandOutcome_COMMAND_OUTCOME_UNSPECIFIED {
		return dataFault("outcome_missing", "the result of command %s says no outcome", r.GetKey())
	}
	return nil
}

func validGap(e *docklinev1.Event) *Fault {
	g := e.GetStreamGap()
	if g.GetFirstSeq() == 0 || g.GetLastSeq() < g.GetFirstSeq() {
		return dataFault("range_implausible", "a gap from %d to %d is none", g.GetFirstSeq(), g.GetLastSeq())
	}
	return nil
}
