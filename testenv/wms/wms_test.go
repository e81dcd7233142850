package wms

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/encoding/charmap"

	"github.com/dockline/dockline/plugins/sim/day"
)

func config(t *testing.T) Config {
	dir := t.TempDir()
	dock := day.DefaultConfig()
	dock.Site, dock.Seed = "dc-east", 3
	dock.Stock = []day.StockRow{{Bin: "A-01-01", Item: "SKU-1", Unit: "kg", Quantity: 400_500_000}, {Bin: "A-01-02", Item: "SKU-2", Quantity: day.Units(50)}}
	return Config{Inbound: filepath.Join(dir, "in"), Outbound: filepath.Join(dir, "out"), StateDir: filepath.Join(dir, "state"), Dock: dock, Format: German}
}

const releases = "command;version;action;order;line;sku;qty;uom\r\n" +
	"release/SO1;1;release;SO1;10;SKU-1;2,5;kg\r\nrelease/SO1;1;release;SO1;20;SKU-2;3;\r\nrelease/SO2;1;release;SO2;10;SKU-2;4;\r\n"

// files returns all rows that were dropped, by file kind, without their headers.
func files(t *testing.T, c Config) map[string][][]string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(c.Outbound, "*.csv"))
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string][][]string{}
	for _, path := range found {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		text, err := charmap.Windows1252.NewDecoder().Bytes(raw)
		if err != nil {
			t.Fatal(err)
		}
		reader := csv.NewReader(strings.NewReader(string(text)))
		reader.Comma = ';'
		all, err := reader.ReadAll()
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		kind, _, _ := strings.Cut(filepath.Base(path), "-")
		rows[kind] = append(rows[kind], all[1:]...)
	}
	return rows
}

func TestReleasesBecomeFilesOnceOverARestart(t *testing.T) {
	c := config(t)
	w, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	drop := filepath.Join(c.Inbound, "r1.csv")
	if err := os.WriteFile(drop, []byte(releases), 0o600); err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 5, 4, 8, 0, 0, 0, time.UTC)
	if err := w.Step(at); err != nil {
		t.Fatal(err)
	}
	if !w.Idle() {
		t.Fatal("work is left")
	}
	first := files(t, c)
	if len(first["picks"]) < 3 || len(first["ships"]) == 0 {
		t.Fatalf("rows %v", first)
	}
	if quantity := first["picks"][0][4]; strings.Contains(quantity, ".") {
		t.Errorf("quantity %q has a point", quantity)
	}
	if _, err := German.stamp(first["picks"][0][9]); err != nil {
		t.Error(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(drop, []byte(releases), 0o600); err != nil { // the same file comes again
		t.Fatal(err)
	}
	again, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if err := again.Step(at.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if second := files(t, c); len(second["picks"]) != len(first["picks"]) {
		t.Errorf("%d picks, then %d", len(first["picks"]), len(second["picks"]))
	}
}
