package statetest

import (
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Delayed is a carrier's word that goods will be late, of which it knows the tracking number only.
func Delayed(second int, key, tracking string) *docklinev1.Event {
	e := local(docklinev1.EventKind_EVENT_KIND_TRANSPORT_DELAYED, second, key, tracking)
	e.Source = "carrier"
	e.Payload = &docklinev1.Event_Transport{Transport: &docklinev1.Transport{Tracking: tracking, Carrier: "DHL", Cause: "snow"}}
	return finish(e)
}

// Tracked is a shipment that left under another tracking number than Shipment gives it, at one of its revisions.
func Tracked(second int, number, revision, tracking string, lines ...*docklinev1.Line) *docklinev1.Event {
	e := Shipment(second, number, lines...)
	e.SourceRevision, e.GetShipment().Tracking = revision, tracking
	return finish(e)
}

// InError declares that an event was told in error.
func InError(second int, key string, about *docklinev1.Event, corrective ...string) *docklinev1.Event {
	e := local(docklinev1.EventKind_EVENT_KIND_ERROR_DECLARED, second, key, about.GetSubject())
	e.Payload = &docklinev1.Event_ErrorDeclaration{ErrorDeclaration: &docklinev1.ErrorDeclaration{EventId: about.GetId(), Reason: "did_not_occur", CorrectiveEventIds: corrective}}
	return finish(e)
}
