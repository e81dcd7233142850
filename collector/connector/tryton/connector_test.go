package tryton_test

import (
	"context"
	"errors"
	"reflect"
	"testing"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/connector/tryton"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	office "github.com/dockline/dockline/testenv/tryton"
)

func apply(t *testing.T, c *tryton.Connector, p *connector.Posting) connector.Result {
	t.Helper()
	r, err := c.Apply(t.Context(), p)
	if err != nil {
		t.Fatalf("Apply %s: %v", p.Key, err)
	}
	complete(t, c, p)
	return r
}

func complete(t *testing.T, c *tryton.Connector, p *connector.Posting) {
	t.Helper()
	found, err := c.Find(t.Context(), p)
	if err != nil || len(found) != 1 || !found[0].Complete {
		t.Fatalf("Find %s: %+v, %v; want one that is complete", p.Key, found, err)
	}
}

func refused(t *testing.T, err error, class docklinev1.FaultClass, code string) {
	t.Helper()
	f, ok := errors.AsType[*connector.Fault](err)
	if !ok || f.Class != class || f.Code != code || f.Unknown || f.Remedy == "" {
		t.Errorf("error %+v, want %s %s with a remedy", err, class, code)
	}
}

const (
	dataClass    = docklinev1.FaultClass_FAULT_CLASS_DATA
	processClass = docklinev1.FaultClass_FAULT_CLASS_PROCESS
)

func TestFullShipmentAndItsInvoice(t *testing.T) {
	d := openDoor(t)
	c := d.connect(t)
	o := d.order(t, orderLine{"SKU-1001", 3}, orderLine{"SKU-1002", 2})
	bin := d.stocked(t, "SKU-1001", 3)
	before := d.onHand(t, bin, "SKU-1001")
	p := issueOf(o, "S1", line(o.lines[0], "SKU-1001", "3", bin), line(o.lines[1], "SKU-1002", "2", ""))
	if found, err := c.Find(t.Context(), p); err != nil || len(found) != 0 {
		t.Fatalf("Find before: %v, %v", found, err)
	}
	made := apply(t, c, p).Documents[0]
	again := apply(t, c, p).Documents[0]
	if made.Number != again.Number || made.System != "tryton" {
		t.Errorf("first %v, then %v", made, again)
	}
	want := []shipped{{made.Number, "done", p.Key + "|JD00014", map[string]float64{"SKU-1001": 3, "SKU-1002": 2}}}
	if got := d.shipments(t, o); !reflect.DeepEqual(got, want) {
		t.Errorf("shipments %+v, want %+v", got, want)
	}
	if after := d.onHand(t, bin, "SKU-1001"); after != before-3 {
		t.Errorf("bin %s holds %v, want %v: the pick was made there", bin, after, before-3)
	}
	invoice := invoiceOf(o, "S1", made)
	posted := apply(t, c, invoice).Documents[0]
	if again := apply(t, c, invoice).Documents[0]; again.Number != posted.Number || posted.Number == "" {
		t.Errorf("invoice %q, then %q", posted.Number, again.Number)
	}
	other := *p
	other.Key, other.Document = o.number+"/S2", issueOf(o, "S2", line(o.lines[0], "SKU-1001", "1", "")).Document
	_, err := c.Apply(t.Context(), &other)
	refused(t, err, processClass, "nothing_open")
}

func TestPartialShipmentLeavesABackOrderAndTheSecondTakesIt(t *testing.T) {
	d := openDoor(t)
	c := d.connect(t)
	o := d.order(t, orderLine{"SKU-1001", 5}, orderLine{"SKU-1002", 4})
	first := issueOf(o, "S1", line(o.lines[0], "SKU-1001", "3", ""))
	apply(t, c, first)
	got := d.shipments(t, o)
	if len(got) != 2 || got[0].state != "done" || got[1].state != "waiting" ||
		!reflect.DeepEqual(got[1].goods, map[string]float64{"SKU-1001": 2, "SKU-1002": 4}) {
		t.Fatalf("after the first: %+v", got)
	}
	over := issueOf(o, "S9", line(o.lines[0], "SKU-1001", "9", ""))
	_, err := c.Apply(t.Context(), over)
	refused(t, err, processClass, "over_issue")
	second := issueOf(o, "S2", line(o.lines[0], "SKU-1001", "2", ""), line(o.lines[1], "SKU-1002", "4", ""))
	apply(t, c, second)
	complete(t, c, first)
	got = d.shipments(t, o)
	if len(got) != 2 || got[1].state != "done" || got[1].reference != second.Key+"|JD00014" {
		t.Errorf("after the second: %+v", got)
	}
}

func TestLotsLeaveAsTheyWerePicked(t *testing.T) {
	d := openDoor(t)
	c := d.connect(t)
	var item, lot, bin string
	for _, l := range d.db.Master.Stock {
		if l.Site == "dc-east" && l.Lot != "" && l.Quantity.IntPart() >= 2 {
			item, lot, bin = l.Item, l.Lot, l.Bin
			break
		}
	}
	o := d.order(t, orderLine{item, 2})
	without := issueOf(o, "S0", line(o.lines[0], item, "2", bin))
	_, err := c.Apply(t.Context(), without)
	refused(t, err, dataClass, "lot_required")
	l := line(o.lines[0], item, "2", bin)
	l.Lot = lot
	apply(t, c, issueOf(o, "S1", l))
	l.Lot = "NO-SUCH-LOT"
	_, err = c.Apply(t.Context(), issueOf(d.order(t, orderLine{item, 2}), "S1", l))
	refused(t, err, processClass, "line_not_open")
}

func TestWrongContentIsRefusedBeforeAnythingIsWritten(t *testing.T) {
	d := openDoor(t)
	c := d.connect(t)
	o := d.order(t, orderLine{"SKU-1001", 5})
	for code, p := range map[string]*connector.Posting{
		"unknown_item":  issueOf(o, "S1", line(o.lines[0], "SKU-9", "1", "")),
		"unknown_order": issueOf(order{number: "SO-none"}, "S1", line("1", "SKU-1001", "1", "")),
		"bad_quantity":  issueOf(o, "S1", line(o.lines[0], "SKU-1001", "1,5", "")),
		"unknown_bin":   adjustmentOf("CC1", "Z-99-99", "SKU-1001", "1"),
	} {
		_, err := c.Apply(t.Context(), p)
		refused(t, err, dataClass, code)
	}
	_, err := c.Apply(t.Context(), issueOf(o, "S1", line(o.lines[0], "SKU-1002", "1", "")))
	refused(t, err, processClass, "other_item")
	if got := d.shipments(t, o); len(got) != 1 || got[0].state != "waiting" || got[0].reference != "" {
		t.Errorf("the refused postings left %+v", got)
	}
}

func TestVarianceIsBookedOnWhatTheBooksHoldNow(t *testing.T) {
	d := openDoor(t)
	c := d.connect(t)
	bin := d.stocked(t, "SKU-1001", 8)
	before := d.onHand(t, bin, "SKU-1001")
	p := adjustmentOf("CC-7/SKU-1001/"+bin, bin, "SKU-1001", "-2")
	apply(t, c, p)
	apply(t, c, p)
	apply(t, c, adjustmentOf("CC-7#2", bin, "SKU-1001", "5"))
	if got := d.onHand(t, bin, "SKU-1001"); got != before+3 {
		t.Errorf("the book holds %v, want %v", got, before+3)
	}
	_, err := c.Apply(t.Context(), adjustmentOf("CC-8", bin, "SKU-1001", "-1000000"))
	refused(t, err, processClass, "book_too_low")
}

func TestALostAnswerIsFoundNotRepeated(t *testing.T) {
	d := openDoor(t)
	w := openWay(t, d)
	c := d.connectBy(t, w)
	w.Arm("stock.shipment.out.done", 1, office.LoseAnswer)
	o := d.order(t, orderLine{"SKU-1001", 1})
	p := issueOf(o, "S1", line(o.lines[0], "SKU-1001", "1", ""))
	_, err := c.Apply(t.Context(), p)
	f, ok := errors.AsType[*connector.Fault](err)
	if !ok || !f.Unknown || len(w.Armed()) > 0 {
		t.Fatalf("error %v, want one that says unknown", err)
	}
	complete(t, c, p)
	if got := d.shipments(t, o); len(got) != 1 || got[0].goods["SKU-1001"] != 1 {
		t.Errorf("shipments %+v", got)
	}
}

func TestAnEndedSessionIsOpenedAgain(t *testing.T) {
	d := openDoor(t)
	c := d.connect(t)
	m, err := c.Probe(context.Background())
	if err != nil || m.System != "tryton" || m.Version == "" {
		t.Fatalf("Probe: %+v, %v", m, err)
	}
	w := openWay(t, d)
	c = d.connectBy(t, w)
	w.Arm("sale.sale.search_read", 1, endSession)
	if _, err := c.Changes(t.Context(), nil); err != nil || len(w.Armed()) > 0 {
		t.Errorf("after the session ended: %v", err)
	}
	s := d.settings(t)
	s.Login = "nobody"
	wrong, err := tryton.New(s)
	if err != nil {
		t.Fatal(err)
	}
	_, err = wrong.Probe(t.Context())
	refused(t, err, docklinev1.FaultClass_FAULT_CLASS_TECHNICAL, "not_authorised")
}
