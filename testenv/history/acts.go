package history

import (
	"fmt"

	//lint:ignore ST1001 the words in which tests tell of a day
	. "github.com/dockline/dockline/collector/state/statetest"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// local is an event of the site, central one of a system of record; told gives them their ids.
func local(kind docklinev1.EventKind, second int, subject string) *docklinev1.Event {
	return &docklinev1.Event{Tenant: Tenant, Site: Site, Source: WMS, Kind: kind, Subject: subject, OccurredAt: At(second), CapturedAt: At(second + 1)}
}

func central(kind docklinev1.EventKind, second int, subject string) *docklinev1.Event {
	return &docklinev1.Event{Tenant: Tenant, Source: ERP, Kind: kind, Subject: subject, OccurredAt: At(second)}
}

// order is what the system of record says of an order: nothing, or up to three revisions, now and then its end.
func (t *teller) order(number string) {
	if t.chance(6) {
		return
	}
	t.Truth.Known[number] = true
	for revision := range 1 + t.IntN(3) {
		var lines []*docklinev1.Line
		for i, item := range Orders[number] {
			lines = append(lines, L("", fmt.Sprint(i+1), item, fmt.Sprint(t.few()+2)))
		}
		t.tell(Ordered(number, fmt.Sprint(9+revision), func(o *docklinev1.Order) {
			o.PromisedAt, o.ShipTo, o.PriceList, o.PriceListVersion = At(90000+1000*(revision/2)), []string{"Old street 1"}, "retail", fmt.Sprint(revision)
			o.Verdicts = []*docklinev1.Verdict{{Check: "credit", Outcome: []string{"hold", "pass", "fail"}[revision], Reason: "limit"}}
		}, lines...))
	}
	if t.chance(5) {
		t.tell(CancelledOrder(number, fmt.Sprint(9+t.IntN(4))))
	}
}

func (t *teller) pick() {
	key := t.key("P")
	t.record(key, func(int) *docklinev1.Event { return Pick(t.second(), key, t.lines()...) })
}

func (t *teller) shortPick() {
	key := t.key("P")
	t.record(key, func(int) *docklinev1.Event { return ShortPick(t.second(), key, Asked(t.line(), fmt.Sprint(4+t.few()))) })
}

func (t *teller) substitution() {
	key := t.key("P")
	t.record(key, func(int) *docklinev1.Event {
		line := t.line()
		line.OriginalItem, line.Item = line.Item, "C"
		line.Bin, line.Lot = "B-02", "L7"
		e := Pick(t.second(), key, line)
		e.Kind = docklinev1.EventKind_EVENT_KIND_PICK_SUBSTITUTED
		if t.chance(2) {
			e.GetPick().Approval = "AP-1"
		}
		return e
	})
}

func (t *teller) pack() {
	key := t.key("K")
	t.record(key, func(int) *docklinev1.Event {
		return Pack(t.second(), key, fmt.Sprintf("LPN%d", t.IntN(3)), t.lines()...)
	})
}

func (t *teller) reopen() {
	key := t.key("K")
	t.record(key, func(int) *docklinev1.Event {
		var lines []*docklinev1.Line
		if t.chance(2) {
			lines = t.lines()
		}
		e := Pack(t.second(), key, fmt.Sprintf("LPN%d", t.IntN(3)), lines...)
		e.Kind = docklinev1.EventKind_EVENT_KIND_PACK_REOPENED
		return e
	})
}

// ship lets a shipment leave, each number once.
func (t *teller) ship() {
	number := t.key("S")
	var last []*docklinev1.Line
	t.record(number, func(int) *docklinev1.Event {
		last = t.lines()
		e := Shipment(t.second(), number, last...)
		e.GetShipment().BillOfLading, e.GetShipment().Trailer = "BOL-1", "TR-1"
		if t.chance(2) { // a pallet that is used again
			e.GetShipment().HandlingUnits = []string{fmt.Sprintf("PAL%d", t.IntN(2))}
		}
		return e
	})
	t.Truth.Departed[number] = true
	for _, l := range last {
		t.Truth.Shipped[LineName(l.Order, l.OrderLine)] += pieces(l)
	}
	if t.chance(2) {
		t.takeBack(number, last)
	}
}

func pieces(l *docklinev1.Line) (n int64) {
	fmt.Sscan(l.Quantity.Value, &n)
	return n
}

// takeBack voids a shipment, whole or its first line, once.
func (t *teller) takeBack(number string, lines []*docklinev1.Line) {
	void := &docklinev1.ShipmentVoid{Number: number, Reason: "wrong trailer", DidNotOccur: t.chance(2)}
	taken := lines
	if len(lines) > 1 && t.chance(2) && LineName(lines[0].Order, lines[0].OrderLine) != LineName(lines[1].Order, lines[1].OrderLine) {
		first := L(lines[0].Order, lines[0].OrderLine, lines[0].Item, lines[0].Quantity.Value)
		first.Lot = lines[0].Lot
		void.Lines, taken = []*docklinev1.Line{first}, lines[:1]
	}
	for _, l := range taken {
		t.Truth.Voided[LineName(l.Order, l.OrderLine)] += pieces(l)
	}
	if len(void.Lines) == 0 {
		t.takenBack[number] = lines
	}
	key := t.key("V")
	e := local(docklinev1.EventKind_EVENT_KIND_SHIPMENT_VOIDED, t.second(), number)
	e.Payload = &docklinev1.Event_ShipmentVoid{ShipmentVoid: void}
	t.tell(Keyed(e, key))
}

// void is of a shipment that never departs here: it waits, and takes nothing.
func (t *teller) void() {
	number := t.key("NEVER")
	e := local(docklinev1.EventKind_EVENT_KIND_SHIPMENT_VOIDED, t.second(), number)
	e.Payload = &docklinev1.Event_ShipmentVoid{ShipmentVoid: &docklinev1.ShipmentVoid{Number: number}}
	t.tell(Keyed(e, t.key("V")))
}

func (t *teller) count() {
	number := fmt.Sprintf("CC%d", 1+t.IntN(2))
	at := t.second()
	if t.chance(3) { // the number is used again
		at += 86400 * (1 + t.IntN(10))
	}
	t.tell(Recount(at, number, uint32(t.IntN(2)), In(L("", "", "A", fmt.Sprint(80+t.few())), "B-01", "")))
	if t.chance(3) {
		e := local(docklinev1.EventKind_EVENT_KIND_COUNT_APPROVED, at+t.IntN(600)-100, number)
		decision := []string{"approve", "reject", "recount"}[t.IntN(3)]
		e.Payload = &docklinev1.Event_CountApproval{CountApproval: &docklinev1.CountApproval{Number: number, Approver: "lead", Decision: decision, Value: "12.50", Currency: "EUR"}}
		t.tell(Keyed(e, t.key("CA")))
	}
}

func (t *teller) result() {
	t.tell(Result(t.second(), "release/"+t.someOrder(), uint64(1+t.IntN(3)), docklinev1.CommandOutcome(1+t.IntN(3)), ""))
}

func (t *teller) load() {
	kind := []docklinev1.EventKind{docklinev1.EventKind_EVENT_KIND_LOAD_STAGED, docklinev1.EventKind_EVENT_KIND_LOAD_LOADED, docklinev1.EventKind_EVENT_KIND_TRAILER_SEALED}[t.IntN(3)]
	t.record(t.key("L"), func(int) *docklinev1.Event {
		e := local(kind, t.second(), "TR-1")
		e.Payload = &docklinev1.Event_Load{Load: &docklinev1.Load{Dock: "D-4", Trailer: "TR-1", Seal: "SL-1", Shipments: []string{t.anyShipment()}, HandlingUnits: []string{fmt.Sprintf("LPN%d", t.IntN(3))}}}
		return e
	})
}

// anyShipment is one that departed so far, or one that nobody knows.
func (t *teller) anyShipment() string {
	for i := t.records; i > 0; i-- {
		if number := fmt.Sprintf("S%d", i); t.Truth.Departed[number] && t.chance(2) {
			return number
		}
	}
	return "S999"
}

func (t *teller) transport() {
	kind := []docklinev1.EventKind{docklinev1.EventKind_EVENT_KIND_TRANSPORT_MILESTONE, docklinev1.EventKind_EVENT_KIND_TRANSPORT_DELAYED, docklinev1.EventKind_EVENT_KIND_TRANSPORT_REFUSED,
		docklinev1.EventKind_EVENT_KIND_TRANSPORT_LOST, docklinev1.EventKind_EVENT_KIND_TRANSPORT_DAMAGED}[t.IntN(5)]
	shipment := t.anyShipment()
	t.record(t.key("T"), func(int) *docklinev1.Event {
		e := local(kind, t.second(), shipment)
		m := &docklinev1.Transport{Code: "X3", Milestone: []string{"picked_up", "departed", "arrived", "out_for_delivery", "returning"}[t.IntN(5)], Place: "Kassel, DE", Eta: At(9000 + t.second()), Cause: "weather"}
		switch t.IntN(3) {
		case 0:
			m.Tracking = "T-" + shipment
		case 1:
			m.HandlingUnits = []string{"PAL0", "PAL1"}[t.IntN(2):]
		default:
			m.Shipment, m.Site = shipment, Site
		}
		e.Payload = &docklinev1.Event_Transport{Transport: m}
		return e
	})
}

func (t *teller) delivery() {
	shipment := t.anyShipment()
	// What was delivered has left: a void of all of it counts no longer.
	for _, l := range t.takenBack[shipment] {
		t.Truth.Voided[LineName(l.Order, l.OrderLine)] -= pieces(l)
	}
	delete(t.takenBack, shipment)
	t.record(t.key("D"), func(int) *docklinev1.Event {
		e := local(docklinev1.EventKind_EVENT_KIND_DELIVERY_PROVED, t.second(), shipment)
		d := &docklinev1.Delivery{Signer: "M. Maier", Place: "ramp 2"}
		if t.chance(2) {
			d.Tracking = "T-" + shipment
		} else {
			d.Shipment, d.Site = shipment, Site
		}
		e.Payload = &docklinev1.Event_Delivery{Delivery: d}
		return e
	})
}

func (t *teller) invoice() {
	number, order := t.key("I"), t.someOrder()
	t.tell(Invoice(number, order, t.anyShipment()))
	if t.chance(3) {
		e := central(docklinev1.EventKind_EVENT_KIND_INVOICE_VOIDED, t.second(), number)
		e.Payload = &docklinev1.Event_InvoiceVoid{InvoiceVoid: &docklinev1.InvoiceVoid{Number: number, Order: order, Reason: "wrong price"}}
		t.tell(Revised(Keyed(e, "invoice-void,"+number), "1"))
	}
}
