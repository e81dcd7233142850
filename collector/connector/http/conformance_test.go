package http_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/shopspring/decimal"
	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/connector/connectortest"
	connectorhttp "github.com/dockline/dockline/collector/connector/http"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
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
	w := openERP(t, noFaults, connectorhttp.Config{SettleTime: 300 * time.Millisecond})
	issued := func(t *testing.T) (order, key, number string) {
		order = w.order(t, "10").Number
		p := issueOf(order, "S1", line("10", "SKU-1001", "10", "A-01-01"))
		return order, p.Key, settle(t, w.connector, p).Documents[0].Number
	}
	counts := 0
	connectortest.Run(t, connectortest.Harness{
		Connector: w.connector, HangTimeout: 300 * time.Millisecond, Inject: inject(w.server.Faults(), w.web),
		Posting: func(t *testing.T, kind connector.Kind) *connector.Posting {
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
		},
		Effects: func(t *testing.T, p *connector.Posting) int { return w.effects(t, p.Kind, p.Key) },
		UnknownItem: func(t *testing.T, kind connector.Kind) *connector.Posting {
			switch kind {
			case connector.GoodsIssue:
				return issueOf(w.order(t, "10").Number, "S1", line("10", "SKU-9", "4", ""))
			case connector.StockAdjustment:
				return adjustmentOf("CC-unknown", "SKU-9", "A-01-02", "-3")
			case connector.OrderAmendment:
				return amendmentOf(w.order(t, "10").Number, "p1", erp.Substitute, amendmentLine("10", "SKU-1001", "4", "SKU-9", "2"))
			}
			return nil
		},
		Closed: func(t *testing.T, kind connector.Kind) *connector.Posting {
			order, _, _ := issued(t)
			switch kind {
			case connector.OrderAmendment:
				return amendmentOf(order, "S2", erp.CancelLines, amendmentLine("10", "SKU-1001", "1", "", ""))
			case connector.GoodsIssue:
			default:
				return nil
			}
			return issueOf(order, "S2", line("10", "SKU-1001", "1", ""))
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
	})
}

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
	s, err := crm.New(crm.Config{Dir: t.TempDir()})
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
	connectortest.Run(t, connectortest.Harness{
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
	})
}
