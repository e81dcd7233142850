package sweep_test

import (
	"context"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/sweep"
	"github.com/dockline/dockline/testenv"
)

// runs are those that there are, the newest first.
func (w *world) runs() (all []*sweep.Run) {
	w.t.Helper()
	w.write(func(tx *db.Tx) (err error) { all, err = sweep.List(w.t.Context(), tx, tenant, "erp", 100); return err })
	return all
}

// rest has the schedule work until nothing is left to do, and returns how many runs there are then.
func (w *world) rest(l *sweep.Schedule) int {
	w.t.Helper()
	for range 1000 {
		more, err := l.Step(w.t.Context())
		if err != nil {
			w.t.Fatal(err)
		}
		if !more {
			all := w.runs()
			for _, r := range all {
				if !r.Done() {
					w.t.Fatalf("run %d rests at %s", r.Number, r.Phase)
				}
			}
			return len(all)
		}
	}
	w.t.Fatal("the schedule does not come to rest")
	return 0
}

// A target is swept once a day when its time has come, once after it was away for long enough, and when somebody asks, also for one site; a run that
// another process left is taken up. Without a reason nothing is swept.
//
// Shows: S43
func TestSweptByScheduleAfterReturnAndOnDemand(t *testing.T) {
	w := open(t, testenv.SQLite(t), nil)
	w.post(amended("A01", "1"), receipt("RC1", "2"))
	w.erp.Edit(connector.OrderAmendment, "A01", nil)
	away := false
	hour := w.clock.Local().Add(time.Hour)
	l := &sweep.Schedule{Sweep: w.stages.Sweep, Targets: w.stages.SweepTargets(), Daily: true, At: time.Duration(hour.Hour()) * time.Hour, Away: func(*sweep.Target) bool { return away }, AwayFor: 15 * time.Minute}
	expect := func(what string, n int, why string) {
		t.Helper()
		if got := w.rest(l); got != n {
			t.Fatalf("%s: %d runs, want %d", what, got, n)
		}
		if n > 0 && w.runs()[0].Why != why {
			t.Errorf("%s: it was begun since %s, want %s", what, w.runs()[0].Why, why)
		}
	}
	expect("before its time", 0, "")
	w.clock = w.clock.Add(2 * time.Hour)
	expect("at its time", 1, sweep.Scheduled)
	w.clock = w.clock.Add(10 * time.Hour)
	expect("later that day", 1, sweep.Scheduled)
	w.clock = w.clock.Add(13 * time.Hour)
	expect("the next day", 2, sweep.Scheduled)

	away = true
	expect("away", 2, sweep.Scheduled)
	w.clock = w.clock.Add(5 * time.Minute)
	away = false
	expect("away for a moment", 2, sweep.Scheduled)
	away = true
	expect("away again", 2, sweep.Scheduled)
	w.clock = w.clock.Add(20 * time.Minute)
	away = false
	expect("back after a while", 3, sweep.Returned)
	expect("and then not again", 3, sweep.Returned)

	begin := func(site string) {
		t.Helper()
		w.write(func(tx *db.Tx) error {
			_, err := w.stages.Sweep.BeginIn(t.Context(), tx, w.target(), site, sweep.Asked)
			return err
		})
	}
	begin("dc-east")
	expect("asked for, of one site", 4, sweep.Asked)
	if r := w.runs()[0]; r.Site != "dc-east" || r.Matched != 1 {
		t.Errorf("of one site: %+v", r)
	}
	r, err := w.stages.Sweep.Begin(t.Context(), w.target(), "", sweep.Asked)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.stages.Sweep.Step(t.Context(), w.target(), r); err != nil {
		t.Fatal(err)
	}
	expect("left in the middle", 5, sweep.Asked)
	if found := w.report(w.runs()[0]); found.Missing != 1 || len(found.StillThere) != 1 {
		t.Errorf("left in the middle: %+v", found)
	}

	// The loop itself: woken, it does at once what was asked for, and ends when it is asked to.
	ctx, end := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	begin("")
	l.Wake()
	for deadline := time.Now().Add(2 * time.Minute); ; {
		if all := w.runs(); len(all) == 6 && all[0].Done() {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("what was asked for was not done: %+v", w.runs()[0])
		}
		select {
		case err := <-ended:
			t.Fatalf("the loop ended unasked: %v", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
	end()
	if err := <-ended; err != nil {
		t.Errorf("asked to end it says %v", err)
	}
	other := *w.stages.Sweep
	other.Holder = "another"
	if _, err := other.Begin(t.Context(), w.target(), "", sweep.Asked); err != nil {
		t.Errorf("it kept the target for itself: %v", err)
	}
}
