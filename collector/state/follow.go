package state

import (
	"slices"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// Follows tells whether a fact of this kind says something to what its key is part of. A departure does not: whom it concerns it names. All
// kinds of one record must be alike, since one may correct another.
func Follows(kind docklinev1.EventKind) bool {
	switch kind {
	case docklinev1.EventKind_EVENT_KIND_SHIPMENT_VOIDED,
		docklinev1.EventKind_EVENT_KIND_LOAD_STAGED, docklinev1.EventKind_EVENT_KIND_LOAD_LOADED, docklinev1.EventKind_EVENT_KIND_TRAILER_SEALED,
		docklinev1.EventKind_EVENT_KIND_TRANSPORT_MILESTONE, docklinev1.EventKind_EVENT_KIND_TRANSPORT_DELAYED, docklinev1.EventKind_EVENT_KIND_TRANSPORT_REFUSED,
		docklinev1.EventKind_EVENT_KIND_TRANSPORT_LOST, docklinev1.EventKind_EVENT_KIND_TRANSPORT_DAMAGED, docklinev1.EventKind_EVENT_KIND_DELIVERY_PROVED,
		docklinev1.EventKind_EVENT_KIND_INBOUND_ADVISED, docklinev1.EventKind_EVENT_KIND_RECEIPT_ARRIVED, docklinev1.EventKind_EVENT_KIND_RECEIPT_RECEIVED,
		docklinev1.EventKind_EVENT_KIND_RECEIPT_DISCREPANCY,
		docklinev1.EventKind_EVENT_KIND_STOCK_DAMAGED,
		docklinev1.EventKind_EVENT_KIND_RETURN_REQUESTED, docklinev1.EventKind_EVENT_KIND_RETURN_AUTHORISED, docklinev1.EventKind_EVENT_KIND_RETURN_DENIED,
		docklinev1.EventKind_EVENT_KIND_RETURN_CANCELLED, docklinev1.EventKind_EVENT_KIND_RETURN_RECEIVED, docklinev1.EventKind_EVENT_KIND_RETURN_INSPECTED,
		docklinev1.EventKind_EVENT_KIND_RETURN_DISPOSED, docklinev1.EventKind_EVENT_KIND_RETURN_DECIDED,
		docklinev1.EventKind_EVENT_KIND_INVOICE_VOIDED, docklinev1.EventKind_EVENT_KIND_CREDIT_MEMO_POSTED, docklinev1.EventKind_EVENT_KIND_QUOTE_APPROVED,
		docklinev1.EventKind_EVENT_KIND_ERROR_DECLARED:
		return true
	}
	return false
}

// Carries tells whether facts may be filed under a key that others are linked to. Names of orders, returns, credit memos, trailers, seals, claims and receipts only serve to find them: what is told of
// those names them itself.
func Carries(key string) bool {
	kind, parts, err := event.ParseKey(key)
	if err != nil || kind != KindReference {
		return err == nil
	}
	switch parts[0] {
	case event.ReferenceOrder, event.ReferenceCustomer, event.ReferenceReturn, event.ReferenceCreditMemo,
		event.ReferenceTrailer, event.ReferenceSeal, event.ReferenceClaim, event.ReferenceReceipt:
		return false
	}
	return true
}

// Awaited tells whether a fact under a name waits for something that may be long in coming, or never: an advice for its goods, a quote for its order.
func Awaited(kind docklinev1.EventKind) bool {
	return kind == docklinev1.EventKind_EVENT_KIND_INBOUND_ADVISED || kind == docklinev1.EventKind_EVENT_KIND_QUOTE_APPROVED
}

// Concerning is the part of a linked fact that concerns a key: of lines that name orders an order sees its own. ok is false where that is
// nothing.
func Concerning(key string, e *docklinev1.Event) (part *docklinev1.Event, ok bool) {
	kind, parts, err := event.ParseKey(key)
	lines := event.Lines(e)
	if err != nil || kind != KindOrder || e.GetInbound() != nil || !slices.ContainsFunc(lines, func(l *docklinev1.Line) bool { return l.GetOrder() != "" }) {
		return e, true
	}
	own := slices.DeleteFunc(slices.Clone(lines), func(l *docklinev1.Line) bool { return l.GetOrder() != "" && l.GetOrder() != parts[0] })
	switch len(own) {
	case 0:
		return nil, false
	case len(lines):
		return e, true
	}
	return event.WithLines(e, own), true
}

// Order is the order that an event belongs to, "" where it is about none, about several, or does not name it.
func Order(e *docklinev1.Event) string {
	switch p := e.GetPayload().(type) {
	case *docklinev1.Event_Order:
		if e.GetKind() == docklinev1.EventKind_EVENT_KIND_ORDER_SUBMITTED {
			return "" // its number is not one of the system of record
		}
		return p.Order.GetNumber()
	case *docklinev1.Event_OrderCancelled:
		return p.OrderCancelled.GetNumber()
	case *docklinev1.Event_OrderReleased:
		return p.OrderReleased.GetNumber()
	case *docklinev1.Event_CancelRequest:
		return p.CancelRequest.GetNumber()
	case *docklinev1.Event_Hold:
		return p.Hold.GetNumber()
	case *docklinev1.Event_CommandResult:
		order, ok := orderOfCommand(p.CommandResult.GetKey())
		if ok {
			return order
		}
		return ""
	case *docklinev1.Event_Count, *docklinev1.Event_StockSnapshot, *docklinev1.Event_Inbound, *docklinev1.Event_Transformation, *docklinev1.Event_ExceptionNotice:
		return "" // their lines name purchase and work orders, if any
	}
	named, _ := event.Payload(e).(interface{ GetOrder() string })
	number := ""
	if named != nil {
		number = named.GetOrder()
	}
	orders := ordersOf(event.Lines(e))
	switch {
	case len(orders) == 0:
		return number
	case len(orders) == 1 && (number == "" || number == orders[0]):
		return orders[0]
	}
	return ""
}
