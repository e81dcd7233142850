package statetest

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"google.golang.org/protobuf/proto"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// StockLife is a random life of a site's stock, of every kind of event that moves, counts or opens it: items A and B, now and then one that
// nobody knows, in a few bins and lots; with corrections, changed records, second scans, voids of what never left, and errors declared. The
// same numbers give the same life.
func StockLife(random *rand.Rand) []*docklinev1.Event {
	l := &life{random}
	events := []*docklinev1.Event{Snapshot(0, In(L("", "", "A", "40"), "B-01", ""), In(L("", "", "B", "40"), "B-02", ""), In(L("", "", "A", "7"), "B-02", "L1"))}
	if random.IntN(4) == 0 {
		events = append(events, Snapshot(30, In(L("", "", "A", "35"), "B-01", "")))
	}
	for i := range 4 + random.IntN(20) {
		e := l.stock(random.IntN(60), fmt.Sprintf("k%d", i-random.IntN(2)))
		if random.IntN(3) == 0 {
			e = Moved(e, uint64(1+random.IntN(60)))
		}
		if random.IntN(3) == 0 {
			e = Revised(e, l.quantity(3))
		}
		events = append(events, finish(e))
		switch random.IntN(12) {
		case 0: // the same event again, with another body
			twin := proto.CloneOf(e)
			twin.Actor = l.quantity(2)
			events = append(events, twin)
		case 1: // a second scan
			double := Keyed(proto.CloneOf(e), fmt.Sprintf("d%d", i))
			double.DoubleOf = e.GetId()
			events = append(events, double)
			if random.IntN(3) == 0 { // of which the first is lost
				events = slices.Delete(events, len(events)-2, len(events)-1)
			}
		}
	}
	return events
}

// stock is one event of a site's stock.
func (l *life) stock(second int, key string) *docklinev1.Event {
	e := local(docklinev1.EventKind_EVENT_KIND_UNSPECIFIED, second, key, key)
	lines := []*docklinev1.Line{l.lying()}
	if l.IntN(3) == 0 {
		lines = append(lines, l.lying())
	}
	change := func(kind docklinev1.EventKind, set func(*docklinev1.Line)) {
		e.Kind = kind
		for _, line := range lines {
			set(line)
		}
	}
	moved := func(line *docklinev1.Line) { line.ToBin = l.one("B-01", "B-02", "B-03") }
	switch l.IntN(20) {
	case 0, 1, 2, 3:
		change(docklinev1.EventKind_EVENT_KIND_PICK_CONFIRMED, func(line *docklinev1.Line) { line.Order, line.OrderLine = Order, "1" })
		e.Payload = &docklinev1.Event_Pick{Pick: &docklinev1.Pick{Task: key, Lines: lines}}
	case 4:
		change(docklinev1.EventKind_EVENT_KIND_SHIPMENT_DEPARTED, func(line *docklinev1.Line) { line.Order, line.OrderLine, line.Bin = Order, "1", "" })
		e.Payload = &docklinev1.Event_Shipment{Shipment: &docklinev1.Shipment{Number: "S" + l.quantity(2), ToSite: l.one("", "", "dc-west"), Lines: lines}}
	case 5:
		e.Kind = docklinev1.EventKind_EVENT_KIND_SHIPMENT_VOIDED
		if l.IntN(2) == 0 {
			lines = nil
		}
		e.Payload = &docklinev1.Event_ShipmentVoid{ShipmentVoid: &docklinev1.ShipmentVoid{Number: "S" + l.quantity(2), Lines: lines}}
	case 6:
		e.Kind = l.kind(docklinev1.EventKind_EVENT_KIND_TRANSPORT_LOST, docklinev1.EventKind_EVENT_KIND_TRANSPORT_DAMAGED)
		e.Payload = &docklinev1.Event_Transport{Transport: &docklinev1.Transport{Shipment: "S" + l.quantity(2), Claim: "CL-1"}}
	case 7, 8:
		change(docklinev1.EventKind_EVENT_KIND_RECEIPT_RECEIVED, func(line *docklinev1.Line) { line.Condition = l.one("", "good", "damaged") })
		e.Payload = &docklinev1.Event_Inbound{Inbound: &docklinev1.Inbound{Number: key, Supplier: l.one("ACME", "site:dc-west"), Lines: lines}}
	case 9:
		change(docklinev1.EventKind_EVENT_KIND_PUTAWAY_CONFIRMED, moved)
		e.Payload = &docklinev1.Event_StockMove{StockMove: &docklinev1.StockMove{Lines: lines}}
	case 10:
		change(docklinev1.EventKind_EVENT_KIND_STOCK_MOVED, moved)
		e.Payload = &docklinev1.Event_StockMove{StockMove: &docklinev1.StockMove{Lines: lines}}
	case 11:
		change(docklinev1.EventKind_EVENT_KIND_STOCK_STATUS_CHANGED, func(line *docklinev1.Line) { line.ToStatus = l.one("hold_quality", "available") })
		e.Payload = &docklinev1.Event_StockStatusChange{StockStatusChange: &docklinev1.StockStatusChange{Number: key, Lines: lines}}
	case 12:
		e.Kind = docklinev1.EventKind_EVENT_KIND_STOCK_DAMAGED
		e.Payload = &docklinev1.Event_StockStatusChange{StockStatusChange: &docklinev1.StockStatusChange{Number: key, Stage: l.one("receive", "pick", "pack"), Claim: "CL-2", Lines: lines}}
	case 13:
		change(docklinev1.EventKind_EVENT_KIND_STOCK_ADJUSTED, func(line *docklinev1.Line) { line.Quantity.Value = l.one("-2", "-1", "3") })
		e.Payload = &docklinev1.Event_Adjustment{Adjustment: &docklinev1.Adjustment{Number: key, Count: l.one("", "CC1"), Lines: lines}}
	case 14:
		e.Kind = docklinev1.EventKind_EVENT_KIND_STOCK_SCRAPPED
		e.Payload = &docklinev1.Event_Adjustment{Adjustment: &docklinev1.Adjustment{Number: key, Lines: lines}}
	case 15:
		e.Kind = l.kind(docklinev1.EventKind_EVENT_KIND_LOT_RELABELLED, docklinev1.EventKind_EVENT_KIND_KIT_BUILT, docklinev1.EventKind_EVENT_KIND_STOCK_REPACKED)
		e.Payload = &docklinev1.Event_Transformation{Transformation: &docklinev1.Transformation{Number: key, Lines: lines, Outputs: []*docklinev1.Line{l.lying()}}}
	case 16:
		e.Kind = docklinev1.EventKind_EVENT_KIND_RETURN_RECEIVED
		e.Payload = &docklinev1.Event_Return{Return: &docklinev1.Return{Receipt: key, Lines: lines}}
	case 17:
		change(docklinev1.EventKind_EVENT_KIND_RETURN_DISPOSED, func(line *docklinev1.Line) {
			line.Disposition = l.one("restock", "refurbish", "quarantine", "scrap", "to_vendor")
		})
		e.Payload = &docklinev1.Event_Return{Return: &docklinev1.Return{Receipt: key, Lines: lines}}
	case 18:
		e.Kind = docklinev1.EventKind_EVENT_KIND_COUNT_APPROVED
		e.Payload = &docklinev1.Event_CountApproval{CountApproval: &docklinev1.CountApproval{Number: "CC" + l.quantity(2), Decision: l.one("approve", "reject", "recount")}}
	default:
		e.Kind = docklinev1.EventKind_EVENT_KIND_COUNT_OBSERVED
		e.Payload = &docklinev1.Event_Count{Count: &docklinev1.Count{Number: "CC" + l.quantity(2), Recount: uint32(l.IntN(2)), Lines: lines}}
	}
	return finish(e)
}

func (l *life) kind(of ...docklinev1.EventKind) docklinev1.EventKind { return of[l.IntN(len(of))] }

// lying is a line of what lies about.
func (l *life) lying() *docklinev1.Line {
	line := In(L("", "", l.one("A", "A", "A", "B", "B", "XA"), l.quantity(4)), l.one("B-01", "B-01", "B-02"), l.one("", "", "", "L1"))
	if l.IntN(8) == 0 {
		line.Owner = "ACME"
	}
	if l.IntN(8) == 0 {
		line.Quantity.Unit = l.one("CS", "PALLET")
	}
	return line
}
