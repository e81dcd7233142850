package http_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/collector/connector"
	connectorhttp "github.com/dockline/dockline/collector/connector/http"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
	"github.com/dockline/dockline/testenv/crm"
	"github.com/dockline/dockline/testenv/erp"
	"github.com/dockline/dockline/testenv/sandbox"
)

type erpWorld struct {
	server    *erp.Server
	web       *sandbox.Server
	client    *erp.Client
	connector *connectorhttp.Connector
}

func openERP(t *testing.T, f sandbox.Faults, config connectorhttp.Config) *erpWorld {
	t.Helper()
	return openERPAt(t, f, config, func() int64 { return 0 })
}

// openERPAt has the ERP's clock ahead by so many nanoseconds.
func openERPAt(t *testing.T, f sandbox.Faults, config connectorhttp.Config, ahead func() int64) *erpWorld {
	t.Helper()
	s, err := erp.New(erp.Config{Dir: t.TempDir(), Seed: 5, Faults: f, Now: func() time.Time { return time.Now().Add(time.Duration(ahead())) }})
	if err != nil {
		t.Fatal(err)
	}
	w := &erpWorld{server: s, web: sandbox.NewServer("127.0.0.1:0", s)}
	if err := w.web.Start(); err != nil {
		t.Fatal(err)
	}
	config.URL, config.Definition = w.web.URL(), "sandbox-erp"
	w.client = erp.NewClient(w.web.URL(), "")
	w.connector = open(t, config)
	t.Cleanup(func() { w.web.Stop(); s.Close() })
	return w
}

func open(t *testing.T, config connectorhttp.Config) *connectorhttp.Connector {
	t.Helper()
	c, err := connectorhttp.New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func (w *erpWorld) order(t *testing.T, quantities ...string) erp.Order {
	t.Helper()
	in := erp.NewOrder{Customer: "C-1002", CustomerReference: "PO 7", Site: "dc-east"}
	for i, q := range quantities {
		in.Lines = append(in.Lines, erp.NewOrderLine{Item: fmt.Sprintf("SKU-%d", 1001+i), Quantity: decimal.RequireFromString(q)})
	}
	order, err := w.client.CreateOrder(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	if order, err = w.client.ConfirmOrder(t.Context(), order.Number); err != nil {
		t.Fatal(err)
	}
	return order
}

func posting(kind connector.Kind, key string, doc *docklinev1.Document) *connector.Posting {
	return &connector.Posting{Tenant: "main", Kind: kind, Key: key, SourceVersion: 1, Document: doc,
		CorrelationID: event.CorrelationID("main", strings.Split(key, "/")[0])}
}

func issueOf(order, shipment string, lines ...*docklinev1.DocumentLine) *connector.Posting {
	return posting(connector.GoodsIssue, order+"/"+shipment, &docklinev1.Document{Document: &docklinev1.Document_GoodsIssue{GoodsIssue: &docklinev1.GoodsIssue{
		Order: order, Shipment: shipment, Site: "dc-east", Carrier: "DHL", Tracking: "JD0146", Lines: lines,
		DepartedAt: timestamppb.New(time.Date(2026, 3, 2, 16, 30, 0, 0, time.UTC))}}})
}

func line(orderLine, item, quantity, bin string) *docklinev1.DocumentLine {
	return &docklinev1.DocumentLine{OrderLine: orderLine, Item: item, Quantity: quantity, Unit: "each", Bin: bin}
}

func invoiceOf(order, shipment, goodsIssue string) *connector.Posting {
	p := posting(connector.InvoiceTrigger, order+"/"+shipment, &docklinev1.Document{Document: &docklinev1.Document_InvoiceTrigger{
		InvoiceTrigger: &docklinev1.InvoiceTrigger{Order: order, Shipment: shipment}}})
	p.Needs = []*docklinev1.DocumentReference{{System: "sandbox-erp", Kind: "goods_issue", Number: goodsIssue}}
	return p
}

func adjustmentOf(count, item, bin, delta string) *connector.Posting {
	return posting(connector.StockAdjustment, count+"/"+item+"//"+bin, &docklinev1.Document{Document: &docklinev1.Document_StockAdjustment{
		StockAdjustment: &docklinev1.StockAdjustment{Count: count, Site: "dc-east", Bin: bin, Item: item, Delta: delta, Reason: "cycle count",
			AsOf: timestamppb.New(time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)), AsOfMovement: 41}}})
}

// reversalOf takes back a document of that number, which was posted under a key.
func reversalOf(kind connector.Kind, order, key, number string) *connector.Posting {
	v := &docklinev1.Reversal{Reverses: &docklinev1.DocumentReference{Number: number}, Reference: key, Order: order, Shipment: "S1", Site: "dc-east", Reason: "no_longer_wanted"}
	switch kind {
	case connector.InvoiceReversal:
		return posting(kind, key, &docklinev1.Document{Document: &docklinev1.Document_InvoiceReversal{InvoiceReversal: v}})
	case connector.ReturnReceiptReversal:
		return posting(kind, key, &docklinev1.Document{Document: &docklinev1.Document_ReturnReceiptReversal{ReturnReceiptReversal: v}})
	case connector.CreditReversal:
		return posting(kind, key, &docklinev1.Document{Document: &docklinev1.Document_CreditReversal{CreditReversal: v}})
	}
	return posting(kind, key, &docklinev1.Document{Document: &docklinev1.Document_GoodsIssueReversal{GoodsIssueReversal: v}})
}

func amendmentOf(order, cause, action string, lines ...*docklinev1.OrderAmendmentLine) *connector.Posting {
	return posting(connector.OrderAmendment, order+"/"+action+"/"+cause, &docklinev1.Document{Document: &docklinev1.Document_OrderAmendment{
		OrderAmendment: &docklinev1.OrderAmendment{Order: order, Action: action, Lines: lines, Reason: "out of stock", Approval: "chief of shift", Site: "dc-east"}}})
}

func newOrderOf(number string) *connector.Posting {
	return posting(connector.OrderCreate, "api%2Fshop/C-1002/"+number, &docklinev1.Document{Document: &docklinev1.Document_OrderCreate{OrderCreate: &docklinev1.Order{Number: number, Customer: "C-1002",
		Site: "dc-east", ShipTo: []string{"Bo Lind", "Kajen 4"}, OrderedAt: timestamppb.New(time.Date(2026, 3, 2, 7, 0, 0, 0, time.UTC)), Lines: []*docklinev1.Line{
			{OrderLine: "1", Item: "SKU-1001", Quantity: &docklinev1.Quantity{Value: "4"}}, {OrderLine: "2", Item: "SKU-1002", Quantity: &docklinev1.Quantity{Value: "3"}, UnitPrice: "9.90"}}}}})
}

func amendmentLine(orderLine, item, quantity, substitute, substituteQuantity string) *docklinev1.OrderAmendmentLine {
	return &docklinev1.OrderAmendmentLine{OrderLine: orderLine, Item: item, Quantity: quantity, Substitute: substitute, SubstituteQuantity: substituteQuantity}
}

func statusOf(order, status string, version int64) *connector.Posting {
	p := posting(connector.OrderStatus, order, &docklinev1.Document{Document: &docklinev1.Document_OrderStatus{OrderStatus: &docklinev1.OrderStatus{
		Order: order, Customer: "C-1002", CustomerReference: "PO 7", Status: status, Tracking: []string{"JD0146"},
		Lines: []*docklinev1.OrderStatusLine{{OrderLine: "10", Item: "SKU-1001", Ordered: "10", Shipped: "4"}}}}})
	p.SourceVersion = version
	return p
}

func caseOf(order string, closed bool, version int64) *connector.Posting {
	p := posting(connector.ServiceCase, order+"/10/short_pick", &docklinev1.Document{Document: &docklinev1.Document_ServiceCase{ServiceCase: &docklinev1.ServiceCase{
		Order: order, Customer: "C-1002", OrderLine: "10", Item: "SKU-1001", Cause: "short_pick", Missing: "6", Text: "6 of 10 are missing", Closed: closed}}})
	p.SourceVersion = version
	return p
}

// settle does what the sender does: apply, and after an unknown outcome look before applying again.
func settle(t *testing.T, c connector.Connector, p *connector.Posting) connector.Result {
	t.Helper()
	for {
		result, err := c.Apply(t.Context(), p)
		var fault *connector.Fault
		switch {
		case err == nil:
			return result
		case !errors.As(err, &fault) || fault.Class != docklinev1.FaultClass_FAULT_CLASS_TECHNICAL:
			t.Fatalf("%s %s: %v", p.Kind, p.Key, err)
		}
		for fault.Unknown {
			if _, err = c.Find(t.Context(), p); err == nil {
				break
			}
		}
	}
}

func fault(t *testing.T, err error) *connector.Fault {
	t.Helper()
	var f *connector.Fault
	if !errors.As(err, &f) {
		t.Fatalf("no fault: %v", err)
	}
	return f
}

// However often the far end fails, each document is there once, read back, with the right content.
func TestDocumentsOnceWhateverFails(t *testing.T) {
	for _, tc := range []struct {
		rate     float64
		postings int
	}{{0, 12}, {0.1, 12}, {0.9, 4}} {
		t.Run(fmt.Sprintf("%.0f percent", 100*tc.rate), func(t *testing.T) {
			w := openERP(t, sandbox.Faults{Rate: tc.rate, Hang: time.Millisecond}, connectorhttp.Config{})
			before := stock(t, w.client)
			for i := range tc.postings {
				order := w.order(t, "10")
				issued := settle(t, w.connector, issueOf(order.Number, "S1", line("10", "SKU-1001", "4", "A-01-01")))
				settle(t, w.connector, issueOf(order.Number, "S2", line("10", "SKU-1001", "6.000", "A-01-01")))
				settle(t, w.connector, invoiceOf(order.Number, "S1", issued.Documents[0].Number))
				settle(t, w.connector, adjustmentOf(fmt.Sprintf("CC%d", i), "SKU-1002", "A-01-02", "-3"))
			}
			checkOnce(t, w.client, 4*tc.postings)
			after := stock(t, w.client)
			for key, want := range map[string]int{"A-01-01/SKU-1001": -10 * tc.postings, "A-01-02/SKU-1002": -3 * tc.postings} {
				if got := after[key].Sub(before[key]); !got.Equal(decimal.NewFromInt(int64(want))) {
					t.Errorf("%s changed by %s, want %d", key, got, want)
				}
			}
			orders, err := w.client.Orders(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range orders {
				if o.Status != erp.Closed {
					t.Errorf("order %s is %s", o.Number, o.Status)
				}
			}
		})
	}
}

func stock(t *testing.T, c *erp.Client) map[string]decimal.Decimal {
	t.Helper()
	lines, err := c.Stock(t.Context(), "dc-east")
	if err != nil {
		t.Fatal(err)
	}
	held := map[string]decimal.Decimal{}
	for _, l := range lines {
		held[l.Bin+"/"+l.Item] = l.Quantity
	}
	return held
}

// checkOnce reads the ERP's own journal: so many effects, none twice.
func checkOnce(t *testing.T, c *erp.Client, want int) {
	t.Helper()
	calls, err := c.Calls(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	effects := map[string]int{}
	for _, call := range calls {
		if !call.Operator && call.Made != "" {
			effects[call.Path+" "+call.Reference]++
		}
	}
	if len(effects) != want {
		t.Errorf("%d documents, want %d", len(effects), want)
	}
	for key, n := range effects {
		if n != 1 {
			t.Errorf("%s: %d documents", key, n)
		}
	}
}

// A status is restated until it holds; an older one never overwrites a newer one; a case is one case, opened and closed.
func TestStatusAndCaseWhateverFails(t *testing.T) {
	for _, rate := range []float64{0, 0.1, 0.9} {
		t.Run(fmt.Sprintf("%.0f percent", 100*rate), func(t *testing.T) {
			s, err := crm.New(crm.Config{Dir: t.TempDir(), Seed: 3, Faults: sandbox.Faults{Rate: rate, Hang: time.Millisecond}})
			if err != nil {
				t.Fatal(err)
			}
			web := httptest.NewServer(s)
			defer web.Close()
			defer s.Close()
			c := open(t, connectorhttp.Config{URL: web.URL, Definition: "sandbox-crm"})
			for i := range 3 {
				order := fmt.Sprintf("SO%d", i)
				settle(t, c, statusOf(order, "partly_shipped", 2))
				settle(t, c, statusOf(order, "accepted", 1))
				settle(t, c, caseOf(order, false, 1))
				settle(t, c, statusOf(order, "shipped", 3))
				settle(t, c, caseOf(order, true, 2))
			}
			client := crm.NewClient(web.URL, "")
			orders, err := client.Orders(t.Context())
			if err != nil || len(orders) != 3 {
				t.Fatalf("%d orders, %v", len(orders), err)
			}
			for _, o := range orders {
				if o.Status != "shipped" || o.SourceVersion != 3 || len(o.Lines) != 1 {
					t.Errorf("order %+v", o)
				}
			}
			cases, err := client.Cases(t.Context())
			if err != nil || len(cases) != 3 {
				t.Fatalf("%d cases, %v", len(cases), err)
			}
			for _, one := range cases {
				if one.Status != crm.Closed || one.ClosedAt == nil {
					t.Errorf("case %+v", one)
				}
			}
			calls, err := client.Calls(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, call := range calls {
				if strings.Contains(string(call.Body), `"accepted"`) && call.Code == "" {
					t.Errorf("an older status was written over a newer one: %+v", call)
				}
			}
		})
	}
}

// What the ERP refuses has the class, code and remedy of the definition's table, and had no effect.
func TestRefusalsAreClassified(t *testing.T) {
	w := openERP(t, sandbox.Faults{}, connectorhttp.Config{})
	order := w.order(t, "10")
	data, process := docklinev1.FaultClass_FAULT_CLASS_DATA, docklinev1.FaultClass_FAULT_CLASS_PROCESS
	for _, tc := range []struct {
		p     *connector.Posting
		class docklinev1.FaultClass
		code  string
	}{
		{issueOf("SO9", "S1", line("10", "SKU-1001", "1", "")), data, "unknown_order"},
		{issueOf(order.Number, "S1", line("10", "SKU-9", "1", "")), data, "unknown_item"},
		{issueOf(order.Number, "S1", line("10", "SKU-1001", "1", "Z-99")), data, "unknown_place"},
		{issueOf(order.Number, "S1", line("10", "SKU-1001", "0.5", "")), data, "quantity"},
		{issueOf(order.Number, "S1", line("10", "SKU-1001", "11", "")), process, "over_issue"},
		{invoiceOf(order.Number, "S1", "GI1"), data, "unknown_order"},
	} {
		_, err := w.connector.Apply(t.Context(), tc.p)
		f := fault(t, err)
		if f.Class != tc.class || f.Code != tc.code || f.Unknown || f.Text == "" || f.Remedy == "" {
			t.Errorf("%s: %+v, want %s %s", tc.p.Key, f, tc.class, tc.code)
		}
	}
	settle(t, w.connector, issueOf(order.Number, "S1", line("10", "SKU-1001", "10", "")))
	_, err := w.connector.Apply(t.Context(), issueOf(order.Number, "S2", line("10", "SKU-1001", "1", "")))
	if f := fault(t, err); f.Code != "order_not_open" || f.Class != process {
		t.Errorf("closed order: %+v", f)
	}
	_, err = w.connector.Apply(t.Context(), issueOf(order.Number, "S1", line("10", "SKU-1001", "9", "")))
	if f := fault(t, err); f.Code != "differs" || f.Unknown || !strings.Contains(f.Text, "10 of SKU-1001") {
		t.Errorf("other content under the same reference: %+v", f)
	}
}

// Two documents under one reference are found, both, and are a case for a person.
func TestDuplicateReference(t *testing.T) {
	w := openERP(t, sandbox.Faults{}, connectorhttp.Config{})
	order := w.order(t, "10")
	p := issueOf(order.Number, "S1", line("10", "SKU-1001", "3", ""))
	for range 2 {
		in := erp.NewIssue{ExternalReference: p.Key, Order: order.Number, Lines: []erp.IssueLine{{OrderLine: "10", Item: "SKU-1001", Quantity: decimal.NewFromInt(3)}}}
		if err := w.client.Do(t.Context(), "POST", "/api/goods-issues", in, nil); err != nil {
			t.Fatal(err)
		}
	}
	found, err := w.connector.Find(t.Context(), p)
	if err != nil || len(found) != 2 {
		t.Errorf("found %d, %v", len(found), err)
	}
	_, err = w.connector.Apply(t.Context(), p)
	if f := fault(t, err); f.Code != "duplicate_reference" || f.Class != docklinev1.FaultClass_FAULT_CLASS_PROCESS || f.Unknown {
		t.Errorf("%+v", f)
	}
}

func TestProbeAndAuth(t *testing.T) {
	s, err := erp.New(erp.Config{Dir: t.TempDir(), Token: "s3cret"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	web := httptest.NewServer(s)
	defer web.Close()
	token := filepath.Join(t.TempDir(), "token")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(token, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	config := connectorhttp.Config{Name: "erp", URL: web.URL + "/", Definition: "sandbox-erp", Auth: connectorhttp.Auth{BearerFile: token}}
	c := open(t, config)
	if _, err := c.Probe(t.Context()); fault(t, err).Code != "credentials" {
		t.Errorf("no token file: %v", err)
	}
	write("wrong")
	if _, err := c.Probe(t.Context()); fault(t, err).Code != "not_authorised" {
		t.Errorf("wrong token: %v", err)
	}
	write("s3cret\n")
	if got, err := c.Probe(t.Context()); err != nil || got != (connector.Metadata{System: "erp", Version: "1.0"}) {
		t.Errorf("probe %+v, %v", got, err)
	}
	config.Definition = "sandbox-crm"
	if _, err := open(t, config).Probe(t.Context()); fault(t, err).Code != "other_system" {
		t.Errorf("ERP taken for a CRM: %v", err)
	}
	if _, err := connectorhttp.New(connectorhttp.Config{URL: "erp.example", Auth: connectorhttp.Auth{User: "u"}}); err == nil ||
		!strings.Contains(err.Error(), "url") || !strings.Contains(err.Error(), "definition") || !strings.Contains(err.Error(), "password_file") {
		t.Errorf("bad configuration: %v", err)
	}
}

func TestCallsEndWithContext(t *testing.T) {
	w := openERP(t, sandbox.Faults{Latency: 10 * time.Second}, connectorhttp.Config{})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err := w.connector.Changes(ctx, nil)
	if f := fault(t, err); f.Unknown || time.Since(start) > 5*time.Second {
		t.Errorf("%+v after %s", f, time.Since(start))
	}
}
