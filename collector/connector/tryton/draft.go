package tryton

import (
	"context"
	"slices"

	"github.com/dockline/dockline/collector/connector"
)

// one is the document of a posting to go on with, of several that carry its key: that which has had its effect, or else the lowest draft. The other drafts,
// of lost answers and of whoever else looked at the same time, are dropped. Where more than one has had its effect only a person can tell which is right.
func one[T any](p *connector.Posting, what string, all []T, draft func(T) bool, number func(T) string, drop func(T) error) ([]T, error) {
	found := make([]connector.Found, len(all))
	for i, d := range all {
		found[i] = connector.Found{Document: numbered(number(d)), Draft: draft(d)}
	}
	spare, ok := connector.SpareDrafts(found)
	if !ok {
		return nil, duplicate(p, what)
	}
	for _, at := range spare {
		if err := drop(all[at]); err != nil {
			return nil, err
		}
	}
	var kept []T
	for i, d := range all {
		if !slices.Contains(spare, i) {
			kept = append(kept, d)
		}
	}
	return kept, nil
}

func (c *Connector) oneReturn(ctx context.Context, p *connector.Posting, all []back) ([]back, error) {
	return one(p, "return shipment", all, func(b back) bool { return b.state == "draft" }, func(b back) string { return b.number }, func(b back) error {
		if slices.ContainsFunc(b.incoming, func(m move) bool { return m.line != 0 }) { // an RMA's own: it is open again
			return c.client.write(ctx, modelReturn, b.id, b.stamp, map[string]any{"reference": nil})
		}
		return c.client.button(ctx, modelReturn, "cancel", b.id)
	})
}

func (c *Connector) oneCredit(ctx context.Context, p *connector.Posting, all []credit) ([]credit, error) {
	return one(p, "credit note", all, func(k credit) bool { return !k.posted() }, func(k credit) string { return k.number }, func(k credit) error {
		if slices.ContainsFunc(k.lines, func(l billed) bool { return l.orderLine != 0 }) { // an RMA's own: it is open again
			return c.client.write(ctx, modelInvoice, k.id, k.stamp, map[string]any{"reference": nil})
		}
		return c.client.button(ctx, modelInvoice, "cancel", k.id)
	})
}

func (c *Connector) oneOrder(ctx context.Context, p *connector.Posting, all []entered) ([]entered, error) {
	return one(p, "order", all, func(e entered) bool { return e.state == "draft" || e.state == "quotation" }, func(e entered) string { return e.number }, func(e entered) error {
		return c.client.button(ctx, modelSale, "cancel", e.id)
	})
}

func (c *Connector) oneInventory(ctx context.Context, p *connector.Posting, all []inventory) ([]inventory, error) {
	return one(p, "inventory", all, func(i inventory) bool { return i.state == "draft" }, func(inventory) string { return p.Key }, func(i inventory) error {
		return c.client.button(ctx, modelInventory, "cancel", i.id)
	})
}
