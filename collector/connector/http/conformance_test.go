package http_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shopspring/decimal"
	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/connector/connectortest"
	connectorhttp "github.com/dockline/dockline/collector/connector/http"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
	"github.com/dockline/dockline/testenv/crm"
	"github.com/dockline/dockline/testenv/erp"
	"github.com/dockline/dockline/testenv/sandbox"
)

// inject makes the nth writing request fail in a sandbox.
func inject(i *sandbox.Injector, web *sandbox.Server) func(*testing.T, connectortest.Injection, int) func() bool {
	modes := map[connectortest.Injection]sandbox.Mode{connectortest.LoseAnswer: sandbox.LostAnswer, connectortest.ServerError: sandbox.ErrorBefore,
		connectortest.Hang: sandbox.TimeoutBefore, connectortest.Throttle: sandbox.Busy}
	return func(t *testing.T, what connectortest.Injection, nth int) func() bool {
		if what == connectortest.Unreachable {
			web.Stop()
			return func() bool {
				if err := web.Start(); err != nil {
					t.Fatal(err)
				}
				return true
			}
		}
		for range nth - 1 {
			i.Next(sandbox.Fine)
		}
		i.Next(modes[what])
		return func() bool { return i.Forget() == 0 }
	}
}

func TestConformanceERP(t *testing.T) {
	var ahead atomic.Int64
	w := openERPAt(t, noFaults, connectorhttp.Config{SettleTime: 300 * time.Millisecond}, ahead.Load)
	if err := w.client.ClosePeriod(t.Context(), closedThrough); err != nil {
		t.Fatal(err)
	}
	issued := func(t *testing.T) (order, key, number string) {
		order = w.order(t, "10").Number
		p := issueOf(order, "S1", line("10", "SKU-1001", "10", "A-01-01"))
		return order, p.Key, settle(t, w.connector, p).Documents[0].Number
	}
	counts := 0
	posted := func(t *testing.T, kind connector.Kind) *connector.Posting {
		var p *connector.Posting
		switch kind {
		case connector.GoodsIssue:
			p = issueOf(w.order(t, "10").Number, "S1", line("10", "SKU-1001", "4", "A-01-01"))
		case connector.InvoiceTrigger:
			order, _, number := issued(t)
			p = invoiceOf(order, "S1", number)
		case connector.StockAdjustment:
			counts++
			p = adjustmentOf(fmt.Sprintf("CC%d", counts), "SKU-1002", "A-01-02", "-3")
		case connector.OrderAmendment:
			p = amendmentOf(w.order(t, "10").Number, "p1", erp.Substitute, amendmentLine("10", "SKU-1001", "4", "SKU-1002", "2"))
		case connector.OrderCreate:
			counts++
			p = newOrderOf(fmt.Sprintf("PO-%d", counts))
		case connector.GoodsIssueReversal:
			order, key, number := issued(t)
			p = reversalOf(kind, order, key, number)
		case connector.InvoiceReversal:
			order, key, number := issued(t)
			p = reversalOf(kind, order, key, settle(t, w.connector, invoiceOf(order, "S1", number)).Documents[0].Number)
		case connector.ReturnReceipt:
			p = w.receiptOf(t, issued)
		case connector.CreditRequest:
			p = w.creditOf(t, issued)
		case connector.ReturnReceiptReversal, connector.CreditReversal:
			of := map[connector.Kind]func(*testing.T, func(*testing.T) (string, string, string)) *connector.Posting{connector.ReturnReceiptReversal: w.receiptOf, connector.CreditReversal: w.creditOf}[kind](t, issued)
			p = reversalOf(kind, "", of.Key, settle(t, w.connector, of).Documents[0].Number)
		}
		p.SourceVersion = 10
		return p
	}
	h := connectortest.Harness{
		Connector: w.connector, HangTimeout: 300 * time.Millisecond, Inject: inject(w.server.Faults(), w.web), Posting: posted,
		Effects: func(t *testing.T, p *connector.Posting) int { return w.effects(t, p.Kind, p.Key) },
		UnknownItem: func(t *testing.T, kind connector.Kind) *connector.Posting {
			switch kind {
			case connector.GoodsIssue:
				return issueOf(w.order(t, "10").Number, "S1", line("10", "SKU-9", "4", ""))
			case connector.StockAdjustment:
				return adjustmentOf("CC-unknown", "SKU-9", "A-01-02", "-3")
			case connector.OrderAmendment:
				return amendmentOf(w.order(t, "10").Number, "p1", erp.Substitute, amendmentLine("10", "SKU-1001", "4", "SKU-9", "2"))
			case connector.InvoiceTrigger:
				return invoiceOf(w.order(t, "10").Number, "S1", "GI-none")
			case connector.GoodsIssueReversal:
				return reversalOf(kind, "", "none", "GI-none")
			}
			return nil
		},
		Closed: func(t *testing.T, kind connector.Kind) *connector.Posting {
			order, _, _ := issued(t)
			switch kind {
			case connector.OrderAmendment:
				return amendmentOf(order, "S2", erp.CancelLines, amendmentLine("10", "SKU-1001", "1", "", ""))
			case connector.GoodsIssue:
				return issueOf(order, "S2", line("10", "SKU-1001", "1", ""))
			case connector.OrderCreate:
				return nil // what it does not take it keeps, with its reason: that is its verdict
			}
			p := posted(t, kind)
			p.PostingDate = closedThrough
			return p
		},
		Duplicate: func(t *testing.T, p *connector.Posting) bool {
			switch p.Kind {
			case connector.GoodsIssueReversal, connector.InvoiceReversal, connector.ReturnReceiptReversal, connector.CreditReversal:
				return false // what was taken back cannot be taken back again
			}
			w.duplicate(t, p)
			return true
		},
		Drafts: func(t *testing.T, p *connector.Posting, n int) bool {
			if p.Kind != connector.CreditRequest {
				return false
			}
			for range n {
				w.draft(t, p)
			}
			return true
		},
		Happen: func(t *testing.T, n int) []string {
			var numbers []string
			for range n {
				numbers = append(numbers, w.order(t, "1").Number)
			}
			return numbers
		},
		Book: func(t *testing.T) (site, item, quantity string) {
			lines, err := w.client.Stock(t.Context(), "dc-west")
			if err != nil {
				t.Fatal(err)
			}
			sum := decimal.Zero
			for _, l := range lines {
				if l.Item == "SKU-1004" {
					sum = sum.Add(l.Quantity)
				}
			}
			return "dc-west", "SKU-1004", sum.String()
		},
		Second: open(t, connectorhttp.Config{URL: w.web.URL(), Definition: "sandbox-erp", SettleTime: 300 * time.Millisecond}),
		// It does not look whether a reference was used before; what was taken back cannot be taken back again.
		Careless: func(kind connector.Kind) bool { return !isReversal(kind) },
		Meddle:   func(t *testing.T, p *connector.Posting) bool { return w.server.HandDocument(erpKinds[p.Kind], p.Key) },
		Skew:     skew(&ahead),
		Record: func(t *testing.T, kind connector.Kind) connector.Listed {
			if kind == connector.CustomerRecord {
				code := fmt.Sprintf("C-new-%d", ahead.Add(1)) // a nanosecond is no skew
				w.server.HandCustomer(erp.Customer{Code: code, Name: "New " + code, Currency: "EUR", PriceList: "trade", PriceListVersion: "7"})
				return connector.Listed{Number: code, Fields: map[string]string{"price_list": "trade", "price_list_version": "7"}}
			}
			o := w.order(t, "3")
			return connector.Listed{Number: o.Number, Site: o.Site, Fields: map[string]string{"status": "in force", "customer": o.Customer, connector.PriceOf("10"): o.Lines[0].UnitPrice.String()},
				Lines: []connector.Line{{OrderLine: "10", Item: "SKU-1001", Quantity: 3 * event.Scale}}}
		},
	}
	turn(&h, w.server.Faults())
	connectortest.Run(t, h)
}

// closedThrough is the last day that the ERP of the test takes no postings for.
const closedThrough = "2020-01-31"

// turn fills in what every sandbox can be made to do.
func turn(h *connectortest.Harness, i *sandbox.Injector) {
	h.Forbid = func(*testing.T) func() {
		i.Deny(true)
		return func() { i.Deny(false) }
	}
	h.Reshape = func(*testing.T) func() {
		i.Reshape(true)
		return func() { i.Reshape(false) }
	}
	h.Between = func(_ *testing.T, do func()) func() bool {
		i.Before(do)
		return func() bool { return i.Before(nil) }
	}
}

// skew puts a clock ahead that is read by so many nanoseconds.
func skew(ahead *atomic.Int64) func(*testing.T, time.Duration) func() {
	return func(_ *testing.T, by time.Duration) func() {
		ahead.Add(int64(by))
		return func() { ahead.Add(-int64(by)) }
	}
}

func isReversal(kind connector.Kind) bool {
	return slices.Contains(slices.Collect(maps.Values(connector.Reversals)), kind)
}

// erpKinds are the kinds as the sandbox ERP names its documents.
var erpKinds = map[connector.Kind]string{connector.GoodsIssue: erp.KindIssue, connector.InvoiceTrigger: erp.KindInvoice, connector.StockAdjustment: erp.KindAdjustment,
	connector.OrderAmendment: erp.KindAmendment, connector.OrderCreate: erp.KindOrder, connector.GoodsIssueReversal: erp.KindIssueReversal,
	connector.InvoiceReversal: erp.KindInvoiceReversal, connector.ReturnReceipt: erp.KindReturnReceipt, connector.CreditRequest: erp.KindCreditMemo,
	connector.ReturnReceiptReversal: erp.KindReceiptReversal, connector.CreditReversal: erp.KindCreditReversal}

var erpPaths = map[connector.Kind]string{connector.GoodsIssue: "/api/goods-issues", connector.InvoiceTrigger: "/api/invoices",
	connector.StockAdjustment: "/api/stock-adjustments", connector.OrderAmendment: "/api/order-amendments", connector.OrderCreate: "/api/sales-orders",
	connector.GoodsIssueReversal: "/api/goods-issue-reversals", connector.InvoiceReversal: "/api/invoice-reversals",
	connector.ReturnReceipt: "/api/return-receipts", connector.CreditRequest: "/api/credit-memos",
	connector.ReturnReceiptReversal: "/api/return-receipt-reversals", connector.CreditReversal: "/api/credit-reversals"}

func (w *erpWorld) effects(t *testing.T, kind connector.Kind, key string) int {
	t.Helper()
	documents, err := sandbox.All[struct {
		ExternalReference string `json:"external_reference"`
		Status            string `json:"status"`
	}](t.Context(), &w.client.Client, erpPaths[kind])
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, d := range documents {
		if d.ExternalReference == key && d.Status != erp.Draft {
			n++
		}
	}
	return n
}

// duplicate enters the document again, as a person at the ERP's screen.
func (w *erpWorld) duplicate(t *testing.T, p *connector.Posting) {
	t.Helper()
	var body any
	switch p.Kind {
	case connector.GoodsIssue:
		body = erp.NewIssue{ExternalReference: p.Key, Order: p.Document.GetGoodsIssue().Order,
			Lines: []erp.IssueLine{{OrderLine: "10", Item: "SKU-1001", Quantity: decimal.NewFromInt(1)}}}
	case connector.ReturnReceipt:
		r := p.Document.GetReturnReceipt()
		body = erp.NewReceipt{ExternalReference: p.Key, Return: r.GetNumber(), Lines: []erp.ReturnLine{{OrderLine: "10", Item: "SKU-1001", Quantity: decimal.NewFromInt(1)}}}
	case connector.CreditRequest:
		r := p.Document.GetCreditRequest()
		if _, err := w.client.CreditReturn(t.Context(), erp.NewCredit{ExternalReference: p.Key, Return: r.GetNumber(),
			Lines: []erp.ReturnLine{{OrderLine: "10", Item: "SKU-1001", Quantity: decimal.NewFromInt(1)}}}); err != nil {
			t.Fatal(err)
		}
		return
	case connector.OrderCreate:
		if _, err := w.client.ImportOrder(t.Context(), erp.NewOrder{ExternalReference: p.Key, Customer: "C-1002", CustomerReference: "twice", Site: "dc-east",
			Lines: []erp.NewOrderLine{{Item: "SKU-1001", Quantity: decimal.NewFromInt(1)}}}); err != nil {
			t.Fatal(err)
		}
		return
	case connector.InvoiceTrigger:
		body = erp.NewInvoice{ExternalReference: p.Key, GoodsIssue: p.Needs[0].Number}
	case connector.StockAdjustment:
		body = erp.NewAdjustment{ExternalReference: p.Key, Site: "dc-east", Bin: "A-01-02", Item: "SKU-1002", Delta: decimal.NewFromInt(1)}
	case connector.OrderAmendment:
		body = erp.NewAmendment{ExternalReference: p.Key, Order: p.Document.GetOrderAmendment().Order, Action: erp.CancelLines,
			Lines: []erp.AmendmentLine{{OrderLine: "10", Item: "SKU-1001", Quantity: decimal.NewFromInt(1)}}}
	}
	if err := w.client.Do(t.Context(), "POST", erpPaths[p.Kind], body, nil); err != nil {
		t.Fatal(err)
	}
}

func TestConformanceCRM(t *testing.T) {
	var ahead atomic.Int64
	s, err := crm.New(crm.Config{Dir: t.TempDir(), Customers: []crm.Customer{{Code: "C-1002", Name: "Bo"}}, Now: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }})
	if err != nil {
		t.Fatal(err)
	}
	web := sandbox.NewServer("127.0.0.1:0", s)
	if err := web.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { web.Stop(); s.Close() })
	client := crm.NewClient(web.URL(), "")
	number := 0
	h := connectortest.Harness{
		Connector:   open(t, connectorhttp.Config{URL: web.URL(), Definition: "sandbox-crm", SettleTime: 300 * time.Millisecond}),
		HangTimeout: 300 * time.Millisecond, Inject: inject(s.Faults(), web),
		Posting: func(t *testing.T, kind connector.Kind) *connector.Posting {
			number++
			order := fmt.Sprintf("SO%d", number)
			if kind == connector.OrderStatus {
				return statusOf(order, "accepted", 10)
			}
			return caseOf(order, false, 10)
		},
		Restate: func(t *testing.T, p *connector.Posting, version int64) *connector.Posting {
			again := *p
			again.SourceVersion, again.Document = version, proto.CloneOf(p.Document)
			switch doc := again.Document.Document.(type) {
			case *docklinev1.Document_OrderStatus:
				doc.OrderStatus.Status = "shipped"
			case *docklinev1.Document_ServiceCase:
				doc.ServiceCase.Closed = true
			}
			return &again
		},
		Effects: func(t *testing.T, p *connector.Posting) int {
			orders, err := client.Orders(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			cases, err := client.Cases(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			n := 0
			for _, o := range orders {
				if p.Kind == connector.OrderStatus && o.Number == p.Key {
					n++
				}
			}
			for _, c := range cases {
				if p.Kind == connector.ServiceCase && c.ExternalReference == p.Key {
					n++
				}
			}
			return n
		},
		Duplicate: func(t *testing.T, p *connector.Posting) bool {
			if p.Kind != connector.ServiceCase {
				return false
			}
			if err := client.Do(t.Context(), "POST", "/api/cases", map[string]any{"external_reference": p.Key}, nil); err != nil {
				t.Fatal(err)
			}
			return true
		},
		UnknownItem: func(t *testing.T, kind connector.Kind) *connector.Posting {
			if kind != connector.OrderStatus {
				return nil
			}
			number++
			return statusOf(fmt.Sprintf("SO%d", number), "lost", 10)
		},
		Second: open(t, connectorhttp.Config{URL: web.URL(), Definition: "sandbox-crm", SettleTime: 300 * time.Millisecond}),
		// Of an order it has one record; cases may be many.
		Careless: func(kind connector.Kind) bool { return kind == connector.ServiceCase },
		Meddle:   func(t *testing.T, p *connector.Posting) bool { return changed(t, client, p) },
		Skew:     skew(&ahead),
		Happen: func(t *testing.T, n int) (won []string) {
			for range n {
				o, err := client.Offer(t.Context(), "C-1002", crm.OpportunityLine{Item: "SKU-1001", Quantity: "2"})
				if err = errors.Join(err, client.ChangeOpportunity(t.Context(), o.Number, map[string]string{"status": crm.Won})); err != nil {
					t.Fatal(err)
				}
				won = append(won, o.Number)
			}
			return won
		},
		Record: func(t *testing.T, _ connector.Kind) connector.Listed {
			number++
			c := crm.Customer{Code: fmt.Sprintf("C-new-%d", number), Name: "New", PriceList: "trade", AccountTeam: "north"}
			s.AddCustomer(c)
			return connector.Listed{Number: c.Code, Fields: map[string]string{"name": "New", "price_list": "trade", "account_team": "north"}}
		},
	}
	turn(&h, s.Faults())
	connectortest.Run(t, h)
}

// changed changes a record of an order, or a case, as customer service does.
func changed(t *testing.T, client *crm.Client, p *connector.Posting) bool {
	t.Helper()
	if p.Kind == connector.OrderStatus {
		var o crm.Order
		err := client.Do(t.Context(), "GET", "/api/orders/"+p.Key, nil, &o)
		o.Status = "cancelled"
		if err = errors.Join(err, client.Do(t.Context(), "PUT", "/api/orders/"+p.Key, o, nil)); err != nil {
			t.Error(err)
		}
		return err == nil
	}
	cases, err := client.Cases(t.Context())
	if err != nil {
		t.Error(err)
	}
	for _, c := range cases {
		if c.ExternalReference == p.Key {
			if err := client.Do(t.Context(), "PATCH", "/api/cases/"+c.Number, map[string]string{"text": "called the customer"}, nil); err != nil {
				t.Error(err)
			}
			return true
		}
	}
	return false
}
