package posting_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/connector/connectortest"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/exception"
	"github.com/dockline/dockline/collector/notice"
	"github.com/dockline/dockline/collector/policy"
	"github.com/dockline/dockline/collector/posting"
	"github.com/dockline/dockline/testenv"
)

// putMany wants an invoice of each of the orders from first to n, in few transactions.
func putMany(t *testing.T, d *db.DB, target string, first, n int, now time.Time) {
	t.Helper()
	const portion = 500
	for from := first; from < n; from += portion {
		err := d.Write(t.Context(), func(tx *db.Tx) error {
			var keys []posting.FoldKey
			for i := from; i < min(n, from+portion); i++ {
				keys = append(keys, posting.FoldKey{Tenant: tenant, Key: target + "/order/" + number(i)})
			}
			b, err := posting.Load(t.Context(), tx, keys, now)
			if err != nil {
				return err
			}
			for i, key := range keys {
				invoice := shipped(number(from+i), "S1", 4, 9)[1]
				invoice.Target, invoice.Needs = target, nil
				if err := b.Put(key, "v1", []posting.Desired{invoice}); err != nil {
					return err
				}
			}
			_, err = b.Write(t.Context(), tx)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func number(i int) string { return fmt.Sprintf("SO%06d", i) }

// states counts the postings of a target by state.
func states(t *testing.T, d *db.DB, target string) map[posting.State]int64 {
	t.Helper()
	out := map[posting.State]int64{}
	err := d.Read(context.WithoutCancel(t.Context()), func(tx *db.Tx) error {
		counts, err := posting.Counts(t.Context(), tx, tenant)
		for _, c := range counts {
			if c.Target == target {
				out[c.State] += c.N
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestPoisonIsolated: of 10,000 orders one is refused, and it holds up nobody; a target that is down for an hour holds up no other and comes back
// by itself; thousands of equal failures are one group of exceptions, of which people get one notice.
//
// Shows: S44, A3
func TestPoisonIsolated(t *testing.T) {
	t.Run("one bad order among many", oneBadOrder)
	t.Run("a target down for an hour", downForAnHour)
	t.Run("many equal failures", manyEqualFailures)
}

// target is a system in memory with a sender of its own.
type target struct {
	*connectortest.Memory
	*posting.Sender
	// down has every call fail before it is heard.
	down bool
	// poisoned is the key that is refused.
	poisoned string
}

func newTarget(d *db.DB, c *clock, name string) *target {
	x := &target{Memory: &connectortest.Memory{Settle: 20 * time.Second, Now: c.Now}}
	x.Fail = func(op string, p *connector.Posting) connectortest.Failure {
		switch {
		case x.down:
			return connectortest.Before
		case op == "create" && p.Key == x.poisoned:
			return connectortest.BadData
		}
		return connectortest.None
	}
	x.Sender = &posting.Sender{DB: d, Target: name, Connector: x.Memory, Holder: "c1", Now: c.Now, Parallel: 16}
	return x
}

// rest steps until there is nothing to do at this time.
func (x *target) rest(t *testing.T) {
	t.Helper()
	for {
		done, err := x.Step(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if done == 0 {
			return
		}
	}
}

func oneBadOrder(t *testing.T) {
	n := testenv.Count("posting.poison-orders")
	d := testenv.SQLite(t)
	c := &clock{now: time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)}
	d.Now = c.Now
	x := newTarget(d, c, "erp")
	x.poisoned = shipped(number(n/3), "S1", 4, 9)[0].Key
	putMany(t, d, "erp", 0, n, c.now)
	x.rest(t)
	if got := states(t, d, "erp"); got[posting.Confirmed] != int64(n-1) || got[posting.Rejected] != 1 {
		t.Errorf("%v, want one refused and all others confirmed", got)
	}
	if made := len(x.Keys(connector.InvoiceTrigger)); made != n-1 {
		t.Errorf("%d documents, want %d", made, n-1)
	}
}

func downForAnHour(t *testing.T) {
	d := testenv.SQLite(t)
	c := &clock{now: time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)}
	d.Now = c.Now
	erp, crm := newTarget(d, c, "erp"), newTarget(d, c, "crm")
	erp.down = true
	const minutes, each = 60, 5
	for minute := range minutes {
		from := minute * each
		putMany(t, d, "erp", from, from+each, c.now)
		putMany(t, d, "crm", from, from+each, c.now)
		crm.rest(t)
		if got := states(t, d, "crm"); got[posting.Confirmed] != int64(from+each) {
			t.Fatalf("minute %d: the other target is held up: %v", minute, got)
		}
		for range 12 {
			erp.rest(t)
			c.now = c.now.Add(5 * time.Second)
		}
	}
	if got := states(t, d, "erp"); got[posting.Ready]+got[posting.Planned] != minutes*each {
		t.Errorf("after an hour: %v, want all of them waiting", got)
	}
	tried := int64(0)
	err := d.Read(t.Context(), func(tx *db.Tx) error {
		list, err := posting.List(t.Context(), tx, posting.Filter{Tenant: tenant, Target: "erp", Limit: minutes * each})
		for _, e := range list {
			tried += e.Attempts
		}
		return err
	})
	if err != nil || tried > 50 {
		t.Errorf("%d calls with postings in an hour in which nobody answered (%v): probes are enough", tried, err)
	}
	erp.down = false
	for range 12 { // the longest pause of a target is 5 s
		erp.rest(t)
		c.now = c.now.Add(time.Second)
	}
	if got := states(t, d, "erp"); got[posting.Confirmed] != minutes*each {
		t.Errorf("twelve seconds after it answers again: %v, want all confirmed", got)
	}
}

// manyEqualFailures has a target refuse everything for the same reason.
func manyEqualFailures(t *testing.T) {
	n := testenv.Count("posting.equal-failures")
	d := testenv.SQLite(t)
	c := &clock{now: time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)}
	d.Now = c.Now
	x := newTarget(d, c, "erp")
	x.Fail = func(op string, p *connector.Posting) connectortest.Failure {
		if op == "create" {
			return connectortest.BadData
		}
		return connectortest.None
	}
	p := policy.Default()
	x.Cases = func(ctx context.Context, tx *db.Tx, tenant, origin string, cases []posting.Case) ([]string, error) {
		var desired []exception.Desired
		for _, k := range cases {
			desired = append(desired, exception.Desired{Code: k.Code, Subject: k.Subject, Class: k.Class, Severity: k.Severity, Title: k.Title, Text: k.Text, Team: "master data",
				Target: "erp", Site: k.Site, Order: k.Order, EventIDs: k.EventIDs})
		}
		synced, err := exception.Sync(ctx, tx, tenant, origin, desired, c.now)
		return synced.Events, err
	}
	people := &exception.Escalator{DB: d, Policy: func() *policy.Policy { return p }, Holder: "c1", Now: c.Now,
		Tell: func(ctx context.Context, tx *db.Tx, told []exception.Told, now time.Time) error {
			items := make([]notice.Item, len(told))
			for i, k := range told {
				items[i] = notice.Item{Tenant: k.Exception.Tenant, Kind: k.Kind, Level: k.Level, Group: k.Exception.Group, Team: k.Team, Person: k.Person,
					Number: k.Exception.Number, Severity: k.Exception.Severity, Title: k.Exception.Title}
			}
			return notice.Put(ctx, tx, items, notice.Times{Hold: time.Minute, Window: time.Hour}, now)
		}}
	putMany(t, d, "erp", 0, n, c.now)
	x.rest(t)
	for {
		done, err := people.Step(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if done == 0 {
			break
		}
	}
	var groups []exception.Group
	var notices []notice.Notice
	err := d.Read(t.Context(), func(tx *db.Tx) (err error) {
		if groups, err = exception.Groups(t.Context(), tx, tenant, exception.Filter{}); err != nil {
			return err
		}
		notices, err = notice.List(t.Context(), tx, tenant, notice.Filter{})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(groups) != 1 || groups[0].N != int64(n) {
		t.Errorf("groups: %+v, want one of %d", groups, n)
	}
	if len(notices) != 1 || notices[0].N != int64(n) {
		t.Errorf("%d notices, want one of %d: %+v", len(notices), n, notices)
	}
	t.Logf("%d failures, %d group, %d notice", n, len(groups), len(notices))
}
