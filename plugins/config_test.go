package plugins

import (
	"testing"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

type testConfig struct {
	Folder string `yaml:"folder"`
	Files  []struct {
		Pattern string         `yaml:"pattern"`
		Columns map[string]int `yaml:"columns"`
	} `yaml:"files"`
}

func TestDecodeNamesEveryFaultWithPathAndLine(t *testing.T) {
	var into testConfig
	config := []byte("folder: in\nfolders: out\nfiles:\n  - pattern: PICK*.csv\n    colums: {}\n  - pattern: SHIP*.csv\n    columns:\n      qty: many\n      item: 2\n")
	faults := Decode(config, &into)
	want := []docklinev1.ConfigFault{{Path: "folders", Line: 2}, {Path: "files[0].colums", Line: 5}, {Path: "files[1].columns.qty", Line: 8}}
	if len(faults) != len(want) {
		t.Fatalf("got %d faults %v, want %d", len(faults), faults, len(want))
	}
	seen := map[string]uint32{}
	for _, f := range faults {
		seen[f.GetPath()] = f.GetLine()
		if f.GetText() == "" {
			t.Errorf("fault at %s says nothing", f.GetPath())
		}
	}
	for i := range want {
		if line, ok := seen[want[i].Path]; !ok || line != want[i].Line {
			t.Errorf("%s: line %d (found %v), want %d; all: %v", want[i].Path, line, ok, want[i].Line, faults)
		}
	}
	if into.Folder != "in" || len(into.Files) != 2 || into.Files[1].Columns["item"] != 2 {
		t.Errorf("what is right was not filled in: %+v", into)
	}
}

func TestDecodeOfNothingKeepsDefaults(t *testing.T) {
	into := testConfig{Folder: "default"}
	if faults := Decode(nil, &into); len(faults) != 0 || into.Folder != "default" {
		t.Errorf("faults %v, folder %q", faults, into.Folder)
	}
}

func TestDecodeOfBrokenYAML(t *testing.T) {
	var into testConfig
	faults := Decode([]byte("folder: in\nfiles: [\n"), &into)
	if len(faults) != 1 || faults[0].GetLine() == 0 {
		t.Errorf("want one fault with its line, got %v", faults)
	}
}

func TestFaultStandsAtItsLineOrItsParents(t *testing.T) {
	config := []byte("folder: in\nfiles:\n  - pattern: a\n  - pattern: b\n    columns:\n      qty: 1\n")
	for path, want := range map[string]uint32{"folder": 1, "files[1].columns.qty": 6, "files[1].pattern": 4, "files[1].absent": 4, "nowhere": 0} {
		if got := Fault(config, path, "wrong").GetLine(); got != want {
			t.Errorf("%s: line %d, want %d", path, got, want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte("folder: in\nfiles: [{pattern: a, columns: {qty: x}}]\n"))
	f.Add([]byte("a: &a [*a]\n"))
	f.Add([]byte("folder: in\nfolder: twice\n"))
	f.Fuzz(func(t *testing.T, config []byte) {
		var into testConfig
		faults := Decode(config, &into)
		for _, fault := range faults {
			if fault.GetText() == "" {
				t.Errorf("a fault without words in %q", config)
			}
		}
	})
}
