package http_test

import (
	"testing"

	"github.com/shopspring/decimal"

	"github.com/dockline/dockline/collector/connector"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv/erp"
)

// receiptOf is the receipt of four of the ten pieces that an order has issued, on an RMA for eight.
func (w *erpWorld) receiptOf(t *testing.T, issued func(*testing.T) (order, key, number string)) *connector.Posting {
	t.Helper()
	order, _, issue := issued(t)
	rma, err := w.client.AuthoriseReturn(t.Context(), erp.NewReturn{Order: order, Reason: "too many", Lines: []erp.ReturnLine{{OrderLine: "10", Item: "SKU-1001", Quantity: decimal.NewFromInt(8)}}})
	if err != nil {
		t.Fatal(err)
	}
	p := posting(connector.ReturnReceipt, rma.Number+"/RC1", &docklinev1.Document{Document: &docklinev1.Document_ReturnReceipt{ReturnReceipt: &docklinev1.GoodsReturned{
		Number: rma.Number, Order: order, Site: "dc-east", Receipt: "RC1", Reason: "too many", Lines: returnedLines("4", "")}}})
	p.Needs = []*docklinev1.DocumentReference{{System: "sandbox-erp", Kind: "goods_issue", Number: issue}}
	return p
}

// creditOf asks for the credit of four pieces that came back.
func (w *erpWorld) creditOf(t *testing.T, issued func(*testing.T) (order, key, number string)) *connector.Posting {
	t.Helper()
	receipt := w.receiptOf(t, issued)
	back := settle(t, w.connector, receipt).Documents
	of := receipt.Document.GetReturnReceipt()
	p := posting(connector.CreditRequest, of.GetNumber()+"/credit/1", &docklinev1.Document{Document: &docklinev1.Document_CreditRequest{CreditRequest: &docklinev1.GoodsReturned{
		Number: of.GetNumber(), Order: of.GetOrder(), Site: "dc-east", Reason: "too many", Lines: returnedLines("4", "restock")}}})
	p.Needs = back
	return p
}

func returnedLines(quantity, disposition string) []*docklinev1.DocumentLine {
	return []*docklinev1.DocumentLine{{OrderLine: "10", Item: "SKU-1001", Quantity: quantity, Condition: "opened", Disposition: disposition}}
}

// draft leaves a draft of what the posting asks for, as a lost answer does.
func (w *erpWorld) draft(t *testing.T, p *connector.Posting) {
	t.Helper()
	c := p.Document.GetCreditRequest()
	in := erp.NewCredit{ExternalReference: p.Key, Return: c.GetNumber()}
	for _, l := range c.GetLines() {
		in.Lines = append(in.Lines, erp.ReturnLine{OrderLine: l.GetOrderLine(), Item: l.GetItem(), Quantity: decimal.RequireFromString(l.GetQuantity())})
	}
	if _, err := w.client.DraftCredit(t.Context(), in); err != nil {
		t.Fatal(err)
	}
}
