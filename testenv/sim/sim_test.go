package sim_test

import (
	"runtime"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/dockline/dockline/testenv"
	"github.com/dockline/dockline/testenv/sim"
)

// Days of a simulated world, with every fault that a seed may bring, end with everything in agreement; and the same seed twice is the same
// day, to the last line of its trace. make sim runs many more of them.
// Shows: S45, S52
func TestDays(t *testing.T) {
	days := testenv.Count("sim.seeds") * 3 / 20 // as many as it takes for every fault to happen
	results := make([]*sim.Result, 2*days)
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i := range results {
		g.Go(func() (err error) {
			results[i], err = sim.Run(t.Context(), sim.Config{Seed: 1 + uint64(i%days)})
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	faults, hashes := map[string]int{}, map[string]uint64{}
	for i, r := range results[:days] {
		if len(r.Broken) > 0 {
			t.Error(r.Report())
		}
		if again := results[days+i]; again.Hash != r.Hash {
			t.Errorf("seed %d is not the same day twice: %d steps and trace %s, then %d and %s", r.Seed, r.Steps, r.Hash, again.Steps, again.Hash)
		}
		if other, known := hashes[r.Hash]; known {
			t.Errorf("seeds %d and %d are the same day", other, r.Seed)
		}
		hashes[r.Hash] = r.Seed
		for name, n := range r.Faults {
			faults[name] += n
		}
	}
	for _, name := range sim.FaultNames() {
		if faults[name] == 0 {
			t.Errorf("on none of %d days this happened: %s", days, name)
		}
	}
}

// A mistake in any of the stages is found by some day: a simulation whose checks cannot fail shows nothing.
func TestPlantedMistakesAreFound(t *testing.T) {
	for _, plant := range sim.Plants() {
		t.Run(string(plant), func(t *testing.T) {
			for seed := uint64(1); seed <= 60; seed++ {
				r, err := sim.Run(t.Context(), sim.Config{Seed: seed, Plant: plant})
				if err != nil {
					t.Fatal(err)
				}
				if len(r.Broken) > 0 {
					t.Logf("seed %d: %s", seed, r.Broken[0])
					return
				}
			}
			t.Error("sixty days with this mistake all ended well")
		})
	}
}
