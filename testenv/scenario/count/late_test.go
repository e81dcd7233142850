package count_test

import (
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"github.com/dockline/dockline/plugins/sim/day"
	"github.com/dockline/dockline/testenv/world"
	"github.com/dockline/dockline/testenv/world/worldtest"
)

// TestCountWithLateMove counts a bin from which two pieces were picked and one is missing. The file with the pick is late: the site has told
// everything else up to the count, so three pieces are booked as missing. When the pick comes after all, the count's variance is one piece: the
// ERP gets a second document for the difference, and what it has booked for the count comes to that one piece.
func TestCountWithLateMove(t *testing.T) {
	w := worldtest.Open(t, world.Config{Seed: 8, Sites: []string{world.FileSite}, FilesSettle: time.Hour})
	f := worldtest.TakeOver(t, w)
	f.Ago = 10 * time.Minute
	worldtest.Settle(t, w, patience)
	o := f.Order(2, 1)
	late := f.Pick(o, 0, 2)
	counted := count(t, w, f, o, 0, 2, 1)
	later := f.Pick(o, 1, 1)
	f.Await(f.Tell(counted))
	f.Await(f.Tell(later))
	f.Tell(f.Ship(o))
	if seen := await(t, w, counted, "final"); seen.Variance != "-3" {
		t.Fatalf("without the pick the variance is %s, want -3", seen.Variance)
	}
	booked(t, w, counted, -3)

	f.Await(f.Tell(late))
	booked(t, w, counted, -3, 2)
	if seen := await(t, w, counted, "final"); seen.Variance != "-1" {
		t.Errorf("with the pick the variance is %s, want -1", seen.Variance)
	}
	worldtest.Settle(t, w, patience)
	booked(t, w, counted, -3, 2)
}

// booked waits until the ERP has just these documents of a count.
func booked(t *testing.T, w *world.World, count day.Movement, deltas ...int64) {
	t.Helper()
	worldtest.Until(t, "the ERP has what the count comes to", patience, func() (bool, error) {
		found := adjustments(t, w, count)
		if len(found) != len(deltas) {
			return false, nil
		}
		left := make(map[int64]int)
		for _, delta := range deltas {
			left[delta]++
		}
		for _, a := range found {
			left[a.Delta.IntPart()]--
			if !a.Delta.Equal(decimal.NewFromInt(a.Delta.IntPart())) || left[a.Delta.IntPart()] < 0 {
				return false, nil
			}
		}
		return true, nil
	})
}
