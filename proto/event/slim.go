package event

import docklinev1 "github.com/dockline/dockline/proto/dockline/v1"

// Slim takes id and traceparent out of an event where both follow from its other fields. They are hashes, which no compression makes
// smaller: half of what an event takes in a pack. Restore puts them back.
func Slim(e *docklinev1.Event) {
	if e.GetId() == "" || e.GetSourceKey() == "" || e.GetId() != idOf(e) || e.GetTraceparent() != TraceparentOf(e) {
		return
	}
	e.Id, e.Traceparent = "", ""
}

// Restore puts back what Slim has taken out. An event that has an id stays as it is.
func Restore(e *docklinev1.Event) {
	if e.GetId() != "" || e.GetSourceKey() == "" {
		return
	}
	e.Id = idOf(e)
	e.Traceparent = TraceparentOf(e)
}

// IDOf is the id of an event, also where Slim has taken it out.
func IDOf(e *docklinev1.Event) string {
	if e.GetId() != "" || e.GetSourceKey() == "" {
		return e.GetId()
	}
	return idOf(e)
}

// idOf is the id of the cause that the event states.
func idOf(e *docklinev1.Event) string {
	return ID(Cause{Tenant: e.GetTenant(), Site: e.GetSite(), Source: e.GetSource(), SourceKey: e.GetSourceKey(), Revision: e.GetSourceRevision(),
		ContentHash: e.GetContentHash(), Kind: KindName(e.GetKind()), Ordinal: e.GetOrdinal()})
}

// TraceparentOf is the trace context of an event that has its id: the trace of an order has one id from scan to document; what belongs
// to no order has a trace of its own.
func TraceparentOf(e *docklinev1.Event) string {
	trace := e.GetId()
	if order := OrderOf(e); order != "" {
		trace = CorrelationID(e.GetTenant(), order)
	}
	return Traceparent(trace, e.GetId())
}

// OrderOf is the sales order that an event belongs to, "" where it names none; of several, the first.
func OrderOf(e *docklinev1.Event) string {
	switch p := Payload(e).(type) {
	case *docklinev1.Order:
		return p.GetNumber()
	case *docklinev1.OrderCancelled:
		return p.GetNumber()
	case *docklinev1.OrderReleased:
		return p.GetNumber()
	case *docklinev1.CancelRequest:
		return p.GetNumber()
	case *docklinev1.Hold:
		return p.GetNumber()
	case *docklinev1.Count, *docklinev1.StockSnapshot, *docklinev1.Inbound, *docklinev1.Transformation: // their lines name purchase and work orders, if any
		return ""
	case interface{ GetOrder() string }:
		if p.GetOrder() != "" {
			return p.GetOrder()
		}
	}
	for _, line := range Lines(e) {
		if line.GetOrder() != "" {
			return line.GetOrder()
		}
	}
	return ""
}
