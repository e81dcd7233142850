package state

import (
	"strings"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// releaseCommand is what the key of an order's command begins with.
const releaseCommand = "release/"

// CommandKey is the key of the command that carries an order to a site and takes it back.
func CommandKey(order string) string { return releaseCommand + order }

// OpeningKey is the fold key of a site's stock snapshots.
func OpeningKey(site string) string { return event.Key(KindOpening, site) }

// Keys is the fold keys that an event touches, in a fixed order, each with the part of the event that concerns it.
func Keys(e *docklinev1.Event, m Mapping) []Touch {
	return append(businessTouches(e), stockTouches(e, m)...)
}

// businessTouches are all keys but those of the stock ledger.
func businessTouches(e *docklinev1.Event) []Touch {
	switch p := e.GetPayload().(type) {
	case *docklinev1.Event_Order:
		return orderTouches(e, p.Order)
	case *docklinev1.Event_OrderCancelled:
		return whole(e, event.OrderKey(p.OrderCancelled.GetNumber()))
	case *docklinev1.Event_OrderReleased:
		return whole(e, event.OrderKey(p.OrderReleased.GetNumber()))
	case *docklinev1.Event_Invoice:
		return whole(e, event.OrderKey(p.Invoice.GetOrder()))
	case *docklinev1.Event_Pick:
		return byLine(e, p.Pick.GetLines(), orderKeyOf)
	case *docklinev1.Event_Pack:
		return byLine(e, p.Pack.GetLines(), orderKeyOf)
	case *docklinev1.Event_Shipment:
		return append(whole(e, event.ShipmentKey(e.GetSite(), p.Shipment.GetNumber())), byLine(e, p.Shipment.GetLines(), orderKeyOf)...)
	case *docklinev1.Event_Count:
		return whole(e, event.CountKey(e.GetSite(), p.Count.GetNumber()))
	case *docklinev1.Event_CommandResult:
		if order, ok := strings.CutPrefix(p.CommandResult.GetKey(), releaseCommand); ok {
			return whole(e, event.OrderKey(order))
		}
		return whole(e, recordKey(e))
	case *docklinev1.Event_DeadLetter, *docklinev1.Event_StreamGap:
		return whole(e, recordKey(e))
	}
	return nil
}

// Order is the order that an event belongs to, "" where it is about none or about several.
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
	case *docklinev1.Event_Invoice:
		return p.Invoice.GetOrder()
	case *docklinev1.Event_CommandResult:
		order, _ := strings.CutPrefix(p.CommandResult.GetKey(), releaseCommand)
		if order != p.CommandResult.GetKey() {
			return order
		}
	case *docklinev1.Event_Pick, *docklinev1.Event_Pack, *docklinev1.Event_Shipment:
		lines := event.Lines(e)
		for _, line := range lines {
			if line.GetOrder() != lines[0].GetOrder() {
				return ""
			}
		}
		if len(lines) > 0 {
			return lines[0].GetOrder()
		}
	}
	return ""
}

func recordKey(e *docklinev1.Event) string {
	key := e.GetSourceKey()
	if key == "" {
		key = e.GetId()
	}
	return event.Key(KindRecord, e.GetSite(), e.GetSource(), key)
}

// orderTouches: a submitted order has no number of the system of record yet. One that came of it names it as the customer's
// reference, so that what is told of the one settles the other.
func orderTouches(e *docklinev1.Event, o *docklinev1.Order) []Touch {
	if e.GetKind() == docklinev1.EventKind_EVENT_KIND_ORDER_SUBMITTED {
		return whole(e, event.SubmissionKey(o.GetNumber()))
	}
	touches := whole(e, event.OrderKey(o.GetNumber()))
	if o.GetCustomerReference() != "" {
		touches = append(touches, Touch{event.SubmissionKey(o.GetCustomerReference()), event.WithLines(e, nil)})
	}
	return touches
}

func whole(e *docklinev1.Event, key string) []Touch { return []Touch{{key, e}} }

func orderKeyOf(line *docklinev1.Line) string {
	if line.GetOrder() == "" {
		return ""
	}
	return event.OrderKey(line.GetOrder())
}

// stockKeyOf finds the bucket that a line moves, counts or opens; a line without a bin moves none that we keep.
func stockKeyOf(e *docklinev1.Event, site string, m Mapping) func(*docklinev1.Line) string {
	return func(line *docklinev1.Line) string {
		if line.GetBin() == "" {
			return ""
		}
		return bucketOf(e, site, line, m).Key()
	}
}

func stockItem(m Mapping, site string, line *docklinev1.Line) string {
	if item, ok := m.Item(site, line.GetItem(), line.GetGtin()); ok {
		return item
	}
	return UnmappedPrefix + rawCode(line)
}

// byLine groups lines by key, in the order of their first line. Lines without a key are left out.
func byLine(e *docklinev1.Event, lines []*docklinev1.Line, keyOf func(*docklinev1.Line) string) []Touch {
	var keys []string
	groups := make(map[string][]*docklinev1.Line)
	for _, line := range lines {
		key := keyOf(line)
		if key == "" {
			continue
		}
		if groups[key] == nil {
			keys = append(keys, key)
		}
		groups[key] = append(groups[key], line)
	}
	touches := make([]Touch, 0, len(keys))
	for _, key := range keys {
		part := e
		if len(groups[key]) < len(lines) {
			part = event.WithLines(e, groups[key])
		}
		touches = append(touches, Touch{key, part})
	}
	return touches
}
