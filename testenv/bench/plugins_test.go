package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/dockline/dockline/plugins"
	"github.com/dockline/dockline/plugins/scanner/scanner"
	"github.com/dockline/dockline/plugins/wms-file/wmsfile"
	"github.com/dockline/dockline/plugins/wms-sql/wmssql"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// A section with a fault would start no plugin, and the run would only find out after minutes.
func TestPluginsTakeTheirSections(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"out", "in"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		plugin  plugins.Source
		section string
	}{
		"wms-sql":      {wmssql.New(), fmt.Sprintf(tableSection, "127.0.0.1", 5432, "d1_1", "dockline")},
		"wms-file CSV": {wmsfile.New(), csvForm.section(dir)},
		"wms-file X12": {wmsfile.New(), x12Form.section(dir)},
		"scanner":      {scanner.New(), fmt.Sprintf(scanSection, 4001)},
	} {
		for _, f := range c.plugin.Check([]byte(c.section), "wms") {
			t.Errorf("%s: line %d, %s: %s", name, f.GetLine(), f.GetPath(), f.GetText())
		}
	}
}

// What is measured against the parser alone is what the parser reads whole: each record, none with a fault.
func TestTheFilesOfABenchAreRead(t *testing.T) {
	for _, form := range []fileForm{csvForm, x12Form} {
		const records = 300
		text, err := form.write(records)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), form.file)
		if err := os.WriteFile(path, text, 0o644); err != nil {
			t.Fatal(err)
		}
		if n, err := form.parse(path); err != nil || n != records {
			t.Errorf("%s: %d records of %d: %v", form.name, n, records, err)
		}
		out, err := wmsfile.New().Try(&docklinev1.TryRequest{Config: []byte(form.section(filepath.Dir(path))), FileName: form.file, Sample: text})
		if err != nil {
			t.Fatal(err)
		}
		events := 0
		for _, e := range out.GetEvents() {
			if e.GetKind() == form.kind {
				events++
			}
		}
		if events != records || len(out.GetEvents()) != records || len(out.GetFaults()) > 0 {
			t.Errorf("%s: %d of %d events have kind %v, want %d; faults %v", form.name, events, len(out.GetEvents()), form.kind, records, out.GetFaults())
		}
	}
}
