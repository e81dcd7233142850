package db_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/testenv"
)

// A restore of PostgreSQL is refused while a collector is at work, whose sessions have the name of its run, while one that is halted counts by its own
// word though it has no session, and while another restore is under way. The refusal names them and changes nothing.
func TestRestoreRefusesBesideCollectors(t *testing.T) {
	url := testenv.PostgreSQL(t)
	const collector, run = "dockline-collector", "3b0c7d2e"
	open := func(name string) *db.DB {
		d, err := db.Open(t.Context(), db.Named(url, name))
		if err == nil {
			err = d.Migrate(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	d := open("test")
	defer d.Close()
	out := filepath.Join(t.TempDir(), "copy")
	if err := back(d, out, true); err != nil {
		t.Fatal(err)
	}
	addSite(t, d, "since")
	member := func(until time.Duration) {
		t.Helper()
		if err := d.Write(t.Context(), func(tx *db.Tx) error {
			now, err := tx.Now(t.Context())
			if err != nil {
				return err
			}
			_, err = tx.Exec(t.Context(), `INSERT INTO member (name, process, version, schema, since, until_at) VALUES ('west', ?, '1', 1, 1, ?)
				ON CONFLICT (name) DO UPDATE SET until_at = excluded.until_at`, run, now.Add(until).UnixMicro())
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	marks := 0
	refused := func(what string, words ...string) {
		t.Helper()
		_, err := db.RestorePostgres(t.Context(), out, url, time.Now(), func(context.Context, *db.Tx) error { marks++; return nil })
		if !errors.Is(err, db.ErrInUse) {
			t.Fatalf("%s: restored: %v", what, err)
		}
		for _, word := range words {
			if !strings.Contains(err.Error(), word) {
				t.Errorf("%s: the refusal does not say %q: %v", what, word, err)
			}
		}
		if n := count(t, d, `SELECT count(*) FROM site WHERE id = 'since'`); n != 1 || marks > 0 {
			t.Errorf("%s: the refusal has changed the database (%d rows of it, %d marks)", what, n, marks)
		}
	}
	early := open(collector + " " + run)
	refused("a run that has not joined", "has not joined", "pg_terminate_backend")
	member(-time.Second)
	refused("a run that was given up, with sessions", "sessions of collector west")
	early.Close()
	member(time.Minute)
	refused("a collector within its term, without a session", "collector west, which counts until")
	member(-time.Second)
	command := open(collector)
	refused("a command", "a dockline-collector command")
	command.Close()
	other := open("dockline-restore other")
	refused("another restore", "another restore")
	other.Close()

	// One that was killed a moment ago is waited for.
	member(3 * time.Second)
	if _, err := db.RestorePostgres(t.Context(), out, url, time.Now(), mark(t)); err != nil {
		t.Fatalf("with nobody there: %v", err)
	}
	if n := count(t, d, `SELECT count(*) FROM site WHERE id = 'since'`); n != 0 {
		t.Error("it was not restored")
	}
}

// A restore that was cut off goes on after another one was made: it finds what it had loaded gone, and does not touch what the other one loads.
func TestARestoreThatWasCutOff(t *testing.T) {
	url := testenv.PostgreSQL(t)
	d, err := db.Open(t.Context(), db.Named(url, "test"))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := d.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	addSite(t, d, "before")
	out := filepath.Join(t.TempDir(), "copy")
	if err := back(d, out, true); err != nil {
		t.Fatal(err)
	}
	exec := func(query string) {
		t.Helper()
		if err := d.Write(t.Context(), func(tx *db.Tx) error { _, err := tx.Exec(t.Context(), query); return err }); err != nil {
			t.Fatal(err)
		}
	}
	for _, left := range []string{"dockline_restoring", "dockline_restoring_cutoff"} {
		exec(`CREATE SCHEMA ` + left)
		exec(`CREATE TABLE ` + left + `.site (tenant text, id text, created_at bigint)`)
	}
	if _, err := db.RestorePostgres(t.Context(), out, url, time.Now(), func(ctx context.Context, tx *db.Tx) error {
		late, err := db.Open(t.Context(), db.Named(url+"&search_path=dockline_restoring_cutoff", "dockline-restore late")) // after all was looked at
		if err != nil {
			return err
		}
		defer late.Close()
		err = late.Write(t.Context(), func(tx *db.Tx) error {
			_, err := tx.Exec(t.Context(), `INSERT INTO site (tenant, id, created_at) VALUES ('acme', 'late', 1)`)
			return err
		})
		if err == nil {
			t.Error("the one that was cut off could go on")
		}
		_, err = tx.NewIncarnation(ctx, time.Now())
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if n := count(t, d, `SELECT count(*) FROM site`); n != 1 {
		t.Errorf("%d sites, want the one of the copy", n)
	}
	if n := count(t, d, `SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'dockline_restoring%'`); n != 0 {
		t.Errorf("%d schemas of restores are left", n)
	}
}

// While the tables change places a collector that comes waits, and finds the restored ones; when they were put back is said within that, and not
// before. One that came a moment earlier stops the restore, however late that is.
func TestACollectorComesWhileItIsRestored(t *testing.T) {
	url := testenv.PostgreSQL(t)
	d, err := db.Open(t.Context(), db.Named(url, "test"))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := d.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "copy")
	if err := back(d, out, true); err != nil {
		t.Fatal(err)
	}
	addSite(t, d, "since")
	come := func() (*db.DB, error) { // as a collector starts
		c, err := db.Open(t.Context(), db.Named(url, "dockline-collector 7"))
		if err == nil {
			err = c.Migrate(t.Context())
		}
		return c, err
	}

	// Somebody holds a table, so that the restore has to wait for it; a collector comes meanwhile.
	held, letGo := make(chan struct{}), make(chan struct{})
	holding := make(chan error, 1)
	go func() {
		holding <- d.Write(t.Context(), func(tx *db.Tx) error {
			_, err := tx.Exec(t.Context(), `UPDATE site SET created_at = 2`)
			close(held)
			<-letGo
			return err
		})
	}()
	<-held
	restored := make(chan error, 1)
	go func() {
		_, err := db.RestorePostgres(t.Context(), out, url, time.Now(), mark(t))
		restored <- err
	}()
	testenv.Eventually(t, 2*time.Minute, "the restore waits for the table", func() bool {
		return count(t, d, `SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'dockline-restore%' AND query LIKE 'LOCK TABLE%' AND wait_event_type = 'Lock'`) > 0
	}, func() string { return "it does not" })
	early, err := db.Open(t.Context(), db.Named(url, "dockline-collector 6"))
	if err != nil {
		t.Fatal(err)
	}
	close(letGo)
	if err := <-holding; err != nil {
		t.Fatal(err)
	}
	if err := <-restored; !errors.Is(err, db.ErrInUse) {
		t.Fatalf("a collector came before the tables were locked: %v", err)
	}
	early.Close()

	came := make(chan error, 1)
	var late *db.DB
	var marked time.Time
	_, err = db.RestorePostgres(t.Context(), out, url, time.Now(), func(ctx context.Context, tx *db.Tx) error {
		if late == nil && marked.IsZero() {
			go func() {
				var err error
				late, err = come()
				came <- err
			}()
		}
		if err := waitFor(ctx, tx, `SELECT count(*) FROM pg_stat_activity WHERE application_name = 'dockline-collector 7' AND wait_event_type = 'Lock'`); err != nil {
			return err
		}
		marked = time.Now()
		_, err := tx.NewIncarnation(ctx, marked)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := <-came; err != nil {
		t.Fatal(err)
	}
	defer late.Close()
	if n := count(t, late, `SELECT count(*) FROM site WHERE id = 'since'`); n != 0 {
		t.Error("the collector that came meanwhile works on the tables that were there before")
	}
	if err := late.Read(t.Context(), func(tx *db.Tx) error {
		_, at, err := tx.Incarnation(t.Context(), false)
		if err == nil && !at.Equal(marked.Truncate(time.Microsecond)) {
			t.Errorf("put back at %s, marked at %s", at, marked)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

// waitFor waits within a transaction until a query counts something.
func waitFor(ctx context.Context, tx *db.Tx, query string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	for {
		if _, err := tx.Exec(ctx, `SELECT pg_stat_clear_snapshot()`); err != nil {
			return err
		}
		var n int64
		if err := tx.QueryRow(ctx, query).Scan(&n); err != nil || n > 0 {
			return err
		}
	}
}
