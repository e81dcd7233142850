package once_test

import (
	"testing"
	"time"

	"github.com/dockline/dockline/testenv"
	"github.com/dockline/dockline/testenv/sandbox"
	"github.com/dockline/dockline/testenv/world"
	"github.com/dockline/dockline/testenv/world/worldtest"
)

// killsAllDay kills an agent after every few movements, with its line cut now and then, and four times the collector, while the ERP fails.
func killsAllDay(t *testing.T, w *world.World) {
	w.ERP.Faults().Set(sandbox.Faults{Rate: 0.1, Latency: 20 * time.Millisecond, Modes: []sandbox.Mode{sandbox.ErrorBefore, sandbox.LostAnswer, sandbox.Busy}})
	worldtest.Orders(t, w, 30)
	kills := testenv.Count("once.agent-kills")
	for i := range kills {
		site := w.Sites[w.Config.Sites[i%len(w.Config.Sites)]]
		produced(t, w, (i+1)*6)
		site.Agent.Kill()
		site.Line.Cut(i%5 == 4)
		if err := site.Agent.Start(); err != nil {
			t.Fatal(err)
		}
		if i%(kills/4) == 2 {
			w.Collector.Kill()
			if err := w.RestartCollector(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, site := range w.Sites {
		site.Line.Cut(false)
	}
	r := whole(t, w)
	if r.EventsLogged == 0 || r.Postings["confirmed"] == 0 {
		t.Error("nothing happened")
	}
	if counts := w.ERP.Faults().Counts(); counts[sandbox.LostAnswer] == 0 || counts[sandbox.ErrorBefore] == 0 {
		t.Errorf("the ERP did not fail: %v", counts)
	}
	w.ERP.Faults().Set(sandbox.Faults{})
	if ordersInTwoShipments(t, w) == 0 {
		t.Error("no order left in two shipments: the day does not show partial ones")
	}
}

// produced waits until the docks have written down so many movements, or are idle: then there is nothing left to disturb.
func produced(t *testing.T, w *world.World, n int) {
	t.Helper()
	last, quiet := 0, time.Now()
	worldtest.Until(t, "work on the docks", patience, func() (bool, error) {
		ledgers, err := w.Ledgers()
		count := 0
		for _, records := range ledgers {
			for _, r := range records {
				if r.Movement != nil {
					count++
				}
			}
		}
		if count != last {
			last, quiet = count, time.Now()
		}
		return count >= n || time.Since(quiet) > 5*time.Second, err
	})
}

func ordersInTwoShipments(t *testing.T, w *world.World) int {
	t.Helper()
	truth, err := w.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	issues, several := map[string]int{}, 0
	for _, issue := range truth.Issues {
		if issues[issue.Order]++; issues[issue.Order] == 2 {
			several++
		}
	}
	return several
}
