package tryton

import (
	"context"
	"slices"

	"github.com/dockline/dockline/collector/connector"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// credit is a customer's credit note: an invoice of negative quantities.
type credit struct {
	invoice
	lines []billed
}

// billed is a line of an invoice. Quantity is in millionths of the product's default unit, negative where it credits.
type billed struct {
	id, product, orderLine int64
	item                   string
	quantity               int64
}

// credits reads invoices with their lines of products, by id.
func (c *Connector) credits(ctx context.Context, found []row) ([]credit, error) {
	lines, err := c.billLines(ctx, found)
	if err != nil {
		return nil, err
	}
	var out []credit
	for _, i := range invoicesOf(found) {
		out = append(out, credit{i, lines[i.id]})
	}
	return out, nil
}

// billLines are the lines of products of invoices, by invoice.
func (c *Connector) billLines(ctx context.Context, invoices []row) (map[int64][]billed, error) {
	var ids []int64
	for _, r := range invoices {
		ids = append(ids, r.ids("lines")...)
	}
	read, err := c.client.read(ctx, modelBillLine, nil, ids, "invoice", "type", "product", "product.code", "product.default_uom", "product.default_uom.factor", "unit",
		"unit.factor", "quantity", "origin")
	if err != nil {
		return nil, err
	}
	slices.SortFunc(read, func(a, b row) int { return int(a.id("id") - b.id("id")) })
	out := map[int64][]billed{}
	for _, l := range read {
		if l.text("type") != "line" || l.id("product") == 0 {
			continue
		}
		one := billed{id: l.id("id"), product: l.id("product"), item: l.sub("product").text("code"), quantity: billedInBase(l)}
		if model, id := l.pointed("origin"); model == modelSaleLine {
			one.orderLine = id
		}
		out[l.id("invoice")] = append(out[l.id("invoice")], one)
	}
	return out, nil
}

// asked adds up by item what a request wants credited.
func asked(lines []*docklinev1.DocumentLine) (map[string]int64, error) {
	sums, err := returned(lines)
	out := map[string]int64{}
	for p, n := range sums {
		out[p.item] += n
	}
	return out, err
}

// differ says in words what a credit note credits other than wanted; "" is nothing.
func (k credit) differ(wanted map[string]int64) string {
	got := map[string]int64{}
	for _, l := range k.lines {
		got[l.item] -= l.quantity
	}
	want, has := content{}, []move{}
	for item, n := range wanted {
		want[part{"", item, ""}] = n
	}
	for item, n := range got {
		has = append(has, move{item: item, quantity: n})
	}
	return want.differ(has)
}

var creditFields = append(slices.Clone(invoiceFields), "lines")

func (c *Connector) boundCredits(ctx context.Context, key string) ([]credit, error) {
	found, err := c.client.searchRead(ctx, modelInvoice, nil, []any{[]any{"reference", "=", key}, []any{"type", "=", "out"}, []any{"state", "!=", "cancelled"}}, 0, creditFields...)
	if err != nil {
		return nil, err
	}
	return c.credits(ctx, found)
}

func (c *Connector) findCredit(ctx context.Context, p *connector.Posting) ([]connector.Found, error) {
	wanted, err := asked(p.Document.GetCreditRequest().GetLines())
	if err != nil {
		return nil, err
	}
	bound, err := c.boundCredits(ctx, p.Key)
	if err != nil {
		return nil, err
	}
	if len(bound) == 0 {
		return c.cancelledBill(ctx, p, documentCredit)
	}
	var out []connector.Found
	for _, k := range bound {
		f := connector.Found{Document: c.document(documentCredit, k.number), Draft: !k.posted(), Difference: k.differ(wanted)}
		if f.Complete = k.posted() && f.Difference == ""; f.Draft {
			f.Difference = "the credit note is still " + k.state
		}
		out = append(out, f)
	}
	return out, nil
}

// applyCredit posts the credit note of a return: the draft that Tryton made of the return shipment, cut down to what is asked for, or else one made of the
// invoice of the order.
func (c *Connector) applyCredit(ctx context.Context, p *connector.Posting) (connector.Result, error) {
	wanted, err := asked(p.Document.GetCreditRequest().GetLines())
	if err != nil {
		return connector.Result{}, err
	}
	bound, err := c.boundCredits(ctx, p.Key)
	if err == nil {
		bound, err = c.oneCredit(ctx, p, bound)
	}
	if err == nil && len(bound) == 0 {
		bound, err = c.makeCredit(ctx, p, wanted)
	}
	switch {
	case err != nil:
		return connector.Result{}, err
	case len(bound) != 1:
		return connector.Result{}, duplicate(p, "credit note")
	}
	if text := bound[0].differ(wanted); text != "" {
		return connector.Result{}, processFault("content_differs", "correct the credit note in Tryton, then requeue or waive", "credit note %s is %s, but %s", bound[0].number, bound[0].state, text)
	}
	posted, err := c.post(ctx, p, bound[0].invoice)
	if err != nil {
		return connector.Result{}, err
	}
	return c.result(documentCredit, posted.number), nil
}

// makeCredit binds our key to the draft of the return, or makes a credit note of the order's invoices where the return has none, and reads it back.
func (c *Connector) makeCredit(ctx context.Context, p *connector.Posting, wanted map[string]int64) ([]credit, error) {
	draft, err := c.draftOf(ctx, p)
	if err != nil {
		return nil, err
	}
	if draft == nil {
		err = c.creditInvoice(ctx, p, wanted)
	} else {
		err = c.cutDown(ctx, p, *draft, wanted)
	}
	if err != nil {
		return nil, err
	}
	return c.boundCredits(ctx, p.Key)
}

// draftOf is the credit note that Tryton made of the receipts that the request needs, nil where there is none that nobody has bound.
func (c *Connector) draftOf(ctx context.Context, p *connector.Posting) (*credit, error) {
	var numbers []string
	for _, n := range p.Needs {
		if n.GetKind() == documentReturn {
			numbers = append(numbers, n.GetNumber())
		}
	}
	if len(numbers) == 0 {
		return nil, nil
	}
	found, err := c.client.searchRead(ctx, modelReturn, nil, []any{[]any{"number", "in", numbers}}, 0, "incoming_moves")
	if err != nil {
		return nil, err
	}
	var moves []int64
	for _, r := range found {
		moves = append(moves, r.ids("incoming_moves")...)
	}
	lines, err := c.client.read(ctx, modelMove, nil, moves, "invoice_lines")
	if err != nil {
		return nil, err
	}
	var ids []int64
	for _, m := range lines {
		ids = append(ids, m.ids("invoice_lines")...)
	}
	of, err := c.client.read(ctx, modelBillLine, nil, ids, "invoice")
	if err != nil {
		return nil, err
	}
	invoices := map[int64]bool{}
	for _, l := range of {
		invoices[l.id("invoice")] = true
	}
	delete(invoices, 0)
	drafts, err := c.named(ctx, modelInvoice, invoices, creditFields...)
	if err != nil {
		return nil, err
	}
	var open []row
	for _, r := range drafts {
		if r.text("state") == "draft" && r.text("reference") == "" {
			open = append(open, r)
		}
	}
	all, err := c.credits(ctx, open)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	return &all[0], nil
}

// cutDown writes our key and what is asked for into a draft, in one transaction. Tryton makes another draft of what it is less than what came back.
func (c *Connector) cutDown(ctx context.Context, p *connector.Posting, draft credit, wanted map[string]int64) error {
	var change []any
	var spare []int64
	left := map[string]int64{}
	for item, n := range wanted {
		left[item] = n
	}
	for _, l := range draft.lines {
		n := min(-l.quantity, left[l.item])
		switch {
		case n <= 0:
			spare = append(spare, l.id)
		case n < -l.quantity:
			change = append(change, []any{"write", []int64{l.id}, map[string]any{"quantity": number(-n)}})
		}
		left[l.item] -= max(n, 0)
	}
	for item, n := range left {
		if n > 0 {
			return processFault("over_credit", "see in Tryton what of the return was credited already", "the credit note of the return has %s of %s less than is to be credited",
				event.FormatQuantity(n), item)
		}
	}
	values := map[string]any{"reference": p.Key}
	if len(spare) > 0 {
		change = append(change, []any{"delete", spare})
	}
	if len(change) > 0 {
		values["lines"] = change
	}
	return c.client.write(ctx, modelInvoice, draft.id, draft.stamp, values)
}

// creditInvoice makes a draft that credits lines of the order's posted invoices, at their prices, accounts and taxes, and never more than was billed.
func (c *Connector) creditInvoice(ctx context.Context, p *connector.Posting, wanted map[string]int64) error {
	doc := p.Document.GetCreditRequest()
	none := processFault("no_invoice", "post the invoice, or credit by hand, then requeue or waive", "order %q has no posted invoice that could be credited for return %s",
		doc.GetOrder(), doc.GetNumber())
	if doc.GetOrder() == "" {
		return none
	}
	order, err := c.sale(ctx, doc.GetOrder())
	if err != nil {
		return err
	}
	found, err := c.client.searchRead(ctx, modelInvoice, nil, []any{[]any{"id", "in", order.invoices}, []any{"state", "in", []string{"posted", "paid"}}}, 0,
		"lines", "party", "invoice_address", "currency", "account", "journal", "payment_term")
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return none
	}
	lines, err := c.creditLines(ctx, found, wanted)
	if err != nil {
		return err
	}
	head := map[string]any{"type": "out", "reference": p.Key, "lines": []any{[]any{"create", lines}}}
	for _, name := range []string{"party", "invoice_address", "currency", "account", "journal", "payment_term"} {
		head[name] = found[0][name]
	}
	_, err = c.client.call(ctx, "model."+modelInvoice+".create", nil, []any{head})
	return err
}

// creditLines take back lines of invoices, the oldest first; what was credited of one before counts.
func (c *Connector) creditLines(ctx context.Context, invoices []row, wanted map[string]int64) ([]any, error) {
	bills, err := c.billLines(ctx, invoices)
	if err != nil {
		return nil, err
	}
	origins := []string{}
	for _, lines := range bills {
		for _, l := range lines {
			origins = append(origins, reference(modelBillLine, l.id))
		}
	}
	before, err := c.client.searchRead(ctx, modelBillLine, nil, []any{[]any{"origin", "in", origins}, []any{"invoice.state", "!=", "cancelled"}}, 0, "origin", "quantity")
	if err != nil {
		return nil, err
	}
	credited := map[int64]int64{}
	for _, l := range before {
		if model, id := l.pointed("origin"); model == modelBillLine {
			credited[id] -= l.quantity("quantity")
		}
	}
	var out []any
	for item, n := range wanted {
		for _, invoice := range invoices {
			for _, l := range bills[invoice.id("id")] {
				some := min(n, l.quantity-credited[l.id])
				if l.item != item || some <= 0 {
					continue
				}
				made, err := c.creditLine(ctx, l, some)
				if err != nil {
					return nil, err
				}
				out, n, credited[l.id] = append(out, made), n-some, credited[l.id]+some
			}
		}
		if n > 0 {
			return nil, processFault("over_credit", "see in Tryton what of the order was billed and credited", "the order's invoices have %s of %s less than is to be credited",
				event.FormatQuantity(n), item)
		}
	}
	return out, nil
}

// creditLine takes back so much of a line.
func (c *Connector) creditLine(ctx context.Context, l billed, n int64) (map[string]any, error) {
	fields := []string{"product", "unit", "unit_price", "account", "currency", "party", "description"}
	found, err := c.client.read(ctx, modelBillLine, nil, []int64{l.id}, append(fields, "taxes", "unit.factor", "product.default_uom", "product.default_uom.factor")...)
	if err != nil {
		return nil, err
	}
	if len(found) != 1 {
		return nil, technical("conflict", "somebody else changed the invoice at the same time", "it will be tried again", nil)
	}
	r := found[0]
	out := map[string]any{"type": "line", "invoice_type": "out", "quantity": number(-n), "origin": reference(modelBillLine, l.id)}
	if base := r.sub("product").sub("default_uom").float("factor"); r.id("unit") != r.sub("product").id("default_uom") && r.sub("unit").float("factor") > 0 {
		out["quantity"] = number(-int64(float64(n)*base/r.sub("unit").float("factor") + 0.5))
	}
	for _, name := range fields {
		out[name] = r[name]
	}
	out["unit_price"] = money(r.text("unit_price"))
	if taxes := r.ids("taxes"); len(taxes) > 0 {
		out["taxes"] = []any{[]any{"add", taxes}}
	}
	return out, nil
}
