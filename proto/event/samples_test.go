package event_test

import (
	"google.golang.org/protobuf/types/known/timestamppb"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event/eventtest"
)

func stamp(second int64) *timestamppb.Timestamp { return eventtest.Stamp(second) }

func quantity(value string) *docklinev1.Quantity { return eventtest.Quantity(value) }

// line is that of early events.
func line() *docklinev1.Line {
	return &docklinev1.Line{
		Order: "SO00017", OrderLine: "1", Item: "SCREW-M8", Gtin: "04006381333931", Quantity: quantity("12.5"), Ordered: quantity("20"), Lot: "L1", Serials: []string{"S1", "S2"},
		HandlingUnit: "00340123450000000017", Bin: "A-01-02", ToBin: "PACK-1", StockStatus: "available", Reason: "empty bin", UnitPrice: "1.25", Description: "Schraube M8×40",
	}
}

// samples has one valid event of every kind, with every field of it filled.
func samples() map[docklinev1.EventKind]*docklinev1.Event { return eventtest.Samples() }

// early has the events of testdata/bodies.json, as they were when their hashes were first given: it is never changed.
func early() map[docklinev1.EventKind]*docklinev1.Event {
	lines := []*docklinev1.Line{line()}
	order := &docklinev1.Event_Order{Order: &docklinev1.Order{
		Number: "SO00017", Customer: "C-1", CustomerName: "Müller GmbH", CustomerReference: "PO 4711", Currency: "EUR", Site: "dc-east", OrderedAt: stamp(1), PromisedAt: stamp(2),
		Lines: lines, Reason: "credit", ShipTo: []string{"Müller GmbH", "Hauptstraße 1", "DE"},
	}}
	pick := &docklinev1.Event_Pick{Pick: &docklinev1.Pick{Task: "T-9", Lines: lines}}
	events := map[docklinev1.EventKind]*docklinev1.Event{
		docklinev1.EventKind_EVENT_KIND_ORDER_SUBMITTED: {Payload: order},
		docklinev1.EventKind_EVENT_KIND_ORDER_ACCEPTED:  {Payload: order},
		docklinev1.EventKind_EVENT_KIND_ORDER_CHANGED:   {Payload: order},
		docklinev1.EventKind_EVENT_KIND_ORDER_REJECTED:  {Payload: order},
		docklinev1.EventKind_EVENT_KIND_ORDER_CANCELLED: {Payload: &docklinev1.Event_OrderCancelled{OrderCancelled: &docklinev1.OrderCancelled{Number: "SO00017", Reason: "customer"}}},
		docklinev1.EventKind_EVENT_KIND_ORDER_RELEASED: {Payload: &docklinev1.Event_OrderReleased{OrderReleased: &docklinev1.OrderReleased{Number: "SO00017", Site: "dc-east",
			CommandKey: "release/SO00017", CommandVersion: 2}}},
		docklinev1.EventKind_EVENT_KIND_PICK_CONFIRMED: {Payload: pick},
		docklinev1.EventKind_EVENT_KIND_PICK_SHORT:     {Payload: pick},
		docklinev1.EventKind_EVENT_KIND_PACK_CONFIRMED: {Payload: &docklinev1.Event_Pack{Pack: &docklinev1.Pack{HandlingUnit: "00340123450000000017", Lines: lines, WeightKg: "7.2"}}},
		docklinev1.EventKind_EVENT_KIND_SHIPMENT_DEPARTED: {Payload: &docklinev1.Event_Shipment{Shipment: &docklinev1.Shipment{Number: "SH-1", Carrier: "DHL", Service: "next day",
			Tracking: "JJD000", Lines: lines, CarrierCutoff: stamp(3)}}},
		docklinev1.EventKind_EVENT_KIND_COUNT_OBSERVED:   {Payload: &docklinev1.Event_Count{Count: &docklinev1.Count{Number: "CC-1", Blind: true, Recount: 1, Lines: lines}}},
		docklinev1.EventKind_EVENT_KIND_STOCK_SNAPSHOT:   {Payload: &docklinev1.Event_StockSnapshot{StockSnapshot: &docklinev1.StockSnapshot{Site: "dc-east", Lines: lines}}},
		docklinev1.EventKind_EVENT_KIND_INVOICE_POSTED:   {Payload: &docklinev1.Event_Invoice{Invoice: &docklinev1.Invoice{Number: "INV-1", Order: "SO00017", Total: "-15.63", Currency: "EUR", Shipments: []string{"SH-1"}}}},
		docklinev1.EventKind_EVENT_KIND_STREAM_GAP:       {Payload: &docklinev1.Event_StreamGap{StreamGap: &docklinev1.StreamGap{Epoch: "0a0b", FirstSeq: 7, LastSeq: 9, Reason: "damaged page"}}},
		docklinev1.EventKind_EVENT_KIND_POLICY_ACTIVATED: {Payload: &docklinev1.Event_PolicyActivated{PolicyActivated: &docklinev1.PolicyActivated{Version: "abc123"}}},
		docklinev1.EventKind_EVENT_KIND_COMMAND_COMPLETED: {Payload: &docklinev1.Event_CommandResult{CommandResult: &docklinev1.CommandResult{Key: "release/SO00017", Version: 2,
			Outcome: docklinev1.CommandOutcome_COMMAND_OUTCOME_REFUSED, Class: docklinev1.FaultClass_FAULT_CLASS_PROCESS, Text: "order is closed"}}},
		docklinev1.EventKind_EVENT_KIND_RECORD_REFUSED: {Payload: &docklinev1.Event_DeadLetter{DeadLetter: &docklinev1.DeadLetter{Class: docklinev1.FaultClass_FAULT_CLASS_DATA, Code: "number_format",
			Text: "picks.csv, line 7, column qty: \"x\" is not a number", File: "picks.csv", Line: 7, Column: "qty", Raw: []byte("SO00017;x\n"), RefusedEvent: []byte{1, 2}}}},
	}
	for kind, e := range events {
		e.Id, e.Tenant, e.Site, e.Source, e.Kind, e.Subject = "id", "acme", "dc-east", "wms", kind, "SO00017"
		e.SourceKey, e.SourceRevision, e.ContentHash, e.Ordinal = "PICK-4711", "3", []byte{9, 8, 7}, 1
		e.OccurredAt, e.CapturedAt, e.ClockOffsetMs, e.Movement, e.Actor, e.Device = stamp(0), stamp(10), -40, 815, "ana", "gun-3"
		e.CorrelationId, e.CausationId, e.Traceparent, e.Origin = "c", "d", "t", "picks.csv:7"
	}
	return events
}
