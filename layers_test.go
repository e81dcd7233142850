package dockline_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/dockline/dockline/"

// collectorShared are packages of the centre that its stages may import: the database, contracts, the pure core, and who did what.
var collectorShared = []string{"collector/db", "collector/connector", "collector/policy", "collector/state", "collector/ownership",
	"collector/audit", "collector/people", "collector/calendar", "collector/milestone", "collector/schema"}

// deciding are what reconcile, which decides in one transaction, may import besides; nobody else may.
var deciding = []string{"collector/posting", "collector/exception", "collector/receipt"}

// TestLayers holds the tree's imports to the house rules: proto imports nothing of ours, plugins only proto, agent's stages only
// plugins and proto, the collector never the agent, stages of the road not each other, and nobody testenv. External test
// packages (package x_test) may import testenv.
func TestLayers(t *testing.T) {
	files := 0
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (strings.HasPrefix(entry.Name(), ".") && path != "." || entry.Name() == "testdata" || path == "proto/tools" || path == "installers/tools") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		files++
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		from := filepath.ToSlash(filepath.Dir(path))
		external := strings.HasSuffix(file.Name.Name, "_test")
		for _, spec := range file.Imports {
			to, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			if ours, ok := strings.CutPrefix(to, module); ok && !mayImport(from, ours, external) {
				t.Errorf("%s imports %s: not allowed by the house (docs/ARCHITECTURE.md, layers)", path, ours)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 20 {
		t.Fatalf("only %d files seen: the walk is broken", files)
	}
}

func mayImport(from, to string, external bool) bool {
	in := func(path, folder string) bool { return path == folder || strings.HasPrefix(path, folder+"/") }
	if in(from, "testenv") || external && in(to, "testenv") {
		return true
	}
	if from == to || in(to, from) && external {
		return true
	}
	switch {
	case in(to, "testenv"):
		return false
	case in(to, "proto"):
		return !in(from, "proto") || in(to, "proto/dockline") || from == "proto/wire" || in(from, "proto/event") && (in(to, "proto/event") || to == "proto/gs1")
	case in(from, "proto"):
		return false
	case in(from, "plugins"):
		return in(to, "plugins")
	case in(from, "agent"):
		return in(to, "plugins") || in(to, "agent") && (from == "agent" || in(from, "agent/cmd") || external)
	case in(from, "collector"):
		return in(to, "collector") && collectorMayImport(from, to, external, in)
	}
	return from == "."
}

func collectorMayImport(from, to string, external bool, in func(path, folder string) bool) bool {
	if from == "collector" || in(from, "collector/cmd") || external {
		return true
	}
	for _, shared := range collectorShared {
		if in(to, shared) {
			return true
		}
	}
	// The console, the API and an export show what the stages keep.
	if in(from, "collector/console") || in(from, "collector/api") || in(from, "collector/export") {
		return true
	}
	for _, d := range deciding {
		if to == d {
			return from == "collector/reconcile" || in(from, "collector/posting") || in(from, "collector/receipt")
		}
	}
	return stage(from) == stage(to)
}

// stage is the second segment of a package's path.
func stage(path string) string {
	parts := strings.Split(path, "/")
	return parts[min(1, len(parts)-1)]
}
