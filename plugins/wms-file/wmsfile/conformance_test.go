package wmsfile_test

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/dockline/dockline/plugins"
	"github.com/dockline/dockline/plugins/plugintest"
	"github.com/dockline/dockline/plugins/wms-file/wmsfile"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

const (
	worldPicks  = 700
	worldEvents = worldPicks + 20 + 1
)

// world is a site whose WMS has dropped picks, shipments and one bad line into three files.
func world(t *testing.T) plugintest.World {
	root := t.TempDir()
	out, in := filepath.Join(root, "out"), filepath.Join(root, "in")
	for _, dir := range []string{out, in} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	var picks, more strings.Builder
	for _, b := range []*strings.Builder{&picks, &more} {
		b.WriteString("id;order;sku;qty;at\n")
	}
	for i := range worldPicks - 2 {
		b := &picks
		if i > 450 {
			b = &more
		}
		fmt.Fprintf(b, "P%d;SO%d;SKU%d;%d;2026-07-04 08:00:00\n", i, i/3, i%7, 1+i%5)
	}
	more.WriteString("P0;SO1;SKU;many;2026-07-04 08:00:00\n")
	var lines strings.Builder
	for i := range 20 {
		lines.WriteString(strings.Replace(onePick, "P1", fmt.Sprint("L", i), 1) + "\n")
	}
	for name, text := range map[string]string{"lines.jsonl": lines.String(), "receipt.edi": edi + strings.ReplaceAll(receipt, "N1", "1") + "GE*1*1~IEA*1*000000001~", "picks1.csv": picks.String(), "picks2.csv": more.String(),
		"ships.csv": "ship;order;sku;qty;at\nS1;SO1;A;1;2026-07-04 09:00:00\nS1;SO1;B;1;2026-07-04 09:00:00\n"} {
		if err := os.WriteFile(filepath.Join(out, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	config := fmt.Sprintf(`outbound: %q
inbound: %q
poll: 50ms
complete: {by: rename}
defaults: {delimiter: ";", zone: UTC}
files:
  - {name: picks, pattern: "picks*.csv", kind: pick.confirmed, key: id, columns: {order: order, sku: item, qty: quantity, at: occurred_at}}
  - {name: ships, pattern: "ships*.csv", kind: shipment.departed, key: ship, group: true, columns: {ship: shipment, order: order, sku: item, qty: quantity, at: occurred_at}}
  - {name: lines, pattern: "*.jsonl", form: jsonl, kind: pick.confirmed, key: id, columns: {order: order, sku: item, qty: quantity, at: occurred_at}}
  - {name: edi, pattern: "*.edi", form: x12}
commands:
  cancel_order: {file: "cancel-{number}-{version}.csv", columns: [{header: order, field: number}]}
`, out, in)
	return plugintest.World{
		Plugin: func() plugins.Plugin {
			p := wmsfile.New()
			p.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
			return plugins.Plugin{Source: p, Sink: p}
		},
		Config: []byte(config),
		Events: worldEvents,
		Command: func(version uint64) *docklinev1.Command {
			return &docklinev1.Command{Key: "cancel/SO1", Version: version, Work: &docklinev1.Command_CancelOrder{CancelOrder: &docklinev1.CancelOrder{Number: "SO1"}}}
		},
		Effects: func(t *testing.T) int {
			found, err := filepath.Glob(filepath.Join(in, "*.csv"))
			if err != nil {
				t.Fatal(err)
			}
			return len(found)
		},
		Patience: 30 * time.Second,
	}
}

func TestConformance(t *testing.T) { plugintest.Run(t, world) }

// The executable as it is shipped passes the same suite.
//
// Shows: E15
func TestConformanceOfBinary(t *testing.T) {
	if testing.Short() {
		t.Skip("builds an executable")
	}
	path := filepath.Join(t.TempDir(), "dockline-plugin-wms-file")
	if runtime.GOOS == "windows" {
		path += ".exe"
	}
	if out, err := exec.Command("go", "build", "-o", path, "..").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	plugintest.RunBinary(t, path, world)
}
