package tryton

import (
	"context"
	"slices"

	"github.com/dockline/dockline/collector/connector"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// inventory is a count in Tryton's terms. It books quantity minus expected, which it took from the books when it was made.
type inventory struct {
	id, location            int64
	number, state           string
	quantity, expected      int64
	lines                   []int64
	item, lotNumber, placed string
}

// inventories are those with our key as number; a cancelled one has no effect.
func (c *Connector) inventories(ctx context.Context, key string) ([]inventory, error) {
	found, err := c.client.searchRead(ctx, modelInventory, nil, []any{[]any{"number", "=", key}, []any{"state", "!=", "cancelled"}}, 0,
		"number", "state", "location", "location.code", "lines")
	if err != nil {
		return nil, err
	}
	var ids []int64
	for _, r := range found {
		ids = append(ids, r.ids("lines")...)
	}
	lines, err := c.client.read(ctx, "stock.inventory.line", nil, ids, "inventory", "product", "product.code", "lot", "lot.number", "quantity", "expected_quantity")
	if err != nil {
		return nil, err
	}
	var out []inventory
	for _, r := range found {
		i := inventory{id: r.id("id"), number: r.text("number"), state: r.text("state"), location: r.id("location"), placed: r.sub("location").text("code"), lines: r.ids("lines")}
		for _, l := range lines {
			if l.id("inventory") == i.id {

				i.item, i.lotNumber = l.sub("product").text("code"), l.sub("lot").text("number")
				i.quantity, i.expected = l.quantity("quantity"), l.quantity("expected_quantity")
			}
		}
		out = append(out, i)
	}
	return out, nil
}

// is tells whether the inventory books exactly this variance.
func (i inventory) is(doc *docklinev1.StockAdjustment, delta int64) bool {
	return len(i.lines) == 1 && i.item == doc.GetItem() && i.lotNumber == doc.GetLot() && (i.placed == doc.GetBin() || doc.GetBin() == "") && i.quantity-i.expected == delta
}

func variance(doc *docklinev1.StockAdjustment) (int64, error) {
	n, err := event.ParseQuantity(doc.GetDelta())
	if err != nil || n == 0 {
		return 0, dataFault("bad_quantity", "correct the count, then requeue", "count %s: a variance of %q cannot be booked", doc.GetCount(), doc.GetDelta())
	}
	return n, nil
}

func (c *Connector) findAdjustment(ctx context.Context, p *connector.Posting) ([]connector.Found, error) {
	doc := p.Document.GetStockAdjustment()
	delta, err := variance(doc)
	if err != nil {
		return nil, err
	}
	all, err := c.inventories(ctx, p.Key)
	if err != nil {
		return nil, err
	}
	var out []connector.Found
	for _, i := range all {
		f := connector.Found{Document: c.document(documentInventory, i.number), Draft: i.state == "draft", Complete: i.state == "done" && i.is(doc, delta)}
		switch {
		case f.Draft:
			f.Difference = "the inventory is a draft"
		case !f.Complete:
			f.Difference = "the inventory books " + event.FormatQuantity(i.quantity-i.expected) + " of " + i.item + " in " + i.placed
		}
		out = append(out, f)
	}
	return out, nil
}

// applyAdjustment makes an inventory that books the variance on whatever Tryton's books hold now.
func (c *Connector) applyAdjustment(ctx context.Context, p *connector.Posting) (connector.Result, error) {
	doc := p.Document.GetStockAdjustment()
	delta, err := variance(doc)
	if err != nil {
		return connector.Result{}, err
	}
	before, err := c.inventories(ctx, p.Key)
	if err == nil {
		before, err = c.oneInventory(ctx, p, before)
	}
	if err != nil {
		return connector.Result{}, err
	}
	switch {
	case len(before) == 1 && before[0].state == "done" && before[0].is(doc, delta):
		return c.result(documentInventory, before[0].number), nil
	case len(before) == 1 && before[0].state == "done":
		return connector.Result{}, processFault("content_differs", "book the difference by a count of its own", "inventory %s was confirmed with other content", before[0].number)
	}
	if err := c.begin(ctx, p, doc, delta, before); err != nil {
		return connector.Result{}, err
	}
	return c.confirm(ctx, p, doc, delta)
}

// begin makes the draft, or writes it anew: what an earlier one expected may be out of date.
func (c *Connector) begin(ctx context.Context, p *connector.Posting, doc *docklinev1.StockAdjustment, delta int64, before []inventory) error {
	at, err := c.site(ctx, doc.GetSite())
	if err != nil {
		return err
	}
	places, err := c.places(ctx, at.storage)
	if err != nil {
		return err
	}
	location := at.storage
	if doc.GetBin() != "" {
		found := slices.IndexFunc(places, func(p place) bool { return p.code == doc.GetBin() })
		if found < 0 {
			return dataFault("unknown_bin", "add the location below the warehouse's storage zone, then requeue", "Tryton has no location %q at %s", doc.GetBin(), at.name)
		}
		location = places[found].id
	}
	products, err := c.products(ctx, []string{doc.GetItem()})
	if err != nil {
		return err
	}
	g := goods{product: products[doc.GetItem()].id}
	if g.lot, err = c.lot(ctx, products[doc.GetItem()], doc.GetLot()); err != nil {
		return err
	}
	stock, err := c.stockOf(ctx, places, g)
	if err != nil {
		return err
	}
	if stock[location]+delta < 0 {
		return processFault("book_too_low", "count the bin again, or correct the books in Tryton, then requeue", "Tryton has %s of %s in %s, %s cannot be booked",
			event.FormatQuantity(stock[location]), doc.GetItem(), doc.GetBin(), doc.GetDelta())
	}
	line := map[string]any{"product": g.product, "quantity": number(stock[location] + delta)}
	if g.lot != 0 {
		line["lot"] = g.lot
	}
	lines := []any{[]any{"create", []any{line}}}
	if len(before) == 0 {
		_, err := c.client.call(ctx, "model."+modelInventory+".create", nil, []any{map[string]any{"number": p.Key, "location": location, "lines": lines}})
		return err
	}
	if old := before[0].lines; len(old) > 0 {
		lines = []any{[]any{"delete", old}, lines[0]}
	}
	return c.client.write(ctx, modelInventory, before[0].id, "", map[string]any{"location": location, "lines": lines})
}

// confirm looks once more whether the draft books the variance, since the books may have moved while it was made, and confirms it.
func (c *Connector) confirm(ctx context.Context, p *connector.Posting, doc *docklinev1.StockAdjustment, delta int64) (connector.Result, error) {
	made, err := c.inventories(ctx, p.Key)
	if err != nil {
		return connector.Result{}, err
	}
	if len(made) != 1 {
		return connector.Result{}, duplicate(p, "inventory")
	}
	if !made[0].is(doc, delta) {
		return connector.Result{}, technical("books_moved", "Tryton's books moved while the inventory was made", "it will be tried again", nil)
	}
	if err := c.client.button(ctx, modelInventory, "confirm", made[0].id); err != nil {
		return connector.Result{}, err
	}
	done, err := c.inventories(ctx, p.Key)
	if err != nil {
		return connector.Result{}, err
	}
	if len(done) != 1 || done[0].state != "done" || !done[0].is(doc, delta) {
		return connector.Result{}, technical("step_ignored", "Tryton took the confirmation of an inventory without doing it", "it will be tried again; see the inventory if it stays", nil)
	}
	return c.result(documentInventory, done[0].number), nil
}
