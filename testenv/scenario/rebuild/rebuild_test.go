// Package rebuild_test holds what a collector has kept through a bad day against its event log, with the program itself.
package rebuild_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/rebuild"
	"github.com/dockline/dockline/testenv"
	"github.com/dockline/dockline/testenv/sandbox"
	"github.com/dockline/dockline/testenv/world"
	"github.com/dockline/dockline/testenv/world/worldtest"
)

func TestMain(m *testing.M) { worldtest.Main(m) }

// patience is how long a day may take to settle on a busy machine.
const patience = 4 * time.Minute

// TestRebuildEqualsLive lives through a day with every fault: lines that are cut, agents and collectors that are killed, an ERP that fails, loses its
// answers and is stopped. Then everything is derived anew from the event log, beside the collector at work: not one key differs. Last, rows are
// spoilt behind its back: the same command says which, and puts them right.
//
// Shows: S62
func TestRebuildEqualsLive(t *testing.T) {
	t.Run("Mosquitto and PostgreSQL", func(t *testing.T) {
		t.Parallel()
		testenv.NeedMosquitto(t)
		day(t, world.Config{Seed: 62, Broker: "mosquitto", Database: testenv.PostgreSQL(t), MovementsPerSecond: 10, CallTimeout: 8 * time.Second})
	})
	t.Run("embedded broker and SQLite", func(t *testing.T) {
		t.Parallel()
		day(t, world.Config{Seed: 26, MovementsPerSecond: 10, CallTimeout: 8 * time.Second})
	})
}

func day(t *testing.T, c world.Config) {
	w := worldtest.Open(t, c)
	w.ERP.Faults().Set(sandbox.Faults{Rate: 0.15, Latency: 20 * time.Millisecond, Modes: []sandbox.Mode{sandbox.ErrorBefore, sandbox.LostAnswer, sandbox.Busy}})
	worldtest.Orders(t, w, testenv.Count("rebuild.orders"))
	troubles := testenv.Count("rebuild.troubles")
	for i := range troubles {
		trouble(t, w, i)
	}
	if report(t, w, true).Events == 0 { // beside the traffic
		t.Error("nothing was compared")
	}
	for _, site := range w.Sites {
		site.Line.Cut(false)
	}
	worldtest.Settle(t, w, patience)
	w.ERP.Faults().Set(sandbox.Faults{})
	worldtest.Settle(t, w, patience)
	var r result
	worldtest.Until(t, "everything folded", patience, func() (bool, error) { r = report(t, w, true); return r.Pending == 0, nil })
	testenv.Figure(t, "events derived anew", r.Events, "facts", r.Facts, "keys", r.Keys, "keys that differ", r.Differing)
	if r.Events < 100 || r.Facts < r.Events || r.Keys < 50 {
		t.Errorf("too little happened: %+v", r.Run)
	}
	withoutConnectors(t, w)
	spoilt(t, w)
}

// withoutConnectors calls the command with a configuration that names no connectors: all that was posted would be told as a mistake, so it is refused.
func withoutConnectors(t *testing.T, w *world.World) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(w.Config.Dir, "collector.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var config map[string]any
	if err := yaml.Unmarshal(text, &config); err != nil {
		t.Fatal(err)
	}
	if delete(config, "connectors"); len(config) == 0 {
		t.Fatalf("there is nothing in the configuration: %s", text)
	}
	if text, err = yaml.Marshal(config); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(w.Config.Dir, "without.yaml")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), world.Program(w.Config.Bin, "dockline-collector"), "rebuild", "--config", path).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "names no connectors") {
		t.Errorf("without connectors: %v: %s", err, out)
	}
}

// trouble is one thing that goes wrong, after some work was done.
func trouble(t *testing.T, w *world.World, i int) {
	t.Helper()
	site := w.Sites[w.Config.Sites[i%len(w.Config.Sites)]]
	worked(t, w, (i+1)*8)
	switch i % 5 {
	case 0, 3:
		site.Agent.Kill()
		site.Line.Cut(i%2 == 0)
		if err := site.Agent.Start(); err != nil {
			t.Fatal(err)
		}
	case 1:
		w.Collector.Kill()
		if err := w.RestartCollector(t.Context()); err != nil {
			t.Fatal(err)
		}
	case 2:
		w.ERP.Stop()
	case 4:
		if err := w.ERP.Start(); err != nil {
			t.Fatal(err)
		}
		for _, site := range w.Sites {
			site.Line.Cut(false)
		}
	}
}

// worked waits until the log has taken so many events, or nothing moves.
func worked(t *testing.T, w *world.World, n int) {
	t.Helper()
	last, quiet := -1, time.Now()
	worldtest.Until(t, "work on the docks", patience, func() (bool, error) {
		ledgers, err := w.Ledgers()
		count := 0
		for _, records := range ledgers {
			count += len(records)
		}
		if count != last {
			last, quiet = count, time.Now()
		}
		return count >= n || time.Since(quiet) > 5*time.Second, err
	})
}

type result struct {
	rebuild.Run
	Differences []rebuild.Difference
}

// report runs the program; agrees says whether it is to find nothing.
func report(t *testing.T, w *world.World, agrees bool, more ...string) result {
	t.Helper()
	args := append([]string{"rebuild", "--json", "--config", filepath.Join(w.Config.Dir, "collector.yaml")}, more...)
	cmd := exec.CommandContext(t.Context(), world.Program(w.Config.Bin, "dockline-collector"), args...)
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	var r result
	if parsed := json.Unmarshal(out, &r); parsed != nil {
		t.Fatalf("%v: %v: %s%s", args, err, out, said.String())
	}
	if (err == nil) != agrees {
		t.Errorf("%v ended with %v: %s\n%+v", args, err, said.String(), r.Differences)
	}
	return r
}

// spoilt changes rows behind the collector's back.
func spoilt(t *testing.T, w *world.World) {
	url := w.Config.Database
	if url == "" {
		url = "sqlite:" + filepath.Join(w.Config.Dir, "collector", "collector.db")
	}
	d, err := db.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	order := ""
	err = d.Write(t.Context(), func(tx *db.Tx) error {
		if err := tx.QueryRow(t.Context(), `SELECT fold_key FROM state WHERE status = 'closed' AND fold_key LIKE 'order/%' ORDER BY fold_key LIMIT 1`).Scan(&order); err != nil {
			return err
		}
		for _, query := range []string{`DELETE FROM fact WHERE fold_key = ? AND log_id = (SELECT max(log_id) FROM fact WHERE fold_key = ?)`,
			`UPDATE state SET status = 'picking' WHERE fold_key = ? OR fold_key = ?`} {
			if _, err := tx.Exec(t.Context(), query, order, order); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	key := rebuild.Key{Tenant: w.Config.Tenant, Key: order}
	if r := report(t, w, false); r.Differing != 1 || len(r.Differences) != 2 || r.Differences[0].Key != key {
		t.Errorf("after %s was spoilt: %+v", order, r)
	}
	if r := report(t, w, true, "--switch"); r.Differing != 1 || r.Remaining != 0 {
		t.Errorf("the switch: %+v", r)
	}
	if r := report(t, w, true); r.Differing != 0 {
		t.Errorf("after the switch: %+v", r)
	}
	worldtest.Settle(t, w, patience)
}
