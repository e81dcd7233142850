package eventtest

import docklinev1 "github.com/dockline/dockline/proto/dockline/v1"

func machinery() map[docklinev1.EventKind]*docklinev1.Event {
	notice := &docklinev1.Event_ExceptionNotice{ExceptionNotice: &docklinev1.ExceptionNotice{Number: 41, Class: docklinev1.FaultClass_FAULT_CLASS_PROCESS, Code: "short_pick", Severity: "error",
		State: "open", Title: "Short pick", Text: "order SO00017, line 1: 7.5 EA are missing", Team: "operations", DueAt: Stamp(14400), Order: "SO00017", Customer: "C-1", EventIds: []string{"id"}}}
	return map[docklinev1.EventKind]*docklinev1.Event{
		docklinev1.EventKind_EVENT_KIND_STREAM_GAP:       {Payload: &docklinev1.Event_StreamGap{StreamGap: &docklinev1.StreamGap{Epoch: "0a0b", FirstSeq: 7, LastSeq: 9, Reason: "damaged page"}}},
		docklinev1.EventKind_EVENT_KIND_POLICY_ACTIVATED: {Payload: &docklinev1.Event_PolicyActivated{PolicyActivated: &docklinev1.PolicyActivated{Version: "abc123"}}},
		docklinev1.EventKind_EVENT_KIND_COMMAND_COMPLETED: {Payload: &docklinev1.Event_CommandResult{CommandResult: &docklinev1.CommandResult{Key: "release/SO00017", Version: 2,
			Outcome: docklinev1.CommandOutcome_COMMAND_OUTCOME_REFUSED, Class: docklinev1.FaultClass_FAULT_CLASS_PROCESS, Text: "order is closed"}}},
		docklinev1.EventKind_EVENT_KIND_RECORD_REFUSED: {Payload: &docklinev1.Event_DeadLetter{DeadLetter: &docklinev1.DeadLetter{Class: docklinev1.FaultClass_FAULT_CLASS_DATA, Code: "number_format",
			Text: "picks.csv, line 7, column qty: \"x\" is not a number", File: "picks.csv", Line: 7, Column: "qty", Raw: []byte("SO00017;x\n"), RefusedEvent: []byte{1, 2}}}},
		docklinev1.EventKind_EVENT_KIND_MILESTONE_CHANGED: {Payload: &docklinev1.Event_MilestoneChange{MilestoneChange: &docklinev1.MilestoneChange{Key: "order/SO00017", Name: "shipped",
			Action: "extend", Reason: "the customer takes it a day later", Until: Stamp(86400), Seconds: 3600}}},
		docklinev1.EventKind_EVENT_KIND_EXCEPTION_DECIDED: {Payload: &docklinev1.Event_Decision{Decision: &docklinev1.Decision{Key: "order/SO00017", Action: "approve", About: "over_shipped", ToSite: "dc-west",
			Reason: "the customer takes all of it", Subject: "dc-east SH-1", Site: "dc-east", Outcome: "keep", Exception: 41,
			Lines: []*docklinev1.Line{Line()}}}},
		docklinev1.EventKind_EVENT_KIND_RECORD_SETTLED: {Payload: &docklinev1.Event_RecordSettlement{RecordSettlement: &docklinev1.RecordSettlement{
			EventId: "5c8f0c1e9d7a4b3f8e6d2c1b0a99887766554433221100ffeeddccbbaa998877", Key: "record/dc-east/wms/PICK-4711", Outcome: "requeued", Reason: "the quantity was 5",
			CorrectedBy: "a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f90"}}},
		docklinev1.EventKind_EVENT_KIND_ERROR_DECLARED: {Payload: &docklinev1.Event_ErrorDeclaration{ErrorDeclaration: &docklinev1.ErrorDeclaration{
			EventId: "5c8f0c1e9d7a4b3f8e6d2c1b0a99887766554433221100ffeeddccbbaa998877", Reason: "incorrect_data",
			CorrectiveEventIds: []string{"a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f90"}}}},
		docklinev1.EventKind_EVENT_KIND_EXCEPTION_OPENED:   {Payload: notice},
		docklinev1.EventKind_EVENT_KIND_EXCEPTION_CHANGED:  {Payload: notice},
		docklinev1.EventKind_EVENT_KIND_EXCEPTION_RESOLVED: {Payload: notice},
		docklinev1.EventKind_EVENT_KIND_AGENT_HEALTH: {Payload: &docklinev1.Event_AgentHealth{AgentHealth: &docklinev1.AgentHealth{Status: "unhealthy", Backlog: 4711, OldestAt: Stamp(-600),
			DiskFree: 1 << 30, Conditions: []string{"broker_unreachable", "clock_skew"}}}},
	}
}
