package posting_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/connector/connectortest"
	"github.com/dockline/dockline/collector/posting"
)

// wait looks until the state is there or the deadline has passed.
func wait(t *testing.T, what string, there func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !there() {
		select {
		case <-deadline:
			t.Fatalf("%s did not come about", what)
		case <-tick.C:
		}
	}
}

func TestRunSendsUntilItIsStopped(t *testing.T) {
	each(t, func(w *world) {
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		s := w.sender("c1", func(s *posting.Sender) { s.Idle = 5 * time.Millisecond })
		ended := make(chan error, 1)
		go func() { ended <- s.Run(ctx) }()
		for i := range 3 {
			w.put(fmt.Sprintf("order/SO%d", i), goodsIssue(fmt.Sprintf("SO%d", i), "S", 1))
		}
		wait(w.t, "three confirmations", func() bool { return s.Stats().Confirmed == 3 })
		stop()
		if err := <-ended; err != nil {
			w.t.Errorf("Run: %v", err)
		}
		// Another collector need not wait for the lease to run out.
		w.put("order/SO9", goodsIssue("SO9", "S", 1))
		w.quiet(w.sender("c2"))
		w.expect("SO9/S", posting.Confirmed)
	})
}

// A collector that is asked to stop in the middle of a call writes that it does not know, instead of leaving a lease behind.
func TestStopInTheMiddleOfACall(t *testing.T) {
	each(t, func(w *world) {
		var called atomic.Bool
		stuck := once(connectortest.Stuck, "create")
		w.fail(func(op string, p *connector.Posting) connectortest.Failure {
			how := stuck(op, p)
			called.Store(called.Load() || how == connectortest.Stuck)
			return how
		})
		d := invoice("SO1", "S1")
		d.Needs = nil
		w.put(fold, d)
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		s := w.sender("c1", func(s *posting.Sender) { s.Idle = 5 * time.Millisecond })
		ended := make(chan error, 1)
		go func() { ended <- s.Run(ctx) }()
		wait(w.t, "the call", called.Load)
		stop()
		if err := <-ended; err != nil {
			w.t.Errorf("Run: %v", err)
		}
		w.expect(d.Key, posting.Unknown)
		w.pass(w.sender("c1"), settleTime+time.Second)
		w.expect(d.Key, posting.Confirmed)
		w.effects(d.Kind, d.Key, 1)
	})
}
