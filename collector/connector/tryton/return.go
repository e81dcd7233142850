package tryton

import (
	"context"
	"slices"

	"github.com/dockline/dockline/collector/connector"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// back is a customer return shipment: incoming movements bring goods into the input zone, puts from there to where they are kept.
type back struct {
	id, warehouse     int64
	number, reference string
	state, stamp      string
	incoming, puts    []move
}

var returnFields = []string{"number", "reference", "state", "_timestamp", "warehouse", "inventory_moves", "incoming_moves"}

func (c *Connector) backs(ctx context.Context, found []row) ([]back, error) {
	var ids []int64
	for _, r := range found {
		ids = append(append(ids, r.ids("inventory_moves")...), r.ids("incoming_moves")...)
	}
	moves, err := c.moves(ctx, ids)
	if err != nil {
		return nil, err
	}
	pick := func(ids []int64) (out []move) {
		for _, id := range ids {
			if m, there := moves[id]; there && m.state != "cancelled" {
				out = append(out, m)
			}
		}
		slices.SortFunc(out, func(a, b move) int { return int(a.id - b.id) })
		return out
	}
	var out []back
	for _, r := range found {
		out = append(out, back{id: r.id("id"), number: r.text("number"), reference: r.text("reference"), state: r.text("state"), stamp: r.text("_timestamp"),
			warehouse: r.id("warehouse"), incoming: pick(r.ids("incoming_moves")), puts: pick(r.ids("inventory_moves"))})
	}
	slices.SortFunc(out, func(a, b back) int { return int(a.id - b.id) })
	return out, nil
}

func (c *Connector) backByID(ctx context.Context, id int64) (back, error) {
	found, err := c.client.read(ctx, modelReturn, nil, []int64{id}, returnFields...)
	if err != nil {
		return back{}, err
	}
	all, err := c.backs(ctx, found)
	if err != nil {
		return back{}, err
	}
	if len(all) == 1 {
		return all[0], nil
	}
	return back{}, technical("step_ignored", "Tryton no longer has a return shipment that was just there", "it will be tried again", nil)
}

// boundReturns are the return shipments that carry our key. A cancelled one has no effect.
func (c *Connector) boundReturns(ctx context.Context, key string) ([]back, error) {
	found, err := c.client.searchRead(ctx, modelReturn, nil, []any{[]any{"reference", "=", key}, []any{"state", "!=", "cancelled"}}, 0, returnFields...)
	if err != nil {
		return nil, err
	}
	return c.backs(ctx, found)
}

// returned adds the lines of goods that came back up. Of which line of an order they were does not matter to the books: Tryton's return may name another
// order's lines, or none.
func returned(lines []*docklinev1.DocumentLine) (content, error) {
	out := content{}
	for _, l := range lines {
		n, err := event.ParseQuantity(l.GetQuantity())
		if err != nil || n <= 0 {
			return nil, dataFault("bad_quantity", "correct the quantity, then requeue", "a return of %q of %s cannot be booked", l.GetQuantity(), l.GetItem())
		}
		out[part{"", l.GetItem(), l.GetLot()}] += n
	}
	if len(out) == 0 {
		return nil, dataFault("no_lines", "see why the return has no goods", "the return has no goods")
	}
	return out, nil
}

func (c *Connector) findReturn(ctx context.Context, p *connector.Posting) ([]connector.Found, error) {
	wanted, err := returned(p.Document.GetReturnReceipt().GetLines())
	if err != nil {
		return nil, err
	}
	bound, err := c.boundReturns(ctx, p.Key)
	if err != nil {
		return nil, err
	}
	var out []connector.Found
	for _, b := range bound {
		f := connector.Found{Document: c.document(documentReturn, b.number), Draft: b.state != "done", Difference: wanted.differ(b.incoming)}
		switch {
		case f.Draft:
			f.Difference = "the return shipment is still " + b.state
		case f.Difference == "":
			if f.Complete, err = c.returnFollowed(ctx, b); err != nil {
				return nil, err
			}
			if !f.Complete {
				f.Draft, f.Difference = true, "the return shipment is done, but its sale could not follow"
			}
		}
		out = append(out, f)
	}
	return out, nil
}

// applyReturn binds our key to the return shipment of the RMA, which is a sale of negative quantities in Tryton, or makes one where there is no RMA there;
// then it receives the goods and puts them where the site has them.
func (c *Connector) applyReturn(ctx context.Context, p *connector.Posting) (connector.Result, error) {
	doc := p.Document.GetReturnReceipt()
	wanted, err := returned(doc.GetLines())
	if err != nil {
		return connector.Result{}, err
	}
	at, err := c.site(ctx, doc.GetSite())
	if err != nil {
		return connector.Result{}, err
	}
	arrivals, err := c.arrivals(ctx, doc, at)
	if err != nil {
		return connector.Result{}, err
	}
	b, err := c.returnFor(ctx, p, at, arrivals)
	if err != nil {
		return connector.Result{}, err
	}
	if text := wanted.differ(b.incoming); text != "" {
		return connector.Result{}, processFault("content_differs", "correct it in Tryton, then requeue or waive", "return shipment %s is %s, but %s", b.number, b.state, text)
	}
	if b.state == "draft" {
		if b, err = c.returnStep(ctx, b, "receive", "received"); err != nil {
			return connector.Result{}, err
		}
	}
	if b.state == "received" {
		if err := c.put(ctx, b, arrivals); err != nil {
			return connector.Result{}, err
		}
		if b, err = c.returnStep(ctx, b, "done", "done"); err != nil {
			return connector.Result{}, err
		}
	}
	if err := c.returnFollow(ctx, b); err != nil {
		return connector.Result{}, err
	}
	return c.result(documentReturn, b.number), nil
}

// returnStep presses a button and reads the state back. A warehouse whose input zone is its storage goes from receive to done at once.
func (c *Connector) returnStep(ctx context.Context, b back, button, state string) (back, error) {
	if err := c.client.button(ctx, modelReturn, button, b.id); err != nil {
		return b, err
	}
	now, err := c.backByID(ctx, b.id)
	if err != nil {
		return b, err
	}
	if now.state != state && now.state != "done" {
		return b, technical("step_ignored", "Tryton took "+button+" of return shipment "+b.number+" without doing it", "it will be tried again; see it if it stays", nil)
	}
	return now, nil
}

// returnFor is the return shipment bound to our key, or else the open one of the RMA, or else one that is made.
func (c *Connector) returnFor(ctx context.Context, p *connector.Posting, at site, arrivals []arrival) (back, error) {
	bound, err := c.boundReturns(ctx, p.Key)
	if err == nil {
		bound, err = c.oneReturn(ctx, p, bound)
	}
	if err != nil {
		return back{}, err
	}
	if len(bound) == 1 {
		return bound[0], nil
	}
	doc := p.Document.GetReturnReceipt()
	rma, err := c.returnSale(ctx, doc.GetNumber())
	if err != nil {
		return back{}, err
	}
	if rma == nil {
		return c.makeReturn(ctx, p, at, arrivals)
	}
	found, err := c.client.read(ctx, modelReturn, nil, rma.ids("shipment_returns"), returnFields...)
	if err != nil {
		return back{}, err
	}
	open, err := c.backs(ctx, found)
	if err != nil {
		return back{}, err
	}
	open = slices.DeleteFunc(open, func(b back) bool { return b.reference != "" || b.state != "draft" || b.warehouse != at.warehouse })
	if len(open) == 0 {
		return back{}, processFault("nothing_open", "see the return's shipments in Tryton; raise its quantity there, or credit by hand, then requeue",
			"return %s has no open return shipment at %s", doc.GetNumber(), at.name)
	}
	return c.bindReturn(ctx, p, open[0], arrivals)
}

// bindReturn writes our key and what came into an open return shipment, in one transaction; Tryton keeps the rest in another one.
func (c *Connector) bindReturn(ctx context.Context, p *connector.Posting, b back, arrivals []arrival) (back, error) {
	var change []any
	var spare []int64
	rest := slices.Clone(arrivals)
	for _, m := range b.incoming {
		first := true
		for i := range rest {
			a := &rest[i]
			if a.product != m.product || a.quantity == 0 || m.quantity == 0 {
				continue
			}
			n := min(a.quantity, m.quantity)
			a.quantity, m.quantity = a.quantity-n, m.quantity-n
			if first {
				change = append(change, []any{"write", []int64{m.id}, a.move(n)})
				first = false
				continue
			}
			more := a.move(n)
			more["from_location"], more["to_location"], more["origin"] = m.from, m.to, reference(modelSaleLine, m.line)
			change = append(change, []any{"create", []any{more}})
		}
		if first {
			spare = append(spare, m.id)
		}
	}
	for _, a := range rest {
		if a.quantity > 0 {
			return b, processFault("over_return", "raise the return's quantity in Tryton, or send the surplus back, then requeue",
				"return shipment %s has not as much of %s open as came back: %s are too many", b.number, a.item, event.FormatQuantity(a.quantity))
		}
	}
	if len(spare) > 0 {
		change = append(change, []any{"delete", spare})
	}
	if err := c.client.write(ctx, modelReturn, b.id, b.stamp, map[string]any{"reference": p.Key, "incoming_moves": change}); err != nil {
		return b, err
	}
	return c.backByID(ctx, b.id)
}

// put says where the goods are kept: nothing where that is the storage zone, to which they go by themselves.
func (c *Connector) put(ctx context.Context, b back, arrivals []arrival) error {
	done := map[int64]bool{}
	for _, a := range arrivals {
		if a.place == 0 {
			continue
		}
		at := slices.IndexFunc(b.puts, func(m move) bool {
			return !done[m.id] && m.product == a.product && m.lot == a.lot && m.quantity == a.quantity && m.state == "draft"
		})
		if at < 0 {
			return processFault("content_differs", "correct the return shipment in Tryton, then requeue", "return shipment %s does not put %s of %s away", b.number,
				event.FormatQuantity(a.quantity), a.item)
		}
		done[b.puts[at].id] = true
		if b.puts[at].to == a.place {
			continue
		}
		if err := c.client.write(ctx, modelMove, b.puts[at].id, "", map[string]any{"to_location": a.place}); err != nil {
			return err
		}
	}
	return nil
}

// returnFollowed tells whether the RMA's sale has taken the return up: it makes its credit note in a second transaction, which may fail unseen.
func (c *Connector) returnFollowed(ctx context.Context, b back) (bool, error) {
	if !slices.ContainsFunc(b.incoming, func(m move) bool { return m.line != 0 && !m.invoiced }) {
		return true, nil
	}
	sales, err := c.salesOfLines(ctx, b.incoming)
	return !slices.ContainsFunc(sales, func(s row) bool { return s.text("invoice_method") == "shipment" }), err
}

func (c *Connector) salesOfLines(ctx context.Context, moves []move) ([]row, error) {
	var lines []int64
	for _, m := range moves {
		if m.line != 0 && !slices.Contains(lines, m.line) {
			lines = append(lines, m.line)
		}
	}
	found, err := c.client.read(ctx, modelSaleLine, nil, lines, "sale")
	if err != nil {
		return nil, err
	}
	var ids []int64
	for _, l := range found {
		if !slices.Contains(ids, l.id("sale")) {
			ids = append(ids, l.id("sale"))
		}
	}
	return c.client.read(ctx, modelSale, nil, ids, "number", "invoice_method")
}

func (c *Connector) returnFollow(ctx context.Context, b back) error {
	now, err := c.backByID(ctx, b.id)
	if err != nil {
		return err
	}
	if done, err := c.returnFollowed(ctx, now); err != nil || done {
		return err
	}
	sales, err := c.salesOfLines(ctx, now.incoming)
	if err != nil {
		return err
	}
	for _, s := range sales {
		err := c.client.button(ctx, modelSale, "process", s.id("id"))
		if isCode(err, userError) {
			return processFault("order_not_followed", "do in Tryton what it says, then requeue", "return shipment %s is done, but sale %s could not follow: %v", b.number, s.text("number"), err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
