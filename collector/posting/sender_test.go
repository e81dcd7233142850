package posting_test

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/connector/connectortest"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/posting"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

func TestWhatIsWantedIsSentOnce(t *testing.T) {
	each(t, func(w *world) {
		w.logged("e-S1")
		w.put(fold, goodsIssue("SO1", "S1", 5), invoice("SO1", "S1"))
		if r := w.receipt("e-S1"); r.Level != docklinev1.ReceiptLevel_RECEIPT_LEVEL_LOGGED {
			t.Errorf("receipt before sending: %v", r.Level)
		}
		s := w.sender("c1")
		w.quiet(s)
		e := w.expect("SO1/S1", posting.Confirmed)
		w.expect("inv/SO1/S1", posting.Confirmed)
		if len(e.Documents) != 1 || e.Documents[0].Number == "" {
			w.t.Errorf("documents: %v", e.Documents)
		}
		if r := w.receipt("e-S1"); r.Level != docklinev1.ReceiptLevel_RECEIPT_LEVEL_CONFIRMED || len(r.Documents) != 2 {
			w.t.Errorf("receipt: %v", r)
		}
		w.put(fold, goodsIssue("SO1", "S1", 5), invoice("SO1", "S1"))
		w.pass(s, 30*time.Second)
		w.effects(connector.GoodsIssue, "SO1/S1", 1)
		w.effects(connector.InvoiceTrigger, "inv/SO1/S1", 1)
		if n := s.Stats().Sent; n != 2 {
			w.t.Errorf("%d postings were sent, want 2", n)
		}
	})
}

func TestRefusedBlocksItsOrderOnly(t *testing.T) {
	each(t, func(w *world) {
		w.logged("e-S1", "e-S2", "e-S3")
		w.fail(func(op string, p *connector.Posting) connectortest.Failure {
			if op == "bind" && p.Key == "SO1/S1" {
				return connectortest.BadData
			}
			return connectortest.None
		})
		w.put("order/SO1", invoice("SO1", "S1"), goodsIssue("SO1", "S1", 5), goodsIssue("SO1", "S2", 5))
		w.put("order/SO2", goodsIssue("SO2", "S3", 5))
		s := w.sender("c1")
		w.pass(s, time.Minute)
		e := w.expect("SO1/S1", posting.Rejected)
		w.expect("inv/SO1/S1", posting.Planned)
		w.expect("SO1/S2", posting.Planned)
		w.expect("SO2/S3", posting.Confirmed)
		if e.Fault.Text == "" || e.Fault.Remedy == "" || e.Attempts != 1 {
			w.t.Errorf("a refused posting: %+v, attempts %d", e.Fault, e.Attempts)
		}
		if got := w.exceptions(); !slices.Equal(got, []string{"item_unknown"}) {
			w.t.Errorf("exceptions: %v", got)
		}
		if r := w.receipt("e-S1"); r.Level != docklinev1.ReceiptLevel_RECEIPT_LEVEL_EXCEPTION || r.Exception == 0 || r.Text == "" {
			w.t.Errorf("receipt: %v", r)
		}
		w.fail(nil)
		w.write(func(tx *db.Tx) error {
			return posting.Retry(t.Context(), tx, tenant, goodsIssue("SO1", "S1", 0).Ref(), w.clock.Now())
		})
		w.pass(s, time.Second)
		for _, key := range []string{"SO1/S1", "inv/SO1/S1", "SO1/S2"} {
			w.expect(key, posting.Confirmed)
		}
		if got := w.exceptions(); len(got) != 0 {
			w.t.Errorf("exceptions after it went through: %v", got)
		}
		if r := w.receipt("e-S1"); r.Level != docklinev1.ReceiptLevel_RECEIPT_LEVEL_CONFIRMED {
			w.t.Errorf("receipt: %v", r)
		}
	})
}

func TestRefusedGoesAgainWhenItsDocumentChanges(t *testing.T) {
	each(t, func(w *world) {
		w.fail(once(connectortest.BadProcess, "bind"))
		w.put(fold, goodsIssue("SO1", "S1", 5))
		s := w.sender("c1")
		w.pass(s, 10*time.Minute)
		w.expect("SO1/S1", posting.Rejected)
		w.put(fold, goodsIssue("SO1", "S1", 5))
		w.pass(s, time.Minute)
		w.expect("SO1/S1", posting.Rejected)
		w.put(fold, goodsIssue("SO1", "S1", 4))
		w.pass(s, time.Second)
		w.expect("SO1/S1", posting.Confirmed)
		if got := w.exceptions(); len(got) != 0 {
			w.t.Errorf("exceptions: %v", got)
		}
	})
}

func TestLostAnswerIsSettledByReadingBack(t *testing.T) {
	each(t, func(w *world) {
		w.fail(once(connectortest.Lost, "create"))
		d := invoice("SO1", "S1")
		d.Needs = nil
		w.put(fold, d)
		s := w.sender("c1")
		w.quiet(s)
		w.expect(d.Key, posting.Confirmed)
		w.effects(d.Kind, d.Key, 1)
		if n := s.Stats().Unknown; n != 1 {
			w.t.Errorf("%d postings became unknown, want 1", n)
		}
	})
}

func TestAbsentCountsOnlyAfterTheSettleTime(t *testing.T) {
	each(t, func(w *world) {
		w.fail(once(connectortest.Silent, "create"))
		d := invoice("SO1", "S1")
		d.Needs = nil
		w.put(fold, d)
		s := w.sender("c1")
		w.pass(s, settleTime-2*time.Second)
		w.expect(d.Key, posting.Unknown)
		w.effects(d.Kind, d.Key, 0)
		w.pass(s, 4*time.Second)
		w.expect(d.Key, posting.Confirmed)
		w.effects(d.Kind, d.Key, 1)
	})
}

func TestEffectThatComesLateIsFound(t *testing.T) {
	each(t, func(w *world) {
		w.fail(once(connectortest.Late, "create"))
		d := invoice("SO1", "S1")
		d.Needs = nil
		w.put(fold, d)
		s := w.sender("c1")
		w.quiet(s)
		w.expect(d.Key, posting.Unknown)
		w.effects(d.Kind, d.Key, 0)
		w.pass(s, settleTime)
		w.expect(d.Key, posting.Confirmed)
		w.effects(d.Kind, d.Key, 1)
	})
}

// mortal ends the process, as far as the sender can tell, before or after a call of Apply.
type mortal struct {
	connector.Connector
	before, after atomic.Bool
}

func (m *mortal) Apply(ctx context.Context, p *connector.Posting) (connector.Result, error) {
	if m.before.Load() {
		runtime.Goexit()
	}
	r, err := m.Connector.Apply(ctx, p)
	if m.after.Load() {
		runtime.Goexit()
	}
	return r, err
}

func TestKilledBetweenSendingAndHearing(t *testing.T) {
	each(t, func(w *world) {
		d := invoice("SO1", "S1")
		d.Needs = nil
		w.put(fold, d)
		m := &mortal{Connector: w.target}
		m.after.Store(true)
		if _, err := w.sender("c1", func(s *posting.Sender) { s.Connector = m }).Step(t.Context()); err != nil {
			w.t.Fatal(err)
		}
		w.expect(d.Key, posting.Sending)
		w.effects(d.Kind, d.Key, 1)
		s := w.sender("c1")
		w.pass(s, 40*time.Second)
		w.expect(d.Key, posting.Sending)
		w.pass(s, 20*time.Second)
		w.expect(d.Key, posting.Confirmed)
		w.effects(d.Kind, d.Key, 1)
	})
}

// gate holds calls of Apply, deaf to their context, until it is opened.
type gate struct {
	connector.Connector
	entered chan struct{}
	open    chan struct{}
}

func (g *gate) Apply(ctx context.Context, p *connector.Posting) (connector.Result, error) {
	g.entered <- struct{}{}
	<-g.open
	return g.Connector.Apply(ctx, p)
}

func TestAnswerAfterTheLeaseIsNotBelieved(t *testing.T) {
	each(t, func(w *world) {
		d := invoice("SO1", "S1")
		d.Needs = nil
		w.put(fold, d)
		g := &gate{Connector: w.target, entered: make(chan struct{}), open: make(chan struct{})}
		slow := w.sender("c1", func(s *posting.Sender) { s.Connector = g })
		ended := make(chan error, 1)
		go func() {
			_, err := slow.Step(t.Context())
			ended <- err
		}()
		<-g.entered
		s := w.sender("c2")
		w.pass(s, 50*time.Second) // c1's lease of the target and of the posting run out
		w.expect(d.Key, posting.Unknown)
		g.open <- struct{}{}
		if err := <-ended; err != nil {
			w.t.Fatal(err)
		}
		if n := slow.Stats().Late; n != 1 {
			w.t.Errorf("%d late answers, want 1", n)
		}
		w.expect(d.Key, posting.Unknown)
		w.pass(s, settleTime)
		w.expect(d.Key, posting.Confirmed)
		w.effects(d.Kind, d.Key, 1)
	})
}

func TestLateAnswerDoesNotTouchAnothersCall(t *testing.T) {
	each(t, func(w *world) {
		d := invoice("SO1", "S1")
		d.Needs = nil
		w.put(fold, d)
		w.fail(once(connectortest.Before, "create")) // what the first call comes to: nothing
		gates := [2]*gate{}
		ended := make(chan error, 2)
		start := func(i int, holder string) {
			gates[i] = &gate{Connector: w.target, entered: make(chan struct{}), open: make(chan struct{})}
			s := w.sender(holder, func(s *posting.Sender) { s.Connector = gates[i] })
			go func() {
				for range 3 { // look, find it absent, send
					if n, err := s.Step(t.Context()); n == 0 || err != nil {
						ended <- err
						return
					}
				}
				ended <- nil
			}()
		}
		start(0, "c1")
		<-gates[0].entered
		w.pass(w.sender("c2"), 50*time.Second)
		w.expect(d.Key, posting.Unknown)
		w.clock.advance(settleTime)
		start(1, "c2")
		<-gates[1].entered
		w.expect(d.Key, posting.Sending)
		close(gates[0].open)
		if err := <-ended; err != nil {
			w.t.Fatal(err)
		}
		w.expect(d.Key, posting.Sending)
		close(gates[1].open)
		if err := <-ended; err != nil {
			w.t.Fatal(err)
		}
		w.expect(d.Key, posting.Confirmed)
		w.effects(d.Kind, d.Key, 1)
	})
}

// alone fails the test when two calls of Apply for one key run at once.
type alone struct {
	connector.Connector
	t    *testing.T
	mu   sync.Mutex
	busy map[string]bool
	n    map[string]int
}

func (a *alone) Apply(ctx context.Context, p *connector.Posting) (connector.Result, error) {
	a.mu.Lock()
	if a.busy[p.Key] {
		a.t.Errorf("two calls for %s at once", p.Key)
	}
	a.busy[p.Key] = true
	a.n[p.Key]++
	a.mu.Unlock()
	runtime.Gosched()
	r, err := a.Connector.Apply(ctx, p)
	a.mu.Lock()
	a.busy[p.Key] = false
	a.mu.Unlock()
	return r, err
}

func TestTwoSendersNeverBothSend(t *testing.T) {
	each(t, func(w *world) {
		const n = 60
		a := &alone{Connector: w.target, t: w.t, busy: map[string]bool{}, n: map[string]int{}}
		for i := range n {
			order := "SO" + string(rune('A'+i%26)) + string(rune('a'+i/26))
			d := invoice(order, "S1")
			d.Needs = nil
			w.put("order/"+order, d)
		}
		var group sync.WaitGroup
		for _, name := range []string{"c1", "c2", "c3"} {
			s := w.sender(name, func(s *posting.Sender) { s.Connector, s.Parallel = a, 3 })
			group.Go(func() {
				for range 200 {
					if _, err := s.Step(w.t.Context()); err != nil {
						w.t.Error(err)
						return
					}
					if name == "c1" {
						w.clock.advance(2 * time.Second) // the target's lease passes from one to the other
					}
				}
			})
		}
		group.Wait()
		w.pass(w.sender("c9"), time.Minute)
		for i := range n {
			key := "inv/SO" + string(rune('A'+i%26)) + string(rune('a'+i/26)) + "/S1"
			w.expect(key, posting.Confirmed)
			w.effects(connector.InvoiceTrigger, key, 1)
			if a.n[key] > 1 {
				w.t.Errorf("%s was sent %d times", key, a.n[key])
			}
		}
	})
}

func TestHangEndsBeforeTheLease(t *testing.T) {
	each(t, func(w *world) {
		var stuck atomic.Bool
		w.fail(func(op string, _ *connector.Posting) connectortest.Failure {
			if op == "create" && stuck.CompareAndSwap(false, true) {
				return connectortest.Stuck
			}
			return connectortest.None
		})
		d := invoice("SO1", "S1")
		d.Needs = nil
		w.put(fold, d)
		s := w.sender("c1", func(s *posting.Sender) { s.CallTimeout, s.Lease = 200*time.Millisecond, time.Minute })
		for !stuck.Load() { // on a slow machine the time may be over before the call, which is then not made
			if _, err := s.Step(t.Context()); err != nil {
				w.t.Fatal(err)
			}
			w.clock.advance(2 * time.Second)
		}
		w.expect(d.Key, posting.Unknown)
		w.pass(w.sender("c1"), settleTime+time.Second)
		w.expect(d.Key, posting.Confirmed)
		w.effects(d.Kind, d.Key, 1)
	})
}
