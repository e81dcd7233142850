package retention_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/exception"
	"github.com/dockline/dockline/collector/policy"
	"github.com/dockline/dockline/collector/retention"
	. "github.com/dockline/dockline/collector/state/statetest"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv"
)

// nights are two collectors' on one database.
type nights struct {
	*world
	one, two *retention.Night
}

func (w *world) nights() *nights {
	open := func(holder string) *retention.Night {
		r := w.retention()
		r.Holder = holder
		return &retention.Night{Retention: r, At: time.Hour, For: 2 * time.Hour,
			Tenants: func(context.Context) ([]string, error) { return []string{"nobody", Tenant}, nil },
			Report: func(ctx context.Context, tx *db.Tx, tenant string, found *retention.Exception) error {
				var desired []exception.Desired
				if found != nil {
					desired = append(desired, exception.Desired{Code: found.Code, Subject: found.Subject, Title: found.Title, Text: found.Text, Class: docklinev1.FaultClass_FAULT_CLASS_TECHNICAL})
				}
				_, err := exception.Sync(ctx, tx, tenant, "retention/"+tenant, desired, w.clock)
				return err
			}}
	}
	return &nights{w, open("one"), open("two")}
}

// at sets the clock and lets both look.
func (n *nights) at(when time.Time) {
	n.t.Helper()
	n.clock = when
	for _, night := range []*retention.Night{n.one, n.two} {
		if err := night.Step(n.t.Context()); err != nil {
			n.t.Fatal(err)
		}
	}
}

// runs are the states of all runs, the oldest first.
func (n *nights) runs() (states string) {
	n.t.Helper()
	n.read(func(tx *db.Tx) error {
		list, err := retention.Runs(n.t.Context(), tx, Tenant, 100)
		states = ""
		for _, r := range list {
			states = strings.TrimSpace(string(r.State) + " " + states)
		}
		return err
	})
	return states
}

func (n *nights) want(what, runs string, orders int64) {
	n.t.Helper()
	if got := n.runs(); got != runs {
		n.t.Errorf("%s: runs %q, want %q", what, got, runs)
	}
	n.expect(what+": archived orders", orders, `SELECT COUNT(*) FROM archive_key WHERE fold_key LIKE 'order/%'`)
}

// TestArchivingAtItsHour moves the clock through nights: archiving runs once after its hour, by one of two collectors; what does not fit into the
// night goes on in the next one; a failure is on record and a case, is tried again, and closes.
//
// Shows: S78
func TestArchivingAtItsHour(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := aYear(t, d, 6)
		n := w.nights()
		midnight := w.clock.Truncate(24 * time.Hour).Add(24 * time.Hour)
		n.at(midnight.Add(-9 * time.Hour))
		n.at(midnight.Add(59 * time.Minute))
		n.want("before the hour", "", 0)
		n.at(midnight.Add(4 * time.Hour))
		n.want("after the night", "", 0)

		// The second night: its time is over after one look, each takes a group.
		n.one.Page, n.two.Page = 6, 6
		slow := func(context.Context, time.Duration) error { n.clock = n.clock.Add(41 * time.Minute); return nil }
		n.one.Rest = slow
		n.at(midnight.Add(25 * time.Hour))
		first := n.count(`SELECT COUNT(*) FROM archive_key WHERE fold_key LIKE 'order/%'`)
		if first == 0 || first == 6 {
			t.Errorf("%d of 6 orders were archived in a night that is too short for all", first)
		}
		n.want("a night that is too short", "stopped", first)
		n.at(midnight.Add(26*time.Hour + 59*time.Minute))
		n.want("later in it", "stopped", first)

		// The third: the disk is away, and back a quarter of an hour later.
		n.one.Rest = nil
		broken := errors.New("the disk is away")
		n.one.Fault = func(string) error { return broken }
		n.two.Fault = n.one.Fault
		n.at(midnight.Add(49 * time.Hour))
		n.want("with a fault", "stopped failed", first)
		n.expect("open cases", 1, `SELECT COUNT(*) FROM exception WHERE code = 'retention_failed' AND state = 'open'`)
		n.one.Fault, n.two.Fault = nil, nil
		n.at(midnight.Add(49*time.Hour + 10*time.Minute))
		n.want("too soon after it", "stopped failed", first)
		n.at(midnight.Add(49*time.Hour + 16*time.Minute))
		n.want("tried again", "stopped failed done", 6)
		n.expect("open cases", 0, `SELECT COUNT(*) FROM exception WHERE code = 'retention_failed' AND state = 'open'`)
		n.at(midnight.Add(50 * time.Hour))
		n.want("once a night", "stopped failed done", 6)

		// The fourth: it begins again from the first event.
		n.at(midnight.Add(73 * time.Hour))
		n.want("the next night", "stopped failed done done", 6)
		n.expect("acts in the collector's own name", 4, `SELECT COUNT(*) FROM audit WHERE action = 'archive.run' AND tenant = ? AND person = ?`, Tenant, policy.Self)
		n.agrees()
		if list, faults, err := n.one.Verify(t.Context(), Tenant); list == 0 || len(faults) > 0 || err != nil {
			t.Errorf("%d archives, %v, %v", list, faults, err)
		}
	})
}

// TestArchivingIsStoppedInItsNight: a collector that ends in the middle of it leaves the rest to the other one, in the same night and without a case.
func TestArchivingIsStoppedInItsNight(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		n := aYear(t, d, 6).nights()
		n.at(n.clock.Truncate(24 * time.Hour))
		n.clock = n.clock.Add(25 * time.Hour)
		ending, end := context.WithCancel(t.Context())
		n.one.Fault = func(at string) error {
			if at == "manifest" {
				end()
				return ending.Err()
			}
			return nil
		}
		if err := n.one.Step(ending); err != nil {
			t.Fatal(err)
		}
		n.want("ended in the middle", "left", 0)
		n.expect("cases", 0, `SELECT COUNT(*) FROM exception WHERE code = 'retention_failed'`)
		n.one.Fault = nil
		n.at(n.clock.Add(time.Minute))
		n.want("the other one", "left done", 6)
		n.agrees()
	})
}
