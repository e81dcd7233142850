package tryton_test

import (
	"reflect"
	"testing"

	"github.com/dockline/dockline/collector/connector"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	office "github.com/dockline/dockline/testenv/tryton"
)

// reversalOf takes back what a posting brought about.
func reversalOf(of *connector.Posting, made *docklinev1.DocumentReference) *connector.Posting {
	v := &docklinev1.Reversal{Reverses: made, Reference: of.Key, Site: "dc-east", Reason: "document_changed"}
	p := &connector.Posting{Tenant: "acme", Kind: connector.Reversals[of.Kind], Key: of.Key, SourceVersion: 1, Document: &docklinev1.Document{}}
	switch of.Kind {
	case connector.GoodsIssue:
		issue := of.Document.GetGoodsIssue()
		v.Order, v.Shipment, v.Lines = issue.GetOrder(), issue.GetShipment(), issue.GetLines()
		p.Document.Document = &docklinev1.Document_GoodsIssueReversal{GoodsIssueReversal: v}
	case connector.InvoiceTrigger:
		v.Order, v.Shipment = of.Document.GetInvoiceTrigger().GetOrder(), of.Document.GetInvoiceTrigger().GetShipment()
		p.Document.Document = &docklinev1.Document_InvoiceReversal{InvoiceReversal: v}
	case connector.CreditRequest:
		v.Order, v.ReturnNumber = of.Document.GetCreditRequest().GetOrder(), of.Document.GetCreditRequest().GetNumber()
		p.Document.Document = &docklinev1.Document_CreditReversal{CreditReversal: v}
	}
	return p
}

// bills are the bills of an order with their states and totals, as a person reads them there.
func (d *door) bills(t *testing.T, o order) (out []string) {
	t.Helper()
	sale := d.list(t, "sale.sale", []any{[]any{"number", "=", o.number}}, nil, "invoices")[0]
	for _, i := range d.list(t, "account.invoice", []any{[]any{"id", "in", sale["invoices"]}}, nil, "state", "reference") {
		reference, _ := i["reference"].(string)
		out = append(out, i["state"].(string)+" "+reference)
	}
	return out
}

// A shipment whose invoice was posted is taken back with its invoice, and leaves once more with other content: in the end Tryton's book, its order and its bills
// are as if only the second had been, whichever answer was lost on the way.
//
// Shows: S10, S13
func TestAShipmentAndItsInvoiceAreTakenBack(t *testing.T) {
	d := openDoor(t)
	w := openWay(t, d)
	c := d.connectBy(t, w)
	o := d.order(t, orderLine{"SKU-1001", 5}, orderLine{"SKU-1002", 4})
	bin := d.stocked(t, "SKU-1001", 5)
	before := d.onHand(t, bin, "SKU-1001")
	issue := issueOf(o, "S1", line(o.lines[0], "SKU-1001", "4", bin))
	shipped := apply(t, c, issue).Documents[0]
	bill := invoiceOf(o, "S1", shipped)
	billed := apply(t, c, bill).Documents[0]
	back := reversalOf(issue, shipped)
	_, err := c.Apply(t.Context(), back)
	refused(t, err, processClass, "is_invoiced")
	credit := reversalOf(bill, billed)
	for _, method := range []string{"invoice.post", "invoice.cancel"} {
		w.Arm(method, 1, office.LoseAnswer)
		if _, err := c.Apply(t.Context(), credit); err == nil || len(w.Armed()) > 0 {
			t.Fatalf("%s: %v", method, err)
		}
	}
	apply(t, c, credit)
	apply(t, c, credit)
	if totals, lines := d.notes(t, "reversal of "+bill.Key); len(totals) != 1 || lines["SKU-1001"] != -4 {
		t.Errorf("credit notes %v of %v, want one of -4", totals, lines)
	}
	if found, err := c.Find(t.Context(), bill); err != nil || len(found) != 1 || !found[0].Reversed {
		t.Errorf("the invoice is found as %+v, %v; want it taken back", found, err)
	}
	for _, method := range []string{"return.receive", "invoice.delete"} {
		w.Arm(method, 1, office.LoseAnswer)
		if _, err := c.Apply(t.Context(), back); err == nil || len(w.Armed()) > 0 {
			t.Fatalf("%s: %v", method, err)
		}
	}
	apply(t, c, back)
	apply(t, c, back)
	if got := d.onHand(t, bin, "SKU-1001"); got != before {
		t.Errorf("the bin holds %v, want %v as before", got, before)
	}
	if found, err := c.Find(t.Context(), issue); err != nil || len(found) != 1 || !found[0].Reversed {
		t.Errorf("the goods issue is found as %+v, %v; want it taken back", found, err)
	}
	if got := d.bills(t, o); !reflect.DeepEqual(got, []string{"cancelled " + bill.Key}) {
		t.Errorf("the order's bills are %q, want the cancelled one only", got)
	}
	again := issueOf(o, "S1", line(o.lines[0], "SKU-1001", "3", bin))
	again.Key += "#2"
	left := apply(t, c, again).Documents[0]
	anew := invoiceOf(o, "S1", left)
	anew.Key += "#2"
	apply(t, c, anew)
	if got := d.onHand(t, bin, "SKU-1001"); got != before-3 {
		t.Errorf("the bin holds %v, want %v", got, before-3)
	}
	if _, lines := d.notes(t, anew.Key); lines["SKU-1001"] != 3 || len(lines) != 1 {
		t.Errorf("billed anew are %v, want 3", lines)
	}
	listed := map[string]bool{}
	for _, kind := range []connector.Kind{connector.GoodsIssue, connector.InvoiceTrigger, connector.ReturnReceipt, connector.CreditRequest} {
		page, err := c.List(t.Context(), connector.Listing{Kind: kind})
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range page.Documents {
			if l.Order == o.number && !l.Reversed && !l.Draft {
				listed[string(kind)+" "+l.Reference] = true
			}
		}
	}
	if want := map[string]bool{"goods_issue " + again.Key: true, "invoice_trigger " + anew.Key: true}; !reflect.DeepEqual(listed, want) {
		t.Errorf("in force are listed %v, want %v", listed, want)
	}
	second := issueOf(o, "S2", line(o.lines[0], "SKU-1001", "2", bin), line(o.lines[1], "SKU-1002", "4", ""))
	apply(t, c, second)
	none := reversalOf(issue, &docklinev1.DocumentReference{Number: "no such number"})
	_, err = c.Apply(t.Context(), none)
	refused(t, err, dataClass, "unknown_goods_issue")
}

// A credit note is taken back in the same way; its goods can then be credited once more, and not beyond what was billed.
func TestACreditNoteIsTakenBack(t *testing.T) {
	d := openDoor(t)
	c := d.connect(t)
	const item = "SKU-1003"
	o := d.billed(t, c, item, "4")
	ask := creditOf("blind-"+o.number, o.number, nil, line(o.lines[0], item, "3", ""))
	made := apply(t, c, ask).Documents[0]
	apply(t, c, reversalOf(ask, made))
	if found, err := c.Find(t.Context(), ask); err != nil || len(found) != 1 || !found[0].Reversed {
		t.Errorf("the credit note is found as %+v, %v; want it taken back", found, err)
	}
	again := creditOf("blind-"+o.number, o.number, nil, line(o.lines[0], item, "4", ""))
	apply(t, c, again)
	_, err := c.Apply(t.Context(), creditOf("blind-"+o.number, o.number, nil, line(o.lines[0], item, "1", "")))
	refused(t, err, processClass, "over_credit")
}
