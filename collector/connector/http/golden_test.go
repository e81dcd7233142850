package http_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	nethttp "net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sort"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"

	"github.com/dockline/dockline/collector/connector"
	connectorhttp "github.com/dockline/dockline/collector/connector/http"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
	"github.com/dockline/dockline/testenv/crm"
	"github.com/dockline/dockline/testenv/erp"
	"github.com/dockline/dockline/testenv/sandbox"
)

var noFaults = sandbox.Faults{}

var update = flag.Bool("update", false, "write the golden files")

// recorded serves a handler and writes down every request that changes something, as it came over the wire.
func recorded(t *testing.T, h nethttp.Handler) (url string, log *bytes.Buffer) {
	t.Helper()
	log = &bytes.Buffer{}
	web := httptest.NewServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		if r.Method != nethttp.MethodGet && r.Header.Get(sandbox.OperatorHeader) == "" {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
			fmt.Fprintf(log, "%s %s\n", r.Method, r.URL.EscapedPath())
			for _, name := range []string{"Content-Type", "If-Match", "If-None-Match", "Traceparent"} {
				if value := r.Header.Get(name); value != "" {
					fmt.Fprintf(log, "%s: %s\n", name, value)
				}
			}
			log.WriteByte('\n')
			if len(body) > 0 {
				if err := json.Indent(log, body, "", "  "); err != nil {
					t.Error(err)
				}
			}
			log.WriteString("\n\n")
		}
		h.ServeHTTP(w, r)
	}))
	t.Cleanup(web.Close)
	return web.URL, log
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
	}
}

// What goes over the wire for each kind of document, byte for byte.
//
// Shows: S69
func TestBodiesOfEachKind(t *testing.T) {
	e, err := erp.New(erp.Config{Dir: t.TempDir(), Seed: 5})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	c, err := crm.New(crm.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	erpURL, erpLog := recorded(t, e)
	crmURL, crmLog := recorded(t, c)
	w := &erpWorld{client: erp.NewClient(erpURL, "")}
	order := w.order(t, "10", "3").Number
	systems := map[string]struct {
		connector connector.Connector
		log       *bytes.Buffer
	}{
		"erp": {open(t, connectorhttp.Config{URL: erpURL, Definition: "sandbox-erp"}), erpLog},
		"crm": {open(t, connectorhttp.Config{URL: crmURL, Definition: "sandbox-crm"}), crmLog},
	}
	seen := map[connector.Kind]bool{}
	type body struct {
		file, system string
		p            *connector.Posting
	}
	check := func(tc body) {
		t.Helper()
		system := systems[tc.system]
		system.log.Reset()
		if _, err := system.connector.Apply(t.Context(), tc.p); err != nil {
			t.Errorf("%s: %v", tc.file, err)
		}
		golden(t, tc.file+".golden", system.log.Bytes())
		seen[tc.p.Kind] = true
	}
	for _, tc := range []body{
		{"goods_issue", "erp", issueOf(order, "S/1", line("10", "SKU-1001", "4", "A-01-01"), line("20", "SKU-1002", "3", ""))},
		{"invoice_trigger", "erp", invoiceOf(order, "S/1", "GI200001")},
		{"stock_adjust", "erp", adjustmentOf("CC1", "SKU-1002", "A-01-02", "-3")},
		{"order_amend", "erp", amendmentOf(order, "p1", erp.Substitute, amendmentLine("10", "SKU-1001", "4", "SKU-1002", "2"))},
		{"order_amend_cancel", "erp", amendmentOf(order, "S1", erp.CancelLines, amendmentLine("10", "SKU-1001", "2", "", ""))},
		{"invoice_reversal", "erp", reversalOf(connector.InvoiceReversal, order, order+"/S%2F1", "IN300001")},
		{"goods_issue_reversal", "erp", reversalOf(connector.GoodsIssueReversal, order, order+"/S%2F1", "GI200001")},
		{"crm_status", "crm", statusOf(order, "partly_shipped", 2)},
		{"crm_status_again", "crm", statusOf(order, "shipped", 3)},
		{"crm_case", "crm", caseOf(order, false, 1)},
		{"crm_case_closed", "crm", caseOf(order, true, 2)},
	} {
		check(tc)
	}
	w.connector = systems["erp"].connector.(*connectorhttp.Connector)
	issued := func(t *testing.T) (order, key, number string) {
		order = w.order(t, "10").Number
		p := issueOf(order, "S1", line("10", "SKU-1001", "10", "A-01-01"))
		return order, p.Key, settle(t, w.connector, p).Documents[0].Number
	}
	receipt, credit := w.receiptOf(t, issued), w.creditOf(t, issued)
	check(body{"return_receipt", "erp", receipt})
	check(body{"credit_request", "erp", credit})
	numbered := func(p *connector.Posting) string { return settle(t, w.connector, p).Documents[0].Number }
	check(body{"credit_reversal", "erp", reversalOf(connector.CreditReversal, order, credit.Key, numbered(credit))})
	check(body{"return_receipt_reversal", "erp", reversalOf(connector.ReturnReceiptReversal, order, receipt.Key, numbered(receipt))})
	check(body{"order_create", "erp", newOrderOf("PO/77")})
	for name, system := range systems {
		for kind := range system.connector.Kinds() {
			if !seen[kind] {
				t.Errorf("%s: no golden body for %s", name, kind)
			}
		}
	}
}

// The ERP's changes become facts of the centre, each once, in the order of the feed; what is no fact is passed over.
func TestChangesBecomeFacts(t *testing.T) {
	w := openERP(t, noFaults, connectorhttp.Config{})
	order := w.order(t, "10", "3")
	issued := settle(t, w.connector, issueOf(order.Number, "S1", line("10", "SKU-1001", "4", "A-01-01")))
	settle(t, w.connector, invoiceOf(order.Number, "S1", issued.Documents[0].Number))
	if _, err := w.client.CancelOrder(t.Context(), order.Number, "customer changed their mind"); err != nil {
		t.Fatal(err)
	}
	first, err := w.connector.Changes(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	again, err := w.connector.Changes(t.Context(), first.Cursor)
	if err != nil || len(again.Events) != 0 || again.More || string(again.Cursor) != string(first.Cursor) {
		t.Errorf("after all: %+v, %v", again, err)
	}
	var text bytes.Buffer
	for _, e := range first.Events {
		// The ERP's clock is the machine's.
		e.OccurredAt = nil
		if o := e.GetOrder(); o != nil {
			o.OrderedAt = nil
		}
		encoded, err := protojson.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Indent(&text, encoded, "", "  "); err != nil {
			t.Fatal(err)
		}
		text.WriteString("\n")
	}
	// protojson varies its blanks on purpose; indenting takes them out.
	golden(t, "changes.golden", text.Bytes())
}

// What an amendment changed comes back: the order as it stands now with the line that stands for another, the remainder's document, and a
// new order where it was split.
func TestAmendmentsComeBackAsFacts(t *testing.T) {
	w := openERP(t, noFaults, connectorhttp.Config{})
	order := w.order(t, "10", "8").Number
	settle(t, w.connector, amendmentOf(order, "p1", erp.Substitute, amendmentLine("10", "SKU-1001", "4", "SKU-1003", "2")))
	settle(t, w.connector, amendmentOf(order, "S1", erp.KeepOwing, amendmentLine("10", "SKU-1001", "3", "", "")))
	settle(t, w.connector, amendmentOf(order, "S2", erp.Split, amendmentLine("20", "SKU-1002", "5", "", "")))
	settle(t, w.connector, amendmentOf(order, "S3", erp.CancelLines, amendmentLine("20", "SKU-1002", "1", "", "")))
	got, err := w.connector.Changes(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	for _, e := range got.Events {
		fmt.Fprintf(&text, "%s %s %s", event.KindName(e.Kind), e.Subject, e.GetBackorder().GetRule())
		for _, l := range event.Lines(e) {
			fmt.Fprintf(&text, " [%s/%s %s %s", l.Order, l.OrderLine, l.Item, l.Quantity.GetValue())
			if l.OriginalItem != "" {
				fmt.Fprintf(&text, " for %s %s", l.OriginalQuantity.GetValue(), l.OriginalItem)
			}
			text.WriteString("]")
		}
		text.WriteString("\n")
	}
	golden(t, "amendments.golden", text.Bytes())
}

// The feed is read page by page until there is no more.
func TestChangesPageByPage(t *testing.T) {
	w := openERP(t, noFaults, connectorhttp.Config{})
	const orders = 230 // two changes each, 200 a page
	for range orders {
		w.order(t, "1")
	}
	var cursor connector.Cursor
	pages, accepted := 0, map[string]bool{}
	for more := true; more; pages++ {
		got, err := w.connector.Changes(t.Context(), cursor)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range got.Events {
			if e.Kind == docklinev1.EventKind_EVENT_KIND_ORDER_ACCEPTED {
				accepted[e.Subject] = true
			}
		}
		cursor, more = got.Cursor, got.More
	}
	if pages != 3 || len(accepted) != orders {
		t.Errorf("%d pages, %d orders", pages, len(accepted))
	}
}

// A change that the mapping does not fit is kept whole with the place of the mapping; those beside it go on.
func TestChangeThatDoesNotFit(t *testing.T) {
	web := httptest.NewServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		fmt.Fprint(w, `{"next": 3, "more": false, "changes": [
			{"at": "2026-03-02T10:00:00Z", "kind": "invoice", "id": "IN1", "revision": 1, "record": {"number": "IN1", "order": "SO1", "total": "ten", "currency": "EUR", "shipment": ""}},
			{"at": "2026-03-02T10:00:01Z", "kind": "invoice", "id": "IN2", "revision": 1, "record": {"number": "IN2"}},
			{"at": "2026-03-02T10:00:02Z", "kind": "invoice", "id": "IN3", "revision": 1, "record": {"number": "IN3", "order": "SO1", "total": "10", "currency": "EUR", "shipment": "S1"}}]}`)
	}))
	defer web.Close()
	got, err := open(t, connectorhttp.Config{URL: web.URL, Definition: "sandbox-erp"}).Changes(t.Context(), nil)
	if err != nil || len(got.Events) != 3 || string(got.Cursor) != "3" {
		t.Fatalf("%+v, %v", got, err)
	}
	for i, code := range []string{"quantity_format", "mapping"} {
		letter := got.Events[i].GetDeadLetter()
		if got.Events[i].Kind != docklinev1.EventKind_EVENT_KIND_RECORD_REFUSED || letter.GetCode() != code || letter.Class != docklinev1.FaultClass_FAULT_CLASS_DATA ||
			!bytes.Contains(letter.Raw, fmt.Appendf(nil, `"IN%d"`, i+1)) || !bytes.Contains([]byte(letter.Text), []byte("sandbox-erp.yaml:")) || len(got.Events[i].ContentHash) == 0 {
			t.Errorf("event %d: %v", i, got.Events[i])
		}
	}
	if got.Events[2].GetInvoice().GetNumber() != "IN3" || got.Events[2].GetInvoice().GetShipments()[0] != "S1" {
		t.Errorf("the good one: %v", got.Events[2])
	}
}

// A snapshot holds the whole book of each site; an unknown site has none.
func TestSnapshot(t *testing.T) {
	w := openERP(t, noFaults, connectorhttp.Config{})
	events, err := w.connector.Snapshot(t.Context(), connector.Scope{})
	if err != nil || len(events) != 2 {
		t.Fatalf("%d events, %v", len(events), err)
	}
	sort.Slice(events, func(i, j int) bool { return events[i].Subject < events[j].Subject })
	for i, site := range []string{"dc-east", "dc-west"} {
		book, err := w.client.Stock(t.Context(), site)
		if err != nil {
			t.Fatal(err)
		}
		stock := events[i].GetStockSnapshot()
		if stock.GetSite() != site || len(stock.GetLines()) != len(book) || events[i].OccurredAt == nil {
			t.Fatalf("%s: %d lines, the book has %d", stock.GetSite(), len(stock.GetLines()), len(book))
		}
		for n, l := range stock.Lines {
			if b := book[n]; l.Item != b.Item || l.Bin != b.Bin || l.Lot != b.Lot || l.Quantity.GetValue() != b.Quantity.String() || l.Quantity.GetUnit() != b.Unit {
				t.Fatalf("line %d: %v, the book has %+v", n, l, b)
			}
		}
	}
	if events, err = w.connector.Snapshot(t.Context(), connector.Scope{Site: "dc-north"}); err != nil || len(events) != 0 {
		t.Errorf("unknown site: %v, %v", events, err)
	}
}
