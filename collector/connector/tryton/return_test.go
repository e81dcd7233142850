package tryton_test

import (
	"testing"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/connector/tryton"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
	office "github.com/dockline/dockline/testenv/tryton"
)

// receiptOf is a receipt of goods that came back.
func receiptOf(number, order, receipt string, lines ...*docklinev1.DocumentLine) *connector.Posting {
	return &connector.Posting{Tenant: "acme", Kind: connector.ReturnReceipt, Key: number + "/" + receipt, SourceVersion: 1,
		Document: &docklinev1.Document{Document: &docklinev1.Document_ReturnReceipt{ReturnReceipt: &docklinev1.GoodsReturned{Number: number, Order: order, Customer: "C-1001",
			Site: "dc-east", Receipt: receipt, Reason: "too many", ReceivedAt: timestamppb.Now(), Lines: lines}}}}
}

func creditOf(number, order string, needs []*docklinev1.DocumentReference, lines ...*docklinev1.DocumentLine) *connector.Posting {
	return &connector.Posting{Tenant: "acme", Kind: connector.CreditRequest, Key: number + "/credit/" + lines[0].Quantity, SourceVersion: 1, Needs: needs,
		Document: &docklinev1.Document{Document: &docklinev1.Document_CreditRequest{CreditRequest: &docklinev1.GoodsReturned{Number: number, Order: order, Customer: "C-1001",
			Site: "dc-east", Reason: "too many", Lines: lines}}}}
}

// billed is an order that was shipped and invoiced in full.
func (d *door) billed(t *testing.T, c *tryton.Connector, item, quantity string) order {
	t.Helper()
	n, err := event.ParseQuantity(quantity)
	if err != nil {
		t.Fatal(err)
	}
	o := d.order(t, orderLine{item, float64(n) / event.Scale})
	issue := apply(t, c, issueOf(o, "S1", line(o.lines[0], item, quantity, "")))
	apply(t, c, invoiceOf(o, "S1", issue.Documents...))
	return o
}

// notes are the totals of the credit notes with a reference, posted or not.
func (d *door) notes(t *testing.T, reference string) (totals []string, lines map[string]float64) {
	t.Helper()
	lines = map[string]float64{}
	for _, i := range d.list(t, "account.invoice", []any{[]any{"reference", "=", reference}}, nil, "state", "total_amount", "lines") {
		totals = append(totals, i["state"].(string)+" "+i["total_amount"].(object)["decimal"].(string))
		for _, l := range d.list(t, "account.invoice.line", []any{[]any{"id", "in", i["lines"]}}, nil, "product.code", "quantity") {
			lines[l["product."].(object)["code"].(string)] += l["quantity"].(float64)
		}
	}
	return totals, lines
}

// An RMA is a sale of negative quantities in Tryton: its return shipment takes what came, the rest stays open, and its credit note is cut down to what is
// asked for.
func TestAReturnComesBackInPartsAndIsCredited(t *testing.T) {
	d := openDoor(t)
	c := d.connect(t)
	const item = "SKU-1001"
	o := d.billed(t, c, item, "6")
	_, start := drain(t, c, nil)
	rma, err := d.Authorise(t.Context(), o.number, map[string]float64{item: -5})
	if err != nil {
		t.Fatal(err)
	}
	told, afterRMA := drain(t, c, start)
	if len(told) != 1 || told[0].Kind != docklinev1.EventKind_EVENT_KIND_RETURN_AUTHORISED {
		t.Fatalf("after the RMA: %v", revisions(told))
	}
	a := told[0].GetReturnAuthorisation()
	if a.Number != rma || a.Order != o.number || a.Customer != "C-1001" || a.Site != "dc-east" || len(a.Lines) != 1 || a.Lines[0].OrderLine != o.lines[0] ||
		a.Lines[0].GetQuantity().GetValue() != "5" {
		t.Errorf("the RMA is told as %v", a)
	}
	bin := d.stocked(t, item, 1)
	before := d.onHand(t, bin, item)
	first := receiptOf(rma, o.number, "RC1", line(o.lines[0], item, "3", bin))
	made := apply(t, c, first)
	apply(t, c, first)
	if got := d.onHand(t, bin, item); got != before+3 {
		t.Errorf("the bin holds %v, want %v", got, before+3)
	}
	_, err = c.Apply(t.Context(), receiptOf(rma, o.number, "RC9", line(o.lines[0], item, "9", "")))
	refused(t, err, processClass, "over_return")
	second := apply(t, c, receiptOf(rma, o.number, "RC2", line(o.lines[0], item, "2", "")))
	if second.Documents[0].Number == made.Documents[0].Number {
		t.Error("both receipts are one document")
	}
	ask := creditOf(rma, o.number, made.Documents, line(o.lines[0], item, "2", ""))
	credited := apply(t, c, ask).Documents[0]
	if again := apply(t, c, ask).Documents[0]; again.Number != credited.Number || again.Number == "" {
		t.Errorf("the credit is %v, then %v", credited, again)
	}
	if totals, lines := d.notes(t, ask.Key); len(totals) != 1 || lines[item] != -2 {
		t.Errorf("credit notes %v of %v, want one of -2", totals, lines)
	}
	_, err = c.Apply(t.Context(), creditOf(rma, o.number, append(made.Documents, second.Documents...), line(o.lines[0], item, "4", "")))
	refused(t, err, processClass, "over_credit")
	then, _ := drain(t, c, afterRMA)
	var memos []*docklinev1.CreditMemo
	for _, e := range then {
		if m := e.GetCreditMemo(); m != nil {
			memos = append(memos, m)
		}
		if f := event.Validate(e); f != nil {
			t.Errorf("%v: %v", revisions([]*docklinev1.Event{e}), f)
		}
	}
	if len(memos) != 1 || memos[0].Number != credited.Number || memos[0].Order != o.number || len(memos[0].Returns) != 1 || memos[0].Returns[0] != rma ||
		memos[0].Request != ask.Key || len(memos[0].Lines) != 1 || memos[0].Lines[0].GetQuantity().GetValue() != "2" {
		t.Errorf("credit notes are told as %v", memos)
	}
}

// Goods that came without an RMA of Tryton's get a return shipment of their own, and are credited by the order's invoice, never beyond it.
func TestABlindReturnIsBookedAndCreditedByTheInvoice(t *testing.T) {
	d := openDoor(t)
	c := d.connect(t)
	const item = "SKU-1003"
	o := d.billed(t, c, item, "4")
	bin := d.stocked(t, item, 1)
	before := d.onHand(t, bin, item)
	w := openWay(t, d)
	c = d.connectBy(t, w)
	receipt := receiptOf("blind-"+o.number, o.number, "B1", line(o.lines[0], item, "3", bin))
	for _, button := range []string{"return.create", "return.receive", "return.done"} { // each answer is lost once
		w.Arm("stock.shipment.out."+button, 1, office.LoseAnswer)
		if _, err := c.Apply(t.Context(), receipt); err == nil || len(w.Armed()) > 0 {
			t.Fatalf("%s: %v", button, err)
		}
	}
	made := apply(t, c, receipt)
	if got := d.onHand(t, bin, item); got != before+3 {
		t.Errorf("the bin holds %v, want %v", got, before+3)
	}
	ask := creditOf("blind-"+o.number, o.number, made.Documents, line(o.lines[0], item, "3", ""))
	for _, method := range []string{"invoice.create", "invoice.post"} {
		w.Arm("account."+method, 1, office.LoseAnswer)
		if _, err := c.Apply(t.Context(), ask); err == nil || len(w.Armed()) > 0 {
			t.Fatalf("%s: %v", method, err)
		}
	}
	apply(t, c, ask)
	if totals, lines := d.notes(t, ask.Key); len(totals) != 1 || lines[item] != -3 {
		t.Errorf("credit notes %v of %v, want one of -3", totals, lines)
	}
	_, err := c.Apply(t.Context(), creditOf("blind-"+o.number, o.number, made.Documents, line(o.lines[0], item, "2", "")))
	refused(t, err, processClass, "over_credit")
	unbilled := d.order(t, orderLine{item, 1})
	_, err = c.Apply(t.Context(), creditOf("blind2", unbilled.number, nil, line(unbilled.lines[0], item, "1", "")))
	refused(t, err, processClass, "no_invoice")
	_, err = c.Apply(t.Context(), receiptOf("blind3", o.number, "B3", line(o.lines[0], item, "1", "Z-99-99")))
	refused(t, err, dataClass, "unknown_bin")
	nobody := receiptOf("blind4", "", "B4", line("", item, "1", ""))
	nobody.Document.GetReturnReceipt().Customer = "C-none"
	_, err = c.Apply(t.Context(), nobody)
	refused(t, err, dataClass, "unknown_customer")
}
