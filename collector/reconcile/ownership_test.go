package reconcile_test

import (
	"strings"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/db"
	. "github.com/dockline/dockline/collector/state/statetest"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
	"github.com/dockline/dockline/testenv"
)

const threeSystems = "targets:\n  - {name: erp, role: system_of_record}\n  - {name: crm, role: crm}\n  - {name: carrier, role: carrier}\n"

// shipToCRM is a registry in which the CRM keeps the address of an order, and the ERP everything else of it.
const shipToCRM = `ownership:
  - kinds: [order.released]
    owners: [dockline]
  - kinds: [order.*, invoice.*]
    owners: [system_of_record]
  - kinds: [pick.*, pack.*, shipment.*]
    owners: [site]
  - fields: [order.ship_to]
    owners: [crm]
`

func promise(second int) func(*docklinev1.Order) {
	return func(o *docklinev1.Order) { o.PromisedAt = At(second) }
}

// TestOwnership: a write by who does not own what it writes is kept, not applied, and is a case for the owner's team until both say the same; by kind, by field
// and by change of status, in whatever order facts arrive.
//
// Shows: S16
func TestOwnership(t *testing.T) {
	line := L("", "1", "A", "5")
	for _, c := range []struct {
		name, registry string
		events         []*docklinev1.Event
		see            func(t *testing.T, w *world, o *docklinev1.OrderState)
	}{
		{"the CRM changes lines and promise", "", []*docklinev1.Event{
			Ordered("SO1", "7", promise(9000), Priced(line, "2.50")),
			Changed(CRM, "SO1", "1", promise(5000), Priced(L("", "1", "A", "7"), "2.50"), L("", "2", "B", "1")),
		}, func(t *testing.T, w *world, o *docklinev1.OrderState) {
			if len(o.GetLines()) != 1 || o.GetLines()[0].GetOrdered() != 5*event.Scale || !o.GetPromisedAt().AsTime().Equal(At(9000).AsTime()) {
				t.Errorf("the order has what the CRM says: %v", o)
			}
			w.sees(`order.promised_at is "2026-11-24T09:23:20Z", and "2026-11-24T10:30:00Z" by system_of_record`, `order.lines.quantity of line 1 is "7", and "5" by system_of_record`,
				`order.lines of line 2 is "1 of B", and nothing by system_of_record`, "told by crm (crm)", "team=customer-service", "order=SO1")
		}},
		{"what the CRM owns of an order is taken, the rest of the same fact is not", shipToCRM, []*docklinev1.Event{
			Ordered("SO1", "7", func(o *docklinev1.Order) { o.PromisedAt, o.Site = At(9000), "" }, line),
			Changed(CRM, "SO1", "3", func(o *docklinev1.Order) { o.ShipTo, o.PromisedAt, o.Site = []string{"Dock 4", "Kassel"}, At(5000), "" }, L("", "1", "A", "5")),
		}, func(t *testing.T, w *world, o *docklinev1.OrderState) {
			if strings.Join(o.GetShipTo(), ", ") != "Dock 4, Kassel" || !o.GetPromisedAt().AsTime().Equal(At(9000).AsTime()) || o.GetStatus() != "accepted" {
				t.Errorf("the order is %v", o)
			}
			w.sees("order.promised_at is", "1 exception")
		}},
		{"the ERP says another address than the CRM, which owns it", shipToCRM, []*docklinev1.Event{
			Ordered("SO1", "7", func(o *docklinev1.Order) { o.ShipTo, o.Site = []string{"Old street 1"}, "" }, line),
			Changed(CRM, "SO1", "2", func(o *docklinev1.Order) { o.ShipTo, o.Site = []string{"Nowhere"}, "" }, line),
			Changed(CRM, "SO1", "3", func(o *docklinev1.Order) { o.ShipTo, o.Site = []string{"Dock 4"}, "" }, line),
		}, func(t *testing.T, w *world, o *docklinev1.OrderState) {
			if strings.Join(o.GetShipTo(), ", ") != "Dock 4" {
				t.Errorf("it goes to %v", o.GetShipTo())
			}
			w.sees(`order.ship_to is "Old street 1", and "Dock 4" by crm`, "told by erp (system_of_record)", "1 exception")
		}},
		{"the CRM cancels where the ERP grants", "", []*docklinev1.Event{Accepted("SO1", "7", line), By(CRM, CancelledOrder("SO1", "9"))},
			func(t *testing.T, w *world, o *docklinev1.OrderState) {
				if o.GetStatus() != "released" {
					t.Errorf("the order is %s", o.GetStatus())
				}
				w.sees("order.cancelled SO1 (a change to cancelled) was told by crm (crm), but only [system_of_record] may", "team=customer-service", "1 exception")
			}},
		{"a carrier says that a shipment departed", "", []*docklinev1.Event{Accepted("SO1", "7", line), Pick(10, "p1", In(L("SO1", "1", "A", "5"), "B-01", "")),
			By(Carrier, Shipment(30, "S1", L("SO1", "1", "A", "5")))},
			func(t *testing.T, w *world, o *docklinev1.OrderState) {
				if len(o.GetShipments()) != 0 || o.GetLines()[0].GetShipped() != 0 {
					t.Errorf("the order has shipped: %v", o)
				}
				w.sees("shipment.departed S1 (a change to departed) was told by carrier (carrier), but only [site] may", "team=operations")
			}},
		{"a WMS closes an order by an invoice of its own", "", []*docklinev1.Event{Accepted("SO1", "7", line), Pick(10, "p1", In(L("SO1", "1", "A", "5"), "B-01", "")), Shipment(30, "S1", L("SO1", "1", "A", "5")),
			atSite(Invoice("I1", "SO1", "S1"))},
			func(t *testing.T, w *world, o *docklinev1.OrderState) {
				if o.GetStatus() != "shipped" || len(o.GetInvoices()) != 0 {
					t.Errorf("the order is %s, with %v", o.GetStatus(), o.GetInvoices())
				}
				w.sees("invoice.posted I1 (a change to closed) was told by wms (site), but only [system_of_record] may", "team=customer-service")
			}},
		{"a WMS promises a remainder", "", []*docklinev1.Event{Accepted("SO1", "7", line), Owing(20, "BO1", 90000, L("SO1", "1", "A", "2"))},
			func(t *testing.T, w *world, o *docklinev1.OrderState) {
				if b := o.GetBackorders(); len(b) != 1 || b[0].GetPromisedAt() != nil || o.GetLines()[0].GetBackordered() != 2*event.Scale {
					t.Errorf("what is owed: %v", o)
				}
				w.sees(`backorder.promised_at is "2026-11-25T09:00:00Z", and nothing by system_of_record`, "team=customer-service", "1 exception")
			}},
		{"a hold of the CRM's", "", []*docklinev1.Event{Accepted("SO1", "7", line), By(CRM, Held(20, "SO1", "credit"))},
			func(t *testing.T, w *world, o *docklinev1.OrderState) {
				if len(o.GetHolds()) != 0 || o.GetStatus() == "held" {
					t.Errorf("the order is held: %v", o)
				}
				w.sees("order.held SO1 (a change to held) was told by crm (crm)", "1 exception")
			}},
	} {
		t.Run(c.name, func(t *testing.T) {
			files := map[string]string{"targets.yaml": threeSystems}
			if c.registry != "" {
				files["ownership.yaml"] = c.registry
			}
			inAnyOrderUnder(t, testenv.SQLite(t), files, 10, c.events, func(w *world) {
				o := &docklinev1.OrderState{}
				w.stateOf("order/SO1", o)
				w.t = t
				c.see(t, w, o)
			})
		})
	}
}

// sees looks for what the cases about ownership say; "1 exception" is how many there are.
func (w *world) sees(parts ...string) {
	w.t.Helper()
	text := w.exceptions()
	for _, part := range parts {
		if part == "1 exception" {
			if n := strings.Count(w.codes(), "not_owner"); n != 1 {
				w.t.Errorf("%d cases, not one:\n%s", n, text)
			}
			continue
		}
		if !strings.Contains(text, part) {
			w.t.Errorf("no case says %q:\n%s", part, text)
		}
	}
}

// atSite is a fact of the centre as a WMS tells it.
func atSite(e *docklinev1.Event) *docklinev1.Event {
	e = By(WMS, e)
	e.Site = Site
	return Keyed(e, e.GetSourceKey())
}

// TestOwnershipCasesClose: a case goes when the owner says the same, and when the write is revised away.
//
// Shows: S16
func TestOwnershipCasesClose(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d, map[string]string{"targets.yaml": threeSystems})
		line := L("", "1", "A", "5")
		w.tell(Ordered("SO1", "7", promise(9000), line), Changed(CRM, "SO1", "1", promise(5000), line))
		w.sees("order.promised_at", "1 exception")
		w.tell(Ordered("SO1", "8", promise(5000), line)) // the owner follows
		if got := w.codes(); got != "" {
			t.Errorf("both say the same, and there is %s", w.exceptions())
		}
		w.tell(Changed(CRM, "SO1", "2", promise(4000), line))
		w.sees(`and "2026-11-24T09:23:20Z" by system_of_record`, "1 exception")
		w.tell(Changed(CRM, "SO1", "3", promise(5000), line)) // the other takes it back
		if got := w.codes(); got != "" {
			t.Errorf("it was taken back, and there is %s", w.exceptions())
		}
		w.tell(By(CRM, CancelledOrder("SO1", "9")))
		w.sees("order.cancelled SO1", "1 exception")
		w.tell(CancelledOrder("SO1", "10"))
		if got := w.codes(); got != "" {
			t.Errorf("the ERP has cancelled it too, and there is %s", w.exceptions())
		}
		if got := w.rows(`SELECT number, state FROM exception ORDER BY number`); got != "1 | resolved\n2 | resolved\n" {
			t.Errorf("the case of a record keeps its number: %s", got)
		}
	})
}

// TestOwnershipRoutes: who owns something gets what goes wrong with it. Changing ownership.yaml alone sends it elsewhere, open cases too; a team that owners.yaml
// gives a code stays.
//
// Shows: S17
func TestOwnershipRoutes(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		owners := `classes:
  technical: {team: it-operations}
  data: {team: master-data}
  process: {team: operations}
roles: {site: warehouse, system_of_record: order-desk, crm: key-accounts, carrier: transport}
codes:
  short_pick: {about: pick.short, due: 2h}
  unknown_order: {team: front-office}
`
		files := map[string]string{"targets.yaml": threeSystems, "owners.yaml": owners, "ownership.yaml": shipToCRM}
		w := newWorld(t, d, files)
		team := func(code string) string {
			t.Helper()
			return strings.TrimSpace(w.rows(`SELECT team FROM exception WHERE code = ? AND state = 'open'`, code))
		}
		w.tell(Accepted("SO1", "7", L("", "1", "A", "5")), ShortPick(10, "p1", Asked(L("SO1", "1", "A", "2"), "5")), Changed(CRM, "SO1", "1", promise(5000), L("", "1", "A", "5")),
			Pick(10, "p2", L("SO9", "1", "A", "2")))
		w.pass(48 * time.Hour)
		for code, want := range map[string]string{"short_pick": "warehouse", "not_owner": "order-desk", "unknown_order": "front-office"} {
			if got := team(code); got != want {
				t.Errorf("%s goes to %q, want %q", code, got, want)
			}
		}
		files["ownership.yaml"] = strings.Replace(strings.Replace(shipToCRM, "[pick.*, pack.*, shipment.*]\n    owners: [site]", "[pick.*, pack.*, shipment.*]\n    owners: [carrier, site]", 1),
			"[order.ship_to]\n    owners: [crm]", "[order.promised_at]\n    owners: [carrier]", 1)
		w.activate(files)
		for code, want := range map[string]string{"short_pick": "transport", "not_owner": "transport", "unknown_order": "front-office"} {
			if got := team(code); got != want {
				t.Errorf("after the change %s goes to %q, want %q", code, got, want)
			}
		}
		// Another order is folded under the new registry, and its promise is the carrier's.
		w.tell(Ordered("SO2", "7", promise(9000), L("", "1", "A", "5")))
		w.sees("order.promised_at is", "nothing by carrier", "team=transport")
	})
}
