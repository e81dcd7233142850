package master_test

import (
	"fmt"
	"testing"

	"github.com/shopspring/decimal"

	"github.com/dockline/dockline/plugins/sim/day"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv"
	"github.com/dockline/dockline/testenv/erp"
)

// TestALoadOfItemsDoesNotDelayShipments has the ERP tell of thousands of items while a site behind a slow line ships: its events are never
// queued behind master data. At any time at most one list is on the line, but for one that is sent again, so that between an event and its Ack there are few, and the goods
// issues are in the ERP before the load is over. In the end the site, the CRM and the centre know every item.
//
// Shows: A9
func TestALoadOfItemsDoesNotDelayShipments(t *testing.T) {
	c := openCentre(t)
	s := c.openSite(512)
	eventually(t, "the site has the master data of the first day", func() bool {
		return s.inbox.MasterState().Through > 0 && !s.inbox.MasterState().Partial && c.number(`SELECT count(*) FROM master_source WHERE whole_at = 0`) == 0
	})
	items := testenv.Count("master.items")
	c.erp.Catalogue().Grow(items)
	eventually(t, "the load has begun", func() bool { lists, _, _ := s.seen(); return lists > 4 && s.inbox.MasterState().Behind > 0 })
	before, _, _ := s.seen()
	const orders = 4
	for n := range orders {
		c.ship(s, n)
	}
	if behind := s.inbox.MasterState().Behind; behind == 0 && c.status().Sites[0].Behind == 0 {
		t.Error("the shipments were through only when the load was over")
	}
	during, _, _ := s.seen()
	total := int64(c.erp.Catalogue().Len())
	eventually(t, "everybody has every item", func() bool {
		st := c.status()
		return len(st.Sites) == 1 && len(st.Targets) == 1 && st.Sites[0].Behind == 0 && st.Targets[0].Behind == 0 && st.Kinds[0].Records == total
	})
	lists, abreast, waited := s.seen()
	t.Logf("%d items in %d lists; %d of them while %d orders were shipped and posted; at most %d between an event and its Ack", items, lists, during-before, orders, waited)
	if abreast > 1 { // one may be sent again, when its answer was lost or the session is a new one
		t.Errorf("%d lists came before the site had said that it holds the one before", abreast)
	}
	if waited > 6 || lists < 8 {
		t.Errorf("%d of %d lists came between an event and its Ack", waited, lists)
	}
	if n := len(c.crm.Products()); int64(n) != total {
		t.Errorf("the CRM has %d of %d products", n, total)
	}
	for _, n := range []int{0, items / 2, items - 1} {
		c.same(s, c.erp.Catalogue().Generated(n))
	}
	if r, whole := s.inbox.Master(docklinev1.MasterKind_MASTER_KIND_ITEM, "NO-SUCH"); r != nil || !whole {
		t.Error("an item that nobody has is not unknown at the site")
	}
}

// ship makes an order in the ERP, ships it at the site, and waits until its goods issue is in the ERP.
func (c *centre) ship(s *watched, n int) {
	c.t.Helper()
	master := c.erp.Master()
	item := master.Items[n]
	for item.LotTracked || item.Unit != erp.Each {
		item = master.Items[n+20]
		n++
	}
	o, err := c.client.CreateOrder(c.t.Context(), erp.NewOrder{Customer: master.Customers[0].Code, Site: siteOfCentre, Lines: []erp.NewOrderLine{{Item: item.Code, Quantity: decimal.NewFromInt(2)}}})
	if err == nil {
		o, err = c.client.ConfirmOrder(c.t.Context(), o.Number)
	}
	if err != nil {
		c.t.Fatal(err)
	}
	bin := ""
	for _, at := range master.Stock {
		if at.Site == siteOfCentre && at.Item == item.Code {
			bin = at.Bin
			break
		}
	}
	line := day.Line{OrderLine: o.Lines[0].Line, Item: item.Code, Unit: erp.Each, Quantity: day.Units(2), Ordered: day.Units(2), Bin: bin}
	s.capture(day.Movement{Kind: day.Pick, ID: "P-" + o.Number, Order: o.Number, Lines: []day.Line{line}})
	line.Ordered = 0
	s.capture(day.Movement{Kind: day.Ship, ID: "S-" + o.Number, Order: o.Number, Carrier: "DHL", Tracking: "JD" + o.Number, Lines: []day.Line{line}})
	eventually(c.t, fmt.Sprintf("the goods issue of %s is in the ERP", o.Number), func() bool {
		return c.number(`SELECT count(*) FROM posting WHERE kind = 'goods_issue' AND state = 'confirmed' AND natural_key LIKE ?`, o.Number+"/%") == 1
	})
}

// same holds what the site knows of an item against what the ERP told.
func (c *centre) same(s *watched, want erp.CatalogueItem) {
	c.t.Helper()
	got, _ := s.inbox.Master(docklinev1.MasterKind_MASTER_KIND_ITEM, want.Code)
	d := got.GetDetail()
	if got.GetName() != want.Description || d.GetUnit() != want.Unit || d.GetLots() != want.LotTracked || d.GetSerials() != want.SerialTracked || len(d.GetUnits()) != len(want.Packs) {
		c.t.Errorf("the site knows %v; the ERP told %+v", got, want)
		return
	}
	for i, p := range want.Packs {
		if u := d.Units[i]; u.Unit != p.Unit || u.BaseQuantity != p.Of || u.Gtin != p.GTIN {
			c.t.Errorf("%s: the site knows the pack %v; the ERP told %+v", want.Code, u, p)
		}
	}
	if by, _ := s.inbox.Master(docklinev1.MasterKind_MASTER_KIND_GTIN, want.GTIN); by.GetCode() != want.Code {
		c.t.Errorf("the GTIN of %s leads the site to %q", want.Code, by.GetCode())
	}
}
