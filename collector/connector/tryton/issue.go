package tryton

import (
	"cmp"
	"context"
	"slices"

	"github.com/dockline/dockline/collector/connector"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// next names the button that each state of a shipment needs, and the state that must follow. Tryton would take "pack" on a waiting
// shipment too, and skip the pick.
var next = map[string]struct{ button, state string }{
	"draft":    {"wait", "waiting"},
	"waiting":  {"assign_force", "assigned"},
	"assigned": {"pick", "picked"},
	"picked":   {"pack", "packed"},
	"packed":   {"done", "done"},
}

// applyIssue binds our key to the order's open shipment and brings it to done with exactly what left the site.
func (c *Connector) applyIssue(ctx context.Context, p *connector.Posting) (connector.Result, error) {
	doc := p.Document.GetGoodsIssue()
	wanted, err := totals(doc)
	if err != nil {
		return connector.Result{}, err
	}
	order, err := c.sale(ctx, doc.GetOrder())
	if err != nil {
		return connector.Result{}, err
	}
	at, err := c.site(ctx, doc.GetSite())
	if err != nil {
		return connector.Result{}, err
	}
	s, err := c.shipmentFor(ctx, p, order, at)
	if err != nil {
		return connector.Result{}, err
	}
	for steps := 0; s.state != "done"; steps++ {
		if steps > 2*len(next) {
			return connector.Result{}, processFault("unsteady", "see who else works on it in Tryton", "shipment %s does not stay where it is put", s.number)
		}
		if s, err = c.step(ctx, p, at, s, wanted); err != nil {
			return connector.Result{}, err
		}
	}
	if text := wanted.differ(s.outgoing); text != "" {
		return connector.Result{}, processFault("content_differs", "correct it in Tryton by a return, then requeue or waive", "shipment %s is done, but %s", s.number, text)
	}
	if err := c.follow(ctx, doc.GetOrder(), s); err != nil {
		return connector.Result{}, err
	}
	return c.result(documentShipment, s.number), nil
}

// shipmentFor is the shipment bound to our key, or else the order's open one that nobody has bound.
func (c *Connector) shipmentFor(ctx context.Context, p *connector.Posting, order sale, at site) (shipment, error) {
	bound, err := c.bound(ctx, p.Key)
	switch {
	case err != nil:
		return shipment{}, err
	case len(bound) > 1:
		return shipment{}, duplicate(p, "shipment")
	case len(bound) == 1:
		return bound[0], nil
	}
	if order.state == "confirmed" { // its processing has failed or was not yet
		if err := c.client.button(ctx, modelSale, "process", order.id); err != nil {
			return shipment{}, err
		}
		if order, err = c.sale(ctx, order.number); err != nil {
			return shipment{}, err
		}
	}
	all, err := c.shipmentsByID(ctx, order.shipments)
	if err != nil {
		return shipment{}, err
	}
	lines := p.Document.GetGoodsIssue().GetLines()
	open := slices.DeleteFunc(all, func(s shipment) bool {
		return s.reference != "" || s.warehouse != at.warehouse || !slices.Contains([]string{"draft", "waiting", "assigned"}, s.state)
	})
	slices.SortStableFunc(open, func(a, b shipment) int {
		return cmp.Or(cmp.Compare(a.misses(lines), b.misses(lines)), cmp.Compare(a.short(lines), b.short(lines)))
	})
	if len(open) == 0 {
		if err := c.knownItems(ctx, lines); err != nil {
			return shipment{}, err
		}
		return shipment{}, processFault("nothing_open", "see what the order's shipments in Tryton are; a return or a new order may be due",
			"order %s is %s and has no open shipment at %s", order.number, order.state, at.name)
	}
	if len(open) > 1 && open[0].short(lines) > 0 && open[0].state != "assigned" {
		return c.gather(ctx, order, open[0], open[1:], lines)
	}
	return open[0], nil
}

// misses counts the lines that the shipment has no movement for.
func (s shipment) misses(lines []*docklinev1.DocumentLine) int {
	n := 0
	for _, l := range lines {
		if s.find(l) == nil {
			n++
		}
	}
	return n
}

// find returns the outgoing movement of a document's line: by the order's line, or by the item where no line is named.
func (s shipment) find(l *docklinev1.DocumentLine) *move {
	for i := range s.outgoing {
		m := &s.outgoing[i]
		if l.GetOrderLine() == lineNumber(m.line) || l.GetOrderLine() == "" && l.GetItem() == m.item {
			return m
		}
	}
	return nil
}

// step takes a shipment one step on and reads it back.
func (c *Connector) step(ctx context.Context, p *connector.Posting, at site, s shipment, wanted content) (shipment, error) {
	going, known := next[s.state]
	if !known {
		return s, processFault("shipment_"+s.state, "see in Tryton who did that", "shipment %s is %s", s.number, s.state)
	}
	switch s.state {
	case "waiting":
		if err := c.prepare(ctx, p, at, s); err != nil {
			return s, err
		}
	case "assigned": // by us with these picks, or by a person with others: then it goes back and is picked as it was
		if keyOf(s.reference) != p.Key || wanted.differ(s.picked()) != "" {
			going.button, going.state = "wait", "waiting"
		}
	case "picked":
		if text := wanted.differ(s.outgoing); text != "" {
			return s, processFault("content_differs", "cancel the shipment in Tryton, then requeue", "shipment %s is picked, but %s", s.number, text)
		}
	}
	if err := c.client.button(ctx, modelShipment, going.button, s.id); err != nil {
		return s, err
	}
	now, err := c.shipmentsByID(ctx, []int64{s.id})
	if err != nil {
		return s, err
	}
	if len(now) != 1 || now[0].state != going.state {
		return s, technical("step_ignored", "Tryton took "+going.button+" of shipment "+s.number+" without doing it", "it will be tried again; see the shipment if it stays", nil)
	}
	return now[0], nil
}

// picked are the picks with the order's lines of the movements that they serve.
func (s shipment) picked() []move {
	out := slices.Clone(s.picks)
	for i := range out {
		for _, m := range s.outgoing {
			if m.id == out[i].origin {
				out[i].line = m.line
			}
		}
	}
	return out
}

// prepare writes our key and the picks as they were made into a waiting shipment, in one transaction.
func (c *Connector) prepare(ctx context.Context, p *connector.Posting, at site, s shipment) error {
	doc := p.Document.GetGoodsIssue()
	picks, err := c.plan(ctx, doc, at, s)
	if err != nil {
		return err
	}
	var old []int64
	for _, m := range s.picks {
		old = append(old, m.id)
	}
	change := []any{[]any{"create", picks}}
	if len(old) > 0 {
		change = []any{[]any{"delete", old}, change[0]}
	}
	text := p.Key
	if doc.GetTracking() != "" {
		text += "|" + doc.GetTracking()
	}
	return c.client.write(ctx, modelShipment, s.id, s.stamp, map[string]any{"reference": text, "inventory_moves": change})
}

// follow sees to it that the order has taken up the shipment. Only asking again shows why it could not.
func (c *Connector) follow(ctx context.Context, number string, s shipment) error {
	order, err := c.sale(ctx, number)
	if err != nil {
		return err
	}
	done, err := c.followed(ctx, order, s)
	if err != nil || done {
		return err
	}
	err = c.client.button(ctx, modelSale, "process", order.id)
	if isCode(err, userError) {
		return processFault("order_not_followed", "do in Tryton what it says, then requeue", "shipment %s is done, but order %s could not follow: %v", s.number, number, err)
	}
	return err
}
