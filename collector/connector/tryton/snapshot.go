package tryton

import (
	"cmp"
	"context"
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/collector/connector"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// Snapshot returns what each site's storage zone holds by bin, item and lot. Goods in the input and output zones are on their way
// and in no bin. It costs two requests a bin.
func (c *Connector) Snapshot(ctx context.Context, scope connector.Scope) ([]*docklinev1.Event, error) {
	all, err := c.sites(ctx)
	if err != nil {
		return nil, err
	}
	if scope.Site != "" {
		one, err := c.site(ctx, scope.Site)
		if err != nil {
			return nil, err
		}
		all = []site{one}
	}
	var out []*docklinev1.Event
	for _, at := range all {
		now := time.Now().UTC()
		lines, err := c.book(ctx, at)
		if err != nil {
			return nil, err
		}
		out = append(out, &docklinev1.Event{Kind: docklinev1.EventKind_EVENT_KIND_STOCK_SNAPSHOT, Subject: at.name, SourceKey: "stock/" + at.name,
			SourceRevision: now.Format(stampFormat), OccurredAt: timestamppb.New(now),
			Payload: &docklinev1.Event_StockSnapshot{StockSnapshot: &docklinev1.StockSnapshot{Site: at.name, Lines: lines}}})
	}
	return out, nil
}

// book reads the lines of one site, ordered by bin, item and lot.
func (c *Connector) book(ctx context.Context, at site) ([]*docklinev1.Line, error) {
	places, err := c.places(ctx, at.storage)
	if err != nil {
		return nil, err
	}
	names := map[goods]*docklinev1.Line{}
	whole := map[int64]map[goods]int64{}
	for _, p := range places {
		if whole[p.id], err = c.holds(ctx, p, names); err != nil {
			return nil, err
		}
	}
	var lines []*docklinev1.Line
	for _, p := range places {
		own := whole[p.id]
		for _, below := range places {
			if below.parent == p.id {
				own = minus(own, whole[below.id])
			}
		}
		for g, n := range own {
			if n == 0 {
				continue
			}
			line := &docklinev1.Line{Bin: p.code, Item: names[g].Item, Lot: names[g].Lot,
				Quantity: &docklinev1.Quantity{Value: event.FormatQuantity(n), Unit: names[g].Quantity.Unit}}
			if p.id == at.storage {
				line.Bin = ""
			}
			lines = append(lines, line)
		}
	}
	slices.SortFunc(lines, func(a, b *docklinev1.Line) int {
		return cmp.Or(cmp.Compare(a.Bin, b.Bin), cmp.Compare(a.Item, b.Item), cmp.Compare(a.Lot, b.Lot))
	})
	return lines, nil
}

func minus(from, what map[goods]int64) map[goods]int64 {
	out := map[goods]int64{}
	for g, n := range from {
		out[g] = n
	}
	for g, n := range what {
		out[g] -= n
	}
	return out
}

// holds reads what a place holds with all below it. What of a product is in no lot is the product's quantity less that of its lots.
func (c *Connector) holds(ctx context.Context, p place, names map[goods]*docklinev1.Line) (map[goods]int64, error) {
	about := map[string]any{"locations": []int64{p.id}}
	some := []any{[]any{"quantity", "!=", 0}}
	products, err := c.client.searchRead(ctx, modelProduct, about, some, 0, "code", "quantity", "default_uom.symbol")
	if err != nil {
		return nil, err
	}
	lots, err := c.client.searchRead(ctx, modelLot, about, some, 0, "number", "quantity", "product", "product.code", "default_uom.symbol")
	if err != nil {
		return nil, err
	}
	out := map[goods]int64{}
	name := func(g goods, item, lot string, r row) {
		names[g] = &docklinev1.Line{Item: item, Lot: lot, Quantity: &docklinev1.Quantity{Unit: c.unit(r.sub("default_uom").text("symbol"))}}
	}
	for _, r := range products {
		g := goods{product: r.id("id")}
		name(g, r.text("code"), "", r)
		out[g] += r.quantity("quantity")
	}
	for _, r := range lots {
		g := goods{product: r.id("product"), lot: r.id("id")}
		name(g, r.sub("product").text("code"), r.text("number"), r)
		name(goods{product: g.product}, r.sub("product").text("code"), "", r)
		out[g] += r.quantity("quantity")
		out[goods{product: g.product}] -= r.quantity("quantity")
	}
	return out, nil
}

// unit is the code that events carry for a unit's symbol.
func (c *Connector) unit(symbol string) string {
	if code, mapped := c.settings.Units[symbol]; mapped {
		return code
	}
	return symbol
}
