package tryton_test

import (
	"slices"
	"testing"

	"github.com/shopspring/decimal"

	"github.com/dockline/dockline/testenv"
	"github.com/dockline/dockline/testenv/erp"
	"github.com/dockline/dockline/testenv/tryton"
)

// TestAClientSeesItsOrder makes a sale and reads the books: the order is open, nothing has left, and the stock is what was seeded.
func TestAClientSeesItsOrder(t *testing.T) {
	db := testenv.Tryton(t)
	c, err := tryton.Open(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	made, err := c.Order(t.Context(), erp.NewOrder{Customer: "C-1002", Site: "dc-west", CustomerReference: "PO-1",
		Lines: []erp.NewOrderLine{{Item: "SKU-1001", Quantity: decimal.NewFromInt(3)}, {Item: "SKU-1002", Quantity: decimal.NewFromInt(4)}}})
	if err != nil {
		t.Fatal(err)
	}
	orders, err := c.Orders(t.Context())
	if err != nil || len(orders) != 1 || orders[0].Number != made.Number || orders[0].Status != erp.Confirmed || len(orders[0].Lines) != 2 ||
		!orders[0].Lines[1].Open.Equal(decimal.NewFromInt(4)) || !orders[0].Lines[1].Issued.IsZero() || orders[0].Site != "dc-west" {
		t.Errorf("orders %+v, %v", orders, err)
	}
	issues, err := c.Issues(t.Context())
	if err != nil || len(issues) > 0 {
		t.Errorf("issues %+v, %v", issues, err)
	}
	invoices, err := c.Invoices(t.Context())
	if err != nil || len(invoices) > 0 {
		t.Errorf("invoices %+v, %v", invoices, err)
	}
	adjustments, err := c.Adjustments(t.Context())
	if err != nil || len(adjustments) > 0 {
		t.Errorf("adjustments %+v, %v: the seeded stock is no count", adjustments, err)
	}
	unfinished, err := c.Unfinished(t.Context())
	if err != nil || len(unfinished) > 0 {
		t.Errorf("unfinished %q, %v", unfinished, err)
	}
	stock, err := c.Stock(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range db.Master.Stock {
		if !slices.ContainsFunc(stock, func(l erp.StockLine) bool {
			return l.Site == want.Site && l.Bin == want.Bin && l.Item == want.Item && l.Lot == want.Lot && l.Unit == want.Unit && l.Quantity.Equal(want.Quantity)
		}) {
			t.Errorf("no stock line %+v", want)
		}
	}
	if len(stock) != len(db.Master.Stock) {
		t.Errorf("%d stock lines, want %d", len(stock), len(db.Master.Stock))
	}
}
