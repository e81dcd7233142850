package day

import (
	"google.golang.org/protobuf/types/known/timestamppb"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// Event is what the dock tells of a movement. Movements never change, so each is its own first revision.
func (m Movement) Event() *docklinev1.Event {
	e := &docklinev1.Event{
		Subject: m.ID, SourceKey: string(m.Kind) + "/" + m.ID, SourceRevision: "1", OccurredAt: timestamppb.New(m.At), Movement: m.Number, Actor: m.Operator,
	}
	lines := make([]*docklinev1.Line, len(m.Lines))
	for i, l := range m.Lines {
		lines[i] = &docklinev1.Line{
			Order: m.Order, OrderLine: l.OrderLine, Item: l.Item, Quantity: &docklinev1.Quantity{Value: l.Quantity.String(), Unit: l.Unit},
			Lot: l.Lot, Bin: l.Bin, HandlingUnit: l.HandlingUnit, Reason: l.Reason,
		}
	}
	switch m.Kind {
	case Pick:
		e.Kind, e.Subject = docklinev1.EventKind_EVENT_KIND_PICK_CONFIRMED, m.Order
		if m.Lines[0].Short() {
			e.Kind = docklinev1.EventKind_EVENT_KIND_PICK_SHORT
		}
		lines[0].Ordered = &docklinev1.Quantity{Value: m.Lines[0].Ordered.String(), Unit: m.Lines[0].Unit}
		e.Payload = &docklinev1.Event_Pick{Pick: &docklinev1.Pick{Task: m.ID, Lines: lines}}
	case Pack:
		e.Kind = docklinev1.EventKind_EVENT_KIND_PACK_CONFIRMED
		e.Payload = &docklinev1.Event_Pack{Pack: &docklinev1.Pack{HandlingUnit: m.ID, WeightKg: m.WeightKg, Lines: lines}}
	case Ship:
		e.Kind = docklinev1.EventKind_EVENT_KIND_SHIPMENT_DEPARTED
		e.Payload = &docklinev1.Event_Shipment{Shipment: &docklinev1.Shipment{Number: m.ID, Carrier: m.Carrier, Tracking: m.Tracking, Lines: lines}}
	case Count:
		// A count asked for under one number may have several bins, each its own record.
		e.Kind, e.SourceKey = docklinev1.EventKind_EVENT_KIND_COUNT_OBSERVED, event.Key("count", m.ID, m.Lines[0].Bin, m.Lines[0].Item, m.Lines[0].Lot)
		e.Payload = &docklinev1.Event_Count{Count: &docklinev1.Count{Number: m.ID, Lines: lines}}
	}
	return e
}
