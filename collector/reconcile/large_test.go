package reconcile_test

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/ownership"
	"github.com/dockline/dockline/collector/receipt"
	. "github.com/dockline/dockline/collector/state/statetest"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv"
)

// randomDay is what a site and the systems of record tell in a day, in the portions in which it arrives.
func randomDay(random *rand.Rand) (portions [][]*docklinev1.Event) {
	var events []*docklinev1.Event
	bin := func() string { return fmt.Sprintf("B-%02d", random.IntN(6)) }
	item := func() string { return string(rune('A' + random.IntN(4))) }
	events = append(events, Snapshot(0, In(L("", "", "A", "50"), "B-01", ""), In(L("", "", "B", "50"), "B-02", "")))
	for i := range 12 {
		number, second := fmt.Sprintf("SO%d", i), 10+100*i
		lines := 1 + random.IntN(4)
		var ordered, left []*docklinev1.Line
		for n := range lines {
			line, item := fmt.Sprint(n+1), item()
			ordered = append(ordered, Priced(L("", line, item, "3"), "2.5"))
			took := fmt.Sprint(1 + random.IntN(4))
			pick := In(L(number, line, item, took), bin(), "")
			key := fmt.Sprintf("p%d-%d", i, n)
			switch random.IntN(5) {
			case 0:
				events = append(events, ShortPick(second+n, key, Asked(pick, "5")))
			case 1:
				events = append(events, Revised(Pick(second+n, key, pick), "1"), Revised(Pick(second+n, key, In(L(number, line, item, "2"), bin(), "")), "2"))
			case 2:
				events = append(events, Pick(second+n, key, pick), Pick(second+n, key, In(L(number, line, item, "1"), bin(), "")))
			default:
				events = append(events, Pick(second+n, key, pick))
			}
			if random.IntN(4) > 0 {
				left = append(left, L(number, line, item, took))
			}
		}
		if random.IntN(8) > 0 {
			events = append(events, Accepted(number, "1", ordered...))
		}
		if random.IntN(4) == 0 {
			events = append(events, Accepted(number, "2", ordered[:1]...))
		}
		if len(left) > 0 {
			if random.IntN(2) == 0 {
				events = append(events, Delayed(second+40, "c"+number, "T-S"+number))
			}
			events = append(events, Pack(second+20, "k"+number, "HU"+number, left...), Shipment(second+30, "S"+number, left...))
		}
		switch random.IntN(6) {
		case 0:
			events = append(events, CancelledOrder(number, "3"))
		case 1:
			events = append(events, Invoice("I"+number, number, "S"+number))
		case 2:
			events = append(events, Result(second, "release/"+number, 1, docklinev1.CommandOutcome_COMMAND_OUTCOME_REFUSED, "locked"))
		}
	}
	for i := range 3 {
		events = append(events, Count(1500+i, fmt.Sprintf("CC%d", i), In(L("", "", item(), "7"), bin(), ""), In(L("", "", item(), "40"), bin(), "")), Refused(1600+i, fmt.Sprintf("h%d", i), "number_format", "12,5,3 is no number"))
	}
	random.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
	for len(events) > 0 {
		n := 1 + random.IntN(min(25, len(events)))
		portions = append(portions, events[:n])
		events = events[n:]
	}
	return portions
}

// live folds a day as it arrives. Between portions time passes, some postings are confirmed, and in the end the site has told everything.
func (w *world) live(portions [][]*docklinev1.Event) {
	for i, events := range portions {
		w.hear(events...)
		w.settleAll()
		if i == len(portions)/2 {
			w.confirm("goods_issue")
			w.confirm("crm_status")
			w.refreshReceipts()
		}
	}
	w.stream(Morning.Add(time.Hour), 0)
	w.settleAll()
	w.clock = Morning.Add(3 * time.Hour)
	w.settleAll()
}

// refreshReceipts works out every receipt anew, as a sender does for the events of what it has confirmed.
func (w *world) refreshReceipts() {
	w.t.Helper()
	err := w.d.Write(w.t.Context(), func(tx *db.Tx) error {
		found, err := tx.Lookup(w.t.Context(), db.Lookup{Table: "receipt", Columns: []string{"event_id"}, Key: []string{"tenant"}, Rows: [][]any{{Tenant}}})
		if err != nil {
			return err
		}
		var ids []string
		for _, row := range found {
			ids = append(ids, row[0].(string))
		}
		return receipt.Refresh(w.t.Context(), tx, Tenant, ids, w.worker.Policy.OfRole(ownership.SystemOfRecord), w.clock)
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// settleAll folds until nothing is due, large keys too. The clock stands at the same moments whether there are any or not.
func (w *world) settleAll() {
	w.t.Helper()
	for range 6 {
		w.settle()
		w.clock = w.clock.Add(3 * time.Second)
		for {
			n, err := w.worker.StepLarge(w.t.Context())
			if err != nil {
				w.t.Fatal(err)
			}
			if n == 0 {
				break
			}
		}
	}
}

// tables is all that a fold writes, in full. Numbers that follow from the order of insertion are left out, and times where they may differ.
func (w *world) tables(times bool) string {
	at := func(columns string) string {
		if times {
			return columns
		}
		return regexp.MustCompile(`, \w+_at\b`).ReplaceAllString(columns, "")
	}
	var b strings.Builder
	for _, query := range []string{
		`SELECT tenant, fold_key, body, hash, status, site, customer, fact_count, policy_version, first_at, changed_at FROM state ORDER BY fold_key`,
		`SELECT tenant, target, kind, natural_key, fold_key, serial_key, site, correlation_id, style, state, document, document_hash, source_version, confirmed_hash, confirmed_version, documents,
			policy_version, wanted, attempts, fault_class, fault_code, fault_text, fault_remedy, chain_key, chain_number, case_due, ready_at, created_at, changed_at, confirmed_at FROM posting ORDER BY target, kind, natural_key`,
		`SELECT target, kind, natural_key, needs_target, needs_kind, needs_key FROM posting_dependency ORDER BY target, kind, natural_key, needs_key`,
		`SELECT event_id, target, kind, natural_key FROM posting_event ORDER BY event_id, target, kind, natural_key`,
		`SELECT tenant, origin, code, subject, class, severity, state, title, text, team, site, order_number, customer, value, detail, due_at, opened_at, changed_at, resolved_at FROM exception
			WHERE code <> 'very_many_events' ORDER BY origin, code, subject`,
		`SELECT x.origin, x.code, x.subject, e.event_id FROM exception_event e JOIN exception x ON x.number = e.number ORDER BY x.origin, x.code, x.subject, e.event_id`,
		`SELECT event_id, fold_key, reason FROM no_document ORDER BY event_id, fold_key`,
		`SELECT link_key, part_of, event_id, in_force FROM link ORDER BY link_key, part_of, event_id`,
		`SELECT site, event_id, level FROM receipt ORDER BY event_id`,
		`SELECT site, command_key, version, body_hash, outcome, outcome_text, created_at FROM command ORDER BY site, command_key`,
		`SELECT fold_key, site FROM stream_wait ORDER BY fold_key, site`,
		`SELECT DISTINCT fold_key, due_at FROM dirty ORDER BY fold_key, due_at`,
		`SELECT id, kind, subject FROM event ORDER BY id, variant`,
	} {
		b.WriteString(w.rows(at(query)))
	}
	return b.String()
}

// TestABatchComesToTheSameAsKeyByKey: many keys in one transaction leave byte for byte what the same keys leave one after the other. When
// something changed is left out: key by key a bucket may be folded between two movements that come to nothing together.
func TestABatchComesToTheSameAsKeyByKey(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		for seed := range days(d) {
			var tables [2]string
			for i, batch := range []int{1, 100} {
				w := newWorld(t, again(t, d), nil)
				w.worker.Batch = batch
				w.live(randomDay(rand.New(rand.NewPCG(seed, 5))))
				tables[i] = w.tables(false)
			}
			for _, part := range []string{"goods_issue", "short_pick", "stock_adjust", "changed_record"} {
				if seed == 0 && !strings.Contains(tables[0], part) {
					t.Errorf("the day shows no %s", part)
				}
			}
			if tables[0] != tables[1] {
				t.Fatalf("seed %d: a batch (+) leaves something else than key by key (-):\n%s", seed, difference(tables[0], tables[1]))
			}
		}
	})
}

// TestALargeKeyComesToTheSame: folding apart, in pages and portions, leaves what folding with all others leaves.
func TestALargeKeyComesToTheSame(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		for seed := range days(d) {
			var tables [2]string
			for i, from := range []int{0, 2} {
				w := newWorld(t, again(t, d), nil)
				w.worker.LargeFrom, w.worker.Page = from, 3
				w.live(randomDay(rand.New(rand.NewPCG(seed, 6))))
				tables[i] = w.tables(false)
				if apart := w.rows(`SELECT COUNT(*) FROM large_key`); (apart != "0\n") != (from > 0) {
					t.Fatalf("%s keys were set apart", apart)
				}
			}
			if tables[0] != tables[1] {
				t.Fatalf("seed %d: apart (+) leaves something else than together (-):\n%s", seed, difference(tables[0], tables[1]))
			}
		}
	})
}

// days is how many random days are lived on a database.
func days(d *db.DB) uint64 {
	n := uint64(testenv.Count("reconcile.random-days"))
	if d.Engine() != "sqlite" {
		n /= 4 // each takes several times as long
	}
	return n
}

// again is an empty database of the same engine.
func again(t *testing.T, d *db.DB) *db.DB {
	if d.Engine() == "sqlite" {
		return testenv.SQLite(t)
	}
	return testenv.Postgres(t)
}

// TestAnOrderOfVeryManyPicksHoldsUpNoOther: where all facts of an order are asked for, others are folded between the pages in which it is read, and it takes a bounded memory.
func TestAnOrderOfVeryManyPicksHoldsUpNoOther(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		total := testenv.Count("reconcile.large-facts")
		if d.Engine() != "sqlite" {
			total /= 5 // there nobody waits for another's writing
		}
		w := newWorld(t, d, nil)
		w.worker.DigestFrom = -1
		var lines []*docklinev1.Line
		for i := range 20 {
			lines = append(lines, L("", fmt.Sprint(i+1), fmt.Sprintf("SKU-%d", i), fmt.Sprint(total)))
		}
		w.tell(Accepted("HUGE", "1", lines...))
		const others = 200
		picks, other := 0, 0
		morePicks := func(n int) {
			var events []*docklinev1.Event
			for ; n > 0 && picks < total; n-- {
				line := picks % 20
				events = append(events, Pick(picks%30000, fmt.Sprintf("huge-%d", picks), L("HUGE", fmt.Sprint(line+1), fmt.Sprintf("SKU-%d", line), "1")))
				picks++
			}
			w.hear(events...)
		}
		steps, most := 0, 0 // of other orders: from their arrival until they are folded
		moreOthers := func(n int) {
			for ; n > 0 && other < others; n-- {
				number := fmt.Sprintf("SO%d", other)
				w.hear(Accepted(number, "1", L("", "1", "A", "5")))
				other++
				steps = 0
				for w.rows(`SELECT status FROM state WHERE fold_key = 'order/`+number+`'`) != "released\n" {
					if steps++; steps > 20 {
						t.Fatalf("order %s is not folded after 20 steps", number)
					}
					if _, err := w.worker.Step(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				most = max(most, steps)
			}
		}
		began := time.Now()
		for picks < total {
			morePicks(1000)
			if other < others/2 {
				moreOthers(max(1, others/2*1000/total))
			}
		}
		arrived := time.Since(began)
		w.settle()
		w.clock = w.clock.Add(5 * time.Second)
		base, pages := heap(), 0
		w.worker.Paged = func(read int) {
			if pages++; pages%max(1, total/1000/100) == 0 {
				moreOthers(max(1, others/2*1000/total))
			}
		}
		began = time.Now()
		peak := peakHeap(func() {
			if n, err := w.worker.StepLarge(t.Context()); n != 1 || err != nil {
				t.Fatalf("%d large keys, %v", n, err)
			}
		})
		took := time.Since(began)
		w.settle()
		if want := fmt.Sprintf("picking | %d\n", total+2); w.rows(`SELECT status, fact_count FROM state WHERE fold_key = 'order/HUGE'`) != want {
			t.Errorf("the order is %s, want %s", w.rows(`SELECT status, fact_count FROM state WHERE fold_key = 'order/HUGE'`), want)
		}
		if most > 3 || other < others {
			t.Errorf("another order took %d steps; %d of %d were there", most, other, others)
		}
		if got := w.codes(); got != "very_many_events" {
			t.Errorf("exceptions: %s", got)
		}
		if waiting := w.rows(`SELECT fold_key FROM large_key WHERE since > 0`); waiting != "" {
			t.Errorf("still waiting: %s", waiting)
		}
		each := float64(peak-min(peak, base)) / float64(total)
		if limit := 2000.0; each > limit {
			t.Errorf("a fact takes %.0f B of memory, more than %.0f", each, limit)
		}
		w.hear(Shipment(40000, "S1", shipped(lines, total/20)...))
		w.settle()
		w.clock = w.clock.Add(time.Hour)
		w.worker.Paged, began = nil, time.Now()
		if n, err := w.worker.StepLarge(t.Context()); n != 1 || err != nil {
			t.Fatalf("%d large keys, %v", n, err)
		}
		left := time.Since(began)
		if got := w.rows(`SELECT COUNT(*) FROM posting_event WHERE kind = 'goods_issue'`); got != fmt.Sprintln(total/20*20+1) {
			t.Errorf("%s events feed the goods issue, want the shipment and every pick", got)
		}
		testenv.Figure(t, "picks of one order", total, "arrived within", arrived.Round(time.Millisecond), "folded within", took.Round(time.Millisecond),
			"folded again with its shipment within", left.Round(time.Millisecond), "steps until another order was folded, at most", most,
			"memory of one fact while it is folded, B", int(each))
	})
}

func shipped(ordered []*docklinev1.Line, each int) (lines []*docklinev1.Line) {
	for _, line := range ordered {
		lines = append(lines, L("HUGE", line.GetOrderLine(), line.GetItem(), fmt.Sprint(each)))
	}
	return lines
}

// peakHeap is the most memory that was in use while f ran, with little of it garbage.
func peakHeap(f func()) uint64 {
	peak := uint64(0)
	defer debug.SetGCPercent(debug.SetGCPercent(20))
	done, sampled := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(sampled)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			peak = max(peak, m.HeapAlloc)
			select {
			case <-done:
				return
			case <-tick.C:
			}
		}
	}()
	f()
	close(done)
	<-sampled
	return peak
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
