package tryton

import (
	"context"
	"slices"
	"strconv"

	"github.com/dockline/dockline/collector/connector"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// bill is an invoice or credit note that is taken back, or by which another is.
type bill struct {
	id, move, cancelMove     int64
	number, reference, state string
	stamp                    string
	sales, lines             []int64
}

var billFields = []string{"number", "reference", "state", "move", "cancel_move", "sales", "lines", "_timestamp"}

func billsOf(found []row) (out []bill) {
	for _, r := range found {
		out = append(out, bill{r.id("id"), r.id("move"), r.id("cancel_move"), r.text("number"), r.text("reference"), r.text("state"), r.text("_timestamp"), r.ids("sales"), r.ids("lines")})
	}
	return out
}

func (b bill) posted() bool { return b.state == "posted" || b.state == "paid" }

func (c *Connector) bills(ctx context.Context, domain ...any) ([]bill, error) {
	found, err := c.client.searchRead(ctx, modelInvoice, nil, append([]any{[]any{"type", "=", "out"}}, domain...), 0, billFields...)
	return billsOf(found), err
}

// billToReverse is the posted bill that a reversal names.
func (c *Connector) billToReverse(ctx context.Context, v *docklinev1.Reversal) (bill, error) {
	number := v.GetReverses().GetNumber()
	found, err := c.bills(ctx, []any{"number", "=", number})
	if err != nil {
		return bill{}, err
	}
	if len(found) != 1 || number == "" {
		return bill{}, dataFault("unknown_invoice", "see where the number comes from", "Tryton has no invoice or credit note %q to take back", number)
	}
	return found[0], nil
}

func reversalOf(p *connector.Posting) *docklinev1.Reversal {
	if p.Kind == connector.CreditReversal {
		return p.Document.GetCreditReversal()
	}
	return p.Document.GetInvoiceReversal()
}

func (c *Connector) reversingBills(ctx context.Context, p *connector.Posting) ([]bill, error) {
	return c.bills(ctx, []any{"reference", "=", reversalReference(p)}, []any{"state", "!=", "cancelled"})
}

func (c *Connector) findBillReversal(ctx context.Context, p *connector.Posting) ([]connector.Found, error) {
	bound, err := c.reversingBills(ctx, p)
	if err != nil || len(bound) == 0 {
		return nil, err
	}
	of, err := c.billToReverse(ctx, reversalOf(p))
	if err != nil {
		return nil, err
	}
	var out []connector.Found
	for _, b := range bound {
		f := connector.Found{Document: c.document(documentCredit, b.number)}
		if f.Difference, err = c.billUnsettled(ctx, of, b); err != nil {
			return nil, err
		}
		f.Complete = f.Difference == ""
		f.Draft = !f.Complete && (!b.posted() || of.cancelMove == 0 || of.cancelMove == b.move)
		out = append(out, f)
	}
	return out, nil
}

// billUnsettled says in words what of a reversal is still to be done; "" is nothing.
func (c *Connector) billUnsettled(ctx context.Context, of, b bill) (string, error) {
	switch {
	case !b.posted():
		return "it is still " + b.state, nil
	case of.cancelMove != 0 && of.cancelMove != b.move:
		return of.number + " was cancelled by something else", nil
	case of.state != "cancelled":
		return of.number + " is still " + of.state, nil
	}
	open, err := c.salesToBillAgain(ctx, of)
	if err != nil || len(open) == 0 {
		return "", err
	}
	return "the order does not know yet that " + of.number + " was taken back", nil
}

// salesToBillAgain are the orders of a bill, by id, that have not been told that it is to be made anew.
func (c *Connector) salesToBillAgain(ctx context.Context, of bill) (open []int64, err error) {
	sales, err := c.client.read(ctx, modelSale, nil, of.sales, "invoices_recreated")
	for _, s := range sales {
		if !slices.Contains(s.ids("invoices_recreated"), of.id) {
			open = append(open, s.id("id"))
		}
	}
	return open, err
}

func (c *Connector) oneBillReversal(ctx context.Context, p *connector.Posting, all []bill) ([]bill, error) {
	// A draft has no number yet: of two the one that was made first is the lowest.
	return one(p, "credit note", all, func(b bill) bool { return !b.posted() }, func(b bill) string { return strconv.FormatInt(b.id, 10) }, func(b bill) error {
		return c.client.button(ctx, modelInvoice, "cancel", b.id)
	})
}

// applyBillReversal posts a bill with all amounts turned round, cancels the first with it, and has the order bill anew what is to be billed.
func (c *Connector) applyBillReversal(ctx context.Context, p *connector.Posting) (connector.Result, error) {
	of, err := c.billToReverse(ctx, reversalOf(p))
	if err != nil {
		return connector.Result{}, err
	}
	bound, err := c.reversingBills(ctx, p)
	if err == nil {
		bound, err = c.oneBillReversal(ctx, p, bound)
	}
	if err == nil && len(bound) == 0 {
		if err = c.turnRound(ctx, p, of); err == nil {
			bound, err = c.reversingBills(ctx, p) // whoever else looked when there was none has made one too
		}
		if err == nil {
			of, err = c.billToReverse(ctx, reversalOf(p)) // and may have cancelled it by now
		}
		if err == nil {
			bound, err = c.oneBillReversal(ctx, p, bound)
		}
	}
	switch {
	case err != nil:
		return connector.Result{}, err
	case len(bound) != 1:
		return connector.Result{}, duplicate(p, "credit note")
	}
	b := bound[0]
	if !b.posted() {
		if err := c.mayBeTakenBack(ctx, of, b.id); err != nil {
			return connector.Result{}, err
		}
		if err := c.client.button(ctx, modelInvoice, "post", b.id); err != nil {
			return connector.Result{}, err
		}
		if b, err = c.billByID(ctx, b.id); err != nil {
			return connector.Result{}, err
		}
		if !b.posted() {
			return connector.Result{}, technical("step_ignored", "Tryton took the posting of a credit note without doing it", "it will be tried again; see it if it stays", nil)
		}
	}
	if err := c.cancelWith(ctx, of, b); err != nil {
		return connector.Result{}, err
	}
	open, err := c.salesToBillAgain(ctx, of)
	if err != nil {
		return connector.Result{}, err
	}
	for _, id := range open {
		if err := c.client.write(ctx, modelSale, id, "", map[string]any{"invoices_recreated": []any{[]any{"add", []int64{of.id}}}}); err != nil {
			return connector.Result{}, err
		}
	}
	for _, id := range of.sales {
		if err := c.client.button(ctx, modelSale, "process", id); err != nil {
			return connector.Result{}, err
		}
	}
	return c.result(documentCredit, b.number), nil
}

func (c *Connector) billByID(ctx context.Context, id int64) (bill, error) {
	found, err := c.client.read(ctx, modelInvoice, nil, []int64{id}, billFields...)
	if err != nil {
		return bill{}, err
	}
	if len(found) != 1 {
		return bill{}, technical("conflict", "somebody else removed the credit note at the same time", "it will be tried again", nil)
	}
	return billsOf(found)[0], nil
}

// mayBeTakenBack: what was paid, cancelled or credited is for a person to settle. The draft by which it is taken back does not count.
func (c *Connector) mayBeTakenBack(ctx context.Context, of bill, draft int64) error {
	const remedy = "settle it in Tryton by hand, then waive it"
	if of.state != "posted" {
		return processFault("invoice_not_open", remedy, "%s is %s in Tryton: it cannot be taken back", of.number, of.state)
	}
	var origins []string
	for _, id := range of.lines {
		origins = append(origins, reference(modelBillLine, id))
	}
	found, err := c.client.searchRead(ctx, modelBillLine, nil, []any{[]any{"origin", "in", origins}, []any{"invoice.state", "in", []string{"posted", "paid"}}, []any{"invoice", "!=", draft}}, 1,
		"invoice.number")
	if err != nil || len(found) == 0 {
		return err
	}
	return processFault("is_credited", remedy, "%s is credited by %s: it cannot be taken back as a whole", of.number, found[0].sub("invoice").text("number"))
}

// turnRound makes the draft: every line of the bill with its quantity turned round, at the same price, account and taxes.
func (c *Connector) turnRound(ctx context.Context, p *connector.Posting, of bill) error {
	if err := c.mayBeTakenBack(ctx, of, 0); err != nil {
		return err
	}
	heads, err := c.client.read(ctx, modelInvoice, nil, []int64{of.id}, "party", "invoice_address", "currency", "account", "journal", "payment_term")
	if err != nil {
		return err
	}
	plain := []string{"type", "sequence", "product", "unit", "account", "currency", "party", "description"}
	lines, err := c.client.read(ctx, modelBillLine, nil, of.lines, append(plain, "quantity", "unit_price", "taxes")...)
	if err != nil {
		return err
	}
	if len(heads) != 1 || len(lines) != len(of.lines) {
		return technical("conflict", "somebody else changed the invoice at the same time", "it will be tried again", nil)
	}
	slices.SortFunc(lines, func(a, b row) int { return int(a.id("id") - b.id("id")) })
	var made []any
	for _, l := range lines {
		turned := map[string]any{"invoice_type": "out", "origin": reference(modelBillLine, l.id("id"))}
		for _, name := range plain {
			turned[name] = l[name]
		}
		if l.text("type") == "line" {
			turned["quantity"], turned["unit_price"] = number(-l.quantity("quantity")), money(l.text("unit_price"))
		}
		if taxes := l.ids("taxes"); len(taxes) > 0 {
			turned["taxes"] = []any{[]any{"add", taxes}}
		}
		made = append(made, turned)
	}
	head := map[string]any{"type": "out", "reference": reversalReference(p), "lines": []any{[]any{"create", made}}}
	for _, name := range []string{"party", "invoice_address", "currency", "account", "journal", "payment_term"} {
		head[name] = heads[0][name]
	}
	_, err = c.client.call(ctx, "model."+modelInvoice+".create", nil, []any{head})
	return err
}

// cancelWith cancels a posted bill with the one that turns it round, and reads it back.
func (c *Connector) cancelWith(ctx context.Context, of, b bill) error {
	if of.cancelMove != 0 && of.cancelMove != b.move {
		return processFault("content_differs", "see in Tryton what cancelled it, and credit the other by hand", "%s was cancelled by something else than %s", of.number, b.number)
	}
	if of.state == "cancelled" {
		return nil
	}
	if of.cancelMove == 0 {
		if err := c.client.write(ctx, modelInvoice, of.id, of.stamp, map[string]any{"cancel_move": b.move}); err != nil {
			return err
		}
	}
	if err := c.client.button(ctx, modelInvoice, "cancel", of.id); err != nil {
		return err
	}
	now, err := c.billByID(ctx, of.id)
	if err != nil {
		return err
	}
	if now.state != "cancelled" {
		return technical("step_ignored", "Tryton took the cancelling of "+of.number+" without doing it", "it will be tried again; see it if it stays", nil)
	}
	return nil
}
