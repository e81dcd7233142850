package awkward_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/eventlog"
	"github.com/dockline/dockline/collector/posting"
	"github.com/dockline/dockline/collector/state"
	. "github.com/dockline/dockline/collector/state/statetest"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv"
)

// TestAwkward is what happens on a dock and does not fit, one after the other: each comes to what the business wants, in the ERP too, on both
// databases.
//
// Shows: S58
func TestAwkward(t *testing.T) {
	for _, one := range []struct {
		name   string
		policy map[string]string
		happen func(*world)
	}{
		{"the same event told twice counts once", nil, toldTwice},
		{"one id with two contents is kept twice, and what the journal wrote first counts", nil, twoContents},
		{"one id with two contents, and a person says that the WMS has used its key again: both count", nil, keyUsedAgain},
		{"a WMS that corrects a record is believed, the highest revision", nil, corrected},
		{"a record that changes without a revision is shown to a person", nil, changedSilently},
		{"goods that leave before their order is known wait for it", nil, shipBeforeOrder},
		{"goods are signed for, and some come back, before their order is known", nil, backBeforeOrder},
		{"an order cancelled before it is seen stays cancelled", nil, cancelBeforeOrder},
		{"an order cancelled after goods have left: goods are the truth", nil, cancelAfterShip},
		{"an order that leaves in two shipments is posted twice and invoiced twice", nil, partial},
		{"another item is picked with approval: the ERP's order is changed first", nil, substituted},
		{"another item is picked and nobody approved it", nil, substitutionRefused},
		{"the rest of a line is cancelled where policy says so", map[string]string{"fulfilment.yaml": "default: {remainder: cancel}\n"}, remainderCancelled},
		{"more leaves than was ordered: it is held until the order covers it", nil, overShipped},
		{"more leaves than was ordered, within what is tolerated", map[string]string{"limits.yaml": "over_ship_tolerance: \"20\"\nover_ship: hold\n"}, overShippedTolerated},
		{"a shipment is taken back before it is told", nil, voidFirst},
		{"goods are picked for an order that is complete", nil, pickAfterClose},
		{"an event that comes days late opens a closed order again", nil, daysLate},
		{"what is told behind a hole in the site's journal counts at once, but counts and books wait for the hole", nil, gapInSequence},
		{"a pallet that is used again is lost with what it held then", nil, palletUsedAgain},
		{"two shipments under one tracking number: a person is asked, and neither is delivered", nil, trackingTwice},
		{"a shipment is taken back, and its consignee signs for it: goods are the truth, in the ledger too", nil, voidedAndSigned},
		{"a carrier loses what it knows by its own number alone, and finds it again", nil, lostByTracking},
		{"a shipment is closed when its orders are invoiced and its consignee has signed",
			map[string]string{"fulfilment.yaml": "default: {}\ncustomers:\n  C-1: {proof_of_delivery: required}\n"}, shipmentCloses},
		{"a shipment that nobody has to sign for is closed when it is invoiced", nil, shipmentClosesAtOnce},
		{"a trailer is sealed and goods are picked, and nobody says for what", nil, namesNothing},
		{"goods that left in a period that is closed bear the first open day, and are on the cut-off list", map[string]string{"postings.yaml": closedDay}, closedPeriod},
		{"a clock that is wrong by a day changes nothing but what people read", nil, wrongClock},
		{"an item that nobody knows is left out until the mapping knows it", map[string]string{"mapping.yaml": strict}, unknownItem},
		{"a unit that nobody knows is left out until the mapping knows it", map[string]string{"mapping.yaml": strict}, unknownUnit},
	} {
		t.Run(one.name, func(t *testing.T) {
			testenv.EachDatabase(t, func(t *testing.T, d *db.DB) { one.happen(newWorld(t, d, one.policy)) })
		})
	}
}

// leave has all of one line picked and shipped.
func (w *world) leave(second int, order, shipment string, quantity int) {
	w.t.Helper()
	w.tell(Pick(second, "P-"+shipment, line(order, "10", "BOLT", quantity)), Shipment(second+60, shipment, line(order, "10", "BOLT", quantity)))
}

func toldTwice(w *world) {
	order := w.order(4)
	pick, ship := Pick(10, "P1", line(order, "10", "BOLT", 4)), Shipment(60, "S1", line(order, "10", "BOLT", 4))
	w.tell(pick, ship)
	w.tell(ship, pick, ship)
	w.expectIssued(order, "S1: 10 BOLT 4")
	w.expectStatus(order, state.Closed)
	w.expectCases()
	if r := w.receipt(ship); r.GetLevel() != docklinev1.ReceiptLevel_RECEIPT_LEVEL_CONFIRMED || len(r.GetDocuments()) == 0 {
		w.t.Errorf("the site is told %v", r)
	}
	var duplicates int64
	err := w.d.Read(w.t.Context(), func(tx *db.Tx) error {
		return tx.QueryRow(w.t.Context(), `SELECT COUNT(*) FROM event WHERE site = ?`, Site).Scan(&duplicates)
	})
	if err != nil || duplicates != 2 {
		w.t.Errorf("the log has %d events of the site, expected 2: %v", duplicates, err)
	}
}

func twoContents(w *world) {
	order := w.order(4)
	pick := Pick(10, "P1", line(order, "10", "BOLT", 4))
	first := Shipment(60, "S1", line(order, "10", "BOLT", 4))
	other := proto.CloneOf(first) // the same id: the WMS has used its key again
	other.GetShipment().Lines[0].Quantity.Value = "3"
	w.tell(pick)
	w.tellAt(eventlog.Recorded{Event: proto.CloneOf(other), Epoch: "e1", EpochOrdinal: 1, Seq: 90})
	w.tellAt(eventlog.Recorded{Event: proto.CloneOf(first), Epoch: "e1", EpochOrdinal: 1, Seq: 80}) // the journal wrote it before
	cases := w.cases()
	if c := cases["changed_event"]; c.Code == "" || c.Class != docklinev1.FaultClass_FAULT_CLASS_TECHNICAL || !strings.Contains(c.Text, "2 different contents") {
		w.t.Errorf("cases: %v", cases)
	}
	if shipped := w.state(order).GetLines()[0].GetShipped(); shipped != 4e6 {
		w.t.Errorf("%d millionths have shipped: the lower place counts", shipped)
	}
	var kept int64
	err := w.d.Read(w.t.Context(), func(tx *db.Tx) error {
		return tx.QueryRow(w.t.Context(), `SELECT COUNT(*) FROM event WHERE id = ?`, first.GetId()).Scan(&kept)
	})
	if err != nil || kept != 2 {
		w.t.Errorf("%d bodies are kept, expected 2: %v", kept, err)
	}
}

// keyUsedAgain: the WMS numbers its shipments anew every day, so that two of them have one id.
func keyUsedAgain(w *world) {
	yesterday, today := w.order(4), w.order(7)
	first := Revised(Shipment(60, "S1", line(yesterday, "10", "BOLT", 4)), "1")
	other := Revised(Shipment(86460, "S2", line(today, "10", "BOLT", 7)), "1")
	other.Id, other.SourceKey = first.GetId(), first.GetSourceKey()
	w.tell(Pick(10, "P1", line(yesterday, "10", "BOLT", 4)), first)
	w.tell(Pick(86410, "P2", line(today, "10", "BOLT", 7)), other)
	w.expectCases("changed_event")
	w.expectIssued(today)
	if c := w.cases()["changed_event"]; !strings.Contains(c.Text, "event accept") {
		w.t.Errorf("the case does not say what can be done: %s", c.Text)
	}
	accepted := w.accept(first.GetId(), "")
	if accepted.Known || accepted.Left != 0 {
		w.t.Errorf("accepted: %+v", accepted)
	}
	w.expectCases()
	w.expectIssued(yesterday, "S1: 10 BOLT 4")
	w.expectIssued(today, "S2: 10 BOLT 7")
	w.expectStatus(today, state.Closed)
	if r := w.receipt(accepted.Event); r.GetLevel() != docklinev1.ReceiptLevel_RECEIPT_LEVEL_CONFIRMED {
		w.t.Errorf("the site is told %v", r)
	}

	// The journal is sent again, from a copy that had the second one first, and a person says it once more: nothing changes.
	w.tellAt(eventlog.Recorded{Event: proto.CloneOf(other), Epoch: "e0", EpochOrdinal: 0, Seq: 1}, eventlog.Recorded{Event: proto.CloneOf(first), Epoch: "e0", EpochOrdinal: 0, Seq: 2})
	if again := w.accept(first.GetId(), eventlog.BodyName(other)); !again.Known || again.Event.GetId() != accepted.Event.GetId() {
		w.t.Errorf("accepted again: %+v", again)
	}
	w.expectCases()
	w.expectIssued(yesterday, "S1: 10 BOLT 4")
	w.expectIssued(today, "S2: 10 BOLT 7")
	if r, err := w.stages.Rebuild.CompareFacts(w.t.Context(), 0, 1000); err != nil || len(r.Differences) != 0 {
		w.t.Errorf("facts that differ from their events: %+v, %v", r.Differences, err)
	}

	// A third one is a case again.
	third := Revised(Shipment(172860, "S3", line(today, "10", "BOLT", 1)), "1")
	third.Id, third.SourceKey = first.GetId(), first.GetSourceKey()
	w.tell(third)
	w.expectCases("changed_event")
	if c := w.cases()["changed_event"]; !strings.Contains(c.Text, "2 different contents") {
		w.t.Errorf("what was decided is asked again: %s", c.Text)
	}
}

func (w *world) accept(id, body string) (done eventlog.Accepted) {
	w.t.Helper()
	err := w.d.Write(w.t.Context(), func(tx *db.Tx) (err error) {
		done, err = w.stages.Filler.Log.AcceptAsNew(w.t.Context(), tx, Tenant, id, body)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.work()
	return done
}

func corrected(w *world) {
	order := w.order(10)
	w.tell(Revised(Pick(10, "P1", line(order, "10", "BOLT", 6)), "1"), Revised(Pick(10, "P1", line(order, "10", "BOLT", 5)), "3"), Revised(Pick(10, "P1", line(order, "10", "BOLT", 7)), "2"))
	if picked := w.state(order).GetLines()[0].GetPicked(); picked != 5e6 {
		w.t.Errorf("%d millionths are picked: revision 3 says 5", picked)
	}
	w.tell(Shipment(60, "S1", line(order, "10", "BOLT", 5)))
	w.expectIssued(order, "S1: 10 BOLT 5")
	w.expectCases()
}

func changedSilently(w *world) {
	order := w.order(10)
	w.tell(Pick(10, "P1", line(order, "10", "BOLT", 6)), Pick(10, "P1", line(order, "10", "BOLT", 5)))
	if picked := w.state(order).GetLines()[0].GetPicked(); picked != 6e6 {
		w.t.Errorf("%d millionths are picked: what was told first counts", picked)
	}
	w.expectCases(state.CodeChangedRecord)
	if c := w.cases()[state.CodeChangedRecord]; c.Class != docklinev1.FaultClass_FAULT_CLASS_DATA || len(c.EventIDs) != 2 {
		w.t.Errorf("both are to be shown: %+v", c)
	}
}

func shipBeforeOrder(w *world) {
	order := w.draft(4)
	ship := Shipment(60, "S1", line(order, "10", "BOLT", 4))
	w.tell(Pick(10, "P1", line(order, "10", "BOLT", 4)), ship)
	w.expectStatus(order, state.Unknown)
	w.expectFlag(order, state.FlagOrphan, true)
	w.expectCases()
	w.pass(11 * time.Minute)
	w.expectCases("unknown_order")
	w.expectIssued(order)
	if _, err := w.desk.ConfirmOrder(w.t.Context(), order); err != nil {
		w.t.Fatal(err)
	}
	w.work()
	w.expectIssued(order, "S1: 10 BOLT 4")
	w.expectFlag(order, state.FlagOrphan, false)
	w.expectCases()
	w.expectStatus(order, state.Closed)
}

// backBeforeOrder: everything that can be told of an order is told before the order.
func backBeforeOrder(w *world) {
	order := w.draft(4)
	back := Back(docklinev1.EventKind_EVENT_KIND_RETURN_RECEIVED, 9000, "R1", "RMA-7", "RR-1", line(order, "10", "BOLT", 1))
	w.tell(back, Delivery(900, "T-S1"), Shipment(60, "S1", line(order, "10", "BOLT", 4)), Pick(10, "P1", line(order, "10", "BOLT", 4)))
	w.expectStatus(order, state.Unknown)
	w.expectFlag(order, state.FlagOrphan, true)
	w.pass(11 * time.Minute)
	if c := w.cases()["unknown_order"]; c.Class != docklinev1.FaultClass_FAULT_CLASS_DATA || c.Order != order {
		w.t.Errorf("cases: %v", w.cases())
	}
	if _, err := w.desk.ConfirmOrder(w.t.Context(), order); err != nil {
		w.t.Fatal(err)
	}
	w.work()
	w.expectIssued(order, "S1: 10 BOLT 4")
	w.expectFlag(order, state.FlagOrphan, false)
	if l := w.state(order).GetLines()[0]; l.GetShipped() != 4e6 || l.GetDelivered() != 4e6 || l.GetReturned() != 1e6 {
		w.t.Errorf("what was told before counts: %v", l)
	}
	if c := w.cases()["unknown_order"]; c.Code != "" {
		w.t.Errorf("the order is known: %+v", c)
	}
}

func cancelBeforeOrder(w *world) {
	number := "SO77"
	w.tellCentre(CancelledOrder(number, "5"))
	w.expectStatus(number, state.Cancelled)
	w.tellCentre(Accepted(number, "4", L("", "10", "BOLT", "4")))
	w.expectStatus(number, state.Cancelled)
	w.pass(time.Hour)
	w.expectStatus(number, state.Cancelled)
	w.expectCases()
}

// tellCentre tells facts of the centre, as a connector's intake does.
func (w *world) tellCentre(events ...*docklinev1.Event) {
	w.t.Helper()
	var recorded []eventlog.Recorded
	for _, e := range events {
		recorded = append(recorded, eventlog.Recorded{Event: proto.CloneOf(e)})
	}
	w.tellAt(recorded...)
}

func cancelAfterShip(w *world) {
	order := w.order(4, 2)
	w.leave(10, order, "S1", 4)
	if _, err := w.desk.CancelOrder(w.t.Context(), order, "customer"); err != nil {
		w.t.Fatal(err)
	}
	w.work()
	w.expectFlag(order, state.FlagCancelAfterShip, true)
	w.expectCases("cancel_after_ship")
	c := w.cases()["cancel_after_ship"]
	if c.Class != docklinev1.FaultClass_FAULT_CLASS_PROCESS || c.Team != "customer-service" || !strings.Contains(c.Text, "Recall") || !strings.Contains(c.Text, "return and a credit") {
		w.t.Errorf("the case does not say who does what: %+v", c)
	}
	w.expectIssued(order, "S1: 10 BOLT 4")
}

func partial(w *world) {
	order := w.order(10)
	w.leave(10, order, "S1", 4)
	w.expectStatus(order, state.PartiallyShipped)
	w.leave(200, order, "S2", 6)
	w.expectIssued(order, "S1: 10 BOLT 4", "S2: 10 BOLT 6")
	w.expectStatus(order, state.Closed)
	invoices, err := w.desk.Invoices(w.t.Context())
	if err != nil || len(invoices) != 2 || invoices[0].Shipment == invoices[1].Shipment {
		w.t.Errorf("invoices: %+v, %v", invoices, err)
	}
	w.expectCases()
}

func overShipped(w *world) {
	order := w.order(4)
	w.leave(10, order, "S1", 5)
	w.expectFlag(order, state.FlagOverShipped, true)
	w.expectCases("over_shipped")
	w.expectIssued(order)
	c := w.cases()["over_shipped"]
	if c.Class != docklinev1.FaultClass_FAULT_CLASS_PROCESS || c.Value != "2.00" {
		w.t.Errorf("the case: %+v", c)
	}
	w.tell(Revised(Shipment(60, "S1", line(order, "10", "BOLT", 4)), "2")) // the site corrects what it told
	w.expectCases()
	w.expectIssued(order, "S1: 10 BOLT 4")
}

func overShippedTolerated(w *world) {
	order := w.order(10)
	w.leave(10, order, "S1", 12)
	if over := w.cases()["over_shipped"]; over.Code != "" {
		w.t.Errorf("what is tolerated is a case: %+v", over)
	}
	sent := slices.ContainsFunc(w.postings(order), func(p posting.Entry) bool {
		return p.Kind == connector.GoodsIssue && p.Attempts > 0 || p.State == posting.Confirmed
	})
	if !sent {
		w.t.Errorf("what is tolerated is held: %+v", w.postings(order))
	}
}

func voidFirst(w *world) {
	order := w.order(4)
	void := Keyed(&docklinev1.Event{Tenant: Tenant, Site: Site, Source: WMS, Kind: docklinev1.EventKind_EVENT_KIND_SHIPMENT_VOIDED, Subject: "S1", OccurredAt: At(90), CapturedAt: At(91),
		Payload: &docklinev1.Event_ShipmentVoid{ShipmentVoid: &docklinev1.ShipmentVoid{Number: "S1", Reason: "wrong trailer", DidNotOccur: true, Lines: []*docklinev1.Line{line(order, "10", "BOLT", 4)}}}}, "V1")
	w.tell(void)
	w.expectFlag(order, state.FlagPendingVoid, true)
	if l := w.state(order).GetLines()[0]; l.GetVoided() != 0 || l.GetOut() != 0 {
		w.t.Errorf("sums go below zero: %v", l)
	}
	w.leave(10, order, "S1", 4)
	w.expectFlag(order, state.FlagPendingVoid, false)
	if l := w.state(order).GetLines()[0]; l.GetShipped() != 4e6 || l.GetVoided() != 4e6 || l.GetOut() != 0 {
		w.t.Errorf("the void has no effect: %v", l)
	}
	w.expectIssued(order)
	w.leave(300, order, "S2", 4)
	w.expectIssued(order, "S2: 10 BOLT 4")
}

func pickAfterClose(w *world) {
	order := w.order(4)
	w.leave(10, order, "S1", 4)
	w.expectStatus(order, state.Closed)
	late := Pick(200, "P9", line(order, "10", "BOLT", 1))
	w.tell(late)
	if r := w.receipt(late); r.GetLevel() != docklinev1.ReceiptLevel_RECEIPT_LEVEL_NO_DOCUMENT || r.GetText() == "" {
		w.t.Errorf("the site is told %v", r)
	}
	w.expectIssued(order, "S1: 10 BOLT 4")
}

func daysLate(w *world) {
	order := w.order(4)
	w.leave(10, order, "S1", 4)
	w.expectStatus(order, state.Closed)
	w.pass(72 * time.Hour)
	void := Keyed(&docklinev1.Event{Tenant: Tenant, Site: Site, Source: WMS, Kind: docklinev1.EventKind_EVENT_KIND_SHIPMENT_VOIDED, Subject: "S1", OccurredAt: At(120), CapturedAt: At(121),
		Payload: &docklinev1.Event_ShipmentVoid{ShipmentVoid: &docklinev1.ShipmentVoid{Number: "S1", Reason: "never left"}}}, "V1")
	w.tell(void)
	if got := w.state(order); got.GetStatus() == state.Closed || got.GetLines()[0].GetOut() != 0 {
		w.t.Errorf("a late fact does not open the order again: %v", got)
	}
	w.expectIssued(order) // the book had it, and it was taken back there
}

func wrongClock(w *world) {
	order := w.order(4)
	day := int((24 * time.Hour).Seconds())
	pick, ship := Moved(Pick(10+day, "P1", line(order, "10", "BOLT", 4)), 7), Moved(Shipment(60, "S1", line(order, "10", "BOLT", 4)), 8)
	pick.ClockOffsetMs = int64(day) * 1000 // the scanner is a day ahead; the movement numbers tell the order
	w.tell(pick, ship)
	w.pass(15 * time.Minute)
	w.expectIssued(order, "S1: 10 BOLT 4")
	w.expectStatus(order, state.Closed)
}

// strict is a mapping that knows no code but those that the test uses, and known one that knows them all.
const (
	strict = "strict: true\nitems:\n  - {item: BOLT}\n  - {item: NUT}\n  - {item: PIN}\nunits: {each: \"1\"}\n"
	known  = "strict: true\nitems:\n  - {item: BOLT, units: {CS: \"12\"}}\n  - {item: NUT, codes: [{code: NUT-OLD}]}\n  - {item: PIN}\nunits: {each: \"1\"}\n"
)

func unknownItem(w *world) {
	order := w.order(4, 2)
	strange := line(order, "20", "NUT", 2)
	strange.Item = "NUT-OLD"
	w.tell(Pick(10, "P1", line(order, "10", "BOLT", 4)), Pick(11, "P2", strange), Shipment(60, "S1", line(order, "10", "BOLT", 4), strange))
	w.pass(15 * time.Minute)
	w.expectCases(state.CodeUnknownItem)
	if c := w.cases()[state.CodeUnknownItem]; c.Class != docklinev1.FaultClass_FAULT_CLASS_DATA || c.Team != "master-data" {
		w.t.Errorf("the case: %+v", c)
	}
	if l := w.state(order).GetLines(); l[0].GetShipped() != 4e6 || l[1].GetShipped() != 0 {
		w.t.Errorf("the lines that are known count, the other does not: %v", l)
	}
	w.expectIssued(order)
	w.start(map[string]string{"mapping.yaml": known})
	w.work()
	w.expectCases()
	w.expectIssued(order, "S1: 10 BOLT 4, 20 NUT 2")
}

func unknownUnit(w *world) {
	order := w.order(24)
	boxes := line(order, "10", "BOLT", 2)
	boxes.Quantity.Unit = "CS"
	w.tell(Pick(10, "P1", boxes), Shipment(60, "S1", boxes))
	w.pass(15 * time.Minute)
	w.expectCases(state.CodeUnknownUnit)
	w.expectIssued(order)
	w.start(map[string]string{"mapping.yaml": known})
	w.work()
	w.expectCases()
	w.expectIssued(order, "S1: 10 BOLT 24")
}
