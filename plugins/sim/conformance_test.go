package main

import (
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/dockline/dockline/plugins"
	"github.com/dockline/dockline/plugins/plugintest"
	"github.com/dockline/dockline/plugins/sim/day"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// conformanceConfig is a dock that works as fast as it can, with enough of everything.
const conformanceConfig = `seed: 7
site: DC
movements_per_second: 0
stock:
  - {bin: A-01, item: SKU-1, unit: EA, quantity: "500"}
  - {bin: A-02, item: SKU-2, unit: EA, quantity: "500"}
`

// world is a dock whose ledger holds two orders that came in before.
func world(t *testing.T) plugintest.World {
	work := []day.Record{order("SO1", 1), order("SO2", 1)}
	return plugintest.World{
		Plugin: func() plugins.Plugin { s := newSim(); return plugins.Plugin{Source: s, Sink: s} },
		Config: []byte(conformanceConfig),
		Events: movements(t, work),
		Prepare: func(t *testing.T, dataDir string) {
			ledger, _, err := day.OpenLedger(filepath.Join(dataDir, ledgerFile))
			if err != nil {
				t.Fatal(err)
			}
			defer ledger.Close()
			for _, r := range work {
				if err := ledger.Append(r); err != nil {
					t.Fatal(err)
				}
			}
		},
		Command: func(version uint64) *docklinev1.Command {
			return &docklinev1.Command{Key: "cancel/SO9", Version: version, Work: &docklinev1.Command_CancelOrder{CancelOrder: &docklinev1.CancelOrder{Number: "SO9"}}}
		},
		Patience: 30 * time.Second,
	}
}

func order(number string, version uint64) day.Record {
	o := &day.Order{Number: number}
	for i, item := range []string{"SKU-1", "SKU-2", "SKU-1"} {
		o.Lines = append(o.Lines, day.OrderLine{Line: string(rune('1' + i)), Item: item, Unit: "EA", Quantity: day.Micro(3_000_000)})
	}
	return day.Record{Command: &day.Command{Key: "release/" + number, Version: version, Release: o}}
}

// movements lets the dock do all the work, to see how much it is.
func movements(t *testing.T, work []day.Record) int {
	t.Helper()
	config, _, faults := parse([]byte(conformanceConfig), "DC")
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	dock := day.NewDock(config)
	for _, r := range work {
		if err := dock.Apply(r); err != nil {
			t.Fatal(err)
		}
	}
	for n := 0; ; n++ {
		m, ok := dock.Next(time.Now())
		if !ok {
			return n
		}
		if err := dock.Apply(day.Record{Movement: &m}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestConformance(t *testing.T) { plugintest.Run(t, world) }

// The executable as it is shipped passes the same suite.
//
// Shows: E15
func TestConformanceOfBinary(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dockline-plugin-sim")
	if runtime.GOOS == "windows" {
		path += ".exe"
	}
	if out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	plugintest.RunBinary(t, path, world)
}
