package tryton

import (
	"context"
	"slices"

	"github.com/dockline/dockline/collector/connector"
)

// invoice is a customer's invoice.
type invoice struct {
	id                              int64
	number, reference, state, stamp string
}

func (i invoice) posted() bool { return i.state == "posted" || i.state == "paid" }

var invoiceFields = []string{"number", "reference", "state", "_timestamp"}

func invoicesOf(found []row) []invoice {
	var out []invoice
	for _, r := range found {
		if r.text("state") != "cancelled" {
			out = append(out, invoice{id: r.id("id"), number: r.text("number"), reference: r.text("reference"), state: r.text("state"), stamp: r.text("_timestamp")})
		}
	}
	slices.SortFunc(out, func(a, b invoice) int { return int(a.id - b.id) })
	return out
}

func (c *Connector) boundInvoices(ctx context.Context, key string) ([]invoice, error) {
	found, err := c.client.searchRead(ctx, modelInvoice, nil, []any{[]any{"reference", "=", key}, []any{"type", "=", "out"}}, 0, invoiceFields...)
	return invoicesOf(found), err
}

func (c *Connector) findInvoice(ctx context.Context, p *connector.Posting) ([]connector.Found, error) {
	bound, err := c.boundInvoices(ctx, p.Key)
	if err != nil {
		return nil, err
	}
	var out []connector.Found
	if len(bound) == 0 {
		return c.cancelledBill(ctx, p, documentInvoice)
	}
	for _, i := range bound {
		f := connector.Found{Document: c.document(documentInvoice, i.number), Complete: i.posted()}
		if !f.Complete {
			f.Difference = "the invoice is still " + i.state
		}
		out = append(out, f)
	}
	return out, nil
}

// cancelledBill is a bill with our key that was posted, and then cancelled: it is used up.
func (c *Connector) cancelledBill(ctx context.Context, p *connector.Posting, kind string) (out []connector.Found, err error) {
	gone, err := c.bills(ctx, []any{"reference", "=", p.Key}, []any{"state", "=", "cancelled"}, []any{"cancel_move", "!=", nil})
	for _, b := range gone {
		out = append(out, connector.Found{Document: c.document(kind, b.number), Reversed: true, Difference: "it was cancelled"})
	}
	return out, err
}

// applyInvoice binds our key to the draft invoice that Tryton made of the shipment, and posts it. Once posted an invoice takes no
// reference any more: one that a person has posted before us is what was asked for.
func (c *Connector) applyInvoice(ctx context.Context, p *connector.Posting) (connector.Result, error) {
	bound, err := c.boundInvoices(ctx, p.Key)
	if err != nil {
		return connector.Result{}, err
	}
	if len(bound) > 1 {
		return connector.Result{}, duplicate(p, "invoice")
	}
	if len(bound) == 0 {
		if bound, err = c.invoicesFor(ctx, p); err != nil {
			return connector.Result{}, err
		}
	}
	var out connector.Result
	for _, i := range bound {
		if i, err = c.post(ctx, p, i); err != nil {
			return connector.Result{}, err
		}
		out.Documents = append(out.Documents, c.document(documentInvoice, i.number))
	}
	return out, nil
}

// post writes our key into a draft, posts it and reads it back.
func (c *Connector) post(ctx context.Context, p *connector.Posting, i invoice) (invoice, error) {
	if i.posted() {
		return i, nil
	}
	if i.reference != p.Key {
		if err := c.client.write(ctx, modelInvoice, i.id, i.stamp, map[string]any{"reference": p.Key}); err != nil {
			return i, err
		}
	}
	if err := c.client.button(ctx, modelInvoice, "post", i.id); err != nil {
		return i, err
	}
	found, err := c.client.read(ctx, modelInvoice, nil, []int64{i.id}, invoiceFields...)
	if err != nil {
		return i, err
	}
	if now := invoicesOf(found); len(now) == 1 && now[0].posted() {
		return now[0], nil
	}
	return i, technical("step_ignored", "Tryton took the posting of an invoice without doing it", "it will be tried again; see the invoice if it stays", nil)
}

// invoicesFor are the invoices that Tryton made of the shipment; of the whole order, where it is invoiced as ordered.
func (c *Connector) invoicesFor(ctx context.Context, p *connector.Posting) ([]invoice, error) {
	doc := p.Document.GetInvoiceTrigger()
	order, err := c.sale(ctx, doc.GetOrder())
	if err != nil {
		return nil, err
	}
	ids := order.invoices
	if order.byShipment {
		if ids, err = c.invoicesOfShipment(ctx, p, order); err != nil {
			return nil, err
		}
	}
	found, err := c.client.read(ctx, modelInvoice, nil, ids, invoiceFields...)
	if err != nil {
		return nil, err
	}
	all := invoicesOf(found)
	if slices.ContainsFunc(all, func(i invoice) bool { return !i.posted() && i.reference != "" && i.reference != p.Key }) {
		return nil, processFault("bound_elsewhere", "see in Tryton what the invoice's reference is", "the invoice of shipment %s of order %s has another reference", doc.GetShipment(), order.number)
	}
	if len(all) == 0 {
		return nil, processFault("no_invoice", "see in Tryton why it made none", "Tryton has no invoice for shipment %s of order %s", doc.GetShipment(), order.number)
	}
	return all, nil
}

func (c *Connector) invoicesOfShipment(ctx context.Context, p *connector.Posting, order sale) ([]int64, error) {
	all, err := c.shipmentsByID(ctx, order.shipments)
	if err != nil {
		return nil, err
	}
	doc := p.Document.GetInvoiceTrigger()
	needed := func(s shipment) bool {
		for _, n := range p.Needs {
			if n.GetKind() == documentShipment && n.GetNumber() == s.number {
				return true
			}
		}
		return len(p.Needs) == 0 && keyOf(s.reference) == doc.GetOrder()+"/"+doc.GetShipment()
	}
	var lines []int64
	for _, s := range all {
		if !needed(s) {
			continue
		}
		var ids []int64
		for _, m := range s.outgoing {
			ids = append(ids, m.id)
		}
		moves, err := c.client.read(ctx, modelMove, nil, ids, "invoice_lines")
		if err != nil {
			return nil, err
		}
		for _, m := range moves {
			lines = append(lines, m.ids("invoice_lines")...)
		}
	}
	found, err := c.client.read(ctx, "account.invoice.line", nil, lines, "invoice")
	if err != nil {
		return nil, err
	}
	var ids []int64
	for _, l := range found {
		if id := l.id("invoice"); id != 0 && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids, nil
}
