package wmshttp_test

import (
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dockline/dockline/proto/event"
)

var update = flag.Bool("update", false, "write the golden files anew")

// What files of our own tell, each event in a line: kind, key, id, the hash of what it says, or why it is kept. An id or a hash that changes makes every
// event that was told before another one. Shows: A13
func TestGolden(t *testing.T) {
	config := strings.Replace(epcisConfig, "listen:\n", "listen:\n  streams:\n    - {name: picks, records: \"orders[].lines[]\", kind: 'row[\"complete\"] == \"false\" ? \"pick.short\" : \"pick.confirmed\"', key: [../number, line], "+
		"columns: {../number: order, line: order_line, sku: item, qty: quantity, missing: short, serials: serials, /at: occurred_at, complete: {field: custom.complete}}}\n", 1)
	inputs, err := filepath.Glob("testdata/golden/*.json*")
	if err != nil || len(inputs) < 3 {
		t.Fatalf("%v, %v", inputs, err)
	}
	for _, input := range inputs {
		document, err := os.ReadFile(input)
		if err != nil {
			t.Fatal(err)
		}
		h := newHost()
		r := run(t, h, t.TempDir(), config, true)
		if strings.HasSuffix(input, ".jsonld") {
			r.capture(document, "proceed")
		} else {
			r.send("POST", "/events/picks", strings.NewReader(string(document)))
		}
		r.stop()
		var out strings.Builder
		for _, e := range h.all() {
			if letter := e.GetDeadLetter(); letter != nil {
				fmt.Fprintf(&out, "kept %s %s\n", letter.GetCode(), letter.GetText())
				continue
			}
			fmt.Fprintf(&out, "%s %s %s %s\n", event.KindName(e.GetKind()), e.GetSourceKey(), e.GetId()[:16], hex.EncodeToString(event.BodyHash(e)[:8]))
		}
		golden := strings.TrimSuffix(input, filepath.Ext(input)) + ".golden"
		if *update {
			if err := os.WriteFile(golden, []byte(out.String()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if string(want) != out.String() {
			t.Errorf("%s:\n%swant\n%s", input, out.String(), want)
		}
	}
}
