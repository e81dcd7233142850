package posting_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/connector/connectortest"
	"github.com/dockline/dockline/collector/posting"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv"
)

// What is tried again by itself, how often and when, follows from the class of the fault alone: what is wrong with the content or the business
// is never tried again, what is technical for ever, later and later, never at the same moment as others, and not before the target asked for.
//
// Shows: S31
func TestRetriesByClass(t *testing.T) {
	technical, data, process := docklinev1.FaultClass_FAULT_CLASS_TECHNICAL, docklinev1.FaultClass_FAULT_CLASS_DATA, docklinev1.FaultClass_FAULT_CLASS_PROCESS
	for name, c := range map[string]struct {
		fault connector.Fault
		// calls are how often it is made within ten minutes, at least and at most; then where it stands.
		least, most int
		state       posting.State
		first       time.Duration // no second call before
	}{
		"content refused":      {connector.Fault{Class: data, Code: "item_unknown", Text: "no such item"}, 1, 1, posting.Rejected, 0},
		"business refused":     {connector.Fault{Class: process, Code: "order_closed", Text: "the order is closed"}, 1, 1, posting.Rejected, 0},
		"refused for a while":  {connector.Fault{Class: data, Code: "item_unknown", Text: "no such item", RetryAfter: time.Second}, 1, 1, posting.Rejected, 0},
		"out of reach":         {connector.Fault{Class: technical, Code: "unreachable", Text: "refused"}, 8, 20, posting.Ready, 500 * time.Millisecond},
		"asks for patience":    {connector.Fault{Class: technical, Code: "busy", Text: "busy", RetryAfter: 100 * time.Second}, 5, 7, posting.Ready, 100 * time.Second},
		"asks for a year":      {connector.Fault{Class: technical, Code: "busy", Text: "busy", RetryAfter: 365 * 24 * time.Hour}, 1, 1, posting.Ready, 10 * time.Minute},
		"a fault of no class":  {connector.Fault{Code: "odd", Text: "odd"}, 3, 40, "", settleTime},
		"nobody knows whether": {connector.Fault{Class: technical, Code: "timeout", Text: "no answer", Unknown: true}, 3, 40, "", settleTime},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, testenv.SQLite(t))
			var at []time.Time
			w.target.Fault = func(op string, p *connector.Posting) error {
				if op != "create" {
					return nil
				}
				at = append(at, w.clock.Now())
				f := c.fault
				return &f
			}
			d := invoice("SO1", "S1")
			d.Needs = nil
			w.put(fold, d)
			s := w.sender("c1", func(s *posting.Sender) { s.Random = func() float64 { return 0 } })
			for range 10 * 60 * 2 {
				w.quiet(s)
				w.clock.advance(500 * time.Millisecond)
			}
			if len(at) < c.least || len(at) > c.most {
				t.Errorf("%d calls in ten minutes, want %d to %d", len(at), c.least, c.most)
			}
			if len(at) > 1 && at[1].Sub(at[0]) < c.first {
				t.Errorf("tried again after %s, want not before %s", at[1].Sub(at[0]), c.first)
			}
			if e := w.entry(d.Key); c.state != "" && e.State != c.state {
				t.Errorf("it is %s, want %s", e.State, c.state)
			}
		})
	}
}

// Two postings that fail at the same moment are not tried again at the same moment.
func TestRetriesAreSpread(t *testing.T) {
	w := newWorld(t, testenv.SQLite(t))
	w.fail(always(connectortest.Before, "create"))
	n := 0
	s := w.sender("c1", func(s *posting.Sender) {
		s.OpenAfter, s.Parallel = 1000, 1
		s.Random = func() float64 { n++; return float64(n%10) / 10 }
	})
	for i := range 10 {
		d := invoice(fmt.Sprintf("SO%d", i), "S")
		d.Needs, d.SerialKey = nil, ""
		w.put(fmt.Sprintf("order/SO%d", i), d)
	}
	w.quiet(s)
	moments := map[time.Time]bool{}
	for _, e := range w.all() {
		moments[e.ReadyAt] = true
	}
	if len(moments) != 10 {
		t.Errorf("ten postings are tried again at %d moments", len(moments))
	}
}

// A later success closes what stood open of the same thing: a status that was refused is overtaken by a newer one, and its exception with it. The
// newest version of the source wins at the target, whatever comes late.
//
// Shows: A1, A17
func TestLaterSuccessClosesOlderErrors(t *testing.T) {
	each(t, func(w *world) {
		w.fail(func(op string, p *connector.Posting) connectortest.Failure {
			if op == "restate" && p.Document.GetOrderStatus().GetStatus() == "picked" {
				return connectortest.BadData
			}
			return connectortest.None
		})
		s := w.sender("c1")
		w.put(fold, status("SO1", "accepted", 1))
		w.pass(s, time.Second)
		w.put(fold, status("SO1", "picked", 2))
		w.pass(s, time.Second)
		w.expect("SO1", posting.Rejected)
		if got := w.exceptions(); len(got) != 1 {
			w.t.Fatalf("exceptions: %v", got)
		}
		w.put(fold, status("SO1", "shipped", 3))
		w.pass(s, time.Second)
		e := w.expect("SO1", posting.Confirmed)
		if got := w.exceptions(); len(got) != 0 || e.Fault.Code != "" {
			w.t.Errorf("after a later success: exceptions %v, fault %q", got, e.Fault.Code)
		}
		// A restatement of an older version that is still on its way changes nothing any more.
		if _, err := w.target.Apply(t.Context(), &connector.Posting{Tenant: tenant, Kind: connector.OrderStatus, Key: "SO1", SourceVersion: 1,
			Document: status("SO1", "accepted", 1).Document}); err != nil {
			w.t.Fatal(err)
		}
		if got := w.target.Document(connector.OrderStatus, "SO1").GetOrderStatus().GetStatus(); got != "shipped" {
			w.t.Errorf("the target says %q", got)
		}
	})
}

// A target that never takes a posting and never says so is called less and less often, as after any other fault, and not each time that its settle time is over.
//
// Shows: S31
func TestATargetThatSwallowsEverythingIsLeftInPeace(t *testing.T) {
	each(t, func(w *world) {
		calls := 0
		w.fail(func(op string, _ *connector.Posting) connectortest.Failure {
			if op == "create" {
				calls++
				return connectortest.Silent
			}
			return connectortest.None
		})
		d := invoice("SO1", "S1")
		d.Needs = nil
		w.put(fold, d)
		s := w.sender("c1")
		minutes := func(n int) {
			for range 6 * n {
				w.quiet(s)
				w.clock.advance(10 * time.Second)
			}
		}
		minutes(30)
		if most := 45; calls < 4 || calls > most {
			w.t.Errorf("%d calls in half an hour, want at least 4 and at most %d", calls, most)
		}
		w.fail(nil)
		minutes(10)
		w.expect(d.Key, posting.Confirmed)
		w.effects(d.Kind, d.Key, 1)
	})
}
