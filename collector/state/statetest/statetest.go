// Package statetest makes business events for tests of folding and deciding: one tenant, one morning, times in seconds from its start.
package statetest

import (
	"crypto/sha256"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// Tenant, Site and the names of sources.
const (
	Tenant = "acme"
	Site   = "dc-east"
	WMS    = "wms"
	ERP    = "erp"
)

// Morning is second 0.
var Morning = time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)

// At is so many seconds after Morning.
func At(second int) *timestamppb.Timestamp {
	return timestamppb.New(Morning.Add(time.Duration(second) * time.Second))
}

// L is a line: order, order's line, item, quantity.
func L(order, orderLine, item, quantity string) *docklinev1.Line {
	return &docklinev1.Line{Order: order, OrderLine: orderLine, Item: item, Quantity: &docklinev1.Quantity{Value: quantity}}
}

// In sets a line's bin and lot.
func In(line *docklinev1.Line, bin, lot string) *docklinev1.Line {
	line.Bin, line.Lot = bin, lot
	return line
}

// Asked sets what a pick task asked for.
func Asked(line *docklinev1.Line, quantity string) *docklinev1.Line {
	line.Ordered = &docklinev1.Quantity{Value: quantity}
	return line
}

// Unit sets a line's handling unit.
func Unit(line *docklinev1.Line, unit string) *docklinev1.Line {
	line.HandlingUnit = unit
	return line
}

// Priced sets a line's price for one unit.
func Priced(line *docklinev1.Line, price string) *docklinev1.Line {
	line.UnitPrice = price
	return line
}

// Accepted is an order as the ERP has it now, at one of its revisions.
func Accepted(number, revision string, lines ...*docklinev1.Line) *docklinev1.Event {
	e := central(docklinev1.EventKind_EVENT_KIND_ORDER_ACCEPTED, number, "sale,"+number, revision)
	e.Payload = &docklinev1.Event_Order{Order: &docklinev1.Order{Number: number, Customer: "C-1001", CustomerName: "Harbour Hardware",
		CustomerReference: "PO-77", Currency: "EUR", Site: Site, OrderedAt: At(0), Lines: lines}}
	return finish(e)
}

// Submitted is an order that was handed in at the site, under a number of its source.
func Submitted(second int, number, customer string, lines ...*docklinev1.Line) *docklinev1.Event {
	e := local(docklinev1.EventKind_EVENT_KIND_ORDER_SUBMITTED, second, "orders/"+number+"/"+customer, number)
	e.Payload = &docklinev1.Event_Order{Order: &docklinev1.Order{Number: number, Customer: customer, Lines: lines}}
	e.Origin = "orders.csv, line 2 and 1 more"
	return finish(e)
}

// HandedIn is an order that was handed in at the centre, by a shop.
func HandedIn(second int, number, customer string, lines ...*docklinev1.Line) *docklinev1.Event {
	e := central(docklinev1.EventKind_EVENT_KIND_ORDER_SUBMITTED, number, customer+"/"+number, "1")
	e.Source, e.OccurredAt, e.Origin = "api/shop", At(second), "handed in by api"
	e.Payload = &docklinev1.Event_Order{Order: &docklinev1.Order{Number: number, Customer: customer, Site: Site, Lines: lines}}
	return finish(e)
}

// Refusing is what the ERP says of an order that it does not accept.
func Refusing(number, reference, customer, reason string) *docklinev1.Event {
	e := Accepted(number, "1")
	e.Kind = docklinev1.EventKind_EVENT_KIND_ORDER_REJECTED
	e.GetOrder().CustomerReference, e.GetOrder().Customer, e.GetOrder().Reason = reference, customer, reason
	return finish(e)
}

// CancelledOrder is the end of an order in the ERP.
func CancelledOrder(number, revision string) *docklinev1.Event {
	e := central(docklinev1.EventKind_EVENT_KIND_ORDER_CANCELLED, number, "sale,"+number, revision)
	e.Payload = &docklinev1.Event_OrderCancelled{OrderCancelled: &docklinev1.OrderCancelled{Number: number, Reason: "customer"}}
	return finish(e)
}

// Invoice is one posted in the ERP.
func Invoice(number, order string, shipments ...string) *docklinev1.Event {
	e := central(docklinev1.EventKind_EVENT_KIND_INVOICE_POSTED, number, "invoice,"+number, "1")
	e.Payload = &docklinev1.Event_Invoice{Invoice: &docklinev1.Invoice{Number: number, Order: order, Total: "10", Currency: "EUR", Shipments: shipments}}
	return finish(e)
}

// Snapshot opens a site's stock.
func Snapshot(second int, lines ...*docklinev1.Line) *docklinev1.Event {
	e := central(docklinev1.EventKind_EVENT_KIND_STOCK_SNAPSHOT, Site, "snapshot", fmt.Sprint(second))
	e.OccurredAt = At(second)
	e.Payload = &docklinev1.Event_StockSnapshot{StockSnapshot: &docklinev1.StockSnapshot{Site: Site, Lines: lines}}
	return finish(e)
}

// Pick is a confirmed pick.
func Pick(second int, key string, lines ...*docklinev1.Line) *docklinev1.Event {
	e := local(docklinev1.EventKind_EVENT_KIND_PICK_CONFIRMED, second, key, key)
	e.Payload = &docklinev1.Event_Pick{Pick: &docklinev1.Pick{Task: key, Lines: lines}}
	return finish(e)
}

// ShortPick is a pick that found less than its lines were asked for.
func ShortPick(second int, key string, lines ...*docklinev1.Line) *docklinev1.Event {
	e := Pick(second, key, lines...)
	e.Kind = docklinev1.EventKind_EVENT_KIND_PICK_SHORT
	return finish(e)
}

// Pack is a handling unit that was packed.
func Pack(second int, key, unit string, lines ...*docklinev1.Line) *docklinev1.Event {
	e := local(docklinev1.EventKind_EVENT_KIND_PACK_CONFIRMED, second, key, unit)
	e.Payload = &docklinev1.Event_Pack{Pack: &docklinev1.Pack{HandlingUnit: unit, Lines: lines}}
	return finish(e)
}

// Shipment is one that departed.
func Shipment(second int, number string, lines ...*docklinev1.Line) *docklinev1.Event {
	e := local(docklinev1.EventKind_EVENT_KIND_SHIPMENT_DEPARTED, second, number, number)
	e.Payload = &docklinev1.Event_Shipment{Shipment: &docklinev1.Shipment{Number: number, Carrier: "DHL", Tracking: "T-" + number, Lines: lines}}
	return finish(e)
}

// Count is what a person saw.
func Count(second int, number string, lines ...*docklinev1.Line) *docklinev1.Event {
	e := local(docklinev1.EventKind_EVENT_KIND_COUNT_OBSERVED, second, number, number)
	e.Payload = &docklinev1.Event_Count{Count: &docklinev1.Count{Number: number, Lines: lines}}
	return finish(e)
}

// Recount is a count's repetition.
func Recount(second int, number string, recount uint32, lines ...*docklinev1.Line) *docklinev1.Event {
	e := Count(second, number, lines...)
	e.SourceKey = fmt.Sprintf("%s/%d", number, recount)
	e.GetCount().Recount = recount
	return finish(e)
}

// Result is what a site says of a command.
func Result(second int, key string, version uint64, outcome docklinev1.CommandOutcome, text string) *docklinev1.Event {
	e := local(docklinev1.EventKind_EVENT_KIND_COMMAND_COMPLETED, second, fmt.Sprintf("%s/%d", key, version), key)
	e.Source = "downlink"
	e.Payload = &docklinev1.Event_CommandResult{CommandResult: &docklinev1.CommandResult{Key: key, Version: version, Outcome: outcome, Text: text}}
	return finish(e)
}

// Refused is a record that could not become an event.
func Refused(second int, key, code, text string) *docklinev1.Event {
	e := local(docklinev1.EventKind_EVENT_KIND_RECORD_REFUSED, second, key, key)
	e.Payload = &docklinev1.Event_DeadLetter{DeadLetter: &docklinev1.DeadLetter{Class: docklinev1.FaultClass_FAULT_CLASS_DATA, Code: code, Text: text,
		File: "ship.csv", Line: 3, Column: "QTY", Raw: []byte("SO1;1;SKU-1;-2")}}
	return finish(e)
}

// Gap is what a site says of a part of its journal that it has lost.
func Gap(second int, epoch string, first, last uint64) *docklinev1.Event {
	e := local(docklinev1.EventKind_EVENT_KIND_STREAM_GAP, second, fmt.Sprintf("%s/%d", epoch, first), epoch)
	e.Source = "journal"
	e.Payload = &docklinev1.Event_StreamGap{StreamGap: &docklinev1.StreamGap{Epoch: epoch, FirstSeq: first, LastSeq: last, Reason: "a damaged disk"}}
	return finish(e)
}

// Moved gives an event the source's own movement number.
func Moved(e *docklinev1.Event, movement uint64) *docklinev1.Event {
	e.Movement = movement
	return finish(e)
}

// Revised gives an event a revision of its record.
func Revised(e *docklinev1.Event, revision string) *docklinev1.Event {
	e.SourceRevision = revision
	return finish(e)
}

// Keyed gives an event another key of its source's record.
func Keyed(e *docklinev1.Event, key string) *docklinev1.Event {
	e.SourceKey = key
	return finish(e)
}

func central(kind docklinev1.EventKind, subject, key, revision string) *docklinev1.Event {
	return &docklinev1.Event{Tenant: Tenant, Source: ERP, Kind: kind, Subject: subject, SourceKey: key, SourceRevision: revision, OccurredAt: At(0)}
}

func local(kind docklinev1.EventKind, second int, key, subject string) *docklinev1.Event {
	return &docklinev1.Event{Tenant: Tenant, Site: Site, Source: WMS, Kind: kind, Subject: subject, SourceKey: key, OccurredAt: At(second), CapturedAt: At(second + 1)}
}

// finish gives an event its id, by its cause.
func finish(e *docklinev1.Event) *docklinev1.Event {
	e.ContentHash = nil
	if e.SourceRevision == "" {
		body, err := proto.MarshalOptions{Deterministic: true}.Marshal(&docklinev1.Event{OccurredAt: e.OccurredAt, Movement: e.Movement, Payload: e.Payload})
		if err != nil {
			panic(err)
		}
		sum := sha256.Sum256(body)
		e.ContentHash = sum[:]
	}
	e.Id = event.ID(event.Cause{Tenant: e.Tenant, Site: e.Site, Source: e.Source, SourceKey: e.SourceKey, Revision: e.SourceRevision,
		ContentHash: e.ContentHash, Kind: event.KindName(e.Kind), Ordinal: e.Ordinal})
	return e
}
