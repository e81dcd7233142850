package posting_test

import (
	"testing"
	"time"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/connector/connectortest"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/posting"
)

// A database that knows nothing of what was sent since its backup: one document was ready, one refused, one not even derived, and a
// call of the old life is still at work in the target. Nothing is sent until the settle time has passed; then all are found and none is
// made twice.
func TestARestoredDatabaseLooksBeforeItSends(t *testing.T) {
	each(t, func(w *world) {
		ready, refused, later, late := invoice("SO1", "S1"), invoice("SO2", "S2"), invoice("SO3", "S3"), invoice("SO4", "S4")
		for _, d := range []*posting.Desired{&ready, &refused, &later, &late} {
			d.Needs = nil
		}
		w.fail(func(op string, p *connector.Posting) connectortest.Failure {
			if p.Key == refused.Key && op == "create" {
				return connectortest.BadData
			}
			return connectortest.None
		})
		w.put("order/SO2", refused)
		s := w.sender("c1")
		w.quiet(s)
		w.expect(refused.Key, posting.Rejected)
		w.put("order/SO1", ready)
		// What happened in the time that is lost.
		w.fail(nil)
		apply := func(d posting.Desired) {
			if _, err := w.target.Apply(w.t.Context(), &connector.Posting{Tenant: tenant, Kind: d.Kind, Key: d.Key, SourceVersion: d.SourceVersion, Document: d.Document}); err != nil {
				w.t.Fatal(err)
			}
		}
		for _, d := range []posting.Desired{ready, refused, later} {
			apply(d)
		}
		w.write(func(tx *db.Tx) error {
			if _, err := tx.NewIncarnation(w.t.Context(), w.clock.Now()); err != nil {
				return err
			}
			return posting.Restored(w.t.Context(), tx, w.clock.Now())
		})
		w.put("order/SO3", later)
		w.put("order/SO4", late)
		before := s.Stats().Sent
		w.pass(s, settleTime-2*time.Second)
		if sent := s.Stats().Sent; sent != before {
			w.t.Errorf("%d postings were sent within the settle time", sent-before)
		}
		apply(late)
		w.pass(s, 10*time.Second)
		for _, d := range []posting.Desired{ready, refused, later, late} {
			w.expect(d.Key, posting.Confirmed)
			w.effects(d.Kind, d.Key, 1)
		}
		if open := w.exceptions(); len(open) != 0 {
			w.t.Errorf("exceptions %v", open)
		}
	})
}

// A statement of the time that the database has lost stands at the target with a version that nothing here knows. What is stated since is newer.
func TestAStatementOfTheLostTimeIsOvertaken(t *testing.T) {
	each(t, func(w *world) {
		s := w.sender("c1")
		w.put("order/SO1", status("SO1", "picking", 4))
		w.quiet(s)
		if _, err := w.target.Apply(t.Context(), &connector.Posting{Tenant: tenant, Kind: connector.OrderStatus, Key: "SO1", SourceVersion: 9, Document: status("SO1", "shipped", 9).Document}); err != nil {
			t.Fatal(err)
		}
		w.write(func(tx *db.Tx) error {
			_, err := tx.NewIncarnation(t.Context(), w.clock.Now())
			return err
		})
		w.put("order/SO1", status("SO1", "closed", 5))
		w.put("order/SO2", status("SO2", "closed", 5))
		w.pass(s, settleTime+10*time.Second)
		if got := w.target.Document(connector.OrderStatus, "SO1").GetOrderStatus().GetStatus(); got != "closed" {
			t.Errorf("the target shows %q", got)
		}
		for _, key := range []string{"SO1", "SO2"} {
			if e := w.expect(key, posting.Confirmed); e.SourceVersion < w.clock.Now().Add(-time.Hour).UnixMilli() {
				t.Errorf("%s was stated with version %d", key, e.SourceVersion)
			}
		}
	})
}

// A status is stated after the database was put back, and nobody knows that it was: its target has a newer version, keeps it and says so. It
// is stated once more, above that. So it is where the answer was lost and the status is read back.
func TestAStatementThatWasOvertakenIsMadeAgain(t *testing.T) {
	each(t, func(w *world) {
		for order, version := range map[string]int64{"SO1": 9, "SO2": 4, "SO3": 9} {
			was := &connector.Posting{Tenant: tenant, Kind: connector.OrderStatus, Key: order, SourceVersion: version, Document: status(order, "shipped", version).Document}
			if _, err := w.target.Apply(t.Context(), was); err != nil {
				t.Fatal(err)
			}
			w.put("order/"+order, status(order, "picking", 4))
		}
		lost := false
		w.fail(func(op string, p *connector.Posting) connectortest.Failure {
			if p.Key == "SO3" && op == "restate" && !lost {
				lost = true
				return connectortest.Lost
			}
			return connectortest.None
		})
		w.pass(w.sender("c1"), settleTime+time.Minute)
		for _, order := range []string{"SO1", "SO2", "SO3"} {
			e := w.expect(order, posting.Confirmed)
			if got := w.target.Document(connector.OrderStatus, order).GetOrderStatus().GetStatus(); got != "picking" {
				t.Errorf("the target shows %s as %q", order, got)
			}
			if e.SourceVersion > 10 {
				t.Errorf("%s was stated with version %d", order, e.SourceVersion)
			}
		}
		if !lost {
			t.Error("no answer was lost")
		}
	})
}

// What the target was told in the lost time may never be told here again: what it showed before is stated once more.
func TestAStatementOfTheLostTimeIsTakenBack(t *testing.T) {
	each(t, func(w *world) {
		s := w.sender("c1")
		w.put("order/SO1", status("SO1", "picking", 4))
		w.quiet(s)
		if _, err := w.target.Apply(t.Context(), &connector.Posting{Tenant: tenant, Kind: connector.OrderStatus, Key: "SO1", SourceVersion: 9, Document: status("SO1", "shipped", 9).Document}); err != nil {
			t.Fatal(err)
		}
		w.write(func(tx *db.Tx) error {
			if _, err := tx.NewIncarnation(t.Context(), w.clock.Now()); err != nil {
				return err
			}
			return posting.Restored(t.Context(), tx, w.clock.Now())
		})
		w.pass(s, settleTime+10*time.Second)
		w.expect("SO1", posting.Confirmed)
		if got := w.target.Document(connector.OrderStatus, "SO1").GetOrderStatus().GetStatus(); got != "picking" {
			t.Errorf("the target shows %q", got)
		}
	})
}
