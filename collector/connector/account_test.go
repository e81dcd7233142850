package connector_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/connector/connectortest"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

func TestBreakerOpensProbesAndCloses(t *testing.T) {
	now := time.Unix(1000, 0)
	b := connector.Breaker{Threshold: 3, First: time.Second, Longest: 5 * time.Second}
	for i := range 3 {
		if got := b.Allow(now); got != connector.Everything {
			t.Fatalf("before failure %d: %v", i+1, got)
		}
		b.Failed(now)
	}
	for _, wait := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 5 * time.Second, 5 * time.Second} {
		if got := b.Allow(now.Add(wait - 1)); got != connector.Refused {
			t.Errorf("just before %s: %v", wait, got)
		}
		now = now.Add(wait)
		if got := b.Allow(now); got != connector.Probing {
			t.Errorf("after %s: %v", wait, got)
		}
		b.Failed(now)
	}
	now = now.Add(5 * time.Second)
	b.Probed()
	if got := b.Allow(now); got != connector.Single {
		t.Errorf("after a probe: %v", got)
	}
	if !b.Answered() || b.Allow(now) != connector.Everything {
		t.Error("an answer does not close it")
	}
}

// slow is a connector whose calls take a second, and each of which is two requests.
type slow struct {
	*connectortest.Memory
	under, most atomic.Int64
	requests    atomic.Int64
	fail        atomic.Pointer[connector.Fault]
}

func (s *slow) Probe(ctx context.Context) (connector.Metadata, error) {
	s.most.Store(max(s.most.Load(), s.under.Add(1)))
	defer s.under.Add(-1)
	for range 2 {
		if err := connector.Pace(ctx); err != nil {
			return connector.Metadata{}, err
		}
		s.requests.Add(1)
	}
	time.Sleep(time.Second)
	return connector.Metadata{}, nil
}

func (s *slow) Changes(context.Context, connector.Cursor) (connector.Changes, error) {
	if f := s.fail.Load(); f != nil {
		return connector.Changes{}, f
	}
	return connector.Changes{}, nil
}

// Two connectors that share an account share its rate and its places.
//
// Shows: A2
func TestAccountIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &connector.Account{Name: "erp", Limits: connector.Limits{Calls: 10, Per: time.Minute, Parallel: 2}}
		one, two := &slow{Memory: &connectortest.Memory{}}, &slow{Memory: &connectortest.Memory{}}
		began := time.Now()
		var group sync.WaitGroup
		for i := range 12 {
			c := connector.Govern([]connector.Connector{one, two}[i%2], a)
			group.Go(func() {
				if _, err := c.Probe(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		if n := a.Stats().UnderWay; n != 2 {
			t.Errorf("%d calls under way, want 2", n)
		}
		group.Wait()
		// 24 requests, ten within any minute: the last four have to wait for two minutes.
		if took := time.Since(began); took < 2*time.Minute || took > 2*time.Minute+10*time.Second {
			t.Errorf("24 requests took %s at ten a minute", took)
		}
		if n := one.requests.Load() + two.requests.Load(); n != 24 {
			t.Errorf("%d requests", n)
		}
		// What cannot begin in time is not begun, and says so.
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for range 20 {
			if _, err := connector.Govern(one, a).Probe(ctx); err != nil {
				var f *connector.Fault
				if !errors.As(err, &f) || f.Code != "target_resting" || f.Unknown {
					t.Errorf("%v", err)
				}
				return
			}
		}
		t.Error("twenty calls more within a second")
	})
}

// What one flow hears all flows of the account know: a target that asks for patience, or does not answer, is left alone by all.
//
// Shows: A2, A3
func TestAccountHearsForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &connector.Account{Name: "erp"}
		target := &slow{Memory: &connectortest.Memory{}}
		c := connector.Govern(target, a)
		target.fail.Store(&connector.Fault{Class: 1, Code: "busy", RetryAfter: 30 * time.Second})
		if _, err := c.Changes(t.Context(), nil); err == nil {
			t.Fatal("no fault")
		}
		target.fail.Store(nil)
		if a.Allow() != connector.Refused {
			t.Error("a sender may go on although the target asked for patience")
		}
		_, err := c.Changes(t.Context(), nil)
		var f *connector.Fault
		if !errors.As(err, &f) || f.Code != "target_resting" || f.RetryAfter != 30*time.Second {
			t.Errorf("%v", err)
		}
		time.Sleep(30 * time.Second)
		if _, err := c.Changes(t.Context(), nil); err != nil || a.Allow() != connector.Everything {
			t.Errorf("after its time: %v, %v", err, a.Allow())
		}
		for range 3 {
			a.Heard(errors.New("connection refused")) // a sender's postings
		}
		if _, err := c.Changes(t.Context(), nil); err == nil {
			t.Error("changes are asked for while the target is left alone")
		}
		if a.Stats().Refused != 2 {
			t.Errorf("%+v", a.Stats())
		}
	})
}

// What was not asked says nothing about the target: our own slowness does not leave a healthy system alone.
func TestWhatWasNotAskedIsNoFailureOfTheTarget(t *testing.T) {
	a := &connector.Account{Name: "erp"}
	for range 20 {
		if open, closed := a.Heard(&connector.Fault{Class: docklinev1.FaultClass_FAULT_CLASS_TECHNICAL, Code: "too_late", Text: "the lease is running out", Unasked: true}); open || closed {
			t.Fatalf("open %t, closed %t", open, closed)
		}
	}
	if got := a.Allow(); got != connector.Everything {
		t.Errorf("allowed is %v", got)
	}
	for range 20 {
		a.Heard(&connector.Fault{Class: docklinev1.FaultClass_FAULT_CLASS_TECHNICAL, Code: "connection", Text: "refused"})
	}
	if got := a.Allow(); got == connector.Everything {
		t.Error("a target that refuses twenty times is asked everything")
	}
}
