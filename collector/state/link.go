package state

import (
	"cmp"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// Link says that what is told of Key concerns PartOf: a tracking number belongs to a shipment, a shipment to an order.
type Link struct {
	Key, PartOf string
}

// maxCrossed bounds the links between what an event names at its head and what it names in its lines: beyond it, names lead to the shipment
// only, and what is told of one handling unit of very many does not reach each of very many orders.
const maxCrossed = 1000

// Links is what an event says belongs together. Each PartOf is one of the event's own keys, so the facts of that key say whether the link
// still holds. Links are direct: a tracking number leads to the order at once, not by way of its shipment.
func Links(e *docklinev1.Event) []Link {
	l := links{}
	switch p := e.GetPayload().(type) {
	case *docklinev1.Event_Pick, *docklinev1.Event_Count:
		return nil
	case *docklinev1.Event_Pack:
		l.pack(e, p.Pack)
	case *docklinev1.Event_Shipment:
		l.shipment(e, p.Shipment)
	case *docklinev1.Event_Load:
		l.load(e, p.Load)
	case *docklinev1.Event_Transport, *docklinev1.Event_Delivery:
		l.carried(carriedBy(e))
	case *docklinev1.Event_Inbound:
		l.inbound(e.GetSite(), p.Inbound)
	case *docklinev1.Event_ReturnAuthorisation:
		l.authorisation(e, p.ReturnAuthorisation)
	case *docklinev1.Event_Return:
		l.returned(e.GetSite(), p.Return)
	case *docklinev1.Event_ReturnDecision:
		if d := p.ReturnDecision; d.GetNumber() == "" && d.GetOrder() != "" { // goods that are taken for an order
			l.join([]string{event.BlindReturnKey(cmp.Or(d.GetReceiptSite(), e.GetSite()), d.GetReceipt())}, event.OrderKey(d.GetOrder()))
		}
	default:
		l.ofOrder(e)
	}
	return l.list
}

// links gathers links, each once and none from a key to itself.
type links struct {
	list []Link
	seen map[Link]bool
}

// join links each key to each that it is part of; "" is none.
func (l *links) join(keys []string, partOf ...string) {
	if l.seen == nil {
		l.seen = make(map[Link]bool)
	}
	for _, key := range keys {
		for _, whole := range partOf {
			link := Link{key, whole}
			if key != "" && whole != "" && key != whole && !l.seen[link] {
				l.seen[link] = true
				l.list = append(l.list, link)
			}
		}
	}
}

// name links a name to what it is a name of.
func (l *links) name(kind, value string, partOf ...string) {
	if value != "" {
		l.join([]string{event.ReferenceKey(kind, value)}, partOf...)
	}
}

func (l *links) ofOrder(e *docklinev1.Event) {
	switch p := e.GetPayload().(type) {
	case *docklinev1.Event_Order:
		key := event.OrderKey(p.Order.GetNumber())
		if e.GetKind() == docklinev1.EventKind_EVENT_KIND_ORDER_SUBMITTED {
			key = event.SubmissionKey(p.Order.GetNumber())
		}
		l.name(event.ReferenceOrder, p.Order.GetNumber(), key)
		l.name(event.ReferenceCustomer, p.Order.GetCustomerReference(), key)
	case *docklinev1.Event_OrderCancelled:
		l.name(event.ReferenceOrder, p.OrderCancelled.GetNumber(), event.OrderKey(p.OrderCancelled.GetNumber()))
	case *docklinev1.Event_Quote:
		l.name(event.ReferenceQuote, p.Quote.GetNumber(), orderKey(p.Quote.GetOrder()))
	case *docklinev1.Event_Invoice:
		l.name(event.ReferenceInvoice, p.Invoice.GetNumber(), ordersNamed(p.Invoice.GetOrder(), p.Invoice.GetLines())...)
	case *docklinev1.Event_InvoiceVoid:
		l.name(event.ReferenceInvoice, p.InvoiceVoid.GetNumber(), orderKey(p.InvoiceVoid.GetOrder()))
	case *docklinev1.Event_CreditMemo:
		orders := ordersNamed(p.CreditMemo.GetOrder(), p.CreditMemo.GetLines())
		l.name(event.ReferenceCreditMemo, p.CreditMemo.GetNumber(), orders...)
		l.name(event.ReferenceInvoice, p.CreditMemo.GetInvoice(), orders...)
		for _, number := range p.CreditMemo.GetReturns() {
			l.name(event.ReferenceCreditMemo, p.CreditMemo.GetNumber(), event.ReturnKey(number))
			l.join([]string{event.ReturnKey(number)}, orders...)
		}
	}
}

// ordersNamed is the keys of an order and of those that lines name.
func ordersNamed(number string, lines []*docklinev1.Line) []string {
	var keys []string
	if number != "" {
		keys = append(keys, event.OrderKey(number))
	}
	for _, order := range ordersOf(lines) {
		if order != number {
			keys = append(keys, event.OrderKey(order))
		}
	}
	return keys
}

func (l *links) pack(e *docklinev1.Event, p *docklinev1.Pack) {
	if e.GetKind() != docklinev1.EventKind_EVENT_KIND_PACK_CONFIRMED {
		return // goods that were taken out again are in nothing
	}
	for _, line := range p.GetLines() {
		l.name(event.ReferenceUnit, cmp.Or(line.GetHandlingUnit(), p.GetHandlingUnit()), orderKey(line.GetOrder()))
	}
	l.cross(named(event.ReferenceUnit, append([]string{p.GetHandlingUnit()}, p.GetChildren()...)...), ordersNamed("", p.GetLines()))
}

// cross links each of some names to each of some keys, unless they are too many.
func (l *links) cross(names, partOf []string) {
	if len(names)*len(partOf) <= maxCrossed {
		l.join(names, partOf...)
	}
}

// named is the keys of names.
func named(kind string, values ...string) []string {
	var keys []string
	for _, value := range values {
		if value != "" {
			keys = append(keys, event.ReferenceKey(kind, value))
		}
	}
	return keys
}
