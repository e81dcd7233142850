package main

import (
	"os"
	"strings"
	"testing"

	"github.com/dockline/dockline/plugins/sim/traffic"
)

// The README explains every awkward case as the code does, and the sample is sound.
func TestREADMENamesEveryAwkwardCase(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	names, about := traffic.Cases()
	for _, name := range names {
		if row := "| `" + name + "` | " + about[name] + " |"; !strings.Contains(string(text), row) {
			t.Errorf("the README has no row %s", row)
		}
	}
	sample, err := os.ReadFile("sample.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if _, _, faults := parse(sample, "dc"); len(faults) > 0 {
		t.Error(faults)
	}
}
