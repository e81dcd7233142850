package posting_test

import (
	"context"
	"fmt"
	"slices"
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
