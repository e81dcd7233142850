// Package rules_test shows that what the rules of a site find at capture is honoured at the centre.
package rules_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dockline/dockline/plugins/sim/day"
	"github.com/dockline/dockline/testenv/world"
	"github.com/dockline/dockline/testenv/world/worldtest"
)

func TestMain(m *testing.M) { worldtest.Main(m) }

const patience = 4 * time.Minute

// The centre protects picking and packing at a site from second scans. A picker's scanner then tells a pick twice, three seconds apart and under
// two keys, and a packer's a carton. All four scans are in the log; the order, the stock and the ERP have what was picked once, and ledger,
// centre and ERP agree to the piece.
func TestADoubledScanCountsOnce(t *testing.T) {
	w := worldtest.Open(t, world.Config{Seed: 12, Sites: []string{world.FileSite}})
	protect(t, w)
	f := worldtest.TakeOver(t, w)
	order := f.Order(6)
	line := order.Lines[0]
	scanned := day.Line{OrderLine: line.Line, Item: line.Item, Unit: line.Unit, Quantity: day.Units(6), Bin: order.Bins[0], HandlingUnit: "TOTE-7"}
	tellTwice(f, f.Do(day.Movement{Kind: day.Pick, Order: order.Number, Operator: "op-07", Lines: []day.Line{scanned}}))
	scanned.Bin, scanned.HandlingUnit = "", "CARTON-7"
	tellTwice(f, f.Do(day.Movement{Kind: day.Pack, Order: order.Number, WeightKg: "3.5", Lines: []day.Line{scanned}}))
	f.Await(f.Tell(f.Ship(order)))
	var doubles map[string]string
	worldtest.Until(t, "both scans of pick and carton are in the log", patience, func() (bool, error) {
		track, err := w.Track(t.Context(), order.Number)
		doubles = map[string]string{}
		kinds := map[string]int{}
		for _, e := range track.Events {
			kinds[e.Kind]++
			if e.Event.DoubleOf != "" {
				doubles[e.Kind] = e.Event.DoubleOf
			}
		}
		return kinds["pick.confirmed"] == 2 && kinds["pack.confirmed"] == 2 && kinds["shipment.departed"] == 1, err
	})
	if doubles["pick.confirmed"] == "" || doubles["pack.confirmed"] == "" || len(doubles) != 2 {
		t.Errorf("marked as second scans: %v", doubles)
	}
	// The log has what the dock did once two times, as it should; nothing else may differ.
	twice := []string{"event log: 2 of 1 movements (dc-east pick)", "event log: 2 of 1 movements (dc-east pack)"}
	var report *world.Report
	worldtest.Until(t, "ledger, centre and ERP agree but for the two scans", patience, func() (bool, error) {
		var err error
		report, err = w.Check(t.Context())
		return err == nil && slices.Equal(report.Mismatches, twice) && report.Postings["confirmed"] == 3, nil
	})
	if report.Exceptions > 0 {
		t.Errorf("%d exceptions", report.Exceptions)
	}
}

// protect gives the site rules from the centre.
func protect(t *testing.T, w *world.World) {
	t.Helper()
	path := filepath.Join(w.Config.Dir, "rules.yaml")
	if err := os.WriteFile(path, []byte("rules:\n  double_scan:\n    - {step: pick.confirmed, within: 10s}\n    - {step: pack.confirmed, within: 10s}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	said, err := world.RunProgram(t.Context(), world.Program(w.Config.Bin, "dockline-collector"), "site", "command", "config", world.FileSite, path, "--wait", "60s",
		"--config", filepath.Join(w.Config.Dir, "collector.yaml"), "--tenant", w.Config.Tenant)
	if err != nil || !strings.Contains(said, "in force") {
		t.Fatalf("%v %s", err, said)
	}
}

// tellTwice drops a file of a scan, and then one of the same scan three seconds later under another key.
func tellTwice(f *worldtest.Floor, m day.Movement) {
	f.Await(f.Tell(m))
	m.ID, m.At = m.ID+"-AGAIN", m.At.Add(3*time.Second)
	f.Await(f.Tell(m))
}
