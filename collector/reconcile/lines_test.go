package reconcile_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/db"
	. "github.com/dockline/dockline/collector/state/statetest"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv"
)

const linesEach = 500 // of one event

// manyLines has a site tell of picks and a shipment's worth of one order, so many lines in events of five hundred.
type manyLines struct {
	*world
	told int
}

// more tells of n lines more, each of another line of the order, and calls between after every tenth event.
func (m *manyLines) more(n int, between func()) {
	m.t.Helper()
	for ; n > 0; n -= 10 * linesEach {
		var events []*docklinev1.Event
		for range min(10, n/linesEach) {
			var lines []*docklinev1.Line
			for range linesEach {
				m.told++
				lines = append(lines, In(L("HUGE", fmt.Sprint(m.told), fmt.Sprintf("SKU-%d", m.told%500), "1"), "A-01", ""))
			}
			events = append(events, Pick(m.told/linesEach%30000, fmt.Sprintf("huge-%d", m.told), lines...))
		}
		m.hear(events...)
		between()
	}
}

// TestAnOrderOfAMillionLines: an order has a bounded number of lines. Below that it is folded apart, and others beside it; beyond, nothing follows from it, what
// was decided stays, a person is told how much there is, and the memory that it takes grows no more. Where more lines are let in it comes to what
// it would have come to at once.
//
// Shows: S73
func TestAnOrderOfAMillionLines(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		total := testenv.Count("reconcile.order-lines")
		if d.Engine() != "sqlite" {
			total /= 2 // there nobody waits for another's writing
		}
		most := total / 4
		m := &manyLines{world: newWorld(t, d, nil)}
		m.worker.MostLines = most
		m.tell(Accepted("HUGE", "1", L("", "1", "SKU-1", "5")), Pick(1, "p1", In(L("HUGE", "1", "SKU-1", "1"), "A-01", "")), Shipment(2, "S1", L("HUGE", "1", "SKU-1", "1")))
		others, steps, worst := 0, 0, 0
		// Another order is told of, and folded within a few steps whatever the large one does.
		another := func() {
			others++
			number := fmt.Sprintf("SO%d", others)
			m.hear(Accepted(number, "1", L("", "1", "SKU-1", "5")))
			for steps = 0; m.rows(`SELECT status FROM state WHERE fold_key = 'order/`+number+`'`) != "released\n"; steps++ {
				if _, err := m.worker.Step(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			worst = max(worst, steps)
		}
		fold := func() (took time.Duration) {
			m.settle()
			m.clock = m.clock.Add(time.Hour)
			began := time.Now()
			for range 4 {
				if _, err := m.worker.StepLarge(t.Context()); err != nil {
					t.Fatal(err)
				}
				took += time.Since(began)
				m.settle()
				began = time.Now()
			}
			return took
		}
		is := func(what string) {
			t.Helper()
			if got := m.rows(`SELECT status, fact_count FROM state WHERE fold_key = 'order/HUGE'`); got != what+"\n" {
				t.Fatalf("the order is %q, want %s", got, what)
			}
		}
		open := func(code string) string {
			return m.rows(`SELECT text FROM exception WHERE code = '` + code + `' AND state = 'open' AND order_number = 'HUGE'`)
		}

		m.more(most-10*linesEach, another)
		fold()
		is(fmt.Sprintf("partially_shipped | %d", m.told/linesEach+4))
		postings := m.rows(`SELECT kind, natural_key, state FROM posting WHERE fold_key = 'order/HUGE' ORDER BY kind`)
		if !strings.Contains(postings, "goods_issue") || open("too_many_lines") != "" {
			t.Fatalf("below the limit: postings %s, %s", postings, open("too_many_lines"))
		}
		if n := strings.Count(open("unknown_line"), "\n"); n != 1 {
			t.Errorf("%d cases of lines that the order does not have", n)
		}

		m.worker.Paged = func(int) { another() }
		base, beyond := heap(), time.Duration(0)
		peak := peakHeap(func() { m.more(total-m.told, another); beyond = fold() })
		m.worker.Paged = nil
		facts := m.told/linesEach + 4 // and that it was released
		is(fmt.Sprintf("too_large | %d", facts))
		if got := open("too_many_lines"); !strings.Contains(got, fmt.Sprintf("%d lines in %d events", m.told+4, facts)) {
			t.Errorf("a person is told: %q", got)
		}
		if got := m.rows(`SELECT kind, natural_key, state FROM posting WHERE fold_key = 'order/HUGE' ORDER BY kind`); got != postings {
			t.Errorf("what was decided before did not stay:\n%s\nwas\n%s", got, postings)
		}
		if got := m.rows(`SELECT COUNT(*) FROM fact WHERE fold_key = 'order/HUGE'`); got != fmt.Sprintln(facts) {
			t.Errorf("%s facts are kept of %d", got, facts)
		}
		if bound := uint64(2000*most + 100<<20); peak-min(base, peak) > bound {
			t.Errorf("it took %d MB, %d are allowed", (peak-base)>>20, bound>>20)
		}
		if worst > 40 {
			t.Errorf("another order took %d steps", worst)
		}
		m.digestsAgree(0)

		// More are let in: it comes to what it would have come to at once.
		if total <= 200_000 {
			m.worker.MostLines = total + 1000
			m.hear(Pick(2, "p2", In(L("HUGE", "1", "SKU-1", "1"), "A-01", "")))
			fold()
			is(fmt.Sprintf("partially_shipped | %d", facts+1))
			if open("too_many_lines") != "" {
				t.Error("the case is not closed")
			}
			after := m.rows(`SELECT hash FROM state WHERE fold_key = 'order/HUGE'`)
			if err := m.d.Write(t.Context(), func(tx *db.Tx) error {
				_, err := tx.Exec(t.Context(), `DELETE FROM state WHERE fold_key = 'order/HUGE'`)
				if err == nil {
					_, err = tx.Exec(t.Context(), `INSERT INTO dirty (tenant, fold_key) VALUES (?, 'order/HUGE')`, Tenant)
				}
				return err
			}); err != nil {
				t.Fatal(err)
			}
			fold()
			if at := m.rows(`SELECT hash FROM state WHERE fold_key = 'order/HUGE'`); at != after {
				t.Error("it comes to something else than at once")
			}
		}
		testenv.Figure(t, "lines of one order", m.told, "folded up to", most, "one that is too large counted within", beyond.Round(time.Millisecond),
			"other orders meanwhile", others, "steps until one was folded, at most", worst, "memory MB", int((peak-min(base, peak))>>20))
	})
}
