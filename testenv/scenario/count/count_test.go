// Package count_test shows that a count is compared with the book as it was when the bin was counted.
package count_test

import (
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"github.com/dockline/dockline/plugins/sim/day"
	"github.com/dockline/dockline/testenv/erp"
	"github.com/dockline/dockline/testenv/world"
	"github.com/dockline/dockline/testenv/world/worldtest"
)

func TestMain(m *testing.M) { worldtest.Main(m) }

const patience = 4 * time.Minute

// TestCountFileBeforePickFile counts two bins after picks; the file of the counts is read before the file of these picks. The counts wait
// until picks and shipments are told up to their moment. Then they are held against the book of that moment: the bin in which everything
// is right books nothing, the one that lacks a piece books that one, and picks after the counts change neither.
func TestCountFileBeforePickFile(t *testing.T) {
	w := worldtest.Open(t, world.Config{Seed: 7, Sites: []string{world.FileSite}, FilesSettle: time.Hour})
	f := worldtest.TakeOver(t, w)
	f.Ago = 10 * time.Minute         // so that a file of now tells of all of that time
	worldtest.Settle(t, w, patience) // the book is opened
	o := f.Order(6, 6)
	earlier := []day.Movement{f.Pick(o, 0, 4), f.Pick(o, 1, 4)}
	right, wrong := count(t, w, f, o, 0, 4, 0), count(t, w, f, o, 1, 4, 1)
	later := []day.Movement{f.Pick(o, 0, 2), f.Pick(o, 1, 2)}

	f.Tell(right, wrong)
	for _, c := range []day.Movement{right, wrong} {
		if seen := await(t, w, c, "waiting"); seen.Variance == "" {
			t.Fatalf("the book without the pick agrees with the count (%+v): nothing false could have been booked", seen)
		}
	}
	f.Await(f.Tell(earlier...))
	f.Await(f.Tell(later...))
	await(t, w, right, "waiting") // the shipments of that time are not told
	await(t, w, wrong, "waiting")
	f.Tell(f.Ship(o))
	await(t, w, right, "final")
	await(t, w, wrong, "final")
	worldtest.Settle(t, w, patience)
	if booked := adjustments(t, w, right); len(booked) > 0 {
		t.Errorf("a false variance was booked: %+v", booked)
	}
	if booked := adjustments(t, w, wrong); len(booked) != 1 || !booked[0].Delta.Equal(decimal.NewFromInt(-1)) {
		t.Errorf("booked for the missing piece: %+v", booked)
	}
}

// count finds in the bin of an order's line what lay there at first, less what was picked and what is missing.
func count(t *testing.T, w *world.World, f *worldtest.Floor, o worldtest.Order, line int, picked, missing int64) day.Movement {
	t.Helper()
	for _, row := range w.OpeningStock()[world.FileSite] {
		if l := o.Lines[line]; row.Item == l.Item && row.Bin == o.Bins[line] {
			return f.Do(day.Movement{Kind: day.Count, Operator: "op-07", Lines: []day.Line{{Item: l.Item, Unit: l.Unit, Bin: row.Bin,
				Quantity: row.Quantity - day.Units(picked+missing), Variance: day.Units(-missing)}}})
		}
	}
	t.Fatal("no such bin")
	return day.Movement{}
}

// await waits until a count stands so. One that waits must not have booked anything.
func await(t *testing.T, w *world.World, count day.Movement, standing string) (seen world.Variance) {
	t.Helper()
	worldtest.Until(t, "the count is "+standing, patience, func() (bool, error) {
		found, err := w.Variances(t.Context(), world.FileSite, count.ID)
		if len(found) == 1 {
			seen = found[0]
		}
		return seen.Standing == standing, err
	})
	if booked := adjustments(t, w, count); standing == "waiting" && len(booked) > 0 {
		t.Fatalf("a count that waits has booked %+v", booked)
	}
	return seen
}

func adjustments(t *testing.T, w *world.World, count day.Movement) []erp.Adjustment {
	t.Helper()
	truth, err := w.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var found []erp.Adjustment
	for _, a := range truth.Adjustments {
		if a.Count == count.ID {
			found = append(found, a)
		}
	}
	return found
}
