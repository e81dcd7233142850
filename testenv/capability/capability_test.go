package capability_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/dockline/dockline/testenv/capability"
	"github.com/dockline/dockline/testenv/results"
)

func TestCheckNamesWhatIsNotShown(t *testing.T) {
	dir := t.TempDir()
	source := "package p\n\nimport \"testing\"\n\n// TestOne does it.\n//\n// Shows: S13, A5\nfunc TestOne(t *testing.T) {}\n\n// TestTwo does more.\n//\n// Shows: S14\nfunc TestTwo(t *testing.T) {}\n"
	if err := os.WriteFile(filepath.Join(dir, "p_test.go"), []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	shown, err := capability.Scan(dir, "m")
	if err != nil {
		t.Fatal(err)
	}
	run := &results.Results{Outcome: map[results.Test]string{{Package: "m", Name: "TestOne"}: "pass", {Package: "m", Name: "TestTwo"}: "skip"}}
	faults := capability.Check([]string{"S13", "A5", "S14", "S15"}, shown, run)
	want := []string{"S14: m.TestTwo: skip", "S15 is delivered, and no test says Shows: S15"}
	if !slices.Equal(faults, want) {
		t.Errorf("faults %q, want %q", faults, want)
	}
	if page := capability.Page([]string{"S13"}, shown, "m"); !strings.Contains(page, "| S13 | `m` TestOne |") {
		t.Errorf("page:\n%s", page)
	}
}

func TestScanRefusesAWrongNumber(t *testing.T) {
	dir := t.TempDir()
	source := "package p\n\nimport \"testing\"\n\n// TestOne does it.\n//\n// Shows: everything\nfunc TestOne(t *testing.T) {}\n"
	if err := os.WriteFile(filepath.Join(dir, "p_test.go"), []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := capability.Scan(dir, "m"); err == nil || !strings.Contains(err.Error(), "everything") {
		t.Errorf("error %v", err)
	}
}
