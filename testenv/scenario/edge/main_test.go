// Package edge_test holds the shipped agent to the thirteen promises of its capture, journal and line: real processes, a real plugin, a real
// broker, killed, starved, damaged and cut off.
package edge_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/dockline/dockline/testenv/world"
)

// programs are built once for all tests of this package.
var programs struct {
	once sync.Once
	dir  string
	err  error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if programs.dir != "" {
		_ = os.RemoveAll(programs.dir)
	}
	os.Exit(code)
}

// bin is the folder with the programs: agent, agent-clock (whose clock a test can set), collector, rows and rows-push.
func bin(t *testing.T) string {
	t.Helper()
	programs.once.Do(func() {
		if programs.dir, programs.err = os.MkdirTemp("", "dockline-edge-"); programs.err != nil {
			return
		}
		if programs.err = world.Build(t.Context(), programs.dir, nil); programs.err != nil {
			return
		}
		for _, build := range [][]string{
			{"agent-clock", "-tags", "clockstep", "github.com/dockline/dockline/agent/cmd/dockline-agent"},
			{"rows", "github.com/dockline/dockline/testenv/rows"},
		} {
			args := append([]string{"build", "-o", filepath.Join(programs.dir, build[0])}, build[1:]...)
			if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
				programs.err = fmt.Errorf("build %s: %w: %s", build[0], err, out)
				return
			}
		}
		programs.err = os.Link(filepath.Join(programs.dir, "rows"), filepath.Join(programs.dir, "rows-push"))
	})
	if programs.err != nil {
		t.Fatal(programs.err)
	}
	return programs.dir
}

// eventually waits until a state is reached.
func eventually(t *testing.T, limit time.Duration, what string, is func() bool) {
	t.Helper()
	deadline := time.Now().Add(limit)
	for !is() {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", limit, what)
		}
		select {
		case <-t.Context().Done():
			t.Fatal(t.Context().Err())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func sprintf(format string, args ...any) string { return fmt.Sprintf(format, args...) }
