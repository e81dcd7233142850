package tryton_test

import (
	"math"
	"testing"
	"time"

	"github.com/shopspring/decimal"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/connector/tryton"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv"
	"github.com/dockline/dockline/testenv/erp"
	office "github.com/dockline/dockline/testenv/tryton"
)

// door is Tryton's own: what a person does at its screen, and sees there.
type door struct {
	*office.Client
	db testenv.TrytonDatabase
}

type object = office.Object

var shared *door

// openDoor opens the database that all tests here share: opening one costs as much as a test.
func openDoor(t *testing.T) *door {
	t.Helper()
	if shared != nil {
		return shared
	}
	db := testenv.Tryton(t)
	client, err := office.Open(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	shared = &door{client, db}
	return shared
}

// admin is who may change master data and close periods.
func (d *door) admin(t *testing.T) *office.Client {
	t.Helper()
	db := d.db
	db.Login = "admin"
	c, err := office.Open(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// openWay is a way to Tryton of the test's own, on which calls can be made to fail.
func openWay(t *testing.T, d *door) *office.Way {
	t.Helper()
	way, err := office.OpenWay(d.db.URL, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := way.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(way.Stop)
	return way
}

// connectBy connects the connector on that way.
func (d *door) connectBy(t *testing.T, w *office.Way) *tryton.Connector {
	t.Helper()
	s := d.settings(t)
	s.URL = w.DatabaseURL()
	c, err := tryton.New(s)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (d *door) list(t *testing.T, model string, domain []any, about object, fields ...string) []object {
	t.Helper()
	found, err := d.List(t.Context(), model, domain, about, fields...)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

type orderLine struct {
	item     string
	quantity float64
}

// order is a confirmed one; lines are the ids of its lines, as Dockline names them.
type order struct {
	number string
	lines  []string
}

func (d *door) order(t *testing.T, lines ...orderLine) order {
	t.Helper()
	in := erp.NewOrder{Customer: "C-1001", CustomerReference: "PO-7", Site: "dc-east"}
	for _, l := range lines {
		in.Lines = append(in.Lines, erp.NewOrderLine{Item: l.item, Quantity: decimal.NewFromFloat(l.quantity)})
	}
	made, err := d.Order(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	o := order{number: made.Number}
	for _, l := range made.Lines {
		o.lines = append(o.lines, l.Line)
	}
	return o
}

// shipped is a shipment of an order as a person sees it.
type shipped struct {
	number, state, reference string
	goods                    map[string]float64
}

func (d *door) shipments(t *testing.T, o order) []shipped {
	t.Helper()
	sale := d.list(t, "sale.sale", []any{[]any{"number", "=", o.number}}, nil, "shipments")[0]
	var out []shipped
	for _, s := range d.list(t, "stock.shipment.out", []any{[]any{"id", "in", sale["shipments"]}}, nil, "number", "state", "reference", "outgoing_moves") {
		one := shipped{number: s["number"].(string), state: s["state"].(string), goods: map[string]float64{}}
		one.reference, _ = s["reference"].(string)
		for _, m := range d.list(t, "stock.move", []any{[]any{"id", "in", s["outgoing_moves"]}}, nil, "product.code", "quantity") {
			one.goods[m["product."].(object)["code"].(string)] += m["quantity"].(float64)
		}
		out = append(out, one)
	}
	return out
}

// onHand is what the books have of an item in a bin.
func (d *door) onHand(t *testing.T, bin, item string) float64 {
	t.Helper()
	p := d.list(t, "product.product", []any{[]any{"code", "=", item}}, object{"locations": []int64{d.Bins["dc-east"][bin]}}, "quantity")
	return math.Round(p[0]["quantity"].(float64)*1e6) / 1e6
}

// stocked is a bin of dc-east with at least this much of a product.
func (d *door) stocked(t *testing.T, item string, atLeast float64) string {
	t.Helper()
	for _, l := range d.db.Master.Stock {
		if l.Site == "dc-east" && l.Item == item && l.Lot == "" && d.onHand(t, l.Bin, item) >= atLeast {
			return l.Bin
		}
	}
	t.Fatalf("no bin has %v of %s", atLeast, item)
	return ""
}

func (d *door) settings(t *testing.T) tryton.Settings {
	t.Setenv("DOCKLINE_TEST_TRYTON", d.db.Password)
	return tryton.Settings{URL: d.db.URL, Login: d.db.Login, PasswordEnv: "DOCKLINE_TEST_TRYTON", SettleTime: 300 * time.Millisecond}
}

func (d *door) connect(t *testing.T) *tryton.Connector {
	t.Helper()
	c, err := tryton.New(d.settings(t))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func line(orderLine, item, quantity, bin string) *docklinev1.DocumentLine {
	return &docklinev1.DocumentLine{OrderLine: orderLine, Item: item, Quantity: quantity, Unit: "each", Bin: bin}
}

func issueOf(o order, number string, lines ...*docklinev1.DocumentLine) *connector.Posting {
	return &connector.Posting{Tenant: "acme", Kind: connector.GoodsIssue, Key: o.number + "/" + number, SourceVersion: 1,
		Document: &docklinev1.Document{Document: &docklinev1.Document_GoodsIssue{GoodsIssue: &docklinev1.GoodsIssue{Order: o.number, Shipment: number,
			Site: "dc-east", DepartedAt: timestamppb.Now(), Carrier: "DHL", Tracking: "JD00014", Lines: lines}}}}
}

func invoiceOf(o order, number string, needs ...*docklinev1.DocumentReference) *connector.Posting {
	return &connector.Posting{Tenant: "acme", Kind: connector.InvoiceTrigger, Key: o.number + "/" + number, SourceVersion: 1, Needs: needs,
		Document: &docklinev1.Document{Document: &docklinev1.Document_InvoiceTrigger{InvoiceTrigger: &docklinev1.InvoiceTrigger{Order: o.number, Shipment: number}}}}
}

func adjustmentOf(key, bin, item, delta string) *connector.Posting {
	return &connector.Posting{Tenant: "acme", Kind: connector.StockAdjustment, Key: key, SourceVersion: 1,
		Document: &docklinev1.Document{Document: &docklinev1.Document_StockAdjustment{StockAdjustment: &docklinev1.StockAdjustment{Count: key, Site: "dc-east",
			Bin: bin, Item: item, Delta: delta, AsOf: timestamppb.Now()}}}}
}
