package sql_test

import (
	"fmt"
	"testing"

	"github.com/shopspring/decimal"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv"
	"github.com/dockline/dockline/testenv/erp"
	"github.com/dockline/dockline/testenv/tryton"
)

// trytonConfig reads what Tryton's warehouse keeps of its work: a pick is a move out of a bin that is done, a shipment is its outgoing moves. Tryton
// stamps each record with the time at which it was written, in UTC.
const trytonConfig = `      zone: UTC
      poll: 1s
      overlap: 10s
      settle: 1s
      streams:
        - name: picks
          query: |
            SELECT m.id, m.quantity, sale.number AS sale, p.code AS sku, bin.code AS bin, u.symbol AS unit, s.number AS shipment, coalesce(m.write_date, m.create_date) AS changed
            FROM stock_move m JOIN stock_move o ON m.origin = 'stock.move,' || o.id JOIN sale_line l ON o.origin = 'sale.line,' || l.id JOIN sale_sale sale ON sale.id = l.sale
            JOIN stock_shipment_out s ON m.shipment = 'stock.shipment.out,' || s.id JOIN product_product p ON p.id = m.product JOIN product_uom u ON u.id = m.uom JOIN stock_location bin ON bin.id = m.from_location
            WHERE m.state = 'done'
          watermark: changed
          kind: pick.confirmed
          key: id
          columns: {id: task, sale: order, sku: item, quantity: quantity, unit: unit, bin: bin, changed: occurred_at}
        - name: ships
          query: |
            SELECT s.number AS shipment, o.id AS move, o.quantity, sale.number AS sale, p.code AS sku, u.symbol AS unit, coalesce(s.write_date, s.create_date) AS changed
            FROM stock_shipment_out s JOIN stock_move o ON o.shipment = 'stock.shipment.out,' || s.id JOIN sale_line l ON o.origin = 'sale.line,' || l.id JOIN sale_sale sale ON sale.id = l.sale
            JOIN product_product p ON p.id = o.product JOIN product_uom u ON u.id = o.uom
            WHERE s.state = 'done' AND o.state = 'done'
          watermark: changed
          tie: [shipment, move]
          kind: shipment.departed
          key: shipment
          group: true
          columns: {shipment: shipment, sale: order, sku: item, quantity: quantity, unit: unit, changed: occurred_at}
`

// A Tryton that is at work is the WMS: people assign, pick, pack and ship in it, and its tables alone tell what left, order by order and line by line.
//
// Shows: S35
func TestTrytonAsAWarehouseSystem(t *testing.T) {
	tables := testenv.Tryton(t)
	people, err := tryton.Open(t.Context(), tables)
	if err != nil {
		t.Fatal(err)
	}
	a := newAgent(t, database{section: fmt.Sprintf("      database: {driver: sqlite, file: %q}\n", tables.File)}, trytonConfig)
	want := map[string]decimal.Decimal{}
	const orders = 2
	for n := range orders {
		lines := []erp.NewOrderLine{{Item: "SKU-1001", Quantity: decimal.NewFromInt(int64(3 + n))}, {Item: "SKU-1002", Quantity: decimal.NewFromInt(4)}}
		made, err := people.Order(t.Context(), erp.NewOrder{Customer: "C-1002", Site: "dc-west", CustomerReference: fmt.Sprintf("PO-%d", n), Lines: lines})
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range lines {
			want[made.Number+" "+l.Item] = l.Quantity
		}
		ship(t, people)
	}
	told := func(kind docklinev1.EventKind, held map[string][]*docklinev1.Event) map[string]decimal.Decimal {
		sum := map[string]decimal.Decimal{}
		for key, events := range held {
			if len(events) != 1 {
				t.Errorf("%s was told %d times", key, len(events))
			}
			for _, l := range append(events[0].GetPick().GetLines(), events[0].GetShipment().GetLines()...) {
				if events[0].GetKind() == kind {
					at := l.GetOrder() + " " + l.GetItem()
					sum[at] = sum[at].Add(decimal.RequireFromString(l.GetQuantity().GetValue()))
				}
			}
		}
		return sum
	}
	testenv.Eventually(t, patience, "picks and shipments are told", func() bool { return a.plugin().GetAcceptedTotal() >= 3*orders }, func() string { return a.plugin().String() })
	a.Stop()
	held := a.held()
	for _, kind := range []docklinev1.EventKind{docklinev1.EventKind_EVENT_KIND_PICK_CONFIRMED, docklinev1.EventKind_EVENT_KIND_SHIPMENT_DEPARTED} {
		got := told(kind, held)
		if len(got) != len(want) {
			t.Errorf("%v: %d lines, want %d", kind, len(got), len(want))
		}
		for line, quantity := range want {
			if !got[line].Equal(quantity) {
				t.Errorf("%v: %s of %s, Tryton shipped %s", kind, got[line], line, quantity)
			}
		}
	}
}

// ship does what people do with every shipment that waits.
func ship(t *testing.T, people *tryton.Client) {
	t.Helper()
	waiting, err := people.List(t.Context(), "stock.shipment.out", []any{[]any{"state", "in", []string{"waiting", "assigned"}}}, nil, "id")
	if err != nil || len(waiting) == 0 {
		t.Fatalf("%d shipments wait: %v", len(waiting), err)
	}
	for _, s := range waiting {
		for _, button := range []string{"assign_try", "pick", "pack", "done"} {
			if _, err := people.Do(t.Context(), "stock.shipment.out."+button, nil, []int64{tryton.ID(s["id"])}); err != nil {
				t.Fatalf("%s: %v", button, err)
			}
		}
	}
}
