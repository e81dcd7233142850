package orderfile

import (
	"compress/gzip"
	"encoding/csv"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/shopspring/decimal"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv/erp"
	"github.com/dockline/dockline/testenv/world"
)

const retail = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n" +
	"1,A,Apple,6,2010-12-01T08:26:00,2.55,7,UK\n" +
	"1,BUN,\"Bun, sweet\",2,2010-12-01T08:26:00,1,7,UK\n" +
	"2,A,Apple,1,2010-12-02T09:00:00,2.55,8,UK\n" +
	"3,POST,POSTAGE,1,2010-12-01T10:00:00,18,7,UK\n" +
	"C4,A,Apple,-1,2010-12-01T11:00:00,2.55,7,UK\n"

// file writes files into one folder and returns the path of the first.
func file(t *testing.T, namesAndTexts ...string) string {
	t.Helper()
	dir := t.TempDir()
	for i := 0; i < len(namesAndTexts); i += 2 {
		if err := os.WriteFile(filepath.Join(dir, namesAndTexts[i]), []byte(namesAndTexts[i+1]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, namesAndTexts[0])
}

func read(t *testing.T, path, day string) *File {
	t.Helper()
	f, err := Read(path, "", day)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestADayKeepsItsLinesWhereTheyStood(t *testing.T) {
	path := file(t, "shop.csv.gz", "")
	out, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	z := gzip.NewWriter(out)
	if _, err := z.Write([]byte(retail)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	out.Close()
	f := read(t, path, "2010-12-01")
	var lines []int
	for _, r := range f.Rows {
		lines = append(lines, r.Line)
	}
	if !slices.Equal(lines, []int{2, 3, 5, 6}) || f.Name != "shop.csv" {
		t.Errorf("%s: lines %v", f.Name, lines)
	}
	want := strings.Split(retail, "\n")
	want[3] = ""
	if string(f.Text) != strings.Join(want, "\n") {
		t.Errorf("text\n%s", f.Text)
	}
	f.Cut(1)
	if len(f.Rows) != 2 || !strings.HasSuffix(string(f.Text), "7,UK\n\n") {
		t.Errorf("cut to one line and what belongs to it: %d rows, text %q", len(f.Rows), f.Text)
	}
	if _, err := Read(path, "", "2011-01-01"); err == nil || !strings.Contains(err.Error(), "2010-12-01 to 2010-12-02") {
		t.Errorf("a day that is not there: %v", err)
	}
}

func TestHeadsAreJoinedBehindTheirLines(t *testing.T) {
	const heads = "orderID,customerID,orderDate,requiredDate,address\n10,ANNA,1996-07-04 00:00:00.000,1996-08-01 00:00:00.000,Quay\n" +
		"11,BERT,1996-07-05 00:00:00.000,1996-08-01 00:00:00.000,Rua 5, 67\n12,CARL,1996-07-05 00:00:00.000,1996-08-01 00:00:00.000,Quay\n"
	const lines = "orderID,productID,unitPrice,quantity,discount\n10,1,14.00,12,0\n11,2,9.80,10,0\n99,2,9.80,10,0\n"
	path := file(t, "order-details.csv", lines, "orders.csv", heads)
	f := read(t, path, "")
	want := "orderID,productID,unitPrice,quantity,discount,customerID,orderDate,requiredDate,address\n" +
		"10,1,14.00,12,0,ANNA,1996-07-04 00:00:00.000,1996-08-01 00:00:00.000,Quay\n" +
		"11,2,9.80,10,0,BERT,1996-07-05 00:00:00.000,1996-08-01 00:00:00.000,Rua 5,\" 67\"\n" + // one cell more than the header: it is refused on the road
		"99,2,9.80,10,0,,,,\n" +
		"12,,,,,CARL,1996-07-05 00:00:00.000,1996-08-01 00:00:00.000,Quay\n"
	if string(f.Text) != want || len(f.Rows) != 4 || f.Rows[0].Customer != "ANNA" {
		t.Errorf("%d rows, text\n%s", len(f.Rows), f.Text)
	}
	if _, err := Read(filepath.Join(filepath.Dir(path), "orders.csv"), "", ""); err == nil || !strings.Contains(err.Error(), "file with their lines") {
		t.Errorf("the file with the heads: %v", err)
	}
	if err := os.Remove(filepath.Join(filepath.Dir(path), "orders.csv")); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(path, "", ""); err == nil || !strings.Contains(err.Error(), "to be joined") {
		t.Errorf("without the heads: %v", err)
	}
}

func TestMappingFaultsSayWhere(t *testing.T) {
	for text, want := range map[string]string{
		"matches: [a]\n": "matches",
		"file: {kind: order.accepted, key: [n], zone: UTC, columns: {n: order, i: item, q: quantity, d: ordered_at}}\n":      "write kind: order.submitted",
		"file: {kind: order.submitted, zone: UTC, columns: {n: order, i: item, q: quantity, d: ordered_at}}\n":               "no key",
		"file: {kind: order.submitted, key: [n], zone: UTC, columns: {n: order, q: quantity, d: ordered_at}}\n":              "no column is item",
		"file: {kind: order.submitted, key: [n], zone: UTC, columns: {n: ordr, i: item, q: quantity, d: ordered_at}}\n":      "did you mean order",
		"file: {kind: order.submitted, key: [n], delimiter: ab, columns: {n: order, i: item, q: quantity, d: ordered_at}}\n": "delimiter",
	} {
		_, err := LoadMapping(file(t, "m.yaml", text))
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "m.yaml") {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
	if _, err := Read(file(t, "odd.csv", "x,y\n1,2\n"), "", ""); err == nil || !strings.Contains(err.Error(), "ORDERS_MAPPING") {
		t.Errorf("a header that nobody knows: %v", err)
	}
}

func TestAHeaderThatLacksMappedColumnsIsSaid(t *testing.T) {
	path := file(t, "shop.csv", "Order No;Article;Qty;When\n1;A;2;2026-03-01\n", "m.yaml",
		"file: {kind: order.submitted, key: [Order No], zone: UTC, columns: {Order No: order, Article: item, Qty: quantity, When: ordered_at}}\n")
	_, err := Read(path, filepath.Join(filepath.Dir(path), "m.yaml"), "")
	if err == nil || !strings.Contains(err.Error(), "lacks Article, Order No, Qty, When") || !strings.Contains(err.Error(), "delimiter") {
		t.Errorf("%v", err)
	}
}

func TestMasterDataIsWhatTheFileNames(t *testing.T) {
	f := read(t, file(t, "shop.csv", retail), "")
	m := f.Master(1, []string{"dc-east", "dc-west"})
	if len(m.Items) != 2 || len(m.Customers) != 2 || len(m.Sites) != 2 || len(m.Stock) != 4 || m.Customers[0].Currency != "GBP" {
		t.Fatalf("%+v", m)
	}
	if m.Items[0].Code != "A" || m.Items[0].Price.String() != "2.55" || m.Items[1].Description != "Bun, sweet" {
		t.Errorf("items %+v", m.Items)
	}
}

// TestAccountCanFail: whatever is missing, doubled or changed is named.
func TestAccountCanFail(t *testing.T) {
	f := read(t, file(t, "shop.csv", retail), "")
	n := func(text string) decimal.Decimal { return decimal.RequireFromString(text) }
	good := func() Fate {
		return Fate{
			Orders: []erp.Order{
				{CustomerReference: "1", Customer: "7", Lines: []erp.OrderLine{{Item: "BUN", Quantity: n("2"), UnitPrice: n("1.00")}, {Item: "A", Quantity: n("6"), UnitPrice: n("2.55")}}},
				{CustomerReference: "2", Customer: "8", Lines: []erp.OrderLine{{Item: "A", Quantity: n("1"), UnitPrice: n("2.55")}}},
			},
			Refused:    map[int]bool{6: true},
			Unaccepted: []*docklinev1.Order{{Number: "3", Customer: "7", Lines: []*docklinev1.Line{{Item: "POST", Quantity: &docklinev1.Quantity{Value: "1"}, UnitPrice: "18"}}}},
		}
	}
	if rows, bad := f.Account(good()); len(bad) > 0 || rows != (world.Rows{Read: 5, InOrders: 3, InExceptions: 2}) {
		t.Fatalf("%+v, %q", rows, bad)
	}
	for name, c := range map[string]struct {
		spoil func(*Fate)
		want  string
	}{
		"an order is missing":       {func(x *Fate) { x.Orders = x.Orders[:1] }, "shop.csv, line 4"},
		"an order is there twice":   {func(x *Fate) { x.Orders = append(x.Orders, x.Orders[1]) }, "order of 2 has 1 times item A"},
		"a quantity is changed":     {func(x *Fate) { x.Orders[0].Lines[0].Quantity = n("3") }, "shop.csv, line 3"},
		"another customer's":        {func(x *Fate) { x.Orders[1].Customer = "7" }, "shop.csv, line 4"},
		"a line is forgotten":       {func(x *Fate) { x.Refused = nil }, "shop.csv, line 6"},
		"a case is forgotten":       {func(x *Fate) { x.Unaccepted = nil }, "shop.csv, line 5"},
		"an order and a case":       {func(x *Fate) { x.Refused[4] = true }, "order of 2 has 1 times item A"},
		"accepted and still a case": {func(x *Fate) { x.Unaccepted = append(x.Unaccepted, x.Unaccepted[0]) }, "order 3 is an exception"},
	} {
		fate := good()
		c.spoil(&fate)
		_, bad := f.Account(fate)
		if !slices.ContainsFunc(bad, func(b string) bool { return strings.Contains(b, c.want) }) {
			t.Errorf("%s: %q does not name %q", name, bad, c.want)
		}
	}
}

// TestRealFilesAreReadWhole holds the rows against another reader of CSV: none is swallowed, and each stands where it is said to.
func TestRealFilesAreReadWhole(t *testing.T) {
	specs := os.Getenv("DOCKLINE_SPECS")
	if specs == "" {
		specs = "../../../shared/specs"
	}
	path := filepath.Join(specs, "workload", "online-retail-2010-12.csv.gz")
	text, err := unpacked(path)
	if err != nil {
		t.Skipf("the real order files are not here (DOCKLINE_SPECS): %v", err)
	}
	f := read(t, path, "")
	r := csv.NewReader(strings.NewReader(string(text)))
	for i := -1; ; i++ {
		cells, err := r.Read()
		if err != nil {
			if i != len(f.Rows) {
				t.Errorf("%d rows, want %d (%v)", len(f.Rows), i, err)
			}
			return
		}
		if line, _ := r.FieldPos(0); i >= 0 && (f.Rows[i].Line != line || f.Rows[i].Order != cells[0] || f.Rows[i].Item != strings.TrimSpace(cells[1])) {
			t.Fatalf("row %d is %+v, line %d has %q", i, f.Rows[i], line, cells)
		}
	}
}
