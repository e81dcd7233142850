package reconcile_test

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/db"
	. "github.com/dockline/dockline/collector/state/statetest"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv"
)

// elsewhere has another site tell an event.
func elsewhere(site string, e *docklinev1.Event) *docklinev1.Event {
	e = proto.CloneOf(e)
	e.Site = site
	return Moved(e, 0)
}

// TestWhatWasToldInErrorNeverCounts: a departure, the newest version of a pick and what a carrier said are declared errors, before or after they come. None of them counts
// in any order, stock or shipment, the former version of the pick does again, and a declaration that was declared an error itself does not count either. Who may
// not state an event may not declare it an error.
//
// Shows: A12
func TestWhatWasToldInErrorNeverCounts(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		wrong, right := Shipment(30, "S1", L("SO1", "1", "A", "2")), Shipment(35, "S1-B", L("SO1", "1", "A", "1"))
		first, second := Revised(Pick(10, "p1", In(L("SO1", "1", "A", "2"), "B-01", "")), "1"), Revised(Pick(10, "p1", In(L("SO2", "1", "A", "2"), "B-02", "")), "2")
		kept, mistaken := Shipment(31, "S2", L("SO2", "1", "A", "3")), Delayed(60, "c1", "T-S1-B")
		mistake := InError(70, "d3", kept)
		foreign := elsewhere("dc-west", InError(71, "d4", right))
		declared := InError(69, "d1", wrong, right.GetId())
		events := []*docklinev1.Event{wrong, right, first, second, kept, mistaken, Accepted("SO1", "1", L("", "1", "A", "2")), Accepted("SO2", "1", L("", "1", "A", "3")),
			Pick(11, "p2", In(L("SO2", "1", "A", "3"), "B-02", "")), declared, InError(69, "d2", second), mistake, InError(72, "d5", mistake), foreign,
			InError(73, "d6", mistaken), InError(74, "d7", Pick(1, "never", L("SO1", "1", "A", "9"))),
			Snapshot(0, In(L("", "", "A", "50"), "B-01", ""), In(L("", "", "A", "50"), "B-02", ""))}
		inAnyOrder(t, d, events, func(w *world) {
			one, two := &docklinev1.OrderState{}, &docklinev1.OrderState{}
			w.stateOf("order/SO1", one)
			w.stateOf("order/SO2", two)
			if l := one.GetLines()[0]; l.GetShipped() != 1_000_000 || l.GetPicked() != 2_000_000 || len(one.GetShipments()) != 1 {
				t.Errorf("the order whose departure did not occur: %v", one)
			}
			if l := two.GetLines()[0]; l.GetShipped() != 3_000_000 || l.GetPicked() != 3_000_000 {
				t.Errorf("the order whose departure did occur: %v", two)
			}
			for _, bin := range []struct {
				name string
				want int64
			}{{"B-01", 48}, {"B-02", 47}} {
				stock := &docklinev1.StockState{}
				w.stateOf("stock/dc-east/"+bin.name+"/A//available", stock)
				if stock.GetOnHand() != bin.want*1_000_000 {
					t.Errorf("bin %s holds %d, want %d", bin.name, stock.GetOnHand()/1_000_000, bin.want)
				}
			}
			w.name(foreign, "FOREIGN")
			if got := w.codes(); !strings.Contains(got, "not_owner") || !strings.Contains(got, "unknown_event_declared") {
				t.Errorf("cases: %s", w.exceptions())
			}
			got := w.rows(`SELECT reason FROM no_document WHERE event_id = ? AND fold_key = 'order/SO1'`, wrong.GetId())
			if want := "it was told in error, as Site dc-east declared (did not occur); what is right: event " + right.GetId() + "\n"; got != want {
				t.Errorf("the site is told %q, want %q", got, want)
			}
		})
	})
}

// TestADepartureThatDidNotOccurIsTakenBack: the goods issue of a departure that is declared an error is wanted no longer; confirmed before, it shows as diverged, and
// a person is told.
//
// Shows: A12
func TestADepartureThatDidNotOccurIsTakenBack(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d, nil)
		shipment := Shipment(30, "S1", L("SO1", "1", "A", "2"))
		w.tell(Accepted("SO1", "1", L("", "1", "A", "2")), Pick(10, "p1", In(L("SO1", "1", "A", "2"), "B-01", "")), shipment)
		w.confirm("goods_issue")
		w.tell(InError(69, "d1", shipment))
		w.pass(time.Minute)
		if got := w.rows(`SELECT state, wanted FROM posting WHERE kind = 'goods_issue'`); got != "diverged | 0\n" {
			t.Errorf("the goods issue is %s", got)
		}
		w.tell(InError(70, "d2", InError(69, "d1", shipment))) // it had left after all
		if got := w.rows(`SELECT state, wanted FROM posting WHERE kind = 'goods_issue'`); got != "confirmed | 1\n" {
			t.Errorf("the goods issue is %s", got)
		}
	})
}
