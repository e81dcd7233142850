package exception_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/exception"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv"
)

const tenant = "acme"

var morning = time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)

func short(events ...string) exception.Desired {
	return exception.Desired{Code: "short_pick", Subject: "line 2", Class: docklinev1.FaultClass_FAULT_CLASS_PROCESS, Title: "Short pick",
		Text: "2 of 5 are missing", Team: "operations", Site: "dc-east", Order: "SO1", Customer: "C1", Value: "19.9", Due: time.Hour, EventIDs: events}
}

func syncAt(t *testing.T, d *db.DB, origin string, at time.Time, desired ...exception.Desired) exception.Synced {
	t.Helper()
	var out exception.Synced
	err := d.Write(t.Context(), func(tx *db.Tx) error {
		var err error
		out, err = exception.Sync(t.Context(), tx, tenant, origin, desired, at)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func get(t *testing.T, d *db.DB, number uint64) *exception.Exception {
	t.Helper()
	var e *exception.Exception
	err := d.Read(t.Context(), func(tx *db.Tx) error {
		var err error
		e, err = exception.Get(t.Context(), tx, tenant, number)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestAnExceptionOpensChangesClosesAndComesBackUnderItsNumber(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		opened := syncAt(t, d, "fold/order/SO1", morning, short("e2", "e1", "e2"))
		if !slices.Equal(opened.Events, []string{"e1", "e2"}) {
			t.Errorf("opening concerns events %v", opened.Events)
		}
		e := get(t, d, opened.Numbers[0])
		if e.State != exception.Open || e.Value != "19.9" || e.Severity != docklinev1.Severity_SEVERITY_WARNING || !slices.Equal(e.EventIDs, []string{"e1", "e2"}) {
			t.Errorf("opened as %+v", e)
		}
		if !e.OpenedAt.Equal(morning) || !e.DueAt.Equal(morning.Add(time.Hour)) || !e.ResolvedAt.IsZero() {
			t.Errorf("opened %v, due %v, resolved %v", e.OpenedAt, e.DueAt, e.ResolvedAt)
		}

		same := syncAt(t, d, "fold/order/SO1", morning.Add(time.Minute), short("e1", "e2"))
		if len(same.Events) != 0 || same.Numbers[0] != e.Number || !get(t, d, e.Number).ChangedAt.Equal(morning) {
			t.Errorf("an unchanged exception was written: %+v", same)
		}

		changed := short("e1", "e3")
		changed.Text = "1 of 5 is missing"
		if out := syncAt(t, d, "fold/order/SO1", morning.Add(2*time.Minute), changed); !slices.Equal(out.Events, []string{"e1", "e2", "e3"}) {
			t.Errorf("the change concerns %v", out.Events)
		}
		if e = get(t, d, e.Number); e.Text != "1 of 5 is missing" || !slices.Equal(e.EventIDs, []string{"e1", "e3"}) || !e.DueAt.Equal(morning.Add(time.Hour)) {
			t.Errorf("changed to %+v", e)
		}

		if out := syncAt(t, d, "fold/order/SO1", morning.Add(3*time.Minute)); !slices.Equal(out.Events, []string{"e1", "e3"}) {
			t.Errorf("resolving concerns %v", out.Events)
		}
		if e = get(t, d, e.Number); e.State != exception.Resolved || !e.ResolvedAt.Equal(morning.Add(3*time.Minute)) {
			t.Errorf("resolved as %+v", e)
		}
		if out := syncAt(t, d, "fold/order/SO1", morning.Add(4*time.Minute)); len(out.Events) != 0 {
			t.Errorf("resolved twice: %v", out.Events)
		}

		again := syncAt(t, d, "fold/order/SO1", morning.Add(5*time.Minute), changed)
		e = get(t, d, again.Numbers[0])
		if e.Number != opened.Numbers[0] || e.State != exception.Open || !e.ResolvedAt.IsZero() || !e.DueAt.Equal(morning.Add(65*time.Minute)) {
			t.Errorf("came back as %+v", e)
		}
	})
}

func TestOriginsDoNotCloseEachOthersExceptions(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		one := syncAt(t, d, "fold/order/SO1", morning, short("e1"))
		two := syncAt(t, d, "fold/order/SO2", morning.Add(time.Second), short("e2"))
		syncAt(t, d, "fold/order/SO1", morning.Add(2*time.Second))
		var open, ofEvent []exception.Exception
		var count int64
		err := d.Read(t.Context(), func(tx *db.Tx) error {
			var err1, err2, err3 error
			open, err1 = exception.List(t.Context(), tx, tenant, exception.Filter{State: exception.Open})
			ofEvent, err2 = exception.List(t.Context(), tx, tenant, exception.Filter{EventID: "e1", Site: "dc-east", Order: "SO1", Team: "operations", Code: "short_pick"})
			count, err3 = exception.Count(t.Context(), tx, tenant)
			return errors.Join(err1, err2, err3)
		})
		if err != nil {
			t.Fatal(err)
		}
		if len(open) != 1 || open[0].Number != two.Numbers[0] || count != 1 {
			t.Errorf("open: %+v, count %d", open, count)
		}
		if len(ofEvent) != 1 || ofEvent[0].Number != one.Numbers[0] {
			t.Errorf("of e1: %+v", ofEvent)
		}
	})
}

func TestGetSaysThatThereIsNone(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		err := d.Read(context.Background(), func(tx *db.Tx) error {
			_, err := exception.Get(t.Context(), tx, tenant, 99)
			return err
		})
		if !errors.Is(err, exception.ErrAbsent) {
			t.Errorf("got %v", err)
		}
	})
}

func TestOneSubjectCannotBeDesiredTwice(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		err := d.Write(t.Context(), func(tx *db.Tx) error {
			_, err := exception.Sync(t.Context(), tx, tenant, "fold/order/SO1", []exception.Desired{short("e1"), short("e2")}, morning)
			return err
		})
		if err == nil {
			t.Error("two exceptions of one code and subject were taken")
		}
	})
}

// An ERP's error page in Latin-1, cut in the middle of a character, and a zero byte in an answer: no database may refuse the exception
// that tells of it.
func TestAForeignTextIsMadeStorable(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		e := short("e1")
		e.Title, e.Text = "M\xfcller \x00", "status 502: St\xf6rung\x00 \xe2\x82"
		number := syncAt(t, d, "intake/erp", morning, e).Numbers[0]
		if got := get(t, d, number); got.Title != "M\ufffdller " || got.Text != "status 502: St\ufffdrung \ufffd" {
			t.Errorf("kept as %q, %q", got.Title, got.Text)
		}
	})
}
