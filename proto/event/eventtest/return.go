package eventtest

import docklinev1 "github.com/dockline/dockline/proto/dockline/v1"

func returns() map[docklinev1.EventKind]*docklinev1.Event {
	lines := []*docklinev1.Line{Line()}
	authorisation := &docklinev1.Event_ReturnAuthorisation{ReturnAuthorisation: &docklinev1.ReturnAuthorisation{Number: "RMA-7", Order: "SO00017", Shipments: []string{"SH-1"}, Customer: "C-1",
		Reason: "too short", Policy: "30 days", ExpiresAt: Stamp(86400 * 30), Tracking: "1Z999AA10123456800", Receipt: "RC-3", ReceiptSite: "dc-east", Site: "dc-east", Lines: lines}}
	back := &docklinev1.Event_Return{Return: &docklinev1.Return{Number: "RMA-7", Receipt: "RC-3", Order: "SO00017", Customer: "C-1", Tracking: "1Z999AA10123456800",
		Evidence: []string{"https://evidence.example/4.jpg"}, Lines: lines}}
	decided := &docklinev1.Event_ReturnDecision{ReturnDecision: &docklinev1.ReturnDecision{Number: "RMA-7", Receipt: "RC-3", ReceiptSite: "dc-east", Decision: "credit",
		Reason: "the customer was promised it", Order: "SO00017", Customer: "C-1", Lines: lines}}
	return map[docklinev1.EventKind]*docklinev1.Event{
		docklinev1.EventKind_EVENT_KIND_RETURN_REQUESTED:  {Payload: authorisation},
		docklinev1.EventKind_EVENT_KIND_RETURN_AUTHORISED: {Payload: authorisation},
		docklinev1.EventKind_EVENT_KIND_RETURN_DENIED:     {Payload: authorisation},
		docklinev1.EventKind_EVENT_KIND_RETURN_CANCELLED:  {Payload: authorisation},
		docklinev1.EventKind_EVENT_KIND_RETURN_RECEIVED:   {Payload: back},
		docklinev1.EventKind_EVENT_KIND_RETURN_INSPECTED:  {Payload: back},
		docklinev1.EventKind_EVENT_KIND_RETURN_DISPOSED:   {Payload: back},
		docklinev1.EventKind_EVENT_KIND_RETURN_DECIDED:    {Payload: decided},
	}
}
