package reconcile_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/reconcile"
	. "github.com/dockline/dockline/collector/state/statetest"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
	"github.com/dockline/dockline/testenv"
)

func TestFoldingAgainWritesNothing(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d, nil)
		w.tell(Snapshot(0, In(L("", "", "A", "9"), "B-01", "")), Accepted("SO1", "1", L("", "1", "A", "5")), Pick(10, "p1", In(L("SO1", "1", "A", "4"), "B-01", "")),
			ShortPick(11, "p2", Asked(In(L("SO1", "1", "A", "0"), "B-02", ""), "1")), Shipment(30, "S1", L("SO1", "1", "A", "4")), Count(40, "CC1", In(L("", "", "A", "5"), "B-01", "")))
		everything := func() string {
			return w.all() + w.rows(`SELECT fold_key, changed_at, hash FROM state ORDER BY fold_key`) + w.rows(`SELECT natural_key, kind, changed_at, source_version FROM posting ORDER BY id`) +
				w.rows(`SELECT number, changed_at FROM exception ORDER BY number`) + w.rows(`SELECT event_id, version FROM receipt ORDER BY event_id`) + w.rows(`SELECT COUNT(*) FROM event`) +
				w.rows(`SELECT fold_key, due_at FROM dirty ORDER BY fold_key, due_at`)
		}
		w.pass(3 * time.Second) // the first look of what waits
		before := everything()
		w.clock = w.clock.Add(time.Second)
		w.exec(`INSERT INTO dirty (tenant, fold_key) SELECT tenant, fold_key FROM state`)
		w.settle()
		if after := everything(); after != before {
			t.Errorf("written again:\n%s", difference(before, after))
		}
	})
}

// TestMarksThatComeMeanwhileStay: a fold deletes the marks that it read, and no other.
func TestMarksThatComeMeanwhileStay(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d, nil)
		// The release is appended by the fold itself, with a mark of its own, after the marks were read.
		w.hear(Accepted("SO1", "1", L("", "1", "A", "5")))
		if n, err := w.worker.Step(t.Context()); n != 2 || err != nil {
			t.Fatalf("first step: %d, %v", n, err)
		}
		if got := w.rows(`SELECT fold_key, due_at FROM dirty`); got != "order/SO1 | 0\n" {
			t.Errorf("marks after the first fold: %q", got)
		}
		w.settle()
		if got := w.rows(`SELECT status FROM state WHERE fold_key = 'order/SO1'`); got != "released\n" {
			t.Errorf("status %q", got)
		}
		if got := w.rows(`SELECT COUNT(*) FROM dirty`); got != "0\n" {
			t.Errorf("%s marks left", got)
		}
	})
}

// TestAKeyThatCannotBeFoldedHoldsUpNoOther: it becomes an exception, and closes when it can be folded.
func TestAKeyThatCannotBeFoldedHoldsUpNoOther(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d, nil)
		w.hear(Accepted("SO1", "1", L("", "1", "A", "5")), Accepted("SO2", "1", L("", "1", "A", "5")))
		w.exec(`UPDATE fact SET body = ? WHERE fold_key = 'order/SO1'`, []byte{0xff, 0xff})
		w.settle()
		if got := w.rows(`SELECT fold_key, status FROM state ORDER BY fold_key`); got != "order/SO2 | released\n" {
			t.Errorf("states: %s", got)
		}
		if got := w.codes(); got != "fold_failed" || w.worker.Stats().Failed != 1 {
			t.Errorf("exceptions %q, %+v", got, w.worker.Stats())
		}
		w.exec(`UPDATE fact SET body = (SELECT body FROM event WHERE event.log_id = fact.log_id) WHERE fold_key = 'order/SO1'`)
		w.pass(2 * time.Minute)
		if got := w.codes(); got != "" {
			t.Errorf("still open: %q", got)
		}
		if got := w.rows(`SELECT status FROM state WHERE fold_key = 'order/SO1'`); got != "released\n" {
			t.Errorf("SO1 is %q", got)
		}
	})
}

// TestAnExpressionThatFailsIsAnExceptionOfItsKey: routing is data, and may be wrong for one order only.
func TestAnExpressionThatFailsIsAnExceptionOfItsKey(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d, map[string]string{"routing.yaml": "routes:\n  - {kind: crm_status, role: crm, when: 'order.lines[1].ordered > 0'}\n"})
		w.tell(Accepted("SO1", "1", L("", "1", "A", "5")), Accepted("SO2", "1", L("", "1", "A", "5"), L("", "2", "B", "1")))
		if got := w.codes(); got != "fold_failed" || !strings.Contains(w.exceptions(), "routing.yaml, line 2 (routes[0])") {
			t.Errorf("exceptions: %s", w.exceptions())
		}
		if got := w.postings(); !strings.HasPrefix(got, "crm/crm_status/SO2 ") {
			t.Errorf("postings: %s", got)
		}
	})
}

// TestAKeyStaysUnderThePolicyOfItsFirstFact, and a new one comes under the policy in force.
func TestAKeyStaysUnderThePolicyOfItsFirstFact(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d, nil)
		over := func(order string) []*docklinev1.Event {
			return []*docklinev1.Event{Pick(10, "p"+order, In(L(order, "1", "A", "6"), "B-01", "")), Shipment(30, "S"+order, L(order, "1", "A", "6"))}
		}
		w.tell(Accepted("SO1", "1", L("", "1", "A", "5")))
		w.activate(map[string]string{"limits.yaml": "over_ship_tolerance: '50'\nover_ship: hold\n"})
		w.tell(over("SO1")...)
		w.tell(Accepted("SO2", "1", L("", "1", "A", "5")))
		w.tell(over("SO2")...)
		if got := w.rows(`SELECT order_number, code FROM exception WHERE state = 'open'`); got != "SO1 | over_shipped\n" {
			t.Errorf("exceptions: %s", got)
		}
		if got := w.rows(`SELECT natural_key FROM posting WHERE kind = 'goods_issue'`); got != "SO2/SSO2\n" {
			t.Errorf("goods issues: %s", got)
		}
		if got := w.rows(`SELECT COUNT(*) FROM event WHERE kind = ?`, docklinev1.EventKind_EVENT_KIND_POLICY_ACTIVATED); got != "2\n" {
			t.Errorf("activations: %s", got)
		}
		// A collector that starts again, and so does not know the former version, reads it.
		w.worker = &reconcile.Worker{DB: d, Policy: w.worker.Policy, Now: func() time.Time { return w.clock }, Append: w.append}
		w.exec(`INSERT INTO dirty (tenant, fold_key) SELECT tenant, fold_key FROM state`)
		w.settle()
		if got := w.codes(); got != "over_shipped" {
			t.Errorf("after a new start: %q", got)
		}
	})
}

// TestTargetsThatTakeNotTheKindAreNotTold, such as one of which no connector is configured.
func TestTargetsThatTakeNotTheKindAreNotTold(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d, nil)
		w.worker.Styles = func(tenant, target string, kind connector.Kind) (connector.Style, bool) {
			return connector.CreateOnce, tenant == Tenant && target == "crm" && kind == connector.OrderStatus
		}
		w.tell(Accepted("SO1", "1", L("", "1", "A", "5")), w.name(Pick(10, "p1", In(L("SO1", "1", "A", "5"), "B-01", "")), "pick"), w.name(Shipment(30, "S1", L("SO1", "1", "A", "5")), "shipment"))
		if got := w.rows(`SELECT target, kind, style FROM posting`); got != "crm | crm_status | create-once\n" {
			t.Errorf("postings: %s", got)
		}
		if got := w.rows(`SELECT event_id, level FROM receipt ORDER BY event_id`); strings.Count(got, "| 3\n") != 2 {
			t.Errorf("receipts: %s", got)
		}
	})
}

// TestWhatHasItsEffectIsNotHeldAfterwards: a second shipment arrives that left before the first and makes it too much.
func TestWhatHasItsEffectIsNotHeldAfterwards(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d, nil)
		w.tell(Accepted("SO1", "1", L("", "1", "A", "5")), Pick(10, "p1", In(L("SO1", "1", "A", "5"), "B-01", "")), Shipment(30, "S2", L("SO1", "1", "A", "5")))
		w.confirm("goods_issue")
		w.tell(Pick(11, "p2", In(L("SO1", "1", "A", "5"), "B-02", "")), Shipment(20, "S1", L("SO1", "1", "A", "5")))
		if got := w.rows(`SELECT natural_key, state, wanted FROM posting WHERE kind = 'goods_issue' ORDER BY natural_key`); got != "SO1/S1 | ready | 1\nSO1/S2 | confirmed | 1\n" {
			t.Errorf("goods issues: %s", got)
		}
		if got := w.codes(); got != "over_shipped" {
			t.Errorf("exceptions %q", got)
		}
	})
}

func TestTwoSitesMayNumberShipmentsAlike(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d, nil)
		west := Shipment(40, "S1", L("SO1", "1", "A", "2"))
		west.Site, west.Id = "dc-west", "west"
		w.tell(Accepted("SO1", "1", L("", "1", "A", "5")), Pick(10, "p1", In(L("SO1", "1", "A", "5"), "B-01", "")), Shipment(30, "S1", L("SO1", "1", "A", "3")), west)
		if got := w.rows(`SELECT natural_key, site FROM posting WHERE kind = 'goods_issue' ORDER BY natural_key`); got != "SO1/S1 | dc-east\nSO1/S1/dc-west | dc-west\n" {
			t.Errorf("goods issues: %s", got)
		}
	})
}

// TestArrivalDoesNotMatter tells a morning of orders and a count in random orders and portions: states, postings, exceptions
// and reasons are the same in the end.
func TestArrivalDoesNotMatter(t *testing.T) {
	morning := []*docklinev1.Event{
		Snapshot(0, In(L("", "", "A", "50"), "B-01", ""), In(L("", "", "B", "50"), "B-02", "")),
		Accepted("SO1", "1", L("", "1", "A", "5"), L("", "2", "B", "3")), Accepted("SO1", "2", L("", "1", "A", "6"), L("", "2", "B", "3")),
		Accepted("SO2", "1", L("", "1", "B", "4")),
		Pick(10, "p1", In(L("SO1", "1", "A", "6"), "B-01", "")), ShortPick(11, "p2", Asked(In(L("SO1", "2", "B", "1"), "B-02", ""), "3")),
		Revised(Pick(12, "p3", In(L("SO2", "1", "B", "3"), "B-02", "")), "1"), Revised(Pick(12, "p3", In(L("SO2", "1", "B", "4"), "B-02", "")), "2"),
		Pack(20, "k1", "HU1", L("SO1", "1", "A", "6"), L("SO2", "1", "B", "4")), Shipment(30, "S1", L("SO1", "1", "A", "6"), L("SO2", "1", "B", "5")), Shipment(40, "S2", L("SO1", "2", "B", "1")),
		Count(60, "CC1", In(L("", "", "A", "43"), "B-01", ""), In(L("", "", "B", "43"), "B-02", "")), Refused(61, "h1", "number_format", "12,5,3 is no number"),
		Invoice("I1", "SO1", "S1"), Result(5, "release/SO2", 1, docklinev1.CommandOutcome_COMMAND_OUTCOME_REFUSED, "locked"), Shipment(50, "S9", L("SO9", "1", "A", "1")),
		Accepted("SO3", "1", L("", "1", "A", "2")), ShortPick(13, "p4", Asked(In(L("SO3", "1", "A", "1"), "B-01", ""), "2")), Pick(14, "p5", In(L("SO3", "1", "A", "1"), "B-01", "")), // short only for those who saw it in time
		Revised(Pick(15, "p6", In(L("SO3", "1", "A", "1"), "B-01", "")), "1"), Revised(Pick(15, "p6", In(L("SO2", "1", "B", "1"), "B-02", "")), "2"), // corrected to another order
	}
	live := func(t *testing.T, random *rand.Rand) string {
		w := newWorld(t, testenv.SQLite(t), nil)
		events := slices.Clone(morning)
		random.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
		for len(events) > 0 {
			n := 1 + random.IntN(min(6, len(events)))
			w.tell(events[:n]...)
			events = events[n:]
		}
		w.stream(Morning.Add(time.Hour), 0)
		w.pass(20 * time.Minute)
		return w.rows(`SELECT fold_key, hash, status FROM state ORDER BY fold_key`) + sorted(strings.NewReplacer(" ready ", " ", " planned ", " ").Replace(w.postings())) + sorted(w.exceptions()) +
			w.rows(`SELECT fold_key, event_id, reason FROM no_document ORDER BY fold_key, event_id`) + w.rows(`SELECT site, command_key, outcome FROM command ORDER BY command_key`) +
			w.rows(`SELECT event_id, level FROM receipt ORDER BY event_id`) + w.rows(`SELECT COUNT(*) FROM dirty WHERE due_at = 0`)
	}
	var want string
	for seed := range uint64(max(10, testenv.Count("state.permutations")/30)) {
		got := live(t, rand.New(rand.NewPCG(seed, 11)))
		if seed == 0 {
			want = got
			for _, part := range []string{"over_shipped", "unknown_order", "command_refused", "number_format", "stock_adjust/CC1/A", "goods_issue/SO1/S2", "crm_case/SO3/1/short_pick"} {
				if !strings.Contains(got, part) {
					t.Errorf("the morning shows no %s:\n%s", part, got)
				}
			}
		}
		if got != want {
			t.Fatalf("seed %d: another order of arrival gives another end:\n%s", seed, difference(want, got))
		}
	}
}

// difference is the lines that only one of two texts has.
func difference(a, b string) string {
	var out strings.Builder
	for _, side := range []struct{ mark, in, other string }{{"- ", a, b}, {"+ ", b, a}} {
		others := make(map[string]bool)
		for line := range strings.Lines(side.other) {
			others[line] = true
		}
		for line := range strings.Lines(side.in) {
			if !others[line] {
				out.WriteString(side.mark + line)
			}
		}
	}
	return out.String()
}

// sorted takes away the order in which things were first written.
func sorted(text string) string {
	var entries []string
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "  ") && len(entries) > 0 {
			entries[len(entries)-1] += line
			continue
		}
		entries = append(entries, line)
	}
	slices.Sort(entries)
	return strings.Join(entries, "")
}

// TestManyWorkersOnOneDatabase fold what several writers append at the same time; nothing is left, and nothing is lost.
func TestManyWorkersOnOneDatabase(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d, nil)
		const orders, writers = 30, 3
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
		for n := range writers {
			writing.Go(func() {
				for i := range orders {
					number := fmt.Sprintf("SO%d", i)
					var err error
					switch n {
					case 0:
						err = w.log1(Accepted(number, "1", L("", "1", "A", "5")))
					case 1:
						err = w.log1(Pick(10, "p"+number, In(L(number, "1", "A", "5"), "B-01", "")))
					case 2:
						err = w.log1(Shipment(30, "S"+number, L(number, "1", "A", "5")))
					}
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		writing.Wait()
		deadline := time.Now().Add(time.Minute)
		for w.rows(`SELECT COUNT(*) FROM dirty WHERE due_at = 0`) != "0\n" && time.Now().Before(deadline) {
			select {
			case <-time.After(5 * time.Millisecond):
			case <-t.Context().Done():
			}
		}
		stop()
		folding.Wait()
		w.settle()
		if got := w.rows(`SELECT COUNT(*) FROM state WHERE status = 'shipped'`); got != fmt.Sprintln(orders) {
			t.Errorf("%s orders are shipped", got)
		}
		if got := w.rows(`SELECT COUNT(*) FROM posting WHERE kind = 'goods_issue'`); got != fmt.Sprintln(orders) {
			t.Errorf("%s goods issues", got)
		}
		stock := &docklinev1.StockState{}
		w.stateOf("stock/dc-east/B-01/A//available", stock)
		if stock.GetOnHand() != -5*orders*event.Scale {
			t.Errorf("on hand %d", stock.GetOnHand())
		}
	})
}

// log1 appends one event as its own transaction, from any goroutine.
func (w *world) log1(e *docklinev1.Event) error {
	return w.d.Write(context.Background(), func(tx *db.Tx) error {
		return w.append(context.Background(), tx, []*docklinev1.Event{proto.CloneOf(e)})
	})
}

// TestNothingIsHalfWritten: where the append of a release fails, nothing of the fold is there, and the key stays dirty.
func TestNothingIsHalfWritten(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d, nil)
		down := errors.New("the log is away")
		w.worker.Append = func(context.Context, *db.Tx, []*docklinev1.Event) error { return down }
		w.hear(Accepted("SO1", "1", L("", "1", "A", "5")))
		if _, err := w.worker.Step(t.Context()); !errors.Is(err, down) {
			t.Fatalf("got %v", err)
		}
		if got := w.rows(`SELECT fold_key FROM state`) + w.rows(`SELECT kind FROM posting`) + w.rows(`SELECT site FROM command`); got != "" {
			t.Errorf("half written: %s", got)
		}
		w.worker.Append = w.append
		w.settle()
		if got := w.rows(`SELECT status FROM state`); got != "released\n" {
			t.Errorf("state %q", got)
		}
	})
}

// TestEveryAnswerOfASiteIsSettled: a site's configurations are one record, and none of its answers waits for the system of record.
func TestEveryAnswerOfASiteIsSettled(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d, nil)
		const applied = docklinev1.CommandOutcome_COMMAND_OUTCOME_APPLIED
		for version := range uint64(3) {
			e := Result(10*int(version), "config", version+1, applied, "")
			e.SourceKey = "config"
			w.tell(Revised(e, fmt.Sprint(version+1))) // as a site's downlink writes it
		}
		if got := w.rows(`SELECT level FROM receipt`); got != strings.Repeat("3\n", 3) {
			t.Errorf("receipts: %q", got)
		}
	})
}
