package erp_test

import (
	"errors"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/shopspring/decimal"

	"github.com/dockline/dockline/testenv/erp"
	"github.com/dockline/dockline/testenv/sandbox"
)

func open(t *testing.T, dir string) (*erp.Server, *erp.Client) {
	t.Helper()
	s, err := erp.New(erp.Config{Dir: dir, Seed: 7})
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(s)
	t.Cleanup(func() { web.Close(); s.Close() })
	return s, erp.NewClient(web.URL, "")
}

func quantity(s string) decimal.Decimal { return decimal.RequireFromString(s) }

func confirmed(t *testing.T, c *erp.Client, lines ...erp.NewOrderLine) erp.Order {
	t.Helper()
	order, err := c.CreateOrder(t.Context(), erp.NewOrder{Customer: "C-1001", CustomerReference: "PO 1", Site: "dc-east", Lines: lines})
	if err != nil {
		t.Fatal(err)
	}
	if order, err = c.ConfirmOrder(t.Context(), order.Number); err != nil {
		t.Fatal(err)
	}
	return order
}

func issue(t *testing.T, c *erp.Client, in erp.NewIssue) (erp.GoodsIssue, string) {
	t.Helper()
	var out erp.GoodsIssue
	err := c.Do(t.Context(), "POST", "/api/goods-issues", in, &out)
	var refusal *sandbox.Refusal
	if err != nil && !errors.As(err, &refusal) {
		t.Fatal(err)
	}
	if refusal != nil {
		return out, refusal.Code
	}
	return out, ""
}

func held(t *testing.T, c *erp.Client, bin, item, lot string) decimal.Decimal {
	t.Helper()
	lines, err := c.Stock(t.Context(), "dc-east")
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range lines {
		if l.Bin == bin && l.Item == item && l.Lot == lot {
			return l.Quantity
		}
	}
	return decimal.Zero
}

// A partial goods issue takes its stock and leaves the remainder open; the last one closes the order; nothing more can be issued.
func TestPartialIssueLeavesRemainder(t *testing.T) {
	_, c := open(t, t.TempDir())
	order := confirmed(t, c, erp.NewOrderLine{Item: "SKU-1001", Quantity: quantity("10")})
	if order.Number != "SO100001" || order.Lines[0].Line != "10" || order.Status != erp.Confirmed {
		t.Fatalf("order %+v", order)
	}
	before := held(t, c, "A-01-01", "SKU-1001", "")
	line := erp.IssueLine{OrderLine: "10", Item: "SKU-1001", Quantity: quantity("4"), Bin: "A-01-01"}
	made, code := issue(t, c, erp.NewIssue{ExternalReference: "SO100001/S1", Order: order.Number, Lines: []erp.IssueLine{line}})
	if code != "" || made.Number != "GI200001" {
		t.Fatalf("first issue: %q %+v", code, made)
	}
	if after := held(t, c, "A-01-01", "SKU-1001", ""); !before.Sub(after).Equal(quantity("4")) {
		t.Errorf("stock went from %s to %s", before, after)
	}
	line.Quantity = quantity("7")
	if _, code = issue(t, c, erp.NewIssue{Order: order.Number, Lines: []erp.IssueLine{line}}); code != "over_issue" {
		t.Errorf("7 of 6 open: %q", code)
	}
	line.Quantity = quantity("6")
	if _, code = issue(t, c, erp.NewIssue{Order: order.Number, Lines: []erp.IssueLine{line}}); code != "" {
		t.Errorf("the rest: %q", code)
	}
	order, err := c.Order(t.Context(), order.Number)
	if err != nil || order.Status != erp.Closed || !order.Lines[0].Open.IsZero() {
		t.Errorf("order after all %+v, %v", order, err)
	}
	if _, code = issue(t, c, erp.NewIssue{Order: order.Number, Lines: []erp.IssueLine{line}}); code != "order_closed" {
		t.Errorf("closed order: %q", code)
	}
}

func TestIssueRefusals(t *testing.T) {
	_, c := open(t, t.TempDir())
	order := confirmed(t, c, erp.NewOrderLine{Item: "SKU-1001", Quantity: quantity("10")}, erp.NewOrderLine{Item: "SKU-1008", Quantity: quantity("5")},
		erp.NewOrderLine{Item: "SKU-1006", Quantity: quantity("2.5")})
	cases := []struct {
		name, order string
		line        erp.IssueLine
		code        string
	}{
		{"unknown order", "SO999999", erp.IssueLine{OrderLine: "10", Item: "SKU-1001", Quantity: quantity("1")}, "unknown_order"},
		{"unknown item", order.Number, erp.IssueLine{OrderLine: "10", Item: "SKU-0", Quantity: quantity("1")}, "unknown_item"},
		{"other item", order.Number, erp.IssueLine{OrderLine: "10", Item: "SKU-1002", Quantity: quantity("1")}, "wrong_item"},
		{"unknown line", order.Number, erp.IssueLine{OrderLine: "90", Item: "SKU-1001", Quantity: quantity("1")}, "unknown_line"},
		{"unknown bin", order.Number, erp.IssueLine{OrderLine: "10", Item: "SKU-1001", Quantity: quantity("1"), Bin: "Z-9"}, "unknown_bin"},
		{"half a piece", order.Number, erp.IssueLine{OrderLine: "10", Item: "SKU-1001", Quantity: quantity("0.5")}, "bad_quantity"},
		{"negative", order.Number, erp.IssueLine{OrderLine: "10", Item: "SKU-1001", Quantity: quantity("-1")}, "bad_quantity"},
		{"other unit", order.Number, erp.IssueLine{OrderLine: "10", Item: "SKU-1001", Quantity: quantity("1"), Unit: "kg"}, "wrong_unit"},
		{"no lot", order.Number, erp.IssueLine{OrderLine: "20", Item: "SKU-1008", Quantity: quantity("1")}, "lot_required"},
		{"unknown lot", order.Number, erp.IssueLine{OrderLine: "20", Item: "SKU-1008", Quantity: quantity("1"), Lot: "X"}, "unknown_lot"},
		{"a lot", order.Number, erp.IssueLine{OrderLine: "20", Item: "SKU-1008", Quantity: quantity("1"), Lot: "L1008-A"}, ""},
		{"kilograms", order.Number, erp.IssueLine{OrderLine: "30", Item: "SKU-1006", Quantity: quantity("2.125")}, ""},
	}
	for _, tc := range cases {
		_, code := issue(t, c, erp.NewIssue{ExternalReference: tc.name, Order: tc.order, Lines: []erp.IssueLine{tc.line}})
		if code != tc.code {
			t.Errorf("%s: %q, want %q", tc.name, code, tc.code)
		}
	}
	calls, err := c.Calls(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	told := calls[2:] // after create and confirm
	for i, tc := range cases {
		if told[i].Reference != tc.name || told[i].Code != tc.code || (tc.code == "") != (told[i].Made != "") {
			t.Errorf("journal %d: %+v, want %s with %q", i, told[i], tc.name, tc.code)
		}
	}
}

// The ERP keeps two documents under one reference: whoever repeats a create is seen.
func TestReferenceIsNotUnique(t *testing.T) {
	_, c := open(t, t.TempDir())
	order := confirmed(t, c, erp.NewOrderLine{Item: "SKU-1001", Quantity: quantity("10")})
	line := erp.IssueLine{OrderLine: "10", Item: "SKU-1001", Quantity: quantity("1")}
	for range 2 {
		if _, code := issue(t, c, erp.NewIssue{ExternalReference: "twice", Order: order.Number, Lines: []erp.IssueLine{line}}); code != "" {
			t.Fatal(code)
		}
	}
	found, err := sandbox.All[erp.GoodsIssue](t.Context(), &c.Client, "/api/goods-issues?external_reference=twice")
	if err != nil || len(found) != 2 {
		t.Errorf("%d documents, %v", len(found), err)
	}
}

// All that was done is there after a restart, also when the last line was cut off by a kill.
func TestStoreSurvivesRestart(t *testing.T) {
	dir := t.TempDir()
	s, c := open(t, dir)
	order := confirmed(t, c, erp.NewOrderLine{Item: "SKU-1001", Quantity: quantity("10")})
	made, _ := issue(t, c, erp.NewIssue{ExternalReference: "r", Order: order.Number, Lines: []erp.IssueLine{{OrderLine: "10", Item: "SKU-1001", Quantity: quantity("3")}}})
	var invoice erp.Invoice
	if err := c.Do(t.Context(), "POST", "/api/invoices", erp.NewInvoice{ExternalReference: "r", GoodsIssue: made.Number}, &invoice); err != nil {
		t.Fatal(err)
	}
	if want := quantity("3").Mul(order.Lines[0].UnitPrice); !invoice.Total.Equal(want) {
		t.Errorf("invoice over %s, want %s", invoice.Total, want)
	}
	adjust := erp.NewAdjustment{ExternalReference: "a", Site: "dc-east", Bin: "F-10-04", Item: "SKU-1001", Delta: quantity("-2")}
	if err := c.Do(t.Context(), "POST", "/api/stock-adjustments", adjust, nil); err != nil {
		t.Fatal(err)
	}
	was := snapshot(t, c)
	s.Close()
	file, err := os.OpenFile(filepath.Join(dir, "erp.jsonl"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteString(`{"call":{"seq":9`); err != nil {
		t.Fatal(err)
	}
	file.Close()
	_, again := open(t, dir)
	if is := snapshot(t, again); !reflect.DeepEqual(was, is) {
		t.Errorf("after restart %+v\nbefore %+v", is, was)
	}
	if next := confirmed(t, again, erp.NewOrderLine{Item: "SKU-1001", Quantity: quantity("1")}); next.Number != "SO100002" {
		t.Errorf("next order %s", next.Number)
	}
}

func snapshot(t *testing.T, c *erp.Client) map[string]any {
	t.Helper()
	all := map[string]any{}
	for _, path := range []string{"/api/sales-orders", "/api/goods-issues", "/api/invoices", "/api/stock-adjustments", "/api/changes?since=0", "/api/calls"} {
		var page any
		if err := c.Do(t.Context(), "GET", path, nil, &page); err != nil {
			t.Fatal(err)
		}
		all[path] = page
	}
	stock, err := c.Stock(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range stock {
		all[l.Site+"/"+l.Bin+"/"+l.Item+"/"+l.Lot] = l.Quantity.String()
	}
	return all
}

func TestMasterIsSeeded(t *testing.T) {
	a, b := erp.NewMaster(3), erp.NewMaster(3)
	if !reflect.DeepEqual(a, b) {
		t.Error("the same seed gave other data")
	}
	lots, kilograms := 0, 0
	for _, item := range a.Items {
		if item.LotTracked {
			lots++
		}
		if item.Unit == erp.Kilogram {
			kilograms++
		}
	}
	if len(a.Items) != 240 || lots == 0 || kilograms == 0 || len(a.Sites) != 2 {
		t.Errorf("%d items, %d with lots, %d by weight, %d sites", len(a.Items), lots, kilograms, len(a.Sites))
	}
}
