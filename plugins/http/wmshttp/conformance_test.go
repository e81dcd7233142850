package wmshttp_test

import (
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/dockline/dockline/plugins/plugintest"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

const worldPicks = 60

// cancel is work for the WMS.
func cancel(version uint64) *docklinev1.Command {
	return &docklinev1.Command{Key: "cancel/SO1", Version: version, Work: &docklinev1.Command_CancelOrder{CancelOrder: &docklinev1.CancelOrder{Number: "SO1", Reason: "customer"}}}
}

// world is a WMS that holds picks, one of them a bad one, and a shipment of two lines.
func world(t *testing.T) plugintest.World {
	s := newWMS(t)
	s.add(worldPicks, time.Date(2026, 7, 4, 8, 0, 0, 0, time.UTC))
	s.change(5, time.Date(2026, 7, 4, 8, 0, 5, 0, time.UTC), func(p *pick) { p.Qty = "many" })
	config := "zone: UTC\npoll:\n  url: " + s.URL + "\n  every: 50ms\n  streams:\n    - " + byClock + "\n    - " + shipStream + "\ncommands:" + workSections
	return plugintest.World{Plugin: newPlugin, Config: []byte(config), Events: worldPicks + 1, Command: cancel, Effects: func(*testing.T) int { return s.effects() }, Patience: 2 * time.Minute}
}

func TestConformance(t *testing.T) { plugintest.Run(t, world) }

// The executable as it is shipped passes the same suite.
//
// Shows: E15
func TestConformanceOfBinary(t *testing.T) {
	if testing.Short() {
		t.Skip("builds an executable")
	}
	path := filepath.Join(t.TempDir(), "dockline-plugin-http")
	if runtime.GOOS == "windows" {
		path += ".exe"
	}
	if out, err := exec.Command("go", "build", "-o", path, "..").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	plugintest.RunBinary(t, path, world)
}
