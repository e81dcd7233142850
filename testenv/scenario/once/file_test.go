package once_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/dockline/dockline/plugins/sim/day"
	"github.com/dockline/dockline/testenv/world"
	"github.com/dockline/dockline/testenv/world/worldtest"
)

// sameFileTwice drops a file again that was taken: first the plugin knows it by its content; then, with that memory gone, its rows
// come as far as the log and are known there by their ids.
func sameFileTwice(t *testing.T, w *world.World, f *worldtest.Floor) {
	o := f.Order(5, 2)
	name := f.Tell(f.Pick(o, 0, 5), f.Pick(o, 1, 2))
	f.Await(name)
	f.Tell(f.Ship(o))
	before := whole(t, w)
	text, err := os.ReadFile(f.Archived(name))
	if err != nil {
		t.Fatal(err)
	}
	f.Drop("picks-again.csv", text)
	f.Await("picks-again.csv")

	site := w.Sites[world.FileSite]
	site.Agent.Kill()
	if err := os.Remove(filepath.Join(site.DataDir, "plugins", "wms", "taken.jsonl")); err != nil {
		t.Fatal(err)
	}
	if err := site.Agent.Start(); err != nil {
		t.Fatal(err)
	}
	f.Drop("picks-once-more.csv", text)
	refused(t, w, before, 2)
	once(t, w, before, 0)
}

// refused waits until the log has refused n more events as known.
func refused(t *testing.T, w *world.World, before *world.Report, n int64) {
	t.Helper()
	worldtest.Until(t, "events that are refused as known", patience, func() (bool, error) {
		now, err := w.Check(t.Context())
		return err == nil && now.DuplicatesRefused >= before.DuplicatesRefused+n, err
	})
}

// logged waits until everything that the docks did is in the log; orders may be in work.
func logged(t *testing.T, w *world.World) (r *world.Report) {
	t.Helper()
	worldtest.Until(t, "all events in the log", patience, func() (_ bool, err error) {
		r, err = w.Check(t.Context())
		return err == nil && r.EventsLogged >= r.EventsProduced, err
	})
	return r
}

// once settles and wants n events more than before.
func once(t *testing.T, w *world.World, before *world.Report, n int) {
	t.Helper()
	if after := whole(t, w); after.EventsLogged != before.EventsLogged+n {
		t.Errorf("%d events in the log, before %d, want %d more", after.EventsLogged, before.EventsLogged, n)
	}
}

func sameRowsAndOneMore(t *testing.T, w *world.World, f *worldtest.Floor) {
	o := f.Order(4, 3, 6)
	picks := []day.Movement{f.Pick(o, 0, 4), f.Pick(o, 1, 3)}
	f.Tell(picks...)
	before := logged(t, w)
	rows := f.Rows(append(picks, f.Pick(o, 2, 6))...)
	slices.Reverse(rows)
	f.TellRows(day.Pick, rows)
	refused(t, w, before, 2)
	if after := logged(t, w); after.EventsLogged != before.EventsLogged+1 {
		t.Errorf("the second file made %d events, want one", after.EventsLogged-before.EventsLogged)
	}
	f.Tell(f.Ship(o))
	once(t, w, before, 2)
}

// twoIdenticalPicks are two trips to one bin for the same quantity, at one time by the clock: only the WMS's own numbers tell them apart.
func twoIdenticalPicks(t *testing.T, w *world.World, f *worldtest.Floor) {
	before := whole(t, w)
	o := f.Order(4)
	at := time.Now().UTC().Truncate(time.Second)
	pick := day.Movement{Kind: day.Pick, Order: o.Number, At: at, Operator: "op-99",
		Lines: []day.Line{{OrderLine: o.Lines[0].Line, Item: o.Lines[0].Item, Unit: o.Lines[0].Unit, Quantity: day.Units(2), Bin: o.Bins[0]}}}
	rows := f.Rows(f.Do(pick), f.Do(pick))
	for _, row := range rows {
		row[10] = "" // the movement number
	}
	first, second := slices.Clone(rows[0]), slices.Clone(rows[1])
	first[0], second[0] = "", ""
	if !slices.Equal(first, second) || rows[0][0] == rows[1][0] {
		t.Fatalf("not identical but for the number: %q", rows)
	}
	f.Await(f.TellRows(day.Pick, rows))
	f.Tell(f.Ship(o))
	once(t, w, before, 3)
}

// reverseOrder tells of an order from its end: the shipment first, then the packs, then the picks from the last line to the first, each
// file once the one before is in the log.
func reverseOrder(t *testing.T, w *world.World, f *worldtest.Floor) {
	before := whole(t, w)
	o := f.Order(2, 5, 7)
	picks := f.Rows(f.Pick(o, 0, 2), f.Pick(o, 1, 5), f.Pick(o, 2, 7))
	pack := day.Movement{Kind: day.Pack, Order: o.Number, WeightKg: "3.5"}
	for _, l := range o.Lines {
		pack.Lines = append(pack.Lines, day.Line{OrderLine: l.Line, Item: l.Item, Unit: l.Unit, Quantity: l.Quantity, HandlingUnit: "LPN-" + o.Number})
	}
	pack = f.Do(pack)
	told := 0
	tell := func(kind day.Kind, rows [][]string) {
		slices.Reverse(rows)
		f.TellRows(kind, rows)
		told++
		worldtest.Until(t, "the event in the log", patience, func() (bool, error) {
			track, err := w.Track(t.Context(), o.Number)
			fromSite := slices.DeleteFunc(track.Events, func(e world.TrackEvent) bool { return e.Event.Site == "" || e.Kind == "command.completed" })
			return len(fromSite) >= told, err
		})
	}
	tell(day.Ship, f.Rows(f.Ship(o)))
	tell(day.Pack, f.Rows(pack))
	for i := range slices.Backward(picks) {
		tell(day.Pick, picks[i:i+1])
	}
	once(t, w, before, 5)
}
