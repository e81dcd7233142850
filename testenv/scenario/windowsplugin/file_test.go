package windowsplugin_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dockline/dockline/plugins/plugintest"
)

// filePicks are in two files.
const filePicks = 200

// fileWorld is a warehouse system of Windows: its files end their lines with CR and LF, speak its own code page, and tell times of its own zone.
func fileWorld(t *testing.T, w *windows) plugintest.World {
	root := t.TempDir()
	out, in := filepath.Join(root, "out"), filepath.Join(root, "in")
	for _, dir := range []string{out, in} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	files := map[string]*strings.Builder{"picks1.csv": {}, "picks2.csv": {}}
	for _, b := range files {
		b.WriteString("id;order;sku;qty;at\r\n")
	}
	for i := range filePicks {
		fmt.Fprintf(files[fmt.Sprintf("picks%d.csv", 1+i%2)], "P%d;SO%d;K\xe4se;%d;04.07.2026 08:00:00\r\n", i, i/3, 1+i%5)
	}
	for name, b := range files {
		if err := os.WriteFile(filepath.Join(out, name), []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	config := fmt.Sprintf(`outbound: '%s'
inbound: '%s'
poll: 50ms
complete: {by: rename}
defaults: {delimiter: ";", zone: Europe/Berlin, encoding: windows-1252, date: "dd.MM.yyyy HH:mm:ss"}
files:
  - {name: picks, pattern: "picks*.csv", kind: pick.confirmed, key: id, columns: {id: task, order: order, sku: item, qty: quantity, at: occurred_at}}
commands:
  cancel_order: {file: "cancel-{number}-{version}.csv", columns: [{header: order, field: number}]}
`, w.Name(out), w.Name(in))
	return plugintest.World{
		Config: []byte(config), Events: filePicks, Command: cancelOrder, Patience: patience,
		Effects: func(t *testing.T) int {
			found, err := filepath.Glob(filepath.Join(in, "*.csv"))
			if err != nil {
				t.Fatal(err)
			}
			return len(found)
		},
	}
}
