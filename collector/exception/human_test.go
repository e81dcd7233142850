package exception_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/audit"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/exception"
	"github.com/dockline/dockline/collector/people"
	"github.com/dockline/dockline/testenv"
)

// What people say about an exception is still there when its finder speaks again.
//
// Shows: S21, S65
func TestWhatPeopleSaidStays(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		o := newOffice(t, d, "continue", dock, "2026-11-24 09:00")
		number := o.open(lacking("e1"))
		o.must(number, "assign", "person=ines", "team=managers")
		o.must(number, "start")
		o.must(number, "comment")
		o.now = o.now.Add(time.Minute)
		changed := lacking("e1", "e2")
		changed.Text = "3 of 5 are missing"
		o.open(changed)
		e := get(t, d, number)
		if e.State != exception.Working || e.Assignee != "ines" || e.Team != "managers" || e.RuleTeam != "operations" || e.Text != "3 of 5 are missing" || !slices.Equal(e.EventIDs, []string{"e1", "e2"}) {
			t.Errorf("after its finder spoke: %+v", e)
		}
		o.notes(number, "act", "act", "comment")
		o.open()
		o.open(lacking("e1"))
		if e = get(t, d, number); e.State != exception.Open || e.Assignee != "ines" || e.Team != "operations" || e.Times != 2 {
			t.Errorf("back after it was gone: %+v", e)
		}
		o.must(number, "assign", "person=none")
		if e = get(t, d, number); e.Assignee != "" {
			t.Errorf("given to nobody: %+v", e)
		}
		if _, err := o.act(number, "assign", "team=no-such-team"); !errors.Is(err, exception.ErrIncorrect) {
			t.Errorf("given to a team that there is not: %v", err)
		}
	})
}

func TestAWaiverHoldsWhileNothingChanges(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		o := newOffice(t, d, "continue", dock, "2026-11-24 09:00")
		number := o.open(lacking("e1"))
		o.must(number, "waive")
		o.open(lacking("e1"))
		o.until("2026-11-24 17:00")
		if e := get(t, d, number); e.State != exception.Resolved || e.Closed != exception.Waived || e.ClosedBy != "otto" || !e.Caused {
			t.Errorf("waived: %+v", e)
		}
		o.want()
		changed := lacking("e1")
		changed.Text = "all 5 are missing"
		o.open(changed)
		if e := get(t, d, number); e.State != exception.Reopened || e.Closed != "" || !e.DueAt.After(o.now) {
			t.Errorf("it has become another one: %+v", e)
		}
		o.must(number, "waive")
		o.open()
		if e := get(t, d, number); e.State != exception.Resolved || e.Closed != exception.Waived || e.Caused {
			t.Errorf("its cause is gone: %+v", e)
		}
		if _, err := o.act(number, "reopen"); !errors.Is(err, exception.ErrNotNow) {
			t.Errorf("opened without a cause: %v", err)
		}
		other := lacking()
		other.Code = "over_shipped"
		number = o.open(other)
		if _, err := o.act(number, "waive"); !errors.Is(err, exception.ErrNotNow) || !strings.Contains(err.Error(), "owners.yaml") {
			t.Errorf("a waiver that policy forbids: %v", err)
		}
	})
}

// Shows: S65, S68, A15
func TestWhoMayActAndWhatIsRecorded(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		o := newOffice(t, d, "continue", dock, "2026-11-24 09:00")
		ctx, number := t.Context(), o.open(lacking())
		err := d.Write(ctx, func(tx *db.Tx) error {
			by := people.Change{Tenant: tenant, By: "ines", Now: o.now}
			return errors.Join(by.Add(ctx, tx, people.User{Name: "ines"}), by.Add(ctx, tx, people.User{Name: "otto", Roles: []string{"viewer"}}))
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := o.act(number, "acknowledge"); !errors.Is(err, people.ErrNotAllowed) || !strings.Contains(err.Error(), "exception.act") {
			t.Errorf("a viewer acted: %v", err)
		}
		if e := get(t, d, number); e.State != exception.Open {
			t.Errorf("and it is %s", e.State)
		}
		err = d.Write(ctx, func(tx *db.Tx) error {
			return people.Change{Tenant: tenant, By: "ines", Now: o.now}.Grant(ctx, tx, "otto", []string{"clerk"}, nil)
		})
		if err != nil {
			t.Fatal(err)
		}
		o.must(number, "snooze", "until=36h")
		for action, want := range map[string]error{"fly": exception.ErrNoAction, "reopen": exception.ErrNotNow} {
			if _, err := o.act(number, action); !errors.Is(err, want) || !exception.IsRefusal(err) {
				t.Errorf("%s: %v", action, err)
			}
		}
		if _, err := o.act(number, "snooze", "until=yesterday"); !errors.Is(err, exception.ErrIncorrect) {
			t.Errorf("until yesterday: %v", err)
		}
		if _, err := o.act(number, "resolve", "quantity=5"); !errors.Is(err, exception.ErrIncorrect) || !strings.Contains(err.Error(), "quantity") {
			t.Errorf("a value that it does not take: %v", err)
		}
		err = d.Read(ctx, func(tx *db.Tx) error {
			acts, err := audit.List(ctx, tx, tenant, audit.Filter{Object: "exception/" + strings.TrimPrefix(get(t, d, number).Key(), "exception/")})
			if err != nil || len(acts) != 1 || acts[0].By != "otto" || acts[0].Action != "exception.snooze" || acts[0].Reason != "the forklift is back" || !strings.Contains(string(acts[0].Detail), "36h") {
				t.Errorf("recorded %+v, %v", acts, err)
			}
			_, err = audit.Verify(ctx, tx, tenant)
			return err
		})
		if err != nil {
			t.Error(err)
		}
		o.offers(number, "acknowledge start assign comment snooze resolve waive -reopen")
	})
}

// offers are the actions of an exception, with a dash before those that cannot be done now.
func (o *office) offers(number uint64, want string) {
	o.t.Helper()
	var names []string
	err := o.d.Read(o.t.Context(), func(tx *db.Tx) error {
		e, err := exception.Get(o.t.Context(), tx, tenant, number)
		if err != nil {
			return err
		}
		for _, offer := range (&exception.Human{Policy: o.policy}).Actions().Offers(o.t.Context(), tx, e) {
			if offer.Not != "" {
				offer.Name = "-" + offer.Name
			}
			names = append(names, offer.Name)
		}
		return nil
	})
	if err != nil {
		o.t.Fatal(err)
	}
	if got := strings.Join(names, " "); got != want {
		o.t.Errorf("can be done: %s, want %s", got, want)
	}
}

// Shows: S21, S64
func TestNoneIsWithoutClassTeamAndDueTime(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		now := morning
		number := syncAt(t, d, "somewhere", now, exception.Desired{Code: "x", Subject: "y"}).Numbers[0]
		if e := get(t, d, number); e.Class == 0 || e.Team == "" || !e.DueAt.Equal(now.Add(exception.DefaultDue)) || e.Severity == 0 {
			t.Errorf("%+v", e)
		}
	})
}

func TestEqualFailuresAreOneGroup(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		var desired []exception.Desired
		for i := range 60 {
			e := short()
			e.Code, e.Target, e.Team, e.Subject, e.Order, e.Customer = "timeout", "erp", "it", strings.Repeat("x", i+1), "SO"+strings.Repeat("1", 1+i/2), "C1"
			if i%20 == 19 {
				e.Target = "crm"
			}
			desired = append(desired, e)
		}
		syncAt(t, d, "posting/erp", morning, desired...)
		err := d.Read(t.Context(), func(tx *db.Tx) error {
			groups, err := exception.Groups(t.Context(), tx, tenant, exception.Filter{Code: "timeout"})
			if err != nil || len(groups) != 2 || groups[0].Key != "timeout/it/erp" || groups[0].N != 57 || groups[0].Customers != 1 || groups[0].Orders != 30 || groups[0].Title != "Short pick" || groups[1].N != 3 {
				t.Errorf("%+v, %v", groups, err)
			}
			of, err := exception.List(t.Context(), tx, tenant, exception.Filter{Group: "timeout/it/crm"})
			if len(of) != 3 {
				t.Errorf("of the group: %d", len(of))
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
}
