package reconcile_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/reconcile"
	"github.com/dockline/dockline/collector/state"
	. "github.com/dockline/dockline/collector/state/statetest"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv"
)

// theSame is what must not depend on how facts arrived.
func (w *world) theSame() string {
	return w.rows(`SELECT fold_key, hash, status, fact_count FROM state ORDER BY fold_key`) + w.rows(`SELECT fold_key, event_id, reason FROM no_document ORDER BY fold_key, event_id`) +
		w.rows(`SELECT link_key, part_of, event_id, in_force FROM link ORDER BY link_key, part_of, event_id`) + w.rows(`SELECT tenant, fold_key, event_id, body FROM fact ORDER BY fold_key, event_id`) +
		sorted(strings.NewReplacer(" ready ", " ", " planned ", " ").Replace(w.wanted())) + sorted(w.exceptions()) + w.rows(`SELECT event_id, level FROM receipt ORDER BY event_id`) +
		w.rows(`SELECT COUNT(*) FROM dirty WHERE due_at = 0`)
}

// wanted is the postings without those that were wanted for a time only, before anything was sent.
func (w *world) wanted() string {
	var b strings.Builder
	gone := false
	for line := range strings.Lines(w.postings()) {
		if !strings.HasPrefix(line, "  ") {
			gone = strings.Contains(line, " superseded ")
		}
		if !gone {
			b.WriteString(line)
		}
	}
	return b.String()
}

// arrivals is how many orders of arrival are tried: a database of PostgreSQL is not made in no time.
func arrivals(d *db.DB) uint64 {
	if d.Engine() == "sqlite" {
		return uint64(max(20, testenv.Count("state.permutations")/15))
	}
	return uint64(max(4, testenv.Count("state.permutations")/500))
}

// inAnyOrder tells events in random orders and portions, and holds the ends against each other; see looks at the first.
func inAnyOrder(t *testing.T, d *db.DB, events []*docklinev1.Event, see func(w *world)) {
	t.Helper()
	inAnyOrderUnder(t, d, nil, arrivals(d), events, see)
}

// inAnyOrderUnder is inAnyOrder under a policy, in so many orders.
func inAnyOrderUnder(t *testing.T, d *db.DB, files map[string]string, orders uint64, events []*docklinev1.Event, see func(w *world)) {
	t.Helper()
	var want string
	for seed := range orders {
		w, random := newWorld(t, again(t, d), files), rand.New(rand.NewPCG(seed, 21))
		list := slices.Clone(events)
		random.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		if random.IntN(3) == 0 {
			list = append(list, list[random.IntN(len(list))]) // told twice
		}
		for len(list) > 0 {
			n := 1 + random.IntN(min(5, len(list)))
			w.tell(list[:n]...)
			list = list[n:]
		}
		w.stream(Morning.Add(time.Hour), 0)
		w.pass(20 * time.Minute)
		got := w.theSame()
		if seed == 0 {
			want = got
			see(w)
		}
		if got != want {
			t.Fatalf("seed %d: another order of arrival gives another end:\n%s", seed, difference(want, got))
		}
	}
}

// TestWhatACarrierTellsReachesItsOrder: it names a tracking number only, before or after anybody knows whose that is; a corrected number
// takes it to the other shipment.
func TestWhatACarrierTellsReachesItsOrder(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		moved, stayed, unknown := Delayed(60, "c1", "1Z1"), Delayed(61, "c2", "1Z2"), Delayed(62, "c3", "1Z3")
		corrected := []*docklinev1.Event{Revised(Delayed(63, "c4", "1Z2"), "1"), Revised(Delayed(63, "c4", "1Z1"), "2")}
		events := append(corrected, moved, stayed, unknown, Accepted("SO1", "1", L("", "1", "A", "2")), Accepted("SO2", "1", L("", "1", "A", "3")),
			Pick(10, "p1", In(L("SO1", "1", "A", "2"), "B-01", "")), Pick(11, "p2", In(L("SO2", "1", "A", "3"), "B-01", "")),
			Tracked(30, "S1", "1", "1Z1", L("SO1", "1", "A", "2")), Tracked(30, "S1", "2", "1Z2", L("SO1", "1", "A", "2")),
			Tracked(31, "S2", "1", "1Z9", L("SO2", "1", "A", "3")), Tracked(31, "S2", "2", "1Z1", L("SO2", "1", "A", "3")))
		inAnyOrder(t, d, events, func(w *world) {
			w.name(moved, "MOVED")
			w.name(stayed, "STAYED")
			w.name(unknown, "UNKNOWN")
			w.name(corrected[1], "CORRECTED")
			got := w.rows(`SELECT fold_key, event_id FROM no_document WHERE fold_key LIKE 'order/%' AND event_id IN (?, ?, ?, ?) ORDER BY fold_key, event_id`,
				moved.GetId(), stayed.GetId(), unknown.GetId(), corrected[1].GetId())
			if want := "order/SO1 | STAYED\norder/SO2 | CORRECTED\norder/SO2 | MOVED\n"; sorted(got) != want {
				t.Errorf("orders see\n%swant\n%s", got, want)
			}
			if got := w.exceptions(); !strings.Contains(got, "unknown_reference [tracking 1Z3]") || strings.Count(got, "unknown_reference") != 1 {
				t.Errorf("one tracking number is unknown: %s", got)
			}
		})
	})
}

// TestANumberThatIsKnownAtLastClosesItsCase: a tracking number that nothing has is a case when the time for it is over, closes itself when a
// shipment has it, and is open again when that shipment has another one.
func TestANumberThatIsKnownAtLastClosesItsCase(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d, nil)
		w.tell(Delayed(60, "c1", "1Z1"), Accepted("SO1", "1", L("", "1", "A", "2")))
		if got := w.codes(); got != "" {
			t.Errorf("too early: %s", got)
		}
		w.pass(11 * time.Minute)
		if got := w.exceptions(); !strings.Contains(got, "DHL told of tracking number 1Z1, which no shipment has") {
			t.Errorf("nobody is told: %s", got)
		}
		w.tell(Tracked(30, "S1", "1", "1Z1", L("SO1", "1", "A", "2")))
		if got := w.codes(); got != "transport_delayed" { // of the shipment that has the number
			t.Errorf("the number is known, and the cases are %q", got)
		}
		w.tell(Tracked(30, "S1", "2", "1Z7", L("SO1", "1", "A", "2")))
		if got := w.codes(); got != "unknown_reference" {
			t.Errorf("no shipment has the number any more, and the cases are %q", got)
		}
	})
}

// TestLinksWhileManyFold: writers tell of shipments and of their tracking numbers at the same time as workers fold; each order has heard of its own
// in the end, whoever was first.
func TestLinksWhileManyFold(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d, nil)
		const orders = 25
		ctx, stop := context.WithCancel(t.Context())
		var folding, writing sync.WaitGroup
		for range 3 {
			worker := &reconcile.Worker{DB: d, Policy: w.worker.Policy, Append: w.append, Batch: 7, Now: func() time.Time { return w.clock }, Idle: time.Millisecond}
			folding.Go(func() {
				if err := worker.Run(ctx); err != nil {
					t.Error(err)
				}
			})
		}
		for n := range 3 {
			writing.Go(func() {
				for i := range orders {
					number := fmt.Sprintf("SO%d", i)
					e := Accepted(number, "1", L("", "1", "A", "5"))
					switch n {
					case 1:
						e = Shipment(30, "S"+number, L(number, "1", "A", "5"))
					case 2:
						e = Delayed(60, "c"+number, "T-S"+number)
					}
					if err := w.log1(e); err != nil {
						t.Error(err)
					}
				}
			})
		}
		writing.Wait()
		deadline := time.Now().Add(2 * time.Minute)
		for w.rows(`SELECT COUNT(*) FROM dirty WHERE due_at = 0`) != "0\n" && time.Now().Before(deadline) {
			select {
			case <-time.After(5 * time.Millisecond):
			case <-t.Context().Done():
			}
		}
		stop()
		folding.Wait()
		w.settle()
		if got := w.rows(`SELECT COUNT(*) FROM no_document n JOIN event e ON e.id = n.event_id WHERE n.fold_key LIKE 'order/%' AND e.kind = ?`,
			int(docklinev1.EventKind_EVENT_KIND_TRANSPORT_DELAYED)); got != fmt.Sprintln(orders) {
			t.Errorf("%s orders have heard of their shipment", strings.TrimSpace(got))
		}
	})
}

// TestANameOfVeryManyIsToldOnce: where a site gives every shipment the same tracking number, such as "N/A", and a carrier has told of that, one
// more shipment under it has only its own keys folded again, and what is told of the name then still reaches all.
func TestANameOfVeryManyIsToldOnce(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d, nil)
		ship := func(n int) []*docklinev1.Event {
			order, number := fmt.Sprintf("SO%d", n), fmt.Sprintf("S%d", n)
			return []*docklinev1.Event{Accepted(order, "1", L("", "1", "SKU-1", "4")), Tracked(30+n, number, "1", "N/A", L(order, "1", "SKU-1", "4"))}
		}
		const many = 40
		for n := range many {
			w.hear(ship(n)...)
		}
		w.settle()
		w.tell(Milestone(500, "m1", Names{Tracking: "N/A"}, "arrived"))
		w.hear(ship(many)...)
		folded := 0
		for n := 1; n > 0; folded += n {
			var err error
			if n, err = w.worker.Step(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if folded > 20 {
			t.Errorf("one more shipment had %d keys folded", folded)
		}
		w.tell(Delivery(700, "N/A"))
		for n := range many + 1 {
			s := &docklinev1.ShipmentState{}
			if w.stateOf(fmt.Sprintf("shipment/dc-east/S%d", n), s); s.GetStatus() != state.ShipmentDelivered {
				t.Errorf("shipment S%d is %s", n, s.GetStatus())
			}
		}
	})
}
