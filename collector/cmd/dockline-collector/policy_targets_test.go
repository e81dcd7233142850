package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A folder that does not name the targets leaves them to the connectors, when it is looked at, handed in or compared: nobody is told otherwise.
func TestAFolderWithoutTargetsLeavesThemToTheConnectors(t *testing.T) {
	dir := filled(t)
	next := filepath.Join(dir, "other")
	if err := os.Remove(filepath.Join(next, "targets.yaml")); err != nil {
		t.Fatal(err)
	}
	said := func(args ...string) string {
		t.Helper()
		out, errs, code := command(t, dir, args...)
		if code != exitFine {
			t.Fatalf("%s: %d %s", args, code, errs)
		}
		return out
	}
	var proposed struct{ Version string }
	if err := json.Unmarshal([]byte(said("policy", "set", next, "--reason", "more", "--by", admin, "--json")), &proposed); err != nil {
		t.Fatal(err)
	}
	if out := said("policy", "check", next, "--known"); !strings.Contains(out, "it is version "+proposed.Version) || strings.Contains(out, "no target") {
		t.Errorf("checked: %s", out)
	}
	var shown struct {
		Files   map[string]string
		Changes []struct{ File string }
	}
	if err := json.Unmarshal([]byte(said("policy", "show", proposed.Version, "--json")), &shown); err != nil {
		t.Fatal(err)
	}
	if targets := shown.Files["targets.yaml"]; !strings.Contains(targets, "erp") || strings.Contains(targets, "crm") {
		t.Errorf("the targets are %s", targets)
	}
	for _, c := range shown.Changes {
		if c.File == "targets.yaml" {
			t.Errorf("it changes %s", c.File)
		}
	}
	if out := said("policy", "diff", next); !strings.Contains(out, "0 would differ") {
		t.Errorf("compared: %s", out)
	}
}
