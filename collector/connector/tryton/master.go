package tryton

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/dockline/dockline/collector/connector"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

var _ connector.MasterSource = (*Connector)(nil)

// MasterKinds: products, units, parties and the locations of warehouses.
func (c *Connector) MasterKinds() []docklinev1.MasterKind {
	if c.settings.Opportunities {
		return nil
	}
	return []docklinev1.MasterKind{docklinev1.MasterKind_MASTER_KIND_ITEM, docklinev1.MasterKind_MASTER_KIND_UNIT, docklinev1.MasterKind_MASTER_KIND_CUSTOMER,
		docklinev1.MasterKind_MASTER_KIND_BIN}
}

// read is how records of a kind are found: the models whose changes count, each with the field that names the record's id, "id" for itself.
type masterRead struct {
	model  string
	sweeps [2]struct{ model, field string }
	only   []any
	make   func(c *Connector, ctx context.Context, ids []int64) ([]*docklinev1.MasterRecord, []connector.RefusedRecord, error)
}

// A product's name, unit and lot policy stand in its template, which has a time of change of its own.
var masterReads = map[docklinev1.MasterKind]masterRead{
	docklinev1.MasterKind_MASTER_KIND_ITEM: {modelProduct, [2]struct{ model, field string }{{modelProduct, "id"}, {"product.template", "template"}}, []any{}, (*Connector).masterItems},
	docklinev1.MasterKind_MASTER_KIND_UNIT: {"product.uom", [2]struct{ model, field string }{{"product.uom", "id"}}, []any{}, (*Connector).masterUnits},
	docklinev1.MasterKind_MASTER_KIND_CUSTOMER: {modelParty, [2]struct{ model, field string }{{modelParty, "id"}}, []any{},
		(*Connector).masterParties},
	docklinev1.MasterKind_MASTER_KIND_BIN: {modelLocation, [2]struct{ model, field string }{{modelLocation, "id"}}, []any{"type", "in", []string{"storage", "view"}}, (*Connector).masterBins},
}

// everyone has a search find what is no longer active too: that is how Tryton removes what documents still name.
var everyone = map[string]any{"active_test": false}

// Master returns records that were changed since the cursor, which holds one sweep for each model that they are kept in.
func (c *Connector) Master(ctx context.Context, kind docklinev1.MasterKind, since connector.Cursor) (page connector.MasterPage, err error) {
	read, known := masterReads[kind]
	if !known {
		return page, fmt.Errorf("%s does not tell of kind %s", c.settings.Name, connector.MasterKindName(kind))
	}
	var at [2]sweep
	if len(since) > 0 {
		if err := json.Unmarshal(since, &at); err != nil {
			return page, technical("bad_cursor", "the cursor is not one of this connector's", "It is read from the beginning by itself.", connector.ErrForgotten)
		}
	}
	var ids []int64
	for i, s := range read.sweeps {
		if s.model == "" {
			continue
		}
		changed, more, err := c.page(ctx, s.model, &at[i], read.only, everyone)
		if err != nil {
			return page, err
		}
		if s.field != "id" && len(changed) > 0 {
			of, err := c.client.searchRead(ctx, read.model, everyone, []any{[]any{s.field, "in", changed}}, 0, "id")
			if err != nil {
				return page, err
			}
			changed = nil
			for _, r := range of {
				changed = append(changed, r.id("id"))
			}
		}
		ids = append(ids, changed...)
		at[i].close(more, c.settings.Overlap)
		page.More = page.More || more
	}
	slices.Sort(ids)
	if ids = slices.Compact(ids); len(ids) > 0 {
		if page.Records, page.Refused, err = read.make(c, ctx, ids); err != nil {
			return page, err
		}
	}
	slices.SortFunc(page.Records, func(a, b *docklinev1.MasterRecord) int { return cmp.Compare(a.GetCode(), b.GetCode()) })
	if page.Cursor, err = json.Marshal(at); err != nil {
		return page, technical("bad_cursor", "the cursor cannot be written", "report it", err)
	}
	return page, nil
}

// nameless is a record that cannot be told of since it has no code.
func nameless(what string, r row) connector.RefusedRecord {
	raw, _ := json.Marshal(map[string]any{"id": r.id("id"), "name": r.text("name")}) // two plain values can be written
	return connector.RefusedRecord{Reason: fmt.Sprintf("%s %q (id %d) has no code in Tryton: give it one", what, r.text("name"), r.id("id")), Raw: raw}
}

func (c *Connector) masterItems(ctx context.Context, ids []int64) (records []*docklinev1.MasterRecord, refused []connector.RefusedRecord, err error) {
	found, err := c.client.read(ctx, modelProduct, nil, ids, "code", "name", "active", "type", "default_uom", "default_uom.symbol", "default_uom.factor", "sale_uom",
		"sale_uom.symbol", "sale_uom.factor", "lot_required", "identifiers")
	if err != nil {
		return nil, nil, err
	}
	gtins, err := c.gtins(ctx, found)
	if err != nil {
		return nil, nil, err
	}
	for _, r := range found {
		switch {
		case r.text("type") == "service":
			continue
		case r.text("code") == "":
			refused = append(refused, nameless("product", r))
			continue
		}
		lots, _ := r["lot_required"].([]any)
		d := &docklinev1.MasterDetail{Unit: c.unit(r.sub("default_uom").text("symbol")), Lots: len(lots) > 0, Gtins: gtins[r.id("id")]}
		if base, other := r.sub("default_uom").float("factor"), r.sub("sale_uom").float("factor"); r.id("sale_uom") != 0 && r.id("sale_uom") != r.id("default_uom") && base > 0 {
			d.Units = []*docklinev1.MasterUnit{{Unit: c.unit(r.sub("sale_uom").text("symbol")), BaseQuantity: event.FormatQuantity(int64(other/base*event.Scale + 0.5))}}
		}
		records = append(records, &docklinev1.MasterRecord{Kind: docklinev1.MasterKind_MASTER_KIND_ITEM, Code: r.text("code"), Name: r.text("name"), Removed: !r.truth("active"), Detail: d})
	}
	return records, refused, nil
}

// gtins are the EANs of products, as GTINs of 14 digits are not told apart from them, by product.
func (c *Connector) gtins(ctx context.Context, products []row) (map[int64][]string, error) {
	var ids []int64
	for _, r := range products {
		ids = append(ids, r.ids("identifiers")...)
	}
	found, err := c.client.read(ctx, "product.identifier", nil, ids, "product", "type", "code")
	out := map[int64][]string{}
	for _, r := range found {
		if r.text("type") == "ean" || r.text("type") == "ean13" {
			out[r.id("product")] = append(out[r.id("product")], r.text("code"))
		}
	}
	for _, list := range out {
		slices.Sort(list)
	}
	return out, err
}

func (c *Connector) masterUnits(ctx context.Context, ids []int64) (records []*docklinev1.MasterRecord, refused []connector.RefusedRecord, err error) {
	found, err := c.client.read(ctx, "product.uom", nil, ids, "symbol", "name", "active")
	for _, r := range found {
		if r.text("symbol") == "" {
			refused = append(refused, nameless("unit", r))
			continue
		}
		records = append(records, &docklinev1.MasterRecord{Kind: docklinev1.MasterKind_MASTER_KIND_UNIT, Code: c.unit(r.text("symbol")), Name: r.text("name"), Removed: !r.truth("active")})
	}
	return records, refused, err
}

// masterParties tells of every party that has an address: Tryton does not tell customers from others.
func (c *Connector) masterParties(ctx context.Context, ids []int64) (records []*docklinev1.MasterRecord, refused []connector.RefusedRecord, err error) {
	found, err := c.client.read(ctx, modelParty, nil, ids, "code", "name", "active")
	for _, r := range found {
		if r.text("code") == "" {
			refused = append(refused, nameless("party", r))
			continue
		}
		records = append(records, &docklinev1.MasterRecord{Kind: docklinev1.MasterKind_MASTER_KIND_CUSTOMER, Code: r.text("code"), Name: r.text("name"), Removed: !r.truth("active")})
	}
	return records, refused, err
}

// masterBins tells of locations below the storage zones of the sites; zones themselves are no bins.
func (c *Connector) masterBins(ctx context.Context, ids []int64) (records []*docklinev1.MasterRecord, refused []connector.RefusedRecord, err error) {
	sites, err := c.sites(ctx)
	if err != nil {
		return nil, nil, err
	}
	siteOf := map[int64]string{}
	for _, at := range sites {
		within, err := c.client.searchRead(ctx, modelLocation, everyone, []any{[]any{"parent", "child_of", []int64{at.storage}}}, 0, "id")
		if err != nil {
			return nil, nil, err
		}
		for _, p := range within {
			siteOf[p.id("id")] = at.name
		}
		delete(siteOf, at.storage)
	}
	ids = slices.DeleteFunc(slices.Clone(ids), func(id int64) bool { return siteOf[id] == "" })
	changed, err := c.client.read(ctx, modelLocation, nil, ids, "code", "name", "active")
	if err != nil {
		return nil, nil, err
	}
	codes := []string{}
	for _, r := range changed {
		if r.text("code") != "" {
			codes = append(codes, r.text("code"))
		}
	}
	found, err := c.client.searchRead(ctx, modelLocation, everyone, []any{"OR", []any{"code", "in", codes}, []any{"id", "in", ids}}, 0, "code", "name", "active")
	if err != nil {
		return nil, nil, err
	}
	return binsOf(found, siteOf), nil, nil
}

// binsOf are the bins of locations: sites may have bins of the same code, and such a bin is removed where none has it any longer.
func binsOf(locations []row, siteOf map[int64]string) []*docklinev1.MasterRecord {
	bins := map[string]*docklinev1.MasterRecord{}
	for _, r := range locations {
		at, code := siteOf[r.id("id")], cmp.Or(r.text("code"), r.text("name"))
		if at == "" {
			continue
		}
		bin := bins[code]
		if bin == nil {
			bin = &docklinev1.MasterRecord{Kind: docklinev1.MasterKind_MASTER_KIND_BIN, Code: code, Name: r.text("name"), Removed: true, Detail: &docklinev1.MasterDetail{}}
			bins[code] = bin
		}
		if !r.truth("active") {
			continue
		}
		if bin.Removed = false; !slices.Contains(bin.Detail.Sites, at) {
			bin.Detail.Sites = append(bin.Detail.Sites, at)
		}
		slices.Sort(bin.Detail.Sites)
	}
	return slices.Collect(maps.Values(bins))
}
