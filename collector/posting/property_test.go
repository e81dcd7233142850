package posting_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/connector/connectortest"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/posting"
	"github.com/dockline/dockline/testenv"
)

// TestAnyFaultsOneEffect lets everything go wrong at random: answers are lost, effects come late, senders die before and after
// a call, the target refuses, wishes change meanwhile. Once that ends, each key has had exactly one effect, the target says
// what is wanted, and every move was legal.
func TestAnyFaultsOneEffect(t *testing.T) {
	n := uint64(testenv.Count("posting.sequences"))
	seed := uint64(0)
	each(t, func(w *world) {
		for range n / 2 { // half of the sequences on each database
			seed++
			if !w.t.Run(fmt.Sprintf("seed-%d", seed), func(t *testing.T) {
				run := *w
				run.t = t
				(&sequence{world: &run, r: &dice{r: rand.New(rand.NewPCG(seed, 0))}, seed: seed}).run()
			}) {
				return
			}
		}
	})
}

// dice are thrown by several calls at once.
type dice struct {
	mu sync.Mutex
	r  *rand.Rand
}

func (d *dice) IntN(n int) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.r.IntN(n)
}

func (d *dice) Float64() float64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.r.Float64()
}

// sequence is one random run on an order of its own.
type sequence struct {
	*world
	r     *dice
	seed  uint64
	wants []posting.Desired
	calm  bool
}

func (q *sequence) run() {
	order, foldKey := fmt.Sprintf("SO%d", q.seed), fmt.Sprintf("order/SO%d", q.seed)
	q.target = &connectortest.Memory{Settle: settleTime, Now: q.clock.Now, Fail: q.failure}
	m := &mortal{Connector: q.target}
	build := func() *posting.Sender {
		return q.sender("c1", func(s *posting.Sender) {
			s.Connector, s.Parallel, s.Random = m, 1+q.r.IntN(3), q.r.Float64
			s.CallTimeout, s.Lease = 3*time.Second, 6*time.Second
		})
	}
	s := build()
	version := int64(1)
	q.wants = q.wish(order, version)
	q.put(foldKey, q.wants...)
	for range 40 {
		switch q.r.IntN(10) {
		case 0:
			version++
			q.wants = q.wish(order, version)
			q.put(foldKey, q.wants...)
		case 1:
			m.before.Store(q.r.IntN(2) == 0)
			m.after.Store(true)
			q.step(s)
			m.before.Store(false)
			m.after.Store(false)
			s = build() // the process that died is started again
		default:
			q.step(s)
		}
		if q.r.IntN(3) == 0 {
			q.clock.advance(time.Duration(q.r.IntN(12000)) * time.Millisecond)
		}
		q.retryRefused()
	}
	q.calm = true
	for i := 0; i < 40 && !q.finished(foldKey); i++ {
		q.retryRefused()
		q.pass(s, 10*time.Second)
	}
	q.check(foldKey)
}

func (q *sequence) step(s *posting.Sender) {
	q.t.Helper()
	if _, err := s.Step(q.t.Context()); err != nil {
		q.t.Fatal(err)
	}
}

// wish is what the fold wants: two shipments with invoices, whose facts do not change once told, and what may change: the
// order's status and a count's variance.
func (q *sequence) wish(order string, version int64) []posting.Desired {
	count := adjustment(fmt.Sprint(q.r.IntN(5) - 2))
	count.Key = order + "/count"
	out := []posting.Desired{goodsIssue(order, "S1", 1), invoice(order, "S1"), goodsIssue(order, "S2", 2), invoice(order, "S2"),
		status(order, fmt.Sprintf("status %d", q.r.IntN(3)), version), count}
	q.r.r.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

func (q *sequence) failure(op string, _ *connector.Posting) connectortest.Failure {
	if q.calm || q.r.IntN(3) > 0 {
		return connectortest.None
	}
	kinds := []connectortest.Failure{connectortest.Before, connectortest.Busy, connectortest.BadData, connectortest.BadProcess}
	if op != "find" && op != "probe" {
		kinds = append(kinds, connectortest.Lost, connectortest.Lost, connectortest.Late, connectortest.Late, connectortest.Silent)
	}
	return kinds[q.r.IntN(len(kinds))]
}

// retryRefused is the person who has everything that was refused tried again.
func (q *sequence) retryRefused() {
	for _, e := range q.entries(fmt.Sprintf("order/SO%d", q.seed)) {
		if e.State == posting.Rejected {
			q.write(func(tx *db.Tx) error { return posting.Retry(q.t.Context(), tx, tenant, e.Ref, q.clock.Now()) })
		}
	}
}

func (q *sequence) finished(foldKey string) bool {
	return !slices.ContainsFunc(q.entries(foldKey), func(e posting.Entry) bool {
		return e.State != posting.Confirmed && e.State != posting.Superseded
	})
}

func (q *sequence) check(foldKey string) {
	q.t.Helper()
	for _, e := range q.entries(foldKey) {
		want := 1
		if e.State == posting.Superseded {
			want = 0
		} else if e.State != posting.Confirmed {
			q.t.Errorf("%s is %s: %s", e.Key, e.State, e.Fault.Text)
		}
		q.effects(e.Kind, e.Key, want)
	}
	for _, d := range q.wants {
		if d.Kind == connector.StockAdjustment {
			if got := q.booked(); got != d.Document.GetStockAdjustment().GetDelta() {
				q.t.Errorf("booked %s, wanted %s", got, d.Document.GetStockAdjustment().GetDelta())
			}
			continue
		}
		if got := q.target.Document(d.Kind, d.Key); !proto.Equal(got, d.Document) {
			q.t.Errorf("%s: the target has %v, wanted %v", d.Key, got, d.Document)
		}
	}
	if got := q.exceptions(); len(got) != 0 {
		q.t.Errorf("exceptions when all is done: %v", got)
	}
}
