package connector_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/connector/connectortest"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/eventlog"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
	"github.com/dockline/dockline/testenv"
)

// target is a system of record in memory with an intake in front of it, wired to the real event log as the collector does.
type target struct {
	*connectortest.Memory
	db     *db.DB
	intake *connector.Intake
	// broken fails the append, after the log has taken the events.
	broken error
}

func newTarget(d *db.DB) *target {
	t := &target{Memory: &connectortest.Memory{}, db: d}
	t.intake = t.newIntake()
	return t
}

func (t *target) newIntake() *connector.Intake {
	log := &eventlog.Log{DB: t.db, Keys: func(e *docklinev1.Event) []eventlog.Touch {
		if e.GetOrder() == nil {
			return nil
		}
		return []eventlog.Touch{{Key: event.OrderKey(e.GetOrder().GetNumber()), Event: e}}
	}}
	return &connector.Intake{DB: t.db, Connector: t.Memory, Name: "erp", Tenant: "main",
		Append: func(ctx context.Context, tx *db.Tx, events []*docklinev1.Event) error {
			recorded := make([]eventlog.Recorded, len(events))
			for i, e := range events {
				recorded[i].Event = e
			}
			_, err := log.Append(ctx, tx, recorded)
			return errors.Join(err, t.broken)
		},
		Sites: func(context.Context) ([]string, error) { return []string{"dc-east"}, nil },
	}
}

func accepted(n int) *docklinev1.Event {
	number := fmt.Sprintf("SO%03d", n)
	return &docklinev1.Event{Kind: docklinev1.EventKind_EVENT_KIND_ORDER_ACCEPTED, Subject: number, SourceKey: "sale/" + number, SourceRevision: "1",
		OccurredAt: timestamppb.New(time.Date(2026, 3, 2, 8, n, 0, 0, time.UTC)),
		Payload: &docklinev1.Event_Order{Order: &docklinev1.Order{Number: number, Site: "dc-east", Customer: "C1",
			Lines: []*docklinev1.Line{{Order: number, OrderLine: "10", Item: "SKU-1", Quantity: &docklinev1.Quantity{Value: "3"}}}}}}
}

func (t *target) step(test *testing.T, want int) {
	test.Helper()
	if n, err := t.intake.Step(test.Context()); err != nil || n != want {
		test.Fatalf("step: %d events, %v; want %d", n, err, want)
	}
}

// logged reads the event log: what is in force, in the order of its arrival.
func (t *target) logged(test *testing.T) []*docklinev1.Event {
	test.Helper()
	var events []*docklinev1.Event
	err := t.db.Read(test.Context(), func(tx *db.Tx) error {
		events = nil
		rows, err := tx.Query(test.Context(), "SELECT body, variant FROM event ORDER BY log_id")
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var body []byte
			var variant int64
			if err := rows.Scan(&body, &variant); err != nil {
				return err
			}
			if variant != 0 {
				test.Error("a fact of the centre has two bodies")
			}
			e := &docklinev1.Event{}
			if err := proto.Unmarshal(body, e); err != nil {
				return err
			}
			events = append(events, e)
		}
		return rows.Err()
	})
	if err != nil {
		test.Fatal(err)
	}
	return events
}

// The book of the site comes first and once; then each change once, as an event of the centre with its id, and with the
// correlation id that everything of the order will share.
func TestIntakeTakesEachFactOnce(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		target := newTarget(d)
		target.Book("dc-east", "SKU-1", "120")
		for n := range 5 {
			target.Happen(accepted(n))
		}
		target.step(t, 6)
		target.step(t, 0)
		target.Book("dc-east", "SKU-1", "90")
		target.Happen(accepted(5))
		target.intake = target.newIntake() // a restart knows nothing but the database
		target.step(t, 1)
		events := target.logged(t)
		if len(events) != 7 {
			t.Fatalf("%d events, want 7", len(events))
		}
		stock := events[0].GetStockSnapshot()
		if stock.GetSite() != "dc-east" || stock.GetLines()[0].GetQuantity().GetValue() != "120" {
			t.Errorf("the first event is %v, want the opening book", events[0])
		}
		for n, e := range events[1:] {
			id := event.ID(event.Cause{Tenant: "main", Source: "erp", SourceKey: e.SourceKey, Revision: "1", Kind: "order.accepted"})
			trace := event.CorrelationID("main", e.Subject)
			if e.Id != id || e.Tenant != "main" || e.Source != "erp" || e.Site != "" || e.Subject != fmt.Sprintf("SO%03d", n) ||
				e.CorrelationId != trace || !strings.Contains(e.Traceparent, trace) || e.CapturedAt == nil {
				t.Errorf("event %d: %v", n, e)
			}
		}
	})
}

// A transaction that fails leaves neither events nor a cursor behind; the next step takes all of it.
func TestIntakeCommitsEventsWithCursor(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		target := newTarget(d)
		target.Book("dc-east", "SKU-1", "120")
		target.Happen(accepted(0))
		target.broken = errors.New("the disk is full")
		if _, err := target.intake.Step(t.Context()); !errors.Is(err, target.broken) {
			t.Fatalf("step: %v", err)
		}
		if events := target.logged(t); len(events) != 0 {
			t.Errorf("%d events of a failed transaction", len(events))
		}
		if stats := target.intake.Stats(); stats.Fault == "" || stats.FaultSince.IsZero() {
			t.Errorf("stats %+v", stats)
		}
		target.broken = nil
		target.step(t, 2)
		if stats := target.intake.Stats(); stats.Fault != "" || stats.Events != 2 {
			t.Errorf("stats %+v", stats)
		}
	})
}

// Two collectors poll the same system: nothing is taken twice and the cursor never goes back.
func TestTwoIntakes(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		target := newTarget(d)
		target.Book("dc-east", "SKU-1", "120")
		for n := range 20 {
			target.Happen(accepted(n))
		}
		done := make(chan error)
		for range 2 {
			intake := target.newIntake()
			go func() {
				_, err := intake.Step(t.Context())
				done <- err
			}()
		}
		if err := errors.Join(<-done, <-done); err != nil {
			t.Fatal(err)
		}
		if events := target.logged(t); len(events) != 21 {
			t.Errorf("%d events, want 21", len(events))
		}
		target.step(t, 0)
	})
}

// While the book of a site cannot be read no order is taken; a site that the system does not know holds nobody up.
func TestOpeningBeforeOrders(t *testing.T) {
	d := testenv.SQLite(t)
	target := newTarget(d)
	target.Happen(accepted(0))
	fails := true
	target.intake.Connector = snapshotFails{target.Memory, &fails}
	if _, err := target.intake.Step(t.Context()); err == nil {
		t.Fatal("a step without a book")
	}
	if events := target.logged(t); len(events) != 0 {
		t.Fatalf("%d events before the book", len(events))
	}
	fails = false
	target.step(t, 1) // the system does not know dc-east
	now := time.Now()
	target.intake.Now = func() time.Time { return now }
	target.Book("dc-east", "SKU-1", "7")
	target.step(t, 0)
	now = now.Add(2 * time.Minute)
	target.step(t, 1)
}

type snapshotFails struct {
	*connectortest.Memory
	fails *bool
}

func (s snapshotFails) Snapshot(ctx context.Context, scope connector.Scope) ([]*docklinev1.Event, error) {
	if *s.fails {
		return nil, &connector.Fault{Class: docklinev1.FaultClass_FAULT_CLASS_TECHNICAL, Code: "timeout", Text: "no answer"}
	}
	return s.Memory.Snapshot(ctx, scope)
}

// The opening book may take longer than one call of Changes.
func TestTheOpeningBookHasItsOwnTime(t *testing.T) {
	target := newTarget(testenv.SQLite(t))
	target.intake.Timeout, target.intake.SnapshotTimeout = time.Second, time.Hour
	target.Book("dc-east", "SKU-1", "7")
	slow := &timed{Memory: target.Memory}
	target.intake.Connector = slow
	target.step(t, 1)
	if slow.snapshot < 50*time.Minute || slow.changes > time.Second {
		t.Errorf("%s for the book, %s for the changes", slow.snapshot, slow.changes)
	}
}

// timed notes how long its calls may take.
type timed struct {
	*connectortest.Memory
	snapshot, changes time.Duration
}

func (s *timed) Snapshot(ctx context.Context, scope connector.Scope) ([]*docklinev1.Event, error) {
	until, _ := ctx.Deadline()
	s.snapshot = time.Until(until)
	return s.Memory.Snapshot(ctx, scope)
}

func (s *timed) Changes(ctx context.Context, since connector.Cursor) (connector.Changes, error) {
	until, _ := ctx.Deadline()
	s.changes = time.Until(until)
	return s.Memory.Changes(ctx, since)
}

// A fact that is not valid is kept as refused and holds up nothing; of a book only the wrong lines are refused, however large it is.
func TestIntakeKeepsWhatItRefuses(t *testing.T) {
	d := testenv.SQLite(t)
	target := newTarget(d)
	for n := range 9000 {
		target.Book("dc-east", fmt.Sprintf("an item code of a length that real systems have %d", n), "1")
	}
	target.Book("dc-east", "SKU-bad", "1,5")
	bad := accepted(0)
	bad.GetOrder().Lines[0].Quantity.Value = "three"
	target.Happen(bad)
	target.Happen(accepted(1))
	target.step(t, 4)
	events := target.logged(t)
	if lines := events[0].GetStockSnapshot().GetLines(); len(lines) != 9000 {
		t.Errorf("the book has %d lines", len(lines))
	}
	if letter := events[1].GetDeadLetter(); letter.GetCode() != "quantity_format" || !strings.Contains(letter.GetText(), "SKU-bad") {
		t.Errorf("the wrong line: %v", events[1])
	}
	letter := events[2].GetDeadLetter()
	kept := &docklinev1.Event{}
	if err := proto.Unmarshal(letter.GetRefusedEvent(), kept); err != nil || kept.GetOrder().GetNumber() != "SO000" || letter.Class != docklinev1.FaultClass_FAULT_CLASS_DATA {
		t.Errorf("the refused order: %v, %v", events[2], err)
	}
	if events[3].Subject != "SO001" {
		t.Errorf("behind it: %v", events[3])
	}
	for _, e := range events[1:] {
		if f := event.Validate(e); f != nil {
			t.Errorf("%v: %v", e, f)
		}
	}
}

// Run polls until it is stopped.
func TestIntakeRun(t *testing.T) {
	d := testenv.SQLite(t)
	target := newTarget(d)
	target.intake.Poll = time.Millisecond
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- target.intake.Run(ctx) }()
	target.Happen(accepted(0))
	deadline := time.After(20 * time.Second)
	for target.intake.Stats().Events == 0 {
		select {
		case <-deadline:
			t.Fatal("nothing was taken")
		case <-time.After(time.Millisecond):
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("asked to stop, it ended with %v", err)
	}
}

// again tells the same one more time whenever it is asked, and says that there is more.
type again struct {
	*connectortest.Memory
	asked int
}

func (a *again) Changes(_ context.Context, since connector.Cursor) (connector.Changes, error) {
	if a.asked++; a.asked > 100 {
		return connector.Changes{}, errors.New("asked a hundred times")
	}
	return connector.Changes{Events: []*docklinev1.Event{accepted(1)}, Cursor: since, More: true}, nil
}

// A system that says that there is more, and does not move on, is not asked without end; what it tells is taken.
func TestASystemThatDoesNotMoveOn(t *testing.T) {
	target := newTarget(testenv.SQLite(t))
	stuck := &again{Memory: target.Memory}
	target.intake.Connector, target.intake.Sites = stuck, nil
	if _, err := target.intake.Step(t.Context()); err != nil || stuck.asked != 1 {
		t.Errorf("asked %d times, %v", stuck.asked, err)
	}
	if n := len(target.logged(t)); n != 1 {
		t.Errorf("%d events", n)
	}
}
