package state

import (
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// touches gathers the keys of one event, each once.
type touches struct {
	event *docklinev1.Event
	list  []Touch
	seen  map[string]bool
}

func newTouches(e *docklinev1.Event) *touches {
	return &touches{event: e, seen: map[string]bool{"": true}}
}

// part gives a key a part of the event.
func (t *touches) part(key string, part *docklinev1.Event) {
	if !t.seen[key] {
		t.seen[key] = true
		t.list = append(t.list, Touch{key, part})
	}
}

// whole gives keys the whole event; "" is none.
func (t *touches) whole(keys ...string) {
	for _, key := range keys {
		t.part(key, t.event)
	}
}

// lines gives each key that keyOf finds the event with its lines.
func (t *touches) lines(lines []*docklinev1.Line, keyOf func(*docklinev1.Line) string) {
	for _, touch := range byLine(t.event, lines, keyOf) {
		t.part(touch.Key, touch.Event)
	}
}

// ofOrder is the keys of what concerns orders alone. A submitted order has no number of the system of record yet. One that came of it names
// it as the customer's reference, so that what is told of the one settles the other.
func (t *touches) ofOrder() bool {
	switch p := t.event.GetPayload().(type) {
	case *docklinev1.Event_Order:
		if t.event.GetKind() == docklinev1.EventKind_EVENT_KIND_ORDER_SUBMITTED {
			t.whole(event.SubmissionKey(p.Order.GetNumber()))
			break
		}
		t.whole(event.OrderKey(p.Order.GetNumber()))
		if reference := p.Order.GetCustomerReference(); reference != "" {
			t.part(event.SubmissionKey(reference), event.WithLines(t.event, ordered(p.Order.GetLines())))
		}
	case *docklinev1.Event_OrderCancelled:
		t.whole(event.OrderKey(p.OrderCancelled.GetNumber()))
	case *docklinev1.Event_OrderReleased:
		t.whole(event.OrderKey(p.OrderReleased.GetNumber()))
	case *docklinev1.Event_CancelRequest:
		t.whole(event.OrderKey(p.CancelRequest.GetNumber()))
	case *docklinev1.Event_Hold:
		t.whole(event.OrderKey(p.Hold.GetNumber()))
	case *docklinev1.Event_Backorder:
		t.lines(p.Backorder.GetLines(), orderKeyOf)
	case *docklinev1.Event_Quote:
		t.whole(orderOrName(p.Quote.GetOrder(), event.ReferenceQuote, p.Quote.GetNumber())...)
	case *docklinev1.Event_Invoice:
		t.whole(orderKey(p.Invoice.GetOrder()))
		t.lines(p.Invoice.GetLines(), orderKeyOf)
	case *docklinev1.Event_InvoiceVoid:
		t.whole(orderOrName(p.InvoiceVoid.GetOrder(), event.ReferenceInvoice, p.InvoiceVoid.GetNumber())...)
	case *docklinev1.Event_CreditMemo:
		t.creditMemo(p.CreditMemo)
	default:
		return false
	}
	return true
}

// creditMemo: one that names no order is found by the invoice that it credits; what came back without an RMA by the request that it answers.
func (t *touches) creditMemo(c *docklinev1.CreditMemo) {
	t.whole(orderKey(c.GetOrder()))
	t.lines(c.GetLines(), orderKeyOf)
	orders := len(t.list)
	for _, number := range c.GetReturns() {
		t.whole(event.ReturnKey(number))
	}
	if len(c.GetReturns()) == 0 {
		t.whole(blindReturnOf(c.GetRequest()))
	}
	if orders == 0 && c.GetInvoice() != "" {
		t.whole(event.ReferenceKey(event.ReferenceInvoice, c.GetInvoice()))
	}
}

// BlindPosting begins the keys of what is posted of goods that came back without an RMA: blind/SITE/RECEIPT/credit/RECORD.
const BlindPosting = "blind"

// blindReturnOf is the key of the goods without an RMA that a request for credit was about, "" where it was about others.
func blindReturnOf(request string) string {
	kind, parts, err := event.ParseKey(request)
	if err != nil || kind != BlindPosting || len(parts) < 4 || parts[2] != "credit" {
		return ""
	}
	return event.BlindReturnKey(parts[0], parts[1])
}

// orderOrName is the key of an order where it is named, else that of the name by which it can be found.
func orderOrName(order, kind, name string) []string {
	if order != "" {
		return []string{event.OrderKey(order)}
	}
	return []string{referenceKey(kind, name)}
}

func orderKey(number string) string {
	if number == "" {
		return ""
	}
	return event.OrderKey(number)
}

// referenceKey is the key of a name, "" where there is none.
func referenceKey(kind, value string) string {
	if value == "" {
		return ""
	}
	return event.ReferenceKey(kind, value)
}

// ordered is what lines say of how much of what is ordered, which is what an order that was handed in is held against.
func ordered(lines []*docklinev1.Line) []*docklinev1.Line {
	out := make([]*docklinev1.Line, len(lines))
	for i, l := range lines {
		out[i] = &docklinev1.Line{Item: l.GetItem(), Gtin: l.GetGtin(), Quantity: l.GetQuantity()}
	}
	return out
}
