package posting_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/connector/connectortest"
	"github.com/dockline/dockline/collector/posting"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

func TestDeadTargetCostsOneCallEveryFewSeconds(t *testing.T) {
	each(t, func(w *world) {
		const n = 50
		for i := range n {
			w.put(fmt.Sprintf("order/SO%d", i), goodsIssue(fmt.Sprintf("SO%d", i), "S", 1))
		}
		calls := 0
		w.fail(func(string, *connector.Posting) connectortest.Failure {
			calls++
			return connectortest.Before
		})
		s := w.sender("c1")
		w.pass(s, 2*time.Minute)
		if calls > 35 {
			w.t.Errorf("%d calls in two minutes to a target that is not there", calls)
		}
		if got := w.exceptions(); !slices.Equal(got, []string{"target_unavailable"}) {
			w.t.Errorf("exceptions: %v", got)
		}
		if s.Stats().Open.IsZero() {
			w.t.Error("Stats does not say that the target is left alone")
		}
		w.fail(nil)
		w.pass(s, 10*time.Second)
		for i := range n {
			w.expect(fmt.Sprintf("SO%d/S", i), posting.Confirmed)
		}
		if got := w.exceptions(); len(got) != 0 {
			w.t.Errorf("exceptions: %v", got)
		}
	})
}

func TestAlarmOfAFormerProcessIsClosed(t *testing.T) {
	each(t, func(w *world) {
		w.put(fold, goodsIssue("SO1", "S1", 1))
		w.fail(always(connectortest.Before, "probe", "find", "bind"))
		w.pass(w.sender("c1"), 90*time.Second)
		if got := w.exceptions(); len(got) != 1 {
			w.t.Fatalf("exceptions: %v", got)
		}
		w.fail(nil)
		w.pass(w.sender("c1"), 2*time.Minute)
		w.expect("SO1/S1", posting.Confirmed)
		if got := w.exceptions(); len(got) != 0 {
			w.t.Errorf("exceptions: %v", got)
		}
	})
}

func TestRetryAfterIsObeyed(t *testing.T) {
	each(t, func(w *world) {
		w.put("order/SO1", goodsIssue("SO1", "S1", 1))
		w.put("order/SO2", goodsIssue("SO2", "S2", 1))
		var at []time.Time
		first := true
		w.fail(func(op string, _ *connector.Posting) connectortest.Failure {
			at = append(at, w.clock.Now())
			if first {
				first = false
				return connectortest.Busy
			}
			return connectortest.None
		})
		s := w.sender("c1")
		w.pass(s, 10*time.Second)
		w.expect("SO1/S1", posting.Confirmed)
		w.expect("SO2/S2", posting.Confirmed)
		if len(at) < 2 || at[1].Sub(at[0]) < 2*time.Second {
			w.t.Errorf("calls at %v: the second should wait two seconds", at)
		}
	})
}

func TestTechnicalFaultsAreRetriedForEver(t *testing.T) {
	each(t, func(w *world) {
		bad := 0
		w.fail(func(op string, p *connector.Posting) connectortest.Failure {
			if op == "pick" && p.Key == "SO1/S1" {
				bad++
				return connectortest.Silent
			}
			return connectortest.None
		})
		w.put("order/SO1", goodsIssue("SO1", "S1", 1))
		s := w.sender("c1", func(s *posting.Sender) { s.Random = func() float64 { return 0.5 } })
		w.pass(s, 20*time.Minute)
		// One that fails alone must not keep the others away.
		w.put("order/SO2", goodsIssue("SO2", "S2", 1))
		w.pass(s, 30*time.Second)
		w.expect("SO2/S2", posting.Confirmed)
		if bad < 10 || bad > 80 {
			w.t.Errorf("%d attempts in 20 minutes", bad)
		}
		w.fail(nil)
		w.pass(s, 3*time.Minute)
		w.expect("SO1/S1", posting.Confirmed)
		w.effects(connector.GoodsIssue, "SO1/S1", 1)
	})
}

// impatient asks for so much patience that nobody would see the day, as a gateway does whose quota is used up.
type impatient struct {
	connector.Connector
	full bool
	at   []time.Time
	now  func() time.Time
}

func (i *impatient) Apply(ctx context.Context, p *connector.Posting) (connector.Result, error) {
	if !i.full {
		return i.Connector.Apply(ctx, p)
	}
	i.at = append(i.at, i.now())
	return connector.Result{}, &connector.Fault{Class: docklinev1.FaultClass_FAULT_CLASS_TECHNICAL, Code: "busy", Text: "status 429", RetryAfter: 99_999 * time.Second}
}

func TestATargetThatAsksForADayIsSeenAndAskedAgain(t *testing.T) {
	each(t, func(w *world) {
		w.put("order/SO1", goodsIssue("SO1", "S1", 1))
		gate := &impatient{Connector: w.target, full: true, now: w.clock.Now}
		s := w.sender("c1", func(s *posting.Sender) { s.Connector = gate })
		w.pass(s, 3*time.Minute)
		if got := w.exceptions(); !slices.Equal(got, []string{"target_unavailable"}) {
			w.t.Errorf("exceptions while nothing is taken: %v", got)
		}
		if len(gate.at) != 1 {
			w.t.Errorf("calls at %v within three minutes: the target asked for patience", gate.at)
		}
		gate.full = false
		w.pass(s, 20*time.Minute)
		w.expect("SO1/S1", posting.Confirmed)
		w.effects(connector.GoodsIssue, "SO1/S1", 1)
		if got := w.exceptions(); len(got) != 0 {
			w.t.Errorf("exceptions: %v", got)
		}
	})
}

// told counts the receipts that say what they wait for, and the highest version of one.
func (w *world) told(events ...string) (n int, version uint64) {
	w.t.Helper()
	for _, id := range events {
		r := w.receipt(id)
		if r.Text != "" {
			n++
		}
		version = max(version, r.Version)
	}
	return n, version
}

func TestEverythingThatWaitsForADeadTargetSaysSo(t *testing.T) {
	each(t, func(w *world) {
		const n = 450 // more than two portions
		var events []string
		for i := range n {
			events = append(events, fmt.Sprintf("e-S%d", i))
		}
		w.logged(append(events, "e-late", "e-next")...)
		for i := range n {
			w.put(fmt.Sprintf("order/SO%d", i), goodsIssue(fmt.Sprintf("SO%d", i), fmt.Sprintf("S%d", i), 1))
		}
		w.fail(func(string, *connector.Posting) connectortest.Failure { return connectortest.Before })
		s := w.sender("c1")
		w.pass(s, 3*time.Second)
		if got, _ := w.told(events...); got > 5 {
			t.Errorf("%d receipts were written anew because of an outage of three seconds", got)
		}
		w.pass(s, 12*time.Second)
		if got, version := w.told(events...); got != n || version > 4 {
			t.Errorf("%d of %d receipts say what they wait for; one was written %d times", got, n, version)
		}
		e := w.entry(fmt.Sprintf("SO%d/S%d", n-1, n-1))
		if e.State != posting.Ready || e.Attempts != 0 || e.Fault.Class != docklinev1.FaultClass_FAULT_CLASS_TECHNICAL ||
			!strings.Contains(e.Fault.Text, "has taken nothing since 2025-11-03 08:00") || e.Fault.Remedy == "" {
			t.Errorf("one that was not tried: %s, %d attempts, %+v", e.State, e.Attempts, e.Fault)
		}
		// One that becomes ready during the outage, and another process.
		w.put("order/late", goodsIssue("SOL", "late", 1))
		w.pass(s, 3*time.Second)
		if r := w.receipt("e-late"); !strings.Contains(r.Text, "erp: has taken nothing") {
			t.Errorf("the receipt of one that became ready in the outage: %v", r)
		}
		_, before := w.told(events...)
		w.pass(s, 30*time.Second)
		_, after := w.told(events[50:]...)
		if after > before {
			t.Errorf("receipts are written again and again: version %d, then %d", before, after)
		}
		s = w.sender("c1")
		w.pass(s, 15*time.Second)
		if got, _ := w.told(events[50:]...); got != n-50 {
			t.Errorf("after a restart %d of %d receipts say what they wait for", got, n-50)
		}
		// It answers, but refuses one order: what waits behind that one does not wait for the target any more.
		w.put("order/SO7", goodsIssue("SO7", "S7", 1), goodsIssue("SO7", "next", 1))
		waits := goodsIssue("SO8", "S8", 1)
		waits.Needs = []posting.Ref{goodsIssue("SO7", "S7", 1).Ref()}
		w.put("order/SO8", waits)
		w.expect("SO8/S8", posting.Planned)
		w.fail(func(op string, p *connector.Posting) connectortest.Failure {
			if op == "bind" && p.Key == "SO7/S7" {
				return connectortest.BadData
			}
			return connectortest.None
		})
		w.pass(s, 10*time.Second)
		for _, key := range []string{"SO0/S0", fmt.Sprintf("SO%d/S%d", n-1, n-1), "SOL/late"} {
			if e := w.expect(key, posting.Confirmed); e.Fault != (posting.Fault{}) {
				t.Errorf("%s is confirmed and says %+v", key, e.Fault)
			}
		}
		w.expect("SO7/S7", posting.Rejected)
		w.expect("SO8/S8", posting.Planned)
		for _, id := range []string{"e-next", "e-S8"} {
			if r := w.receipt(id); r.Text != "" {
				t.Errorf("the receipt of one that waits for another posting: %v", r)
			}
		}
	})
}

func TestTheTextOfAnOutageGoesWithIt(t *testing.T) {
	each(t, func(w *world) {
		var events []string
		const n = 100 // more than a sender tells in a few steps
		for i := range n {
			events = append(events, fmt.Sprintf("e-S%d", i))
		}
		w.logged(events...)
		for i := range n {
			w.put(fmt.Sprintf("order/SO%d", i), goodsIssue(fmt.Sprintf("SO%d", i), fmt.Sprintf("S%d", i), 1))
		}
		gate := &impatient{Connector: w.target, full: true, now: w.clock.Now}
		s := w.sender("c1", func(s *posting.Sender) { s.Connector = gate })
		w.pass(s, time.Minute)
		if got, _ := w.told(events...); got != n {
			t.Fatalf("%d of 100 receipts say what they wait for while the target asks for patience", got)
		}
		gate.full = false
		w.clock.advance(15 * time.Minute)
		for got := n; got > 1; got, _ = w.told(events...) {
			n, err := s.Step(t.Context())
			if err != nil || n == 0 {
				t.Fatalf("%d receipts still name the outage when there is nothing more to do: %v", got, err)
			}
		}
		confirmed := 0
		for _, e := range w.all() {
			if e.State == posting.Confirmed {
				confirmed++
			}
		}
		if confirmed > n/2 {
			t.Errorf("%d were confirmed before the text went: it should not wait for that", confirmed)
		}
	})
}
