package wmsfile

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/dockline/dockline/plugins/mapping"
	"github.com/dockline/dockline/plugins/work"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

func sampleConfig(t testing.TB, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile("../" + name)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestSamplesAreGood(t *testing.T) {
	for _, name := range []string{"sample.yaml", "sample-german.yaml"} {
		s, faults := load(sampleConfig(t, name))
		if len(faults) > 0 {
			t.Errorf("%s: %v", name, faults)
			continue
		}
		if len(s.streams) < 3 || s.sheets[work.ReleaseOrder] == nil {
			t.Errorf("%s: %d streams, sheets %v", name, len(s.streams), s.sheets)
		}
	}
}

// The journal's sample has a row of every kind that a site may tell.
func TestTheJournalSampleHasEveryKind(t *testing.T) {
	out, err := trier().Try(&docklinev1.TryRequest{Config: sampleConfig(t, "sample-journal.yaml"), FileName: "journal-0001.csv", Sample: testdata(t, "sample/journal-0001.csv")})
	if err != nil || len(out.GetFaults()) > 0 {
		t.Fatalf("%v, %v", out.GetFaults(), err)
	}
	told := map[docklinev1.EventKind]bool{}
	for _, e := range out.GetEvents() {
		told[e.GetKind()] = true
	}
	for _, kind := range mapping.Kinds() {
		if !told[kind] {
			t.Errorf("no row of %s", event.KindName(kind))
		}
	}
}

func TestSampleShowsTheDefaults(t *testing.T) {
	s, faults := load(sampleConfig(t, "sample.yaml"))
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	d := defaultConfig()
	if s.Poll != d.Poll || s.Settle != d.Settle || s.MaxMB != d.MaxMB || s.Complete.By != d.Complete.By || s.Complete.Stable != d.Complete.Stable ||
		strings.Join(s.Complete.Ignore, " ") != strings.Join(d.Complete.Ignore, " ") {
		t.Errorf("the sample says %+v, the defaults are %+v", s.Complete, d.Complete)
	}
}

func TestCheckNamesEveryFaultWithPathAndLine(t *testing.T) {
	config := `outbound: out
archive: /a
errors: /a
poll: 1ms
colour: red
complete: {by: magic}
files:
  - name: picks
    pattern: "[picks"
    encoding: ebcdic
    kind: pick.confirmd
    columns:
      qty: quantity
      sku: itm
      order: order
      at: {field: occurred_at, dates: iso}
  - name: picks
    pattern: x*.csv
    zone: UTC
    kind: pick.confirmed
    columns: {id: task, o: order, s: item, q: quantity, t: occurred_at}
commands:
  release_order:
    file: release.csv
    columns:
      - {header: a, field: nowhere}
`
	want := map[string]uint32{
		"outbound": 1, "errors": 3, "poll": 4, "colour": 5, "complete.by": 6, "files[0].pattern": 9, "files[0].encoding": 10, "files[0].kind": 11,
		"files[0].columns.sku": 14, "files[0].key": 8, "files[1].name": 17, "files[1].key": 17, "inbound": 0, "commands.release_order.file": 24, "commands.release_order.columns[0].field": 26,
	}
	got := map[string]uint32{}
	for _, f := range (&Plugin{}).Check([]byte(config), "wms") {
		got[f.GetPath()] = f.GetLine()
		if f.GetText() == "" {
			t.Errorf("%s: a fault without words", f.GetPath())
		}
	}
	for path, line := range want {
		if at, ok := got[path]; !ok || at != line {
			t.Errorf("%s: line %d (found: %v), want %d", path, at, ok, line)
		}
	}
	dates := false
	for path := range got {
		dates = dates || strings.HasPrefix(path, "files[0].columns.at")
	}
	if !dates {
		t.Errorf("the unknown key within a column was not found: %v", got)
	}
}

// A mapping without a key would make events doubled by every second reading.
func TestMappingWithoutKeyIsRefused(t *testing.T) {
	config := strings.ReplaceAll(string(sampleConfig(t, "sample.yaml")), "    key: [pick_id]\n", "")
	faults := (&Plugin{}).Check([]byte(config), "wms")
	if len(faults) != 1 || faults[0].GetPath() != "files[0].key" || !strings.Contains(faults[0].GetText(), "row+occurrence") {
		t.Errorf("got %v", faults)
	}
	chosen := strings.ReplaceAll(string(sampleConfig(t, "sample.yaml")), "key: [pick_id]", "key: row+occurrence")
	if faults := (&Plugin{}).Check([]byte(chosen), "wms"); len(faults) > 0 {
		t.Errorf("row+occurrence was refused: %v", faults)
	}
}

func TestSchemaIsJSONAndKnowsTheTopKeys(t *testing.T) {
	var s struct {
		Properties map[string]any `json:"properties"`
	}
	if err := json.Unmarshal([]byte(schema), &s); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"outbound", "inbound", "archive", "errors", "poll", "settle", "max_mb", "complete", "defaults", "files", "commands"} {
		if s.Properties[key] == nil {
			t.Errorf("the schema lacks %s", key)
		}
	}
}
