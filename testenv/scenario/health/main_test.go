// Package health_test holds a site to an honest word on how it is: the shipped programs, damaged, starved and cut off, and what the people
// at the dock and at the centre are told.
package health_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/dockline/dockline/testenv"
	"github.com/dockline/dockline/testenv/world"
	"github.com/dockline/dockline/testenv/world/worldtest"
)

// patience is for states that are reached at once on an idle machine.
const patience = 4 * time.Minute

func TestMain(m *testing.M) { worldtest.Main(m) }

// run runs one of the programs as a person does, and returns what it printed and its exit code.
func run(t *testing.T, w *world.World, program string, args ...string) (out, said string, code int) {
	t.Helper()
	return runAt(t, world.Program(w.Config.Bin, program), args...)
}

func runAt(t *testing.T, program string, args ...string) (out, said string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatalf("%s %v: %v", program, args, err)
	}
	return stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()
}

// configOf is the configuration of a site's agent.
func configOf(w *world.World, site string) string {
	return filepath.Join(w.Config.Dir, site, "agent.yaml")
}

// examined is one line of doctor --json.
type examined struct {
	Code, Outcome, Text, Remedy string
}

// doctor examines a site.
func doctor(t *testing.T, w *world.World, site string, args ...string) (found []examined, code int) {
	t.Helper()
	return examine(t, w, append([]string{"doctor", "--json", "--config", configOf(w, site)}, args...)...)
}

func examine(t *testing.T, w *world.World, args ...string) (found []examined, code int) {
	t.Helper()
	out, said, code := run(t, w, "dockline-agent", args...)
	var answer struct{ Examined []examined }
	if err := json.Unmarshal([]byte(out), &answer); err != nil {
		t.Fatalf("doctor: %v\n%s\n%s", err, out, said)
	}
	return answer.Examined, code
}

func until(t *testing.T, w *world.World, what string, limit time.Duration, is func() bool) time.Duration {
	t.Helper()
	return testenv.Eventually(t, limit, what, is, func() string { return "collector: " + w.Collector.LogTail() }, func() string {
		logs := ""
		for name, s := range w.Sites {
			logs += name + ": " + s.Agent.LogTail() + "\n"
		}
		return logs
	})
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func write(t *testing.T, path string, text []byte, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, text, mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil { // of a file that was there
		t.Fatal(err)
	}
}
