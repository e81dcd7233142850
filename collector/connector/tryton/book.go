package tryton

import (
	"cmp"
	"context"
	"maps"
	"slices"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

const (
	// movesPerPage is how many movements one request reads, movesPerBin up to how many of them for each bin are read rather than the bins: two
	// requests of a bin cost Tryton about as much.
	movesPerPage, movesPerBin = 1000, 500
	// readAgain is how often the movements are read again since some were made meanwhile.
	readAgain = 3
)

const (
	modelPeriod = "stock.period"
	modelCache  = "stock.period.cache.lot"
)

// spot is a place with goods.
type spot struct {
	place int64
	goods
}

// holding is how much each spot holds itself, in millionths of the default unit.
type holding map[spot]int64

// book reads the lines of one site, ordered by bin, item and lot: from the movements since the last closed period, or, where these are too many, bin by
// bin.
func (c *Connector) book(ctx context.Context, at site) ([]*docklinev1.Line, error) {
	places, err := c.places(ctx, at.storage)
	if err != nil {
		return nil, err
	}
	held, ok, err := c.held(ctx, at, len(places)*movesPerBin)
	if err == nil && !ok {
		held, err = c.heldByBin(ctx, places)
	}
	if err != nil {
		return nil, err
	}
	return c.bookLines(ctx, at, places, held)
}

// closed is the sum that Tryton keeps of all movements until the end of the last closed period, and that day; nil for none.
func (c *Connector) closed(ctx context.Context, inside []any) (sums []row, day any, err error) {
	periods, err := c.client.call(ctx, "model."+modelPeriod+".search_read", nil, []any{[]any{"state", "=", "closed"}}, 0, 1, []any{[]any{"date", "DESC"}}, []string{"date"})
	last := rows(periods)
	if err != nil || len(last) == 0 {
		return nil, nil, err
	}
	for after := int64(0); ; {
		page, err := c.client.searchRead(ctx, modelCache, nil, []any{[]any{"period", "=", last[0].id("id")}, []any{"id", ">", after}, append([]any{"location"}, inside...)},
			movesPerPage, "location", "product", "lot", "internal_quantity")
		if err != nil {
			return nil, nil, err
		}
		sums = append(sums, page...)
		if len(page) < movesPerPage {
			return sums, date(last[0].time("date")), nil
		}
		after = page[len(page)-1].id("id")
	}
}

// held adds up the movements in and out of a site's storage zone; ok is false where there are more than most. Movements that are done stay, so the sum is
// right where as many were done after it was read as before.
func (c *Connector) held(ctx context.Context, at site, most int) (sums holding, ok bool, err error) {
	inside := []any{"child_of", []int64{at.storage}, "parent"}
	before, day, err := c.closed(ctx, inside)
	if err != nil {
		return nil, false, err
	}
	domain := []any{[]any{"state", "=", "done"}, []any{"OR", append([]any{"from_location"}, inside...), append([]any{"to_location"}, inside...)}}
	if day != nil {
		domain = append(domain, []any{"effective_date", ">", day})
	}
	for range readAgain {
		count, err := c.count(ctx, domain)
		if err != nil || count > most {
			return nil, false, err
		}
		sums = holding{}
		for _, r := range before {
			sums[spot{r.id("location"), goods{r.id("product"), r.id("lot")}}] += r.quantity("internal_quantity")
		}
		n, err := c.addMoves(ctx, domain, sums)
		if err != nil {
			return nil, false, err
		}
		if after, err := c.count(ctx, domain); err != nil || n == count && after == count {
			return sums, err == nil, err
		}
	}
	return nil, false, technical("books_moved", "Tryton's books moved each time that they were read", "it will be tried again", nil)
}

func (c *Connector) count(ctx context.Context, domain []any) (int, error) {
	n, err := c.client.call(ctx, "model."+modelMove+".search_count", nil, domain)
	return int(integer(n)), err
}

func (c *Connector) addMoves(ctx context.Context, domain []any, sums holding) (n int, err error) {
	for after := int64(0); ; {
		page, err := c.client.searchRead(ctx, modelMove, nil, append(slices.Clone(domain), []any{"id", ">", after}), movesPerPage,
			"from_location", "to_location", "product", "lot", "internal_quantity")
		if err != nil {
			return n, err
		}
		for _, r := range page {
			g := goods{r.id("product"), r.id("lot")}
			sums[spot{r.id("from_location"), g}] -= r.quantity("internal_quantity")
			sums[spot{r.id("to_location"), g}] += r.quantity("internal_quantity")
		}
		if n += len(page); len(page) < movesPerPage {
			return n, nil
		}
		after = page[len(page)-1].id("id")
	}
}

// heldByBin asks of each place what it holds, in two requests. Tryton counts a place with all that is below it.
func (c *Connector) heldByBin(ctx context.Context, places []place) (holding, error) {
	sums := holding{}
	for _, p := range places {
		whole, err := c.holds(ctx, p)
		if err != nil {
			return nil, err
		}
		for g, n := range whole {
			sums[spot{p.id, g}] += n
			if p.parent != 0 {
				sums[spot{p.parent, g}] -= n
			}
		}
	}
	return sums, nil
}

// holds reads what a place holds with all below it. What of a product is in no lot is the product's quantity less that of its lots.
func (c *Connector) holds(ctx context.Context, p place) (map[goods]int64, error) {
	about := map[string]any{"locations": []int64{p.id}}
	some := []any{[]any{"quantity", "!=", 0}}
	products, err := c.client.searchRead(ctx, modelProduct, about, some, 0, "quantity")
	if err != nil {
		return nil, err
	}
	lots, err := c.client.searchRead(ctx, modelLot, about, some, 0, "quantity", "product")
	if err != nil {
		return nil, err
	}
	out := map[goods]int64{}
	for _, r := range products {
		out[goods{product: r.id("id")}] += r.quantity("quantity")
	}
	for _, r := range lots {
		out[goods{product: r.id("product"), lot: r.id("id")}] += r.quantity("quantity")
		out[goods{product: r.id("product")}] -= r.quantity("quantity")
	}
	return out, nil
}

// bookLines names what the places of a site hold.
func (c *Connector) bookLines(ctx context.Context, at site, places []place, held holding) ([]*docklinev1.Line, error) {
	codes := map[int64]string{}
	for _, p := range places {
		codes[p.id] = p.code
	}
	codes[at.storage] = ""
	products, lots := map[int64]bool{}, map[int64]bool{}
	maps.DeleteFunc(held, func(s spot, n int64) bool {
		_, ours := codes[s.place]
		return !ours || n == 0
	})
	for s := range held {
		products[s.product], lots[s.lot] = true, s.lot != 0
	}
	delete(lots, 0)
	items, err := c.named(ctx, modelProduct, products, "code", "default_uom.symbol")
	if err != nil {
		return nil, err
	}
	numbers, err := c.named(ctx, modelLot, lots, "number")
	if err != nil {
		return nil, err
	}
	var lines []*docklinev1.Line
	for s, n := range held {
		item := items[s.product]
		lines = append(lines, &docklinev1.Line{Bin: codes[s.place], Item: item.text("code"), Lot: numbers[s.lot].text("number"),
			Quantity: &docklinev1.Quantity{Value: event.FormatQuantity(n), Unit: c.unit(item.sub("default_uom").text("symbol"))}})
	}
	slices.SortFunc(lines, func(a, b *docklinev1.Line) int {
		return cmp.Or(cmp.Compare(a.Bin, b.Bin), cmp.Compare(a.Item, b.Item), cmp.Compare(a.Lot, b.Lot))
	})
	return lines, nil
}

// named reads fields of records by id.
func (c *Connector) named(ctx context.Context, model string, ids map[int64]bool, fields ...string) (map[int64]row, error) {
	out := map[int64]row{}
	for some := range slices.Chunk(slices.Sorted(maps.Keys(ids)), movesPerPage) {
		found, err := c.client.read(ctx, model, nil, some, fields...)
		if err != nil {
			return nil, err
		}
		for _, r := range found {
			out[r.id("id")] = r
		}
	}
	return out, nil
}
