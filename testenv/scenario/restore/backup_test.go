package restore_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/testenv"
	"github.com/dockline/dockline/testenv/world"
	"github.com/dockline/dockline/testenv/world/worldtest"
)

// command runs a command of the collector on its configuration, and returns what it said.
func command(t *testing.T, w *world.World, args ...string) string {
	t.Helper()
	argv := append([]string{world.Program(worldtest.Bin(t), "dockline-collector")}, args...)
	out, err := world.RunProgram(t.Context(), append(argv, "--config", filepath.Join(w.Config.Dir, "collector.yaml"))...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// documents counts what the ERP has.
func documents(t *testing.T, w *world.World) (issues, invoices, adjustments int) {
	t.Helper()
	truth, err := w.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return len(truth.Issues), len(truth.Invoices), len(truth.Adjustments)
}

// TestCollectorRestoredFromBackup takes a backup of the collector at work, lets half a day go on until everything agrees, loses the
// database and puts the backup back. The sites send again what came after it, the documents of that time are found in the ERP by their
// references, none is made twice, and work goes on. In one of the days the backup is put back by other means and nobody says so: the
// first site that is heard is ahead of the database, and the same follows.
//
// Shows: S52, A20
func TestCollectorRestoredFromBackup(t *testing.T) {
	for name, put := range map[string]func(t *testing.T, w *world.World, backup string){
		"by the command": func(t *testing.T, w *world.World, backup string) {
			if out := command(t, w, "restore", "--from", backup); !strings.Contains(out, "restored") {
				t.Errorf("it says %q", out)
			}
		},
		"by hand, unsaid": func(t *testing.T, w *world.World, backup string) {
			path := filepath.Join(w.Config.Dir, "collector", "collector.db")
			content, err := os.ReadFile(backup)
			if err != nil {
				t.Fatal(err)
			}
			for _, end := range []string{"-wal", "-shm"} {
				if err := os.Remove(path + end); err != nil && !os.IsNotExist(err) {
					t.Fatal(err)
				}
			}
			if err := os.WriteFile(path, content, 0o600); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := worldtest.Open(t, world.Config{Seed: 11})
			worldtest.Orders(t, w, 6)
			worldtest.Settle(t, w, 5*time.Minute)
			worldtest.Orders(t, w, 4)
			backup := filepath.Join(w.Config.Dir, "backup.db")
			command(t, w, "backup", "--out", backup)
			worldtest.Orders(t, w, 6)
			before := quiet(t, w)
			issues, invoices, adjustments := documents(t, w)
			w.Collector.Kill()
			put(t, w, backup)
			restoredAndWell(t, w, before, issues, invoices, adjustments)
			if told := noticed(t, w); told != strings.Contains(name, "unsaid") {
				t.Errorf("the collector noticed by itself: %v", told)
			}
		})
	}
}

// noticed says whether a site's word was what told the collector that its database was put back.
func noticed(t *testing.T, w *world.World) bool {
	t.Helper()
	d, err := db.Open(t.Context(), "sqlite:"+filepath.Join(w.Config.Dir, "collector", "collector.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	var n int
	if err := d.Read(t.Context(), func(tx *db.Tx) error {
		return tx.QueryRow(t.Context(), `SELECT count(*) FROM exception WHERE code = 'database_restored'`).Scan(&n)
	}); err != nil {
		t.Fatal(err)
	}
	return n > 0
}

// quiet waits until everything agrees and every posting is at its end: of one that is still under way the ERP may know before the collector does.
func quiet(t *testing.T, w *world.World) *world.Report {
	t.Helper()
	var report *world.Report
	worldtest.Settle(t, w, 5*time.Minute)
	worldtest.Until(t, "every posting at its end", 90*time.Second, func() (bool, error) {
		if w.UnderWay(t.Context()) {
			return false, nil
		}
		var err error
		report, err = w.Check(t.Context())
		return err == nil && report.OK, err
	})
	return report
}

// restoredAndWell starts the collector over a database that was put back and holds what becomes of it against what was there before.
func restoredAndWell(t *testing.T, w *world.World, before *world.Report, issues, invoices, adjustments int) {
	t.Helper()
	if err := w.Collector.Start(); err != nil {
		t.Fatal(err)
	}
	after := worldtest.Settle(t, w, 5*time.Minute)
	if after.EventsLogged != before.EventsLogged {
		t.Errorf("%d events in the log, %d before", after.EventsLogged, before.EventsLogged)
	}
	i, v, a := documents(t, w)
	if i != issues || v != invoices || a != adjustments {
		t.Errorf("the ERP has %d issues, %d invoices, %d adjustments; before the database was lost it had %d, %d, %d", i, v, a, issues, invoices, adjustments)
	}
	// The postings of the lost time are confirmed again only by reading back.
	began := time.Now()
	for after.Postings["confirmed"] != before.Postings["confirmed"] {
		if time.Since(began) > 90*time.Second {
			t.Fatalf("%d postings are confirmed, %d were before", after.Postings["confirmed"], before.Postings["confirmed"])
		}
		var err error
		if after, err = w.Check(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d postings are confirmed again after %s", after.Postings["confirmed"], time.Since(began).Round(time.Second))
	if i, v, a = documents(t, w); i != issues || v != invoices || a != adjustments {
		t.Errorf("after reading back the ERP has %d issues, %d invoices, %d adjustments, not %d, %d, %d", i, v, a, issues, invoices, adjustments)
	}
	worldtest.Orders(t, w, 4)
	worldtest.Settle(t, w, 5*time.Minute)
}

// TestPostgresRestored is the same on PostgreSQL: put back by our own backup and restore, and by pg_dump and pg_restore, and marked.
func TestPostgresRestored(t *testing.T) {
	for name, way := range map[string]struct {
		backup, restore func(t *testing.T, w *world.World, url, file string)
	}{
		"our own": {
			func(t *testing.T, w *world.World, url, file string) {
				if out := command(t, w, "backup", "--out", file); !strings.Contains(out, "wrote "+file) {
					t.Errorf("backup says %q", out)
				}
				if out := command(t, w, "restore", "--check", "--from", file); !strings.Contains(out, "is whole: of postgres") {
					t.Errorf("the check says %q", out)
				}
			},
			func(t *testing.T, w *world.World, url, file string) {
				if out := command(t, w, "restore", "--from", file); !strings.Contains(out, "kept in the schema dockline_before_restore_") {
					t.Errorf("restore says %q", out)
				}
			},
		},
		"pg_dump": {
			func(t *testing.T, w *world.World, url, file string) {
				if _, err := world.RunProgram(t.Context(), "pg_dump", "--format=custom", "--file="+file, url); err != nil {
					t.Fatal(err)
				}
			},
			func(t *testing.T, w *world.World, url, file string) {
				if _, err := world.RunProgram(t.Context(), "pg_restore", "--clean", "--if-exists", "--dbname="+url, file); err != nil {
					t.Fatal(err)
				}
				if out := command(t, w, "restore", "--mark"); !strings.Contains(out, "put back") {
					t.Errorf("it says %q", out)
				}
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			url := testenv.PostgreSQL(t)
			w := worldtest.Open(t, world.Config{Seed: 12, Sites: []string{"dc-west"}, Database: url})
			worldtest.Orders(t, w, 5)
			worldtest.Settle(t, w, 5*time.Minute)
			file := filepath.Join(w.Config.Dir, "backup.file")
			way.backup(t, w, url, file)
			worldtest.Orders(t, w, 5)
			before := quiet(t, w)
			issues, invoices, adjustments := documents(t, w)
			w.Collector.Kill()
			way.restore(t, w, url, file)
			restoredAndWell(t, w, before, issues, invoices, adjustments)
		})
	}
}
