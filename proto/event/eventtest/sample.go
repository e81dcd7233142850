// Package eventtest has an event of every kind, valid and with every field filled, for whoever must show that a kind passes through.
package eventtest

import (
	"maps"
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Stamp is a moment so many seconds after the first event of the samples.
func Stamp(second int64) *timestamppb.Timestamp {
	return &timestamppb.Timestamp{Seconds: 1_793_606_400 + second, Nanos: 123_000_000}
}

// Quantity is so many pieces.
func Quantity(value string) *docklinev1.Quantity {
	return &docklinev1.Quantity{Value: value, Unit: "EA"}
}

// Line has every field of a line; it serves every kind.
func Line() *docklinev1.Line {
	return &docklinev1.Line{
		Order: "SO00017", OrderLine: "1", Item: "SCREW-M8", Gtin: "04006381333931", Quantity: Quantity("12.5"), Ordered: Quantity("20"), Lot: "L1", Serials: []string{"S1", "S2"},
		HandlingUnit: "034012345000000019", Bin: "A-01-02", ToBin: "PACK-1", StockStatus: "available", Reason: "empty bin", UnitPrice: "1.25", Description: "Schraube M8×40",
		OriginalItem: "SCREW-M8-ZN", OriginalQuantity: Quantity("12.5"), ToStatus: "damaged", ToLot: "L2", ToHandlingUnit: "034012345000000026", Owner: "acme", ToOwner: "C-1",
		ExpiresAt: Stamp(86400 * 365), Condition: "opened", Disposition: "restock", Claim: "CL-7", Expected: Quantity("13"), Refused: Quantity("0.5"),
	}
}

// Kinds are the kinds of Samples, in order of their number.
func Kinds() []docklinev1.EventKind { return slices.Sorted(maps.Keys(Samples())) }

// Sample is the sample of one kind, nil where there is none.
func Sample(kind docklinev1.EventKind) *docklinev1.Event { return Samples()[kind] }

// Samples has one valid event of every kind, with every field of the event and of its payload filled. They are the caller's own.
func Samples() map[docklinev1.EventKind]*docklinev1.Event {
	events := map[docklinev1.EventKind]*docklinev1.Event{}
	for _, part := range []map[docklinev1.EventKind]*docklinev1.Event{orders(), goods(), stock(), returns(), machinery()} {
		for kind, e := range part {
			e = proto.CloneOf(e)
			e.Id, e.Tenant, e.Site, e.Source, e.Kind, e.Subject = "id", "acme", "dc-east", "wms", kind, "SO00017"
			e.SourceKey, e.SourceRevision, e.ContentHash, e.Ordinal = "PICK-4711", "3", []byte{9, 8, 7}, 1
			e.OccurredAt, e.CapturedAt, e.ClockOffsetMs, e.Movement, e.Actor, e.Device = Stamp(0), Stamp(10), -40, 815, "ana", "gun-3"
			e.Urgent = true
			e.CorrelationId, e.CausationId, e.Traceparent, e.Origin = "c", "d", "t", "picks.csv:7"
			e.Documents = []*docklinev1.DocumentReference{{System: "tryton", Kind: "sale", Number: "SO00017"}}
			e.Warnings = []*docklinev1.SiteWarning{{Code: "unknown_item", Text: "item SCREW-M8 is not known at the centre"}}
			e.Custom = []*docklinev1.CustomField{{Name: "route", Value: "R-12"}, {Name: "shift", Value: "früh"}}
			events[kind] = e
		}
	}
	return events
}
