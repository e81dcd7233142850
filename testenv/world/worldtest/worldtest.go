// Package worldtest opens worlds in tests: the programs are built once for a test binary, a world ends with its test, and what its
// programs said is shown where a test fails.
package worldtest

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/dockline/dockline/testenv/world"
)

// programs is the folder of the programs, "" before anybody asked for them.
var programs string

var build = sync.OnceValue(func() (err error) {
	if programs, err = os.MkdirTemp("", "dockline-bin-"); err != nil {
		return err
	}
	return world.Build(context.Background(), programs, nil)
})

// Main runs the tests of a package and then removes the programs: func TestMain(m *testing.M) { worldtest.Main(m) }.
func Main(m *testing.M) {
	code := m.Run()
	if programs != "" {
		_ = os.RemoveAll(programs)
	}
	os.Exit(code)
}

// Bin is the folder with the programs.
func Bin(t *testing.T) string {
	t.Helper()
	if err := build(); err != nil {
		t.Fatal(err)
	}
	return programs
}

// Open starts a world, in a folder of its own unless c names one. Its own folder stays where the test fails.
func Open(t *testing.T, c world.Config) *world.World {
	t.Helper()
	prepare(t, &c)
	w, err := world.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	end(t, w)
	return w
}

// Join opens another tenant's world on the collector of one.
func Join(t *testing.T, host *world.World, c world.Config) *world.World {
	t.Helper()
	prepare(t, &c)
	w, err := host.Join(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	end(t, w)
	return w
}

func prepare(t *testing.T, c *world.Config) {
	t.Helper()
	if c.Bin = Bin(t); c.Dir != "" {
		return
	}
	var err error
	if c.Dir, err = os.MkdirTemp("", "dockline-world-"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the world's folder stays: %s", c.Dir)
			return
		}
		_ = os.RemoveAll(c.Dir)
	})
}

func end(t *testing.T, w *world.World) {
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("collector: %s", w.Collector.LogTail())
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
}

// Orders makes n orders in the ERP.
func Orders(t *testing.T, w *world.World, n int) {
	t.Helper()
	if _, err := w.Orders(t.Context(), n); err != nil {
		t.Fatal(err)
	}
}

// Settle waits until event log, ERP and CRM agree with the docks, and fails with what does not.
func Settle(t *testing.T, w *world.World, limit time.Duration) *world.Report {
	t.Helper()
	r, err := w.Settle(t.Context(), limit)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s", text)
	if !r.OK {
		t.Fatalf("%d mismatches, the first: %q", len(r.Mismatches), r.Mismatches[:min(10, len(r.Mismatches))])
	}
	return r
}

// Until waits for a state; an error of reached counts as not yet, and is told at the end.
func Until(t *testing.T, what string, limit time.Duration, reached func() (bool, error)) {
	t.Helper()
	deadline := time.Now().Add(limit)
	for {
		ok, err := reached()
		if ok && err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(fmt.Sprintf("%s: not within %s", what, limit), err)
		}
		select {
		case <-t.Context().Done():
			t.Fatal(t.Context().Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}
