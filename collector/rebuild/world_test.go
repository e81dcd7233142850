package rebuild_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/eventlog"
	"github.com/dockline/dockline/collector/exception"
	"github.com/dockline/dockline/collector/policy"
	"github.com/dockline/dockline/collector/rebuild"
	"github.com/dockline/dockline/collector/reconcile"
	"github.com/dockline/dockline/collector/state"
	. "github.com/dockline/dockline/collector/state/statetest"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// world is a database with an event log, a worker and what compares them, and a clock that stands still until it is moved.
type world struct {
	t      *testing.T
	d      *db.DB
	log    *eventlog.Log
	worker *reconcile.Worker
	clock  time.Time
	seq    uint64
}

const targets = "targets:\n  - {name: erp, role: system_of_record}\n  - {name: crm, role: crm}\n"

func newWorld(t *testing.T, d *db.DB) *world {
	t.Helper()
	w := &world{t: t, d: d, clock: Morning.Add(time.Hour)}
	now := func() time.Time { return w.clock }
	d.Now = now // of leases
	p, err := policy.Load(fstest.MapFS{"targets.yaml": &fstest.MapFile{Data: []byte(targets)}})
	if err != nil {
		t.Fatal(err)
	}
	w.log = &eventlog.Log{DB: d, Now: now, Keys: func(e *docklinev1.Event) (touches []eventlog.Touch) {
		for _, t := range state.Keys(e, p.Mapping) {
			touches = append(touches, eventlog.Touch(t))
		}
		return touches
	}}
	w.log.Links = func(e *docklinev1.Event) (links []eventlog.Link) {
		for _, l := range state.Links(e) {
			links = append(links, eventlog.Link(l))
		}
		return links
	}
	w.worker = &reconcile.Worker{DB: d, Policy: p, Now: now, Append: w.append, DigestFrom: 4}
	return w
}

func (w *world) append(ctx context.Context, tx *db.Tx, events []*docklinev1.Event) error {
	var recorded []eventlog.Recorded
	for _, e := range events {
		recorded = append(recorded, eventlog.Recorded{Event: e})
	}
	_, err := w.log.Append(ctx, tx, recorded)
	return err
}

// tell appends events as they arrive.
func (w *world) tell(events ...*docklinev1.Event) {
	w.t.Helper()
	w.write(func(tx *db.Tx) error {
		var recorded []eventlog.Recorded
		for i, e := range events {
			r := eventlog.Recorded{Event: proto.CloneOf(e)}
			if e.GetSite() != "" {
				r.Epoch, r.EpochOrdinal, r.Seq = "e1", 1, w.seq+uint64(i)+1
			}
			recorded = append(recorded, r)
		}
		_, err := w.log.Append(w.t.Context(), tx, recorded)
		return err
	})
	w.seq += uint64(len(events))
}

func (w *world) fold() {
	w.t.Helper()
	for n := 1; n > 0; {
		var err error
		if n, err = w.worker.Step(w.t.Context()); err != nil {
			w.t.Fatal(err)
		}
		large, err := w.worker.StepLarge(w.t.Context())
		if err != nil {
			w.t.Fatal(err)
		}
		n += large
	}
}

func (w *world) write(f func(tx *db.Tx) error) {
	w.t.Helper()
	if err := w.d.Write(w.t.Context(), f); err != nil {
		w.t.Fatal(err)
	}
}

// exec changes rows behind everybody's back; it must change some.
func (w *world) exec(query string, args ...any) {
	w.t.Helper()
	w.write(func(tx *db.Tx) error {
		n, err := tx.Exec(w.t.Context(), query, args...)
		if err == nil && n == 0 {
			err = fmt.Errorf("no row was changed by %s", query)
		}
		return err
	})
}

// rebuild is another process's.
func (w *world) rebuild(holder string) *rebuild.Rebuild {
	b := collector.NewRebuild(w.d, w.log, w.worker, holder)
	b.Now = func() time.Time { return w.clock }
	b.Report = func(ctx context.Context, tx *db.Tx, key rebuild.Key, found []rebuild.Exception) error {
		var desired []exception.Desired
		for _, f := range found {
			desired = append(desired, exception.Desired{Code: f.Code, Subject: f.Subject, Title: f.Title, Text: f.Text, Class: docklinev1.FaultClass_FAULT_CLASS_TECHNICAL, Team: "it"})
		}
		_, err := exception.Sync(ctx, tx, key.Tenant, "rebuild/"+key.Key, desired, w.clock)
		return err
	}
	return b
}

// run makes a whole run, and returns it with what it found.
func (w *world) run(b *rebuild.Rebuild, kind string, scope rebuild.Key) (*rebuild.Run, []rebuild.Difference) {
	w.t.Helper()
	r, err := b.Begin(w.t.Context(), kind, scope)
	if err != nil {
		w.t.Fatal(err)
	}
	for steps := 0; !r.Done(); steps++ {
		if steps > 10_000 {
			w.t.Fatalf("%s does not end: %+v", kind, r)
		}
		if err := b.Step(w.t.Context(), r); err != nil {
			w.t.Fatal(err)
		}
	}
	found, err := b.Differences(w.t.Context(), r, 1000)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := b.End(w.t.Context(), r); err != nil {
		w.t.Fatal(err)
	}
	return r, found
}

// folding lets the process that runs it fold too.
func (w *world) folding(b *rebuild.Rebuild) *rebuild.Rebuild {
	b.Fold = func(ctx context.Context) (bool, error) {
		n, err := w.worker.Step(ctx)
		if err != nil {
			return false, err
		}
		large, err := w.worker.StepLarge(ctx)
		return n+large > 0, err
	}
	return b
}

// open are the subjects of the exceptions that are open because of a run.
func (w *world) open() (subjects []string) {
	w.t.Helper()
	err := w.d.Read(w.t.Context(), func(tx *db.Tx) error {
		subjects = nil
		list, err := exception.List(w.t.Context(), tx, Tenant, exception.Filter{})
		for _, e := range list {
			if e.Code == rebuild.CodeDiffers && e.State != exception.Resolved {
				subjects = append(subjects, e.Subject)
			}
		}
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	slices.Sort(subjects)
	return subjects
}

// dump is everything that is derived from the log, as text.
func (w *world) dump() string {
	w.t.Helper()
	var b strings.Builder
	for _, query := range []string{
		`SELECT fold_key, CAST(log_id AS TEXT), event_id || ' ' || CAST(epoch_ordinal AS TEXT) || ' ' || CAST(seq AS TEXT), body FROM fact ORDER BY fold_key, log_id`,
		`SELECT fold_key, hash, status || ' ' || site || ' ' || customer || ' ' || CAST(fact_count AS TEXT), body FROM state ORDER BY fold_key`,
		`SELECT target, kind, natural_key, document FROM posting WHERE state <> 'superseded' ORDER BY target, kind, natural_key`,
		`SELECT event_id, fold_key, reason, NULL FROM no_document ORDER BY event_id, fold_key`,
	} {
		err := w.d.Read(w.t.Context(), func(tx *db.Tx) error {
			rows, err := tx.Query(w.t.Context(), query)
			if err != nil {
				return err
			}
			defer rows.Close()
			for rows.Next() {
				var x, y, z string
				var body []byte
				if err := rows.Scan(&x, &y, &z, &body); err != nil {
					return err
				}
				fmt.Fprintf(&b, "%s | %s | %s | %x\n", x, y, z, body)
			}
			return rows.Err()
		})
		if err != nil {
			w.t.Fatal(err)
		}
	}
	return b.String()
}

// morning is a short day: orders with everything that a fold has to settle.
func (w *world) morning() {
	w.t.Helper()
	short := ShortPick(30, "P3", Asked(In(L("SO2", "1", "NUT", "2"), "B-01", ""), "5"))
	doubled := Keyed(Pick(41, "P5", In(L("SO3", "1", "BOLT", "1"), "A-01", "")), "P5")
	other := proto.CloneOf(doubled)
	other.GetPick().Lines[0].Quantity.Value = "9" // the same id, another content
	w.tell(
		Snapshot(0, In(L("", "", "BOLT", "100"), "A-01", ""), In(L("", "", "NUT", "50"), "B-01", "")),
		Accepted("SO1", "1", L("SO1", "1", "BOLT", "10"), L("SO1", "2", "NUT", "4")),
		Accepted("SO2", "1", L("SO2", "1", "NUT", "5")),
		Accepted("SO3", "1", L("SO3", "1", "BOLT", "3")),
		Submitted(5, "PO-77", "C-1001", L("", "1", "BOLT", "1")),
		Pick(10, "P1", In(L("SO1", "1", "BOLT", "10"), "A-01", "")),
		Pick(11, "P2", In(L("SO1", "2", "NUT", "4"), "B-01", "")),
		short,
		Pack(40, "K1", "LPN-1", L("SO1", "1", "BOLT", "10"), L("SO1", "2", "NUT", "4")),
		Shipment(60, "S1", L("SO1", "1", "BOLT", "10"), L("SO1", "2", "NUT", "4"), L("SO2", "1", "NUT", "2")),
		doubled, other,
		Count(70, "C1", In(L("", "", "BOLT", "88"), "A-01", "")),
		Refused(80, "R1", "bad_quantity", "-2 is no quantity"),
		Invoice("I1", "SO1", "S1"),
		Accepted("SO4", "1", L("SO4", "1", "BOLT", "50")),
	)
	w.fold()
	for i := range 6 { // folded from a digest
		w.tell(Pick(50+i, fmt.Sprint("P1", i), In(L("SO4", "1", "BOLT", fmt.Sprint(1+i%2)), "A-01", "")))
		w.fold()
	}
	w.tell(
		Revised(Pick(42, "P6", In(L("SO2", "1", "BOLT", "1"), "A-01", "")), "1"),
		Revised(Pick(42, "P6", In(L("SO3", "1", "NUT", "1"), "B-01", "")), "2"), // corrected to another order, item and bin
		CancelledOrder("SO2", "2"),
	)
	w.fold()
	w.clock = w.clock.Add(48 * time.Hour) // nothing is waited for any more
	w.fold()
}
