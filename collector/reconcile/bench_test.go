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

// BenchmarkFold folds orders of five lines, each accepted, picked, packed and shipped, on SQLite: nanoseconds an event.
func BenchmarkFold(b *testing.B) {
	d := testenv.SQLite(b)
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
	w := &reconcile.Worker{DB: d, Policy: p, Append: add}
	const each = 8 // events an order
	for made := 0; made < b.N; {
		b.StopTimer()
		var events []*docklinev1.Event
		for range 100 {
			number := fmt.Sprintf("SO%d", made)
			var lines, moved []*docklinev1.Line
			for i := range 5 {
				line, item := fmt.Sprint(i+1), fmt.Sprintf("SKU-%d", (made+i)%200)
				lines, moved = append(lines, L("", line, item, "3")), append(moved, L(number, line, item, "3"))
				events = append(events, Pick(10+i, number+"/"+line, In(L(number, line, item, "3"), fmt.Sprintf("B-%d", (made+i)%400), "")))
			}
			events = append(events, Accepted(number, "1", lines...), Pack(20, number, "HU"+number, moved...), Shipment(30, "S"+number, moved...))
			made += each
		}
		if err := d.Write(b.Context(), func(tx *db.Tx) error { return add(b.Context(), tx, events) }); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		for {
			n, err := w.Step(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			if n == 0 {
				break
			}
		}
	}
	b.ReportMetric(float64(b.N)/max(b.Elapsed().Seconds(), float64(time.Nanosecond)), "events/s")
}
