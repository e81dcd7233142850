package tryton_test

import (
	"reflect"
	"testing"

	"github.com/dockline/dockline/collector/connector"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
	office "github.com/dockline/dockline/testenv/tryton"
)

func amendmentOf(o order, action, cause string, lines ...*docklinev1.OrderAmendmentLine) *connector.Posting {
	return &connector.Posting{Tenant: "acme", Kind: connector.OrderAmendment, Key: o.number + "/" + action + "/" + cause, SourceVersion: 1,
		Document: &docklinev1.Document{Document: &docklinev1.Document_OrderAmendment{OrderAmendment: &docklinev1.OrderAmendment{Order: o.number, Action: action, Lines: lines,
			Reason: "out of stock", Approval: "chief of shift", Site: "dc-east"}}}}
}

func amendLine(orderLine, item, quantity, substitute, substituteQuantity string) *docklinev1.OrderAmendmentLine {
	return &docklinev1.OrderAmendmentLine{OrderLine: orderLine, Item: item, Quantity: quantity, Substitute: substitute, SubstituteQuantity: substituteQuantity}
}

// orderTold is the newest that the changes tell of an order since a cursor.
func orderTold(t *testing.T, events []*docklinev1.Event, number string) *docklinev1.Event {
	t.Helper()
	var last *docklinev1.Event
	for _, e := range events {
		if e.Subject == number && e.GetOrder() != nil && (last == nil || e.SourceRevision > last.SourceRevision) {
			last = e
		}
	}
	if last == nil {
		t.Fatalf("order %s was not told among %v", number, revisions(events))
	}
	return last
}

// What was picked instead is a line of its own in Tryton, with a movement in the same shipment; it leaves with what is left of the line that it stands for.
//
// Shows: S3, S11
func TestASubstitutionIsALineOfTheOrder(t *testing.T) {
	d := openDoor(t)
	w := openWay(t, d)
	c := d.connectBy(t, w)
	o := d.order(t, orderLine{"SKU-1001", 5}, orderLine{"SKU-1002", 1})
	before, start := drain(t, c, nil)
	first := orderTold(t, before, o.number)
	p := amendmentOf(o, "substitute", "P1", amendLine(o.lines[0], "SKU-1001", "2", "SKU-1003", "3"))
	w.Arm("sale.sale.write", 1, office.LoseAnswer)
	if _, err := c.Apply(t.Context(), p); err == nil {
		t.Fatal("the answer was not lost")
	}
	apply(t, c, p)
	apply(t, c, p)
	got := d.shipments(t, o)
	if want := map[string]float64{"SKU-1001": 3, "SKU-1002": 1, "SKU-1003": 3}; len(got) != 1 || got[0].state != "waiting" || !reflect.DeepEqual(got[0].goods, want) {
		t.Fatalf("shipments %+v, want one that waits with %v", got, want)
	}
	events, _ := drain(t, c, start)
	told := orderTold(t, events, o.number)
	lines := told.GetOrder().GetLines()
	if len(lines) != 3 || lines[0].Quantity.Value != "3" || lines[2].Item != "SKU-1003" || lines[2].OriginalItem != "SKU-1001" || lines[2].OriginalQuantity.GetValue() != "2" ||
		lines[2].UnitPrice == "" || told.SourceRevision <= first.SourceRevision {
		t.Errorf("told is %v, after %s", told, first.SourceRevision)
	}
	issue := issueOf(o, "S1", line(o.lines[0], "SKU-1001", "3", ""), line(lines[2].OrderLine, "SKU-1003", "3", ""), line(o.lines[1], "SKU-1002", "1", ""))
	apply(t, c, issue)
	complete(t, c, p)
	_, err := c.Apply(t.Context(), amendmentOf(o, "substitute", "P2", amendLine(o.lines[0], "SKU-1001", "1", "SKU-1003", "1")))
	refused(t, err, processClass, "line_not_open")
}

// What is not to come any more leaves the order; nothing of a shipment is left where all its lines were cancelled.
func TestARemainderIsCancelledOrOwed(t *testing.T) {
	d := openDoor(t)
	c := d.connect(t)
	o := d.order(t, orderLine{"SKU-1001", 5}, orderLine{"SKU-1002", 2})
	apply(t, c, issueOf(o, "S1", line(o.lines[0], "SKU-1001", "1", "")))
	apply(t, c, amendmentOf(o, "backorder", "S1", amendLine(o.lines[0], "SKU-1001", "4", "", "")))
	apply(t, c, amendmentOf(o, "cancel", "S1", amendLine(o.lines[0], "SKU-1001", "1", "", "")))
	got := d.shipments(t, o)
	if want := map[string]float64{"SKU-1001": 3, "SKU-1002": 2}; len(got) != 2 || got[1].state != "waiting" || !reflect.DeepEqual(got[1].goods, want) {
		t.Fatalf("shipments %+v, want a second one with %v", got, want)
	}
	rest := amendmentOf(o, "cancel", "S2", amendLine(o.lines[0], "SKU-1001", "3", "", ""), amendLine(o.lines[1], "SKU-1002", "2", "", ""))
	apply(t, c, rest)
	if got = d.shipments(t, o); len(got) != 2 || got[1].state != "cancelled" {
		t.Errorf("shipments %+v, want the second one cancelled", got)
	}
	sale := d.list(t, "sale.sale", []any{[]any{"number", "=", o.number}}, nil, "shipment_state", "lines")
	if sale[0]["shipment_state"] != "sent" {
		t.Errorf("the order's goods are %v, want sent", sale[0]["shipment_state"])
	}
	var held connector.Listed
	for page := (connector.ListedPage{More: true}); page.More; {
		var err error
		if page, err = c.ListRecords(t.Context(), connector.Listing{Kind: connector.OrderRecord, Page: page.Next}); err != nil {
			t.Fatal(err)
		}
		for _, r := range page.Documents {
			if r.Number == o.number {
				held = r
			}
		}
	}
	if want := []connector.Line{{OrderLine: o.lines[0], Item: "SKU-1001", Quantity: event.Scale}}; !held.Whole || !reflect.DeepEqual(held.Lines, want) || held.Fields["status"] != "in force" ||
		held.Fields["customer"] != "C-1001" || held.Fields[connector.PriceOf(o.lines[0])] == "" {
		t.Errorf("the order is listed as %+v, want the lines %v", held, want)
	}
	for code, p := range map[string]*connector.Posting{
		"line_not_open": amendmentOf(o, "cancel", "S3", amendLine(o.lines[0], "SKU-1001", "1", "", "")),
		"other_item":    amendmentOf(o, "cancel", "S5", amendLine(o.lines[0], "SKU-1002", "1", "", "")),
	} {
		_, err := c.Apply(t.Context(), p)
		refused(t, err, processClass, code)
	}
	for code, p := range map[string]*connector.Posting{
		"unknown_line": amendmentOf(o, "cancel", "S4", amendLine("99", "SKU-1001", "1", "", "")),
		"bad_quantity": amendmentOf(o, "cancel", "S6", amendLine(o.lines[0], "SKU-1001", "x", "", "")),
	} {
		_, err := c.Apply(t.Context(), p)
		refused(t, err, dataClass, code)
	}
	_, err := c.Apply(t.Context(), amendmentOf(d.order(t, orderLine{"SKU-1001", 1}), "substitute", "P1", amendLine(o.lines[0], "SKU-1001", "1", "SKU-9", "1")))
	refused(t, err, dataClass, "unknown_line")
}

// An order of which nothing has left is shipped by another site.
func TestAnOrderMovesToAnotherSite(t *testing.T) {
	d := openDoor(t)
	c := d.connect(t)
	o := d.order(t, orderLine{"SKU-1001", 2})
	p := amendmentOf(o, "move", "dc-west")
	p.Document.GetOrderAmendment().ToSite = "dc-west"
	apply(t, c, p)
	got := d.shipments(t, o)
	if len(got) != 2 || got[0].state != "cancelled" || got[1].state != "waiting" {
		t.Fatalf("shipments %+v, want one that was cancelled and one that waits", got)
	}
	for _, s := range d.list(t, "stock.shipment.out", []any{[]any{"number", "=", got[1].number}}, nil, "warehouse.code") {
		if s["warehouse."].(object)["code"] != "dc-west" {
			t.Errorf("the shipment is of %v", s)
		}
	}
	back := amendmentOf(o, "move", "dc-east") // other tests count on dc-west's book: the goods leave from where they were
	back.Document.GetOrderAmendment().ToSite = "dc-east"
	apply(t, c, back)
	apply(t, c, issueOf(o, "S1", line(o.lines[0], "SKU-1001", "2", "")))
	again := amendmentOf(o, "move", "again")
	again.Document.GetOrderAmendment().ToSite = "dc-west"
	_, err := c.Apply(t.Context(), again)
	refused(t, err, processClass, "order_not_open")
}
