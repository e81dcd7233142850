package guarantee_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dockline/dockline/testenv/capability"
	"github.com/dockline/dockline/testenv/guarantee"
	"github.com/dockline/dockline/testenv/results"
)

// The page has the figures of full runs only, and says of the rest that there are none.
func TestPage(t *testing.T) {
	dir := t.TempDir()
	lines := `{"test":"TestEdge01","full":true,"at":"2026-03-02T08:00:00Z","name":"kills","value":"200"}
{"test":"TestEdge02","full":false,"at":"2026-03-02T08:00:00Z","name":"kills","value":"a handful"}
{"test":"TestPowerCut","full":true,"at":"2026-03-03T08:00:00Z","name":"power cuts","value":"500"}
`
	if err := os.WriteFile(filepath.Join(dir, "a.jsonl"), []byte(lines), 0o644); err != nil {
		t.Fatal(err)
	}
	figures, err := guarantee.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	page := guarantee.Page(figures, capability.Shown{"E01": {results.Test{Name: "TestEdge01"}}, "E02": {results.Test{Name: "TestEdge02"}}})
	for _, want := range []string{"| E01 | A plugin is answered only after a synced commit | `TestEdge01` | kills: **200** | 2026-03-02 |", "`TestEdge02` | not run in full yet |",
		"| E03 | Only the collector's own word deletes, never the broker's |  | no test yet |", "| `TestPowerCut` | power cuts: **500** | 2026-03-03 |"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
	if strings.Contains(page, "a handful") {
		t.Error("the page has a figure of a run that was not full")
	}
	if _, err := guarantee.Read(t.TempDir()); err == nil {
		t.Error("an empty folder makes a page")
	}
}
