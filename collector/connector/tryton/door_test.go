package tryton_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/connector/tryton"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// door is Tryton's own: what a person does at its screen, and sees there.
type door struct {
	db        testenv.TrytonDatabase
	auth      string
	products  map[string]map[string]any
	customers map[string]map[string]any
	sites     map[string]int64
	bins      map[string]map[string]int64
}

type object = map[string]any

var shared *door

// openDoor opens the database that all tests here share: opening one costs as much as a test.
func openDoor(t *testing.T) *door {
	t.Helper()
	if shared != nil {
		return shared
	}
	d := &door{db: testenv.Tryton(t), products: map[string]object{}, customers: map[string]object{}, sites: map[string]int64{}, bins: map[string]map[string]int64{}}
	pair := d.raw(t, "common.db.login", d.db.Login, object{"password": d.db.Password}).([]any)
	d.auth = "Session " + base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%s:%v:%v", d.db.Login, pair[0], pair[1]))
	for _, p := range d.list(t, "product.product", []any{}, nil, "code", "default_uom", "list_price") {
		d.products[p["code"].(string)] = p
	}
	for _, p := range d.list(t, "party.party", []any{[]any{"code", "like", "C-%"}}, nil, "code", "addresses", "customer_payment_term") {
		d.customers[p["code"].(string)] = p
	}
	for _, w := range d.list(t, "stock.location", []any{[]any{"type", "=", "warehouse"}}, nil, "code", "storage_location") {
		code := w["code"].(string)
		d.sites[code], d.bins[code] = id(w["id"]), map[string]int64{}
		for _, b := range d.list(t, "stock.location", []any{[]any{"parent", "=", w["storage_location"]}}, nil, "code") {
			d.bins[code][b["code"].(string)] = id(b["id"])
		}
	}
	shared = d
	return d
}

func id(v any) int64 { return int64(v.(float64)) }

func (d *door) raw(t *testing.T, method string, params ...any) any {
	t.Helper()
	text, err := json.Marshal(object{"id": 1, "method": method, "params": params})
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequest("POST", d.db.URL, bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", d.auth)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer struct{ Result, Error any }
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || answer.Error != nil {
		t.Fatalf("%s: %v, %v, %s", method, err, answer.Error, resp.Status)
	}
	return answer.Result
}

// do calls a method of a model; about is added to the context.
func (d *door) do(t *testing.T, method string, about object, params ...any) any {
	t.Helper()
	all := object{"company": 1, "employee": 1}
	for k, v := range about {
		all[k] = v
	}
	return d.raw(t, "model."+method, append(params, all)...)
}

func (d *door) list(t *testing.T, model string, domain []any, about object, fields ...string) []object {
	t.Helper()
	var out []object
	for _, r := range d.do(t, model+".search_read", about, domain, 0, nil, [][]string{{"id", "ASC"}}, fields).([]any) {
		out = append(out, r.(object))
	}
	return out
}

type orderLine struct {
	item     string
	quantity float64
}

// order is a confirmed one; lines are the ids of its lines, as Dockline names them.
type order struct {
	id     int64
	number string
	lines  []string
}

func (d *door) order(t *testing.T, lines ...orderLine) order {
	t.Helper()
	customer := d.customers["C-1001"]
	address := customer["addresses"].([]any)[0]
	var rows []object
	for _, l := range lines {
		p := d.products[l.item]
		rows = append(rows, object{"product": p["id"], "quantity": l.quantity, "unit": p["default_uom"], "unit_price": p["list_price"]})
	}
	made := d.do(t, "sale.sale.create", nil, []object{{"reference": "PO-7", "party": customer["id"], "invoice_address": address, "shipment_address": address,
		"payment_term": customer["customer_payment_term"], "warehouse": d.sites["dc-east"], "lines": []any{[]any{"create", rows}}}}).([]any)
	d.do(t, "sale.sale.quote", nil, made)
	d.do(t, "sale.sale.confirm", nil, made)
	o := order{id: id(made[0])}
	for _, s := range d.list(t, "sale.sale", []any{[]any{"id", "=", o.id}}, nil, "number", "lines") {
		o.number = s["number"].(string)
		for _, l := range s["lines"].([]any) {
			o.lines = append(o.lines, fmt.Sprint(id(l)))
		}
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
	sale := d.list(t, "sale.sale", []any{[]any{"id", "=", o.id}}, nil, "shipments")[0]
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
	p := d.list(t, "product.product", []any{[]any{"code", "=", item}}, object{"locations": []int64{d.bins["dc-east"][bin]}}, "quantity")
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
