package once_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/shopspring/decimal"

	"github.com/dockline/dockline/testenv/erp"
	"github.com/dockline/dockline/testenv/world"
	"github.com/dockline/dockline/testenv/world/worldtest"
)

// TestCompareCanFail removes, doubles and changes one document at a time: each time the comparison names it.
func TestCompareCanFail(t *testing.T) {
	w := worldtest.Open(t, world.Config{Seed: 4, Sites: []string{"dc-west"}})
	worldtest.Orders(t, w, 12)
	whole(t, w)
	ledgers, err := w.Ledgers()
	if err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*world.Truth) string{
		"an issue removed": func(x *world.Truth) string {
			gone := x.Issues[0].ExternalReference
			x.Issues = x.Issues[1:]
			return gone
		},
		"an issue doubled": func(x *world.Truth) string {
			x.Issues = append(x.Issues, x.Issues[0])
			return x.Issues[0].ExternalReference
		},
		"a quantity changed": func(x *world.Truth) string {
			x.Issues[0].Lines[0].Quantity = x.Issues[0].Lines[0].Quantity.Add(decimal.NewFromInt(1))
			return x.Issues[0].Number
		},
		"an invoice removed": func(x *world.Truth) string {
			number := x.Invoices[0].GoodsIssue
			x.Invoices = x.Invoices[1:]
			return number
		},
		"an invoice of nothing": func(x *world.Truth) string {
			x.Invoices = append(x.Invoices, erp.Invoice{Number: "INV-of-nothing", GoodsIssue: "none"})
			return "INV-of-nothing"
		},
		"an invoice with another reference": func(x *world.Truth) string {
			x.Invoices[0].ExternalReference = "another"
			return x.Invoices[0].Number
		},
		"a remainder closed": func(x *world.Truth) string {
			l := &x.Orders[0].Lines[0]
			l.Open = l.Open.Sub(decimal.NewFromInt(1))
			return "order " + x.Orders[0].Number + " line " + l.Line + " has " + l.Open.String() + " open"
		},
		"a document begun": func(x *world.Truth) string {
			x.Unfinished = append(x.Unfinished, "shipment SH-1 is still picked")
			return "SH-1"
		},
		"stock changed": func(x *world.Truth) string {
			x.Stock["dc-west"][0].Quantity = x.Stock["dc-west"][0].Quantity.Add(decimal.NewFromInt(1))
			return x.Stock["dc-west"][0].Item
		},
		"a status changed": func(x *world.Truth) string {
			x.CRMOrders[0].Status = "accepted too"
			return x.CRMOrders[0].Number
		},
	} {
		truth, err := w.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if found := world.Compare(ledgers, truth, w.OpeningStock()); len(found) > 0 {
			t.Fatalf("before anything was spoilt: %q", found)
		}
		want := spoil(&truth)
		found := world.Compare(ledgers, truth, w.OpeningStock())
		if !slices.ContainsFunc(found, func(m string) bool { return strings.Contains(m, want) }) {
			t.Errorf("%s: %q does not name %s", name, found, want)
		}
	}
}
