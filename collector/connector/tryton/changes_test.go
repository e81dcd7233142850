package tryton_test

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/connector/tryton"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// drain reads all changes since a cursor.
func drain(t *testing.T, c *tryton.Connector, since connector.Cursor) ([]*docklinev1.Event, connector.Cursor) {
	t.Helper()
	var events []*docklinev1.Event
	for {
		got, err := c.Changes(t.Context(), since)
		if err != nil {
			t.Fatalf("Changes: %v", err)
		}
		events, since = append(events, got.Events...), got.Cursor
		if !got.More {
			return events, since
		}
	}
}

func revisions(events []*docklinev1.Event) []string {
	var out []string
	for _, e := range events {
		out = append(out, event.KindName(e.Kind)+" "+e.SourceKey+" "+e.SourceRevision)
	}
	return out
}

func TestChangesTellOrdersAndInvoicesOnce(t *testing.T) {
	d := openDoor(t)
	c := d.connect(t)
	_, start := drain(t, c, nil)
	o := d.order(t, orderLine{"SKU-1001", 2}, orderLine{"SKU-1003", 1})
	first, afterOrder := drain(t, c, start)
	if len(first) != 1 || first[0].Kind != docklinev1.EventKind_EVENT_KIND_ORDER_ACCEPTED {
		t.Fatalf("after the order: %v", revisions(first))
	}
	got := first[0].GetOrder()
	if got.Number != o.number || first[0].Subject != o.number || got.Customer != "C-1001" || got.Site != "dc-east" || got.Currency != "EUR" ||
		got.CustomerReference != "PO-7" || len(got.ShipTo) == 0 || len(got.Lines) != 2 {
		t.Fatalf("order %v", got)
	}
	l := got.Lines[0]
	if l.OrderLine != o.lines[0] || l.Item != "SKU-1001" || l.GetQuantity().GetValue() != "2" || l.GetQuantity().GetUnit() != "each" || l.UnitPrice == "" {
		t.Errorf("line %v", l)
	}
	issue := issueOf(o, "S1", line(o.lines[0], "SKU-1001", "2", ""), line(o.lines[1], "SKU-1003", "1", ""))
	invoice := apply(t, c, invoiceOf(o, "S1", apply(t, c, issue).Documents...)).Documents[0]
	then, end := drain(t, c, afterOrder)
	var posted []*docklinev1.Event
	for _, e := range then {
		if e.Kind == docklinev1.EventKind_EVENT_KIND_INVOICE_POSTED {
			posted = append(posted, e)
		} else if !slices.Contains(revisions(first), revisions([]*docklinev1.Event{e})[0]) {
			t.Errorf("the shipment made another event of the order: %v", revisions(then))
		}
	}
	if len(posted) != 1 {
		t.Fatalf("after the invoice: %v", revisions(then))
	}
	if i := posted[0].GetInvoice(); i.Number != invoice.Number || i.Order != o.number || i.Total == "" || !slices.Equal(i.Shipments, []string{"S1"}) {
		t.Errorf("invoice %v", i)
	}
	if again, _ := drain(t, c, end); len(again) != 0 {
		t.Errorf("nothing happened, and %v is reported", revisions(again))
	}
	if again, _ := drain(t, c, afterOrder); !slices.Equal(revisions(again), revisions(then)) {
		t.Errorf("the same cursor gives %v, then %v", revisions(then), revisions(again))
	}
	for _, e := range append(first, then...) {
		if f := event.Validate(e); f != nil {
			t.Errorf("%v: %v", revisions([]*docklinev1.Event{e}), f)
		}
	}
}

// Between confirmation and processing Tryton may be asked too: that is no other event of the order.
func TestAnOrderIsAcceptedWhenItIsProcessed(t *testing.T) {
	d := openDoor(t)
	c := d.connect(t)
	_, start := drain(t, c, nil)
	o := d.order(t, orderLine{"SKU-1001", 2})
	sale := d.list(t, "sale.sale", []any{[]any{"number", "=", o.number}}, nil, "id")[0]["id"]
	state := func(s string) {
		if _, err := d.Do(t.Context(), "sale.sale.write", nil, []any{sale}, object{"state": s}); err != nil {
			t.Fatal(err)
		}
	}
	state("confirmed") // as it stood for a moment
	early, next := drain(t, c, start)
	if len(early) != 0 {
		t.Errorf("confirmed only: %v", revisions(early))
	}
	state("processing")
	if then, _ := drain(t, c, next); len(then) != 1 || then[0].Subject != o.number {
		t.Errorf("processed: %v", revisions(then))
	}
}

// The book is the same whether it is added up from movements, from a closed period on or from the beginning, or read bin by bin.
func TestSnapshotAddsUpToTheBooks(t *testing.T) {
	d := openDoor(t)
	want := map[spot]int64{}
	for _, l := range d.db.Master.Stock { // nobody moves anything at dc-west in these tests
		n, err := event.ParseQuantity(l.Quantity.String())
		if err != nil {
			t.Fatal(err)
		}
		if l.Site == "dc-west" && n != 0 {
			want[spot{l.Bin, l.Item, l.Lot}] += n
		}
	}
	read := func(what string) {
		t.Helper()
		snapshots, err := d.connect(t).Snapshot(t.Context(), connector.Scope{Site: "dc-west"})
		if err != nil || len(snapshots) != 1 {
			t.Fatalf("%s: %d, %v", what, len(snapshots), err)
		}
		holds(t, what, snapshots[0].GetStockSnapshot().GetLines(), want)
	}
	read("from all movements")
	admin := d.admin(t)
	day := object{"__class__": "date", "year": time.Now().UTC().Year() - 1, "month": 2, "day": 1} // before anything was seeded
	do := func(method string, params ...any) any {
		t.Helper()
		result, err := admin.Do(t.Context(), method, nil, params...)
		if err != nil {
			t.Fatal(err)
		}
		return result
	}
	var place spot
	for p := range want {
		if p.lot == "" && (place.bin == "" || p.item < place.item) {
			place = p
		}
	}
	early := do("stock.inventory.create", []any{object{"location": d.Bins["dc-west"][place.bin], "date": day, "lines": []any{[]any{"create",
		[]any{object{"product": d.Products[place.item]["id"], "quantity": 7}}}}}})
	do("stock.inventory.confirm", early) // what was counted later comes on top
	want[place] += 7_000_000
	do("stock.period.close", do("stock.period.create", []any{object{"date": day}}))
	read("from a closed period on")
	lines, err := d.connect(t).BookByBin(t.Context(), "dc-west", place.bin)
	if err != nil {
		t.Fatal(err)
	}
	maps.DeleteFunc(want, func(p spot, _ int64) bool { return p.bin != place.bin })
	holds(t, "bin by bin", lines, want)
	if _, err := d.connect(t).Snapshot(t.Context(), connector.Scope{Site: "moon"}); err == nil {
		t.Error("a snapshot of a site that is not there")
	}
}

type spot struct{ bin, item, lot string }

func holds(t *testing.T, what string, lines []*docklinev1.Line, want map[spot]int64) {
	t.Helper()
	got := map[spot]int64{}
	for _, l := range lines {
		n, err := event.ParseQuantity(l.GetQuantity().GetValue())
		if err != nil {
			t.Fatal(err)
		}
		got[spot{l.Bin, l.Item, l.Lot}] += n
	}
	for p, n := range want {
		if got[p] != n {
			t.Errorf("%s, %v: %d, want %d", what, p, got[p], n)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%s: %d lines, want %d", what, len(got), len(want))
	}
}
