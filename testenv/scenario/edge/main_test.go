// Package edge_test holds the shipped agent to the thirteen promises of its capture, journal and line: real processes, a real plugin, a real
// broker, killed, starved, damaged and cut off.
package edge_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/dockline/dockline/testenv"
	"github.com/dockline/dockline/testenv/world"
)

var programs = testenv.Programs{List: []testenv.Program{testenv.AgentClockProgram, testenv.RowsProgram}}

func TestMain(m *testing.M) {
	programs.Also = func(dir string) error {
		return errors.Join(os.Link(filepath.Join(dir, "rows"), filepath.Join(dir, "rows-push")), world.Build(context.Background(), dir, nil))
	}
	programs.Main(m)
}

// bin is the folder with the programs: agent, agent-clock (whose clock a test can set), collector, rows and rows-push.
func bin(t *testing.T) string {
	t.Helper()
	return programs.Dir(t)
}

func eventually(t *testing.T, limit time.Duration, what string, is func() bool) {
	t.Helper()
	testenv.Eventually(t, limit, what, is)
}

func sprintf(format string, args ...any) string { return fmt.Sprintf(format, args...) }
