package plugins_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dockline/dockline/testenv"
)

// A program with one changed byte is not run: it is refused with the hash that is expected and the one that it has, in the status and in the
// log, while the program that is what the configuration pins works. With the right program back in its place it is released, and works too.
//
// Shows: E15
func TestEdge15(t *testing.T) {
	program, err := os.ReadFile(filepath.Join(bin(t), "rows"))
	if err != nil {
		t.Fatal(err)
	}
	good := hashOf(program)
	changed := append([]byte(nil), program...)
	changed[len(changed)/2] ^= 1
	path := filepath.Join(t.TempDir(), "rows")
	if err := os.WriteFile(path, changed, 0o755); err != nil {
		t.Fatal(err)
	}
	a := newAgent(t, fmt.Sprintf("  - {id: pinned, path: PROGRAMS/rows, sha256: %[1]s, config: {per_second: 20}}\n  - {id: bad, path: %[2]q, sha256: %[1]s, config: {per_second: 20}}", good, path))
	quarantined(t, a, good, hashOf(changed), path, "expected", "found")
	if log := a.Log(); !strings.Contains(log, good) || !strings.Contains(log, hashOf(changed)) {
		t.Error("the log does not name both hashes")
	}
	eventually(t, patience, "the pinned one works", func() bool { return a.plugin("pinned").GetAcceptedTotal() > 5 })
	if bad := a.plugin("bad"); bad.GetAcceptedTotal() > 0 || bad.GetName() != "" {
		t.Errorf("the changed program was run: %v", bad)
	}
	if out, err := a.control("status"); err == nil || !strings.Contains(out, good) {
		t.Errorf("the status of an agent that refuses a plugin: %v\n%s", err, out)
	}
	if err := os.WriteFile(path+".new", program, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	if out, err := a.control("plugin", "release", "bad"); err != nil {
		t.Fatalf("release: %v %s", err, out)
	}
	eventually(t, patience, "the right program works", func() bool { return a.plugin("bad").GetAcceptedTotal() > 5 })
}

// A plugin of a later version of the contract is refused at once, with its version and the agent's.
//
// Shows: E15
func TestEdge15Version(t *testing.T) {
	a := newAgent(t, naughty("naughty-future", "none", ""))
	quarantined(t, a, "another version of the contract", "Plugin version: 9", "speaks version 1")
	if bad := a.plugin("bad"); bad.GetRestarts() != 1 {
		t.Errorf("it was started %d times; once more does not help", bad.GetRestarts())
	}
}

// Every plugin that is shipped is held to the conformance suite as a binary: where one is added, so is its test.
//
// Shows: E15
func TestEdge15ConformanceOfEveryShippedPlugin(t *testing.T) {
	folder := filepath.Join("..", "..", "..", "plugins")
	mains, err := filepath.Glob(filepath.Join(folder, "*", "main.go"))
	if err != nil || len(mains) < 2 {
		t.Fatalf("shipped plugins %v: %v", mains, err)
	}
	for _, main := range mains {
		if !hasSuite(t, filepath.Dir(main)) {
			t.Errorf("%s has no test that calls plugintest.RunBinary", filepath.Dir(main))
		}
	}
	testenv.Figure(t, "shipped plugins that are held to the suite", len(mains))
}

func hasSuite(t *testing.T, dir string) (found bool) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		found = found || strings.Contains(string(text), "plugintest.RunBinary(")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func hashOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
