package tryton_test

import (
	"testing"

	"github.com/shopspring/decimal"

	"github.com/dockline/dockline/collector/connector"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	office "github.com/dockline/dockline/testenv/tryton"
)

// orderOf is an order that was handed in.
func orderOf(number, customer string, lines ...*docklinev1.Line) *connector.Posting {
	return &connector.Posting{Tenant: "acme", Kind: connector.OrderCreate, Key: "shop/" + customer + "/" + number, SourceVersion: 1,
		Document: &docklinev1.Document{Document: &docklinev1.Document_OrderCreate{OrderCreate: &docklinev1.Order{Number: number, Customer: customer, Site: "dc-east", Lines: lines}}}}
}

func ordered(item, quantity, price string) *docklinev1.Line {
	return &docklinev1.Line{Item: item, Quantity: &docklinev1.Quantity{Value: quantity}, UnitPrice: price}
}

// An order that was handed in is there once, whichever answer is lost, in process, at its price or at Tryton's own.
func TestAnOrderThatWasHandedInIsMadeOnce(t *testing.T) {
	d := openDoor(t)
	w := openWay(t, d)
	c := d.connectBy(t, w)
	p := orderOf("PO-4711", "C-1002", ordered("SKU-1001", "3", "12.50"), ordered("SKU-1002", "2", ""))
	for _, button := range []string{"create", "quote", "confirm"} {
		w.Arm("sale.sale."+button, 1, office.LoseAnswer)
		if _, err := c.Apply(t.Context(), p); err == nil || len(w.Armed()) > 0 {
			t.Fatalf("%s: %v", button, err)
		}
	}
	made := apply(t, c, p).Documents[0]
	apply(t, c, p)
	sales := d.list(t, "sale.sale", []any{[]any{"reference", "=", "PO-4711"}}, nil, "number", "state", "party.code", "lines", "shipment_address", "payment_term")
	if len(sales) != 1 || sales[0]["number"] != made.Number || sales[0]["state"] != "processing" || sales[0]["party."].(object)["code"] != "C-1002" || sales[0]["payment_term"] == nil {
		t.Fatalf("Tryton has %v, want one in process with the number %s", sales, made.Number)
	}
	prices := map[string]string{}
	for _, l := range d.list(t, "sale.line", []any{[]any{"id", "in", sales[0]["lines"]}}, nil, "product.code", "unit_price", "quantity") {
		prices[l["product."].(object)["code"].(string)] = l["unit_price"].(object)["decimal"].(string)
	}
	if own := amount(t, d.Products["SKU-1002"]["list_price"].(object)["decimal"]); !amount(t, prices["SKU-1001"]).Equal(decimal.RequireFromString("12.5")) || !amount(t, prices["SKU-1002"]).Equal(own) {
		t.Errorf("prices %v, want 12.50 and Tryton's own %s", prices, own)
	}
	other := orderOf("PO-4711", "C-1003", ordered("SKU-1001", "1", "")) // another customer's number
	apply(t, c, other)
	for code, wrong := range map[string]*connector.Posting{"unknown_item": orderOf("PO-1", "C-1002", ordered("SKU-9", "1", "")),
		"unknown_customer": orderOf("PO-2", "C-none", ordered("SKU-1001", "1", "")), "bad_quantity": orderOf("PO-3", "C-1002", ordered("SKU-1001", "0", ""))} {
		_, err := c.Apply(t.Context(), wrong)
		refused(t, err, dataClass, code)
	}
	elsewhere := orderOf("PO-5", "C-1002", ordered("SKU-1001", "1", ""))
	elsewhere.Document.GetOrderCreate().ShipTo = []string{"1 Nowhere Lane", "Atlantis"}
	_, err := c.Apply(t.Context(), elsewhere)
	refused(t, err, dataClass, "unknown_address")
}

func amount(t *testing.T, v any) decimal.Decimal {
	t.Helper()
	text, _ := v.(string)
	d, err := decimal.NewFromString(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// A customer whose credit limit is used up gets nothing: the order stays a quotation, and goes on where it stands once somebody has raised the limit.
func TestACreditLimitHoldsAnOrder(t *testing.T) {
	d := openDoor(t)
	c := d.connect(t)
	const blocked = "C-1007"
	admin := d.admin(t)
	limit := func(amount any) {
		t.Helper()
		if _, err := admin.Do(t.Context(), "party.party.write", nil, []any{d.Customers[blocked]["id"]}, object{"credit_limit_amount": amount}); err != nil {
			t.Fatal(err)
		}
	}
	limit(object{"__class__": "Decimal", "decimal": "0"})
	defer limit(nil)
	p := orderOf("PO-LIMIT", blocked, ordered("SKU-1001", "1", ""))
	_, err := c.Apply(t.Context(), p)
	refused(t, err, processClass, "order_refused")
	found, err := c.Find(t.Context(), p)
	if err != nil || len(found) != 1 || !found[0].Draft || found[0].Complete {
		t.Fatalf("Find %+v, %v; want a draft", found, err)
	}
	limit(object{"__class__": "Decimal", "decimal": "1000000"})
	apply(t, c, p)
}
