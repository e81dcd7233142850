package tryton_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/connector/tryton"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

const items = docklinev1.MasterKind_MASTER_KIND_ITEM

// records reads all master data of a kind since a cursor, by code.
func records(t *testing.T, c *tryton.Connector, kind docklinev1.MasterKind, since connector.Cursor) (map[string]*docklinev1.MasterRecord, connector.Cursor) {
	t.Helper()
	out := map[string]*docklinev1.MasterRecord{}
	for {
		page, err := c.Master(t.Context(), kind, since)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page.Records {
			if r.Kind != kind {
				t.Errorf("a record of kind %v among %v", r.Kind, kind)
			}
			out[r.Code] = r
		}
		if since = page.Cursor; !page.More {
			return out, since
		}
	}
}

// Tryton tells all its products, parties, units and bins once, and then what changes, a name in the product's template too.
func TestMasterDataIsToldOnceAndThenAsItChanges(t *testing.T) {
	d := openDoor(t)
	c := d.connect(t)
	all, cursor := records(t, c, items, nil)
	for _, item := range d.db.Master.Items {
		r := all[item.Code]
		if r == nil || r.Name != item.Description || r.Removed || r.Detail.Unit != item.Unit || r.Detail.Lots != item.LotTracked {
			t.Errorf("%s %q by %s, lots %v, is told as %v", item.Code, item.Description, item.Unit, item.LotTracked, r)
		}
	}
	if len(all) != len(d.db.Master.Items) {
		t.Errorf("%d products are told, Tryton has %d", len(all), len(d.db.Master.Items))
	}
	if again, _ := records(t, c, items, cursor); len(again) != 0 {
		t.Errorf("nothing was changed, and %v is told", again)
	}
	p := d.list(t, "product.product", []any{[]any{"code", "=", "SKU-1005"}}, nil, "id", "template")[0]
	admin := d.admin(t)
	do := func(method string, params ...any) {
		t.Helper()
		if _, err := admin.Do(t.Context(), method, nil, params...); err != nil {
			t.Fatal(err)
		}
	}
	do("product.template.write", []any{p["template"]}, object{"name": "Anvil"})
	changed, cursor := records(t, c, items, cursor)
	if len(changed) != 1 || changed["SKU-1005"].GetName() != "Anvil" {
		t.Errorf("after a new name: %v", changed)
	}
	do("product.product.write", []any{p["id"]}, object{"active": false})
	if changed, _ := records(t, c, items, cursor); len(changed) != 1 || !changed["SKU-1005"].GetRemoved() {
		t.Errorf("after it was taken out of use: %v", changed)
	}
	do("product.product.write", []any{p["id"]}, object{"active": true})

	parties, _ := records(t, c, docklinev1.MasterKind_MASTER_KIND_CUSTOMER, nil)
	for _, customer := range d.db.Master.Customers {
		if parties[customer.Code].GetName() != customer.Name {
			t.Errorf("customer %s %q is told as %v", customer.Code, customer.Name, parties[customer.Code])
		}
	}
	if units, _ := records(t, c, docklinev1.MasterKind_MASTER_KIND_UNIT, nil); units["each"] == nil || units["kg"] == nil {
		t.Errorf("units are told as %v", units)
	}
	bins, _ := records(t, c, docklinev1.MasterKind_MASTER_KIND_BIN, nil)
	count := 0
	for site, of := range d.Bins {
		for code := range of {
			count++
			if !slices.Contains(bins[code].GetDetail().GetSites(), site) {
				t.Errorf("bin %s of %s is told as %v", code, site, bins[code])
			}
		}
	}
	if count == 0 {
		t.Error("Tryton has no bins")
	}
	if _, err := c.Master(t.Context(), items, connector.Cursor("no cursor")); !errors.Is(err, connector.ErrForgotten) {
		t.Errorf("a cursor that is none: %v, want one that begins anew", err)
	}
}
