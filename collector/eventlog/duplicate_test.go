package eventlog_test

import (
	"testing"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/eventlog"
	"github.com/dockline/dockline/testenv"
)

// The same envelope delivered again, while it waits and after it was filled, is known by its place in the site's journal: it is answered, and nothing of it is unpacked
// a second time.
//
// Shows: S58
func TestADuplicateByTransportKey(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		env := envelope(t, "dc-east", 1, 1, pick("dc-east", "SO1", "a", 1), pick("dc-east", "SO1", "b", 1))
		w.send(events(t, env, env)...)
		w.expect("envelopes that wait", 1, `SELECT count(*) FROM inbox`)
		if got := w.fill(); got != (eventlog.AppendResult{Logged: 2}) {
			t.Errorf("fill = %+v", got)
		}
		if answers := w.send(events(t, env)...); len(answers) != 1 || answers[0].GetAck().GetWatermark() != 2 {
			t.Errorf("the envelope that came again is answered by %v", answers)
		}
		w.expect("envelopes that wait", 0, `SELECT count(*) FROM inbox`)
		w.expect("events", 2, `SELECT count(*) FROM event`)
		w.expect("facts", 2, `SELECT count(*) FROM fact`)
	})
}

// The same event in other envelopes, of another epoch of the journal and beside others, is known by its id.
//
// Shows: S58
func TestADuplicateByEventID(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		a, b := pick("dc-east", "SO1", "a", 1), pick("dc-east", "SO1", "b", 1)
		w.send(events(t, envelope(t, "dc-east", 1, 1, a), envelope(t, "dc-east", 2, 1, b, a))...)
		w.fill()
		w.send(events(t, envelope(t, "dc-east", 3, 1, a, b, a))...)
		if got := w.fill(); got != (eventlog.AppendResult{Duplicates: 3}) {
			t.Errorf("fill = %+v", got)
		}
		w.expect("events", 2, `SELECT count(*) FROM event`)
		w.expect("facts", 2, `SELECT count(*) FROM fact`)
	})
}
