package tryton_test

import (
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/connector/tryton"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// maker makes postings of all kinds that have never been told, with all that they need.
type maker struct {
	*door
	c     *tryton.Connector // by a way on which nothing fails
	bin   string
	made  int
	large *order // one that was shipped and billed, of which goods come back
}

func (m *maker) number() int {
	m.made++
	return m.made
}

func (m *maker) posting(t *testing.T, kind connector.Kind) *connector.Posting {
	t.Helper()
	p := m.fresh(t, kind)
	p.SourceVersion = 10
	return p
}

func (m *maker) fresh(t *testing.T, kind connector.Kind) *connector.Posting {
	t.Helper()
	const item = "SKU-1002"
	switch kind {
	case connector.StockAdjustment:
		return adjustmentOf(fmt.Sprintf("CC-conformance-%d", m.number()), m.bin, item, "1")
	case connector.OrderCreate:
		return orderOf(fmt.Sprintf("PO-conformance-%d", m.number()), "C-1002", ordered(item, "2", ""))
	case connector.ReturnReceipt:
		o := m.back(t)
		return receiptOf(fmt.Sprintf("R-conformance-%d", m.number()), o.number, "RC1", line(o.lines[0], item, "1", m.bin))
	case connector.CreditRequest:
		o := m.back(t)
		return creditOf(fmt.Sprintf("R-conformance-%d", m.number()), o.number, nil, line(o.lines[0], item, "1", ""))
	case connector.CreditReversal:
		of := m.fresh(t, connector.CreditRequest)
		return reversalOf(of, apply(t, m.c, of).Documents[0])
	case connector.OrderAmendment:
		o := m.order(t, orderLine{item, 5})
		return amendmentOf(o, "cancel", "S1", amendLine(o.lines[0], item, "2", "", ""))
	}
	o := m.order(t, orderLine{item, 2})
	issue := issueOf(o, "S1", line(o.lines[0], item, "2", m.bin))
	if kind == connector.GoodsIssue {
		return issue
	}
	shipped := apply(t, m.c, issue).Documents[0]
	if kind == connector.GoodsIssueReversal {
		return reversalOf(issue, shipped)
	}
	bill := invoiceOf(o, "S1", shipped)
	if kind == connector.InvoiceTrigger {
		return bill
	}
	return reversalOf(bill, apply(t, m.c, bill).Documents[0])
}

// back is the large order.
func (m *maker) back(t *testing.T) order {
	t.Helper()
	if m.large == nil {
		o := m.billed(t, m.c, "SKU-1002", "500")
		m.large = &o
	}
	return *m.large
}

func (m *maker) unknownItem(t *testing.T, kind connector.Kind) *connector.Posting {
	p := m.posting(t, kind)
	switch d := p.Document.GetDocument().(type) {
	case *docklinev1.Document_GoodsIssue:
		d.GoodsIssue.Lines[0].Item = "SKU-9"
	case *docklinev1.Document_StockAdjustment:
		d.StockAdjustment.Item = "SKU-9"
	case *docklinev1.Document_OrderCreate:
		d.OrderCreate.Lines[0].Item = "SKU-9"
	case *docklinev1.Document_ReturnReceipt:
		d.ReturnReceipt.Lines[0].Item = "SKU-9"
	case *docklinev1.Document_OrderAmendment:
		a := d.OrderAmendment
		a.Action, a.Lines[0].Substitute, a.Lines[0].SubstituteQuantity = "substitute", "SKU-9", "1"
	default:
		return nil
	}
	return p
}

func (m *maker) closed(t *testing.T, kind connector.Kind) *connector.Posting {
	p := m.posting(t, kind)
	switch kind {
	case connector.GoodsIssue:
		apply(t, m.c, p)
		p.Key += "again"
	case connector.StockAdjustment:
		p.Document.GetStockAdjustment().Delta = "-1000000"
	case connector.CreditRequest: // more than was billed
		p.Document.GetCreditRequest().Lines[0].Quantity = "501"
	case connector.OrderAmendment: // more than is open
		p.Document.GetOrderAmendment().Lines[0].Quantity = "6"
	case connector.GoodsIssueReversal: // it is billed
		o := order{number: p.Document.GetGoodsIssueReversal().GetOrder()}
		apply(t, m.c, invoiceOf(o, "S1", p.Document.GetGoodsIssueReversal().GetReverses()))
	case connector.InvoiceReversal, connector.CreditReversal: // it was taken back by hand
		apply(t, m.c, p)
		p.Key += "again"
	default:
		return nil
	}
	return p
}

// drafts are copies that somebody made: of an order, of a credit note.
func (m *maker) drafts(t *testing.T, p *connector.Posting, n int) bool {
	t.Helper()
	copyOf := func(model string, of *connector.Posting, by string, values object) bool {
		apply(t, m.c, of)
		first := m.list(t, model, []any{[]any{by, "=", of.Key}}, nil, "id")[0]
		for range n {
			if _, err := m.Do(t.Context(), model+".copy", nil, []any{first["id"]}, values); err != nil {
				t.Fatal(err)
			}
		}
		return true
	}
	switch p.Kind {
	case connector.OrderCreate:
		return copyOf("sale.sale", m.posting(t, p.Kind), "description", object{"description": p.Key, "reference": p.Document.GetOrderCreate().GetNumber()})
	case connector.CreditRequest:
		return copyOf("account.invoice", m.posting(t, p.Kind), "reference", object{"reference": p.Key})
	case connector.StockAdjustment:
		a := p.Document.GetStockAdjustment()
		for range n {
			if _, err := m.Do(t.Context(), "stock.inventory.create", nil, []object{{"number": p.Key, "location": m.Bins["dc-east"][a.GetBin()],
				"lines": []any{[]any{"create", []object{{"product": m.Products[a.GetItem()]["id"], "quantity": 1}}}}}}); err != nil {
				t.Fatal(err)
			}
		}
		return true
	}
	return false
}

// renamed is how Tryton answers who reads a field by a name that it no longer has.
func renamed(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"id": 1, "error": ["'state'", ""]}`) // whoever has gone does not hear it
}
