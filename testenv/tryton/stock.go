package tryton

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/shopspring/decimal"

	"github.com/dockline/dockline/testenv/erp"
)

// held is what lies in one location.
type held struct {
	location, product int64
	lot               string
}

// Stock lists what each location of a site holds, or of all sites where it is "", by article and lot: the sum of all movements that are
// done, held against what Tryton itself says of each article. What lies in a zone, on its way in or out, stands under the zone's code.
func (c *Client) Stock(ctx context.Context, site string) ([]erp.StockLine, error) {
	moves, err := c.List(ctx, "stock.move", []any{[]any{"state", "=", "done"}}, nil, "from_location", "to_location", "product", "lot.number", "internal_quantity")
	if err != nil {
		return nil, err
	}
	book := map[held]decimal.Decimal{}
	for _, m := range moves {
		lot := Text(sub(m, "lot")["number"])
		from, to := held{ID(m["from_location"]), ID(m["product"]), lot}, held{ID(m["to_location"]), ID(m["product"]), lot}
		book[from] = book[from].Sub(Number(m["internal_quantity"]))
		book[to] = book[to].Add(Number(m["internal_quantity"]))
	}
	var out []erp.StockLine
	var inside []int64
	total := map[string]decimal.Decimal{}
	for name, warehouse := range c.Sites {
		if site != "" && site != name {
			continue
		}
		places, err := c.List(ctx, "stock.location", []any{[]any{"parent", "child_of", []int64{warehouse}}}, nil, "code")
		if err != nil {
			return nil, err
		}
		codes := map[int64]string{}
		for _, p := range places {
			codes[ID(p["id"])] = Text(p["code"])
			inside = append(inside, ID(p["id"]))
		}
		for h, quantity := range book {
			bin, ours := codes[h.location]
			if !ours || quantity.IsZero() {
				continue
			}
			item, symbol := c.product(h.product)
			out = append(out, erp.StockLine{Site: name, Bin: bin, Item: item, Lot: h.lot, Quantity: quantity, Unit: unit(symbol)})
			total[item] = total[item].Add(quantity)
		}
	}
	slices.SortFunc(out, func(a, b erp.StockLine) int {
		return cmp.Or(cmp.Compare(a.Site, b.Site), cmp.Compare(a.Bin, b.Bin), cmp.Compare(a.Item, b.Item), cmp.Compare(a.Lot, b.Lot))
	})
	return out, c.onHand(ctx, inside, total)
}

// onHand looks whether Tryton says the same of each article in all the locations that were added up.
func (c *Client) onHand(ctx context.Context, locations []int64, total map[string]decimal.Decimal) error {
	products, err := c.List(ctx, "product.product", nil, Object{"locations": locations, "with_childs": false}, "code", "quantity")
	if err != nil {
		return err
	}
	for _, p := range products {
		if code := Text(p["code"]); !Number(p["quantity"]).Equal(total[code]) {
			return fmt.Errorf("tryton: %s of %s are on hand, its movements add up to %s", Number(p["quantity"]), code, total[code])
		}
	}
	return nil
}

func (c *Client) product(id int64) (code, symbol string) {
	for code, p := range c.Products {
		if ID(p["id"]) == id {
			return code, Text(sub(p, "default_uom")["symbol"])
		}
	}
	return fmt.Sprint("product ", id), ""
}
