package sim_test

import (
	"testing"

	"github.com/dockline/dockline/testenv"
	"github.com/dockline/dockline/testenv/sim"
)

// TestADayToldAgainFindsAForgetfulLog: the comparison of a day that is told again can fail.
func TestADayToldAgainFindsAForgetfulLog(t *testing.T) {
	r, err := sim.Run(t.Context(), sim.Config{Seed: 1, Again: 1, Plant: sim.Unlearned})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Broken) == 0 {
		t.Error("a log that forgets what it has took a whole day twice, and nobody noticed")
	}
}

// A whole recorded day is redelivered ten times through the intake, envelope by envelope as it came, then the same events under another journal,
// as from a disk that was put back, and everything that the ERP and the CRM have told since the morning. After each time every table that a
// screen reads or a posting is made of is the same to the last row, and no system was told anything.
// Shows: S32
func TestADayToldTenTimesAgain(t *testing.T) {
	for name, database := range map[string]func() string{"sqlite": func() string { return "" }, "postgresql": func() string { return testenv.PostgreSQL(t) }} {
		t.Run(name, func(t *testing.T) {
			for seed := uint64(1); seed <= uint64(testenv.Count("sim.again")); seed++ {
				r, err := sim.Run(t.Context(), sim.Config{Seed: seed, Again: 10, Database: database()})
				if err != nil {
					t.Fatal(err)
				}
				if len(r.Broken) > 0 {
					t.Fatal(r.Report())
				}
				if r.Events == 0 || r.Orders == 0 {
					t.Errorf("seed %d: %d events of %d orders: a day on which nothing happened shows nothing", seed, r.Events, r.Orders)
				}
			}
		})
	}
}
