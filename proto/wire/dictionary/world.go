package main

import (
	"fmt"
	"math/rand/v2"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// world makes events. Numbers are drawn from the whole range of their digits; how a house writes them is drawn from a few habits.
type world struct{ random *rand.Rand }

// Kinds of event, as often as they are drawn.
const (
	pick = iota
	pack
	ship
	count
)

func (w *world) kind() int {
	switch n := w.random.IntN(10); {
	case n < 6:
		return pick
	case n < 8:
		return pack
	case n < 9:
		return count
	}
	return ship
}

func (w *world) one(of ...string) string { return of[w.random.IntN(len(of))] }

// digits draws n digits behind a prefix.
func (w *world) digits(prefix string, n int) string {
	for range n {
		prefix += string(rune('0' + w.random.IntN(10)))
	}
	return prefix
}

func (w *world) order() string {
	return w.digits(w.one("SO", "SO00", "ORD-", "4500", "10"), 5+w.random.IntN(3))
}

func (w *world) item() string {
	return w.digits(w.one("SKU-", "SKU", "ART-", "A", "P", "04006381"), 5)
}

func (w *world) bin() string {
	row := w.one("A", "B", "C", "R")
	if w.random.IntN(2) == 0 {
		return w.digits(w.digits(row, 2)+"-", 3)
	}
	return w.digits(w.digits(w.digits(row, 2)+"-", 2)+"-", 2)
}

func (w *world) quantity(value int, unit string) *docklinev1.Quantity {
	return &docklinev1.Quantity{Value: fmt.Sprint(value), Unit: unit}
}

func (w *world) line(order string, n int) *docklinev1.Line {
	value, unit := 1+w.random.IntN(24), w.one("ea", "EA", "PCE", "pcs", "")
	l := &docklinev1.Line{Order: order, OrderLine: fmt.Sprint(n), Item: w.item(), Quantity: w.quantity(value, unit)}
	if w.random.IntN(2) == 0 {
		l.Ordered = w.quantity(value, unit)
	}
	if w.random.IntN(2) == 0 {
		l.Lot = w.digits(w.one("L26", "LOT", "CH-", "2026"), 4)
	}
	if w.random.IntN(3) > 0 {
		l.HandlingUnit = w.digits(w.one("0034012345", "LPN", "00340123450"), 8)
	}
	return l
}

func (w *world) encoded(kind int) ([]byte, error) {
	at := time.Date(2026, time.Month(1+w.random.IntN(12)), 1+w.random.IntN(28), 6, 0, 0, 0, time.UTC).Add(time.Duration(w.random.Int64N(int64(14 * time.Hour))))
	e := &docklinev1.Event{SourceKey: w.digits(w.one("wms/", "pick/", "T-", "row/", "2026"), 8), OccurredAt: timestamppb.New(at.Truncate(time.Duration(1+w.random.IntN(2)) * 500 * time.Millisecond)),
		Actor: w.digits(w.one("op-", "user", "U"), 2), Device: w.digits(w.one("gun-", "scanner-", "RF"), 2)}
	if w.random.IntN(2) == 0 {
		e.SourceRevision = fmt.Sprint(1 + w.random.IntN(3))
	} else {
		e.ContentHash = make([]byte, 32)
		for i := range e.ContentHash {
			e.ContentHash[i] = byte(w.random.Uint32())
		}
	}
	if w.random.IntN(2) == 0 {
		e.Movement = w.random.Uint64N(1 << 24)
	}
	if w.random.IntN(3) == 0 {
		e.Origin = w.digits("picks-2026", 4) + ".csv:" + w.digits("", 3)
	}
	order := w.order()
	e.Subject = order
	switch kind {
	case pick:
		e.Kind = docklinev1.EventKind_EVENT_KIND_PICK_CONFIRMED
		l := w.line(order, 1+w.random.IntN(9))
		l.Bin = w.bin()
		e.Payload = &docklinev1.Event_Pick{Pick: &docklinev1.Pick{Task: w.digits(w.one("PK", "T", "TASK-"), 8), Lines: []*docklinev1.Line{l}}}
	case pack:
		e.Kind = docklinev1.EventKind_EVENT_KIND_PACK_CONFIRMED
		e.Payload = &docklinev1.Event_Pack{Pack: &docklinev1.Pack{HandlingUnit: w.digits("00340123450", 9), WeightKg: w.digits("1", 1) + "." + w.digits("", 1), Lines: w.lines(order)}}
	case ship:
		e.Kind = docklinev1.EventKind_EVENT_KIND_SHIPMENT_DEPARTED
		e.Subject = w.digits(w.one("SH", "LS-", "8000"), 6)
		e.Payload = &docklinev1.Event_Shipment{Shipment: &docklinev1.Shipment{Number: e.Subject, Carrier: w.one("DHL", "UPS", "DPD", "GLS"), Service: w.one("standard", "express"),
			Tracking: w.digits(w.one("JJD", "1Z", "0034"), 12), Lines: w.lines(order)}}
	case count:
		e.Kind = docklinev1.EventKind_EVENT_KIND_COUNT_OBSERVED
		e.Subject = w.digits(w.one("CC-", "INV", "CNT"), 6)
		e.Payload = &docklinev1.Event_Count{Count: &docklinev1.Count{Number: e.Subject, Lines: []*docklinev1.Line{{Item: w.item(), Bin: w.bin(), Quantity: w.quantity(w.random.IntN(500), "ea")}}}}
	}
	data, err := proto.Marshal(e)
	if err != nil {
		return nil, err
	}
	// The host puts its fields behind what the plugin has encoded.
	head, err := proto.Marshal(&docklinev1.Event{Tenant: w.one("main", "acme", "north"), Site: w.one("dc-east", "dc-west", "hamburg", "site-1"),
		Source: w.one("wms", "wms0", "scanner", "wms-file"), CapturedAt: timestamppb.New(at.Add(time.Duration(w.random.IntN(3_000_000)) * time.Microsecond))})
	return append(data, head...), err
}

func (w *world) lines(order string) (lines []*docklinev1.Line) {
	for n := range 1 + w.random.IntN(3) {
		lines = append(lines, w.line(order, n+1))
	}
	return lines
}
