package tryton

import (
	"context"
	"maps"
	"slices"
)

// site is a warehouse of Tryton under the name that Dockline has for it.
type site struct {
	name      string
	warehouse int64
	storage   int64
}

// sites are the configured warehouses, or every one that has a code, by name.
func (c *Connector) sites(ctx context.Context) ([]site, error) {
	warehouses, err := c.client.searchRead(ctx, modelLocation, nil, []any{[]any{"type", "=", "warehouse"}}, 0, "code", "storage_location")
	if err != nil {
		return nil, err
	}
	byCode := map[string]row{}
	for _, w := range warehouses {
		if code := w.text("code"); code != "" {
			byCode[code] = w
		}
	}
	names := c.settings.Sites
	if len(names) == 0 {
		names = map[string]string{}
		for code := range byCode {
			names[code] = code
		}
	}
	var out []site
	for _, name := range slices.Sorted(maps.Keys(names)) {
		w, known := byCode[names[name]]
		if !known {
			return nil, technical("unknown_warehouse", "Tryton has no warehouse "+names[name], "correct sites in the connector's settings, or the warehouse's code", nil)
		}
		out = append(out, site{name: name, warehouse: w.id("id"), storage: w.id("storage_location")})
	}
	return out, nil
}

func (c *Connector) site(ctx context.Context, name string) (site, error) {
	all, err := c.sites(ctx)
	if err != nil {
		return site{}, err
	}
	if i := slices.IndexFunc(all, func(s site) bool { return s.name == name }); i >= 0 {
		return all[i], nil
	}
	return site{}, dataFault("unknown_site", "give the warehouse this code, or map the site in the connector's settings", "Tryton has no warehouse for site %q", name)
}

// place is a location in a site's storage zone, or the zone itself.
type place struct {
	id     int64
	code   string
	parent int64
}

// places are a zone and everything below it, by id.
func (c *Connector) places(ctx context.Context, zone int64) ([]place, error) {
	found, err := c.client.searchRead(ctx, modelLocation, nil, []any{[]any{"parent", "child_of", []int64{zone}}}, 0, "code", "name", "parent")
	if err != nil {
		return nil, err
	}
	out := make([]place, len(found))
	for i, l := range found {
		code := l.text("code")
		if code == "" {
			code = l.text("name")
		}
		out[i] = place{id: l.id("id"), code: code, parent: l.id("parent")}
	}
	return out, nil
}

// goods are what may lie in a place.
type goods struct {
	product, lot int64
}

// stockOf is how much of one product, and lot, each place of a zone holds itself, in millionths of the default unit. Tryton counts
// a place with all that is below it.
func (c *Connector) stockOf(ctx context.Context, places []place, g goods) (map[int64]int64, error) {
	about := map[string]any{"product": g.product}
	if g.lot != 0 {
		about["lot"] = g.lot
	}
	ids := make([]int64, len(places))
	for i, p := range places {
		ids[i] = p.id
	}
	found, err := c.client.read(ctx, modelLocation, about, ids, "quantity")
	if err != nil {
		return nil, err
	}
	held := map[int64]int64{}
	for _, l := range found {
		held[l.id("id")] += l.quantity("quantity")
	}
	own := maps.Clone(held)
	for _, p := range places {
		if _, below := held[p.parent]; below {
			own[p.parent] -= held[p.id]
		}
	}
	return own, nil
}

// product is an article with the unit that its stock is kept in.
type product struct {
	id, unit int64
	code     string
	// byLot: it may not leave to a customer without a lot.
	byLot bool
}

// products looks articles up by code; one that is not there is a data fault.
func (c *Connector) products(ctx context.Context, codes []string) (map[string]product, error) {
	found, err := c.client.searchRead(ctx, modelProduct, nil, []any{[]any{"code", "in", codes}}, 0, "code", "default_uom", "lot_required")
	if err != nil {
		return nil, err
	}
	out := map[string]product{}
	for _, p := range found {
		code := p.text("code")
		if _, twice := out[code]; twice {
			return nil, dataFault("ambiguous_item", "give each product a code of its own", "Tryton has two products with the code %s", code)
		}
		needed, _ := p["lot_required"].([]any)
		out[code] = product{id: p.id("id"), unit: p.id("default_uom"), code: code, byLot: slices.Contains(needed, any("customer"))}
	}
	for _, code := range codes {
		if _, known := out[code]; !known {
			return nil, dataFault("unknown_item", "add the product, or correct the item's mapping, then requeue", "Tryton has no product %q", code)
		}
	}
	return out, nil
}

// lot looks a lot up; one that is not there is a data fault.
func (c *Connector) lot(ctx context.Context, p product, number string) (int64, error) {
	if number == "" {
		return 0, nil
	}
	found, err := c.client.searchRead(ctx, modelLot, nil, []any{[]any{"number", "=", number}, []any{"product", "=", p.id}}, 1, "number")
	if err != nil {
		return 0, err
	}
	if len(found) == 0 {
		return 0, dataFault("unknown_lot", "add the lot in Tryton, then requeue", "Tryton has no lot %q of %s", number, p.code)
	}
	return found[0].id("id"), nil
}
