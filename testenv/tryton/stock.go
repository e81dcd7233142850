package tryton

import (
	"context"
	"maps"
	"slices"

	"github.com/shopspring/decimal"

	"github.com/dockline/dockline/testenv/erp"
)

// place is a location of a warehouse.
type place struct {
	id, parent int64
	code, site string
}

// Stock lists what the book holds in each location of a site, or of all sites where it is "": by article and lot. What lies in a zone
// itself, on its way in or out, stands under the zone's code.
func (c *Client) Stock(ctx context.Context, site string) ([]erp.StockLine, error) {
	places, err := c.places(ctx, site)
	if err != nil {
		return nil, err
	}
	lots, err := c.List(ctx, "stock.lot", nil, nil, "number", "product")
	if err != nil {
		return nil, err
	}
	var out []erp.StockLine
	for _, code := range slices.Sorted(maps.Keys(c.Products)) {
		product := c.Products[code]
		rest, err := c.held(ctx, places, Object{"product": product["id"]})
		if err != nil {
			return nil, err
		}
		line := func(p place, lot string, quantity decimal.Decimal) {
			if !quantity.IsZero() {
				out = append(out, erp.StockLine{Site: p.site, Bin: p.code, Item: code, Lot: lot, Quantity: quantity, Unit: unit(Text(sub(product, "default_uom")["symbol"]))})
			}
		}
		for _, lot := range lots {
			if lot["product"] != product["id"] {
				continue
			}
			some, err := c.held(ctx, places, Object{"product": product["id"], "lot": lot["id"]})
			if err != nil {
				return nil, err
			}
			for _, p := range places {
				line(p, Text(lot["number"]), some[p.id])
				rest[p.id] = rest[p.id].Sub(some[p.id])
			}
		}
		for _, p := range places {
			line(p, "", rest[p.id])
		}
	}
	return out, nil
}

func (c *Client) places(ctx context.Context, site string) ([]place, error) {
	var out []place
	for _, name := range slices.Sorted(maps.Keys(c.Sites)) {
		if site != "" && site != name {
			continue
		}
		found, err := c.List(ctx, "stock.location", []any{[]any{"parent", "child_of", []int64{c.Sites[name]}}}, nil, "code", "parent")
		if err != nil {
			return nil, err
		}
		for _, l := range found {
			out = append(out, place{id: ID(l["id"]), parent: ID(l["parent"]), code: Text(l["code"]), site: name})
		}
	}
	return out, nil
}

// held is what each place holds itself: Tryton counts it with all that is below.
func (c *Client) held(ctx context.Context, places []place, of Object) (map[int64]decimal.Decimal, error) {
	ids := make([]int64, len(places))
	for i, p := range places {
		ids[i] = p.id
	}
	found, err := c.List(ctx, "stock.location", []any{[]any{"id", "in", ids}}, of, "quantity")
	if err != nil {
		return nil, err
	}
	own := map[int64]decimal.Decimal{}
	for _, l := range found {
		own[ID(l["id"])] = Number(l["quantity"])
	}
	whole := maps.Clone(own)
	for _, p := range places {
		if _, inside := whole[p.parent]; inside {
			own[p.parent] = own[p.parent].Sub(whole[p.id])
		}
	}
	return own, nil
}
