package reconcile_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/collector/db"
	. "github.com/dockline/dockline/collector/state/statetest"
	"github.com/dockline/dockline/collector/stock"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv"
)

// promised is what can be promised of item A, at Morning and the seconds of the world's clock.
func (w *world) promised(sites ...string) stock.Promise {
	w.t.Helper()
	var p stock.Promise
	err := w.d.Read(w.t.Context(), func(tx *db.Tx) (err error) {
		p, err = stock.Promised(w.t.Context(), tx, Tenant, "A", sites, w.clock)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

// reserve is a site's word that it holds, or no longer holds, goods for an order.
func reserve(second int, key, number string, kind docklinev1.EventKind, expires *timestamppb.Timestamp, lines ...*docklinev1.Line) *docklinev1.Event {
	e := Pick(second, key, lines...)
	e.Kind, e.Payload = kind, &docklinev1.Event_Allocation{Allocation: &docklinev1.Allocation{Number: number, ExpiresAt: expires, Lines: lines}}
	return Keyed(e, key)
}

// TestReservedStockIsNotPromised: a site reserves goods for an order of which the ERP has said nothing, and what can be promised drops at once; it
// rises when the site gives them free, and when a reservation ends. An order that the ERP has accepted takes its goods once, reserved or
// not; what is picked has left the bin; what suppliers have announced counts as far as the horizon goes.
//
// Shows: S5, S14
func TestReservedStockIsNotPromised(t *testing.T) {
	const allocated, deallocated = docklinev1.EventKind_EVENT_KIND_INVENTORY_ALLOCATED, docklinev1.EventKind_EVENT_KIND_INVENTORY_DEALLOCATED
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d, map[string]string{"stock.yaml": "inbound_horizon: 48h\nstale_after: 3h\nsafety: [{item: A, site: dc-east, quantity: \"3\"}]\n"})
		want := func(when, atp string) {
			t.Helper()
			if p := w.promised(); p.ATP != atp {
				t.Errorf("%s: %s can be promised, want %s: %+v", when, p.ATP, atp, p.Sites)
			}
		}
		w.tell(Snapshot(0, In(L("", "", "A", "50"), "B-01", "")))
		want("opened, less the safety stock", "47")
		w.tell(reserve(10, "a1", "R1", allocated, nil, L("SO1", "1", "A", "8")))
		want("reserved at the site, the ERP silent", "39")
		w.tell(reserve(20, "a2", "R1", deallocated, nil, L("SO1", "1", "A", "8")))
		want("given free", "47")

		w.tell(reserve(30, "a3", "R2", allocated, timestamppb.New(w.clock.Add(time.Hour)), L("SO1", "1", "A", "5")))
		want("reserved for an hour", "42")
		w.tell(Accepted("SO1", "1", L("", "1", "A", "8")))
		want("the ERP accepts eight, five of them reserved", "39")
		if s := w.promised().Sites[0]; s.Allocated != "5" || s.Open != "3" {
			t.Errorf("reserved %s, ordered beyond that %s", s.Allocated, s.Open)
		}
		w.clock = w.clock.Add(2 * time.Hour)
		if s := w.promised().Sites[0]; s.Allocated != "0" || s.Open != "8" {
			t.Errorf("after the reservation has ended: reserved %s, ordered beyond that %s", s.Allocated, s.Open)
		}
		want("the order still takes them", "39")
		w.tell(Pick(40, "p1", In(L("SO1", "1", "A", "6"), "B-01", "")))
		want("six are picked: they lie in the bin no longer, and are ordered no longer", "39")
		if s := w.promised().Sites[0]; s.OnHand != "44" || s.Elsewhere["picked"] != "6" {
			t.Errorf("on hand %s, elsewhere %v", s.OnHand, s.Elsewhere)
		}

		arrives := func(days int) *docklinev1.Event {
			line := L("PO7", "1", "A", "20")
			e := Inbound(docklinev1.EventKind_EVENT_KIND_INBOUND_ADVISED, 50+days, "asn", &docklinev1.Inbound{Advice: "ASN1", PurchaseOrder: "PO7", Supplier: "Nordwind",
				ExpectedAt: timestamppb.New(w.clock.Add(time.Duration(days) * 24 * time.Hour)), Lines: []*docklinev1.Line{line}})
			return Revised(e, fmt.Sprint(10-days))
		}
		w.tell(arrives(9))
		want("announced for after the horizon", "39")
		w.tell(arrives(1))
		want("announced for tomorrow", "59")

		w.stream(Morning.Add(time.Minute), 0)
		s := w.promised(Site).Sites[0]
		if s.AsOf == nil || !s.AsOf.Equal(Morning.Add(time.Minute)) || s.AgeSeconds != int64(w.clock.Sub(Morning.Add(time.Minute)).Seconds()) {
			t.Errorf("as of %v, %d s old", s.AsOf, s.AgeSeconds)
		}
		if whole := w.promised(Site); s.Stale || whole.Stale || whole.AsOf == nil || !whole.AsOf.Equal(*s.AsOf) || whole.AgeSeconds != s.AgeSeconds {
			t.Errorf("of two hours ago, where three are allowed: %+v", whole)
		}
		was := w.clock
		w.clock = w.clock.Add(3 * time.Hour)
		if p := w.promised(Site); !p.Stale || !p.Sites[0].Stale || p.ATP != "59" {
			t.Errorf("of five hours ago, where three are allowed: %+v", p)
		}
		w.clock = was
		if p := w.promised(Site, "dc-west"); !p.Stale || p.AsOf != nil || p.Sites[0].Stale || !p.Sites[1].Stale {
			t.Errorf("with a site that has never told: %+v", p)
		}
		w.exec(`INSERT INTO gap (tenant, site, epoch, lo, hi, cause, opened_at) VALUES (?, ?, 'e0', 7, 9, 'lost', 1)`, Tenant, Site)
		if p := w.promised(Site); !p.Stale || !strings.Contains(p.StaleBecause, "1 piece of its stream") || p.ATP != "59" || p.AsOf == nil {
			t.Errorf("with a gap in what the site told: %+v", p)
		}
		w.exec(`UPDATE gap SET closed_at = 2 WHERE tenant = ? AND site = ?`, Tenant, Site)
		if p := w.promised(Site); p.Stale || p.StaleBecause != "" {
			t.Errorf("what was missing has come: %+v", p)
		}
		if p := w.promised("dc-west"); p.ATP != "0" || len(p.Sites) != 1 {
			t.Errorf("at another site: %+v", p)
		}
	})
}
