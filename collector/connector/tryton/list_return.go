package tryton

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/dockline/dockline/collector/connector"
)

// listReturns lists return shipments. Of one that has no RMA the books do not say of which order and line the goods are: its lines are not told.
func (c *Connector) listReturns(ctx context.Context, sites []site, domain []any) (ids []int64, out []connector.Listed, err error) {
	found, err := c.client.searchRead(ctx, modelReturn, nil, domain, pageSize, append(slices.Clone(returnFields), "create_date", "write_date")...)
	if err != nil {
		return nil, nil, err
	}
	all, err := c.backs(ctx, found)
	if err != nil {
		return nil, nil, err
	}
	var pseudo []row // the movements as if they were lines of credit notes: what they are of is looked up alike
	for _, b := range all {
		for _, m := range b.incoming {
			if m.line != 0 {
				pseudo = append(pseudo, row{"id": jsonID(m.id), "origin": reference(modelSaleLine, m.line)})
			}
		}
	}
	of, err := c.creditOrigins(ctx, pseudo)
	if err != nil {
		return nil, nil, err
	}
	for _, b := range all {
		if strings.HasPrefix(b.reference, reversalPrefix) {
			ids = append(ids, b.id)
			continue // it takes back a shipment: nobody has sent goods back
		}
		d := connector.Listed{Reference: b.reference, Number: b.number, Draft: b.state != "done" && b.state != "cancelled", Reversed: b.state == "cancelled", Whole: true}
		for _, r := range found {
			if r.id("id") == b.id {
				ids, d.At = append(ids, b.id), changedAt(r)
			}
		}
		for _, at := range sites {
			if at.warehouse == b.warehouse {
				d.Site = at.name
			}
		}
		for _, m := range b.incoming {
			from := of[m.id]
			d.Order = cmp.Or(d.Order, from.order)
			d.Whole = d.Whole && from.line != ""
			d.Lines = append(d.Lines, connector.Line{OrderLine: from.line, Item: m.item, Quantity: m.quantity})
		}
		if !d.Whole {
			d.Lines = nil
		}
		out = append(out, d)
	}
	return ids, out, nil
}

// listCredits lists credit notes: invoices with lines of negative quantities.
func (c *Connector) listCredits(ctx context.Context, _ []site, domain []any) (ids []int64, out []connector.Listed, err error) {
	domain = append(domain, []any{"type", "=", "out"})
	found, err := c.client.searchRead(ctx, modelInvoice, nil, domain, pageSize, "number", "reference", "state", "lines", "create_date", "write_date")
	if err != nil {
		return nil, nil, err
	}
	var lines []int64
	for _, r := range found {
		ids, lines = append(ids, r.id("id")), append(lines, r.ids("lines")...)
	}
	read, err := c.client.read(ctx, modelBillLine, nil, lines, "invoice", "type", "product", "product.code", "product.default_uom", "product.default_uom.factor", "unit", "unit.factor",
		"quantity", "origin")
	if err != nil {
		return nil, nil, err
	}
	read = slices.DeleteFunc(read, func(l row) bool {
		return l.text("type") != "line" || l.id("product") == 0 || l.quantity("quantity") >= 0
	})
	slices.SortFunc(read, func(a, b row) int { return cmp.Compare(a.id("id"), b.id("id")) })
	of, err := c.creditOrigins(ctx, read)
	if err != nil {
		return nil, nil, err
	}
	for _, r := range found {
		if strings.HasPrefix(r.text("reference"), reversalPrefix) {
			continue // of an invoice: what it turns round is cancelled
		}
		d := connector.Listed{Reference: r.text("reference"), Number: r.text("number"), At: changedAt(r), Whole: true,
			Draft: r.text("state") == "draft" || r.text("state") == "validated", Reversed: r.text("state") == "cancelled"}
		for _, l := range read {
			if l.id("invoice") != r.id("id") {
				continue
			}
			from := of[l.id("id")]
			d.Order = cmp.Or(d.Order, from.order)
			d.Lines = append(d.Lines, connector.Line{OrderLine: from.line, Item: l.sub("product").text("code"), Quantity: -billedInBase(l)})
		}
		if len(d.Lines) > 0 {
			out = append(out, d)
		}
	}
	return ids, out, nil
}
