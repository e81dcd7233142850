package reconcile_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/eventlog"
	"github.com/dockline/dockline/collector/policy"
	"github.com/dockline/dockline/collector/reconcile"
	"github.com/dockline/dockline/collector/state"
	. "github.com/dockline/dockline/collector/state/statetest"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv"
)

// BenchmarkFold folds the order keys of orders of five lines, on both databases: picking is accepted and picked by five events (as make
// bench has it), shipped also packed and shipped, unchanged is folded again with nothing new. An operation is one fold of one order.
func BenchmarkFold(b *testing.B) {
	for _, engine := range []struct {
		name string
		open func() *db.DB
	}{{"sqlite", func() *db.DB { return testenv.SQLite(b) }}, {"postgresql", func() *db.DB { return testenv.Postgres(b) }}} {
		for _, life := range []string{"picking", "shipped", "unchanged"} {
			b.Run(engine.name+"/"+life, func(b *testing.B) { benchmarkFold(b, engine.open(), life) })
		}
	}
}

func benchmarkFold(b *testing.B, d *db.DB, life string) {
	w, add := benchWorker(d)
	const orders = 500
	made := 0
	for folded := int64(0); folded < int64(b.N); {
		b.StopTimer()
		if err := d.Write(b.Context(), func(tx *db.Tx) error { return add(b.Context(), tx, benchOrders(&made, orders, life)) }); err != nil {
			b.Fatal(err)
		}
		benchMark(b, d, `UPDATE dirty SET due_at = CASE WHEN fold_key LIKE 'order/%' THEN 0 ELSE 1000000000000000000 END`)
		if life == "unchanged" {
			benchSteps(b, w)
			benchMark(b, d, `DELETE FROM dirty`)
			benchMark(b, d, `INSERT INTO dirty (tenant, fold_key) SELECT tenant, fold_key FROM state WHERE fold_key LIKE 'order/%'`)
		}
		before, ran := w.Stats().Folded, d.Statements()
		b.StartTimer()
		benchSteps(b, w)
		b.StopTimer()
		n := w.Stats().Folded - before
		folded += n
		b.ReportMetric(float64(d.Statements()-ran)/float64(n), "statements/fold")
		b.StartTimer()
	}
	b.ReportMetric(float64(b.N)/max(b.Elapsed().Seconds(), float64(time.Nanosecond)), "folds/s")
}

func benchWorker(d *db.DB) (*reconcile.Worker, reconcile.Append) {
	p := policy.Default()
	log := &eventlog.Log{DB: d, Keys: func(e *docklinev1.Event) []eventlog.Touch {
		var touches []eventlog.Touch
		for _, t := range state.Keys(e, p.Mapping) {
			touches = append(touches, eventlog.Touch(t))
		}
		return touches
	}}
	seq := uint64(0)
	add := func(ctx context.Context, tx *db.Tx, events []*docklinev1.Event) error {
		var recorded []eventlog.Recorded
		for _, e := range events {
			seq++
			recorded = append(recorded, eventlog.Recorded{Event: e, Epoch: "e", EpochOrdinal: 1, Seq: seq})
		}
		_, err := log.Append(ctx, tx, recorded)
		return err
	}
	return &reconcile.Worker{DB: d, Policy: p, Append: add}, add
}

// benchOrders are the events of the next n orders.
func benchOrders(made *int, n int, life string) (events []*docklinev1.Event) {
	for range n {
		*made++
		number := fmt.Sprintf("SO%d", *made)
		var lines, moved []*docklinev1.Line
		for i := range 5 {
			line, item := fmt.Sprint(i+1), fmt.Sprintf("SKU-%d", (*made+i)%200)
			lines, moved = append(lines, L("", line, item, "3")), append(moved, L(number, line, item, "3"))
			events = append(events, Pick(10+i, number+"/"+line, In(L(number, line, item, "3"), fmt.Sprintf("B-%d", (*made+i)%400), "")))
		}
		events = append(events, Accepted(number, "1", lines...))
		if life == "shipped" {
			events = append(events, Pack(20, number, "HU"+number, moved...), Shipment(30, "S"+number, moved...))
		}
	}
	return events
}

func benchMark(b *testing.B, d *db.DB, statement string) {
	if err := d.Write(b.Context(), func(tx *db.Tx) error { _, err := tx.Exec(b.Context(), statement); return err }); err != nil {
		b.Fatal(err)
	}
}

func benchSteps(b *testing.B, w *reconcile.Worker) {
	for {
		n, err := w.Step(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		if n == 0 {
			return
		}
	}
}
