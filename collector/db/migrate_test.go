package db_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/dockline/dockline/collector/db"
)

// TestManyMakeTheTablesAtOnce: a collector and commands that come to a new SQLite database at the same moment all find it ready, and it has the
// tables that one alone would have made. A step that ran twice would have taken away columns that a later one had added.
func TestManyMakeTheTablesAtOnce(t *testing.T) {
	alone := "sqlite:" + filepath.Join(t.TempDir(), "alone.db")
	migrate(t, alone)
	want := schema(t, alone)
	for n := range 8 {
		url := "sqlite:" + filepath.Join(t.TempDir(), fmt.Sprint(n, ".db"))
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() { migrate(t, url) })
		}
		all.Wait()
		if got := schema(t, url); got != want {
			t.Errorf("made by several at once:\n%s\nby one:\n%s", got, want)
		}
	}
}

// TestAStepOfTheTablesRunsOnce: who comes to a step that another has run in the meantime is refused with all that it did in it.
func TestAStepOfTheTablesRunsOnce(t *testing.T) {
	url := "sqlite:" + filepath.Join(t.TempDir(), "collector.db")
	migrate(t, url)
	want := schema(t, url)
	d, err := db.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	err = d.Write(t.Context(), func(tx *db.Tx) error {
		if _, err := tx.Exec(t.Context(), `DROP TABLE event_identity`); err != nil {
			return err
		}
		_, err := tx.Exec(t.Context(), `INSERT INTO goose_db_version (version_id, is_applied) VALUES (81, 1)`)
		return err
	})
	if err == nil || !strings.Contains(err.Error(), "UNIQUE") {
		t.Errorf("step 81 for the second time: %v", err)
	}
	if got := schema(t, url); got != want {
		t.Error("what the second one did has stayed")
	}
}

// TestTablesOfAnyOlderBuildAreBroughtUp: a build between two versions may lack a step whose number is lower than its last one, and an older one may have
// noted a step twice. Either way its tables become those of a new database.
func TestTablesOfAnyOlderBuildAreBroughtUp(t *testing.T) {
	for what, undo := range map[string][]string{
		"lacks a step":       {`DROP TABLE xref`, `DELETE FROM goose_db_version WHERE version_id = 248`},
		"noted a step twice": {`DROP INDEX goose_db_version_once`, `INSERT INTO goose_db_version (version_id, is_applied) SELECT version_id, 1 FROM goose_db_version WHERE version_id = 210`},
	} {
		url := "sqlite:" + filepath.Join(t.TempDir(), "collector.db")
		migrate(t, url)
		want := schema(t, url)
		d, err := db.Open(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		for _, statement := range undo {
			if err := d.Write(t.Context(), func(tx *db.Tx) error { _, err := tx.Exec(t.Context(), statement); return err }); err != nil {
				t.Fatal(what, err)
			}
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		if schema(t, url) == want {
			t.Fatal(what, "and nothing is otherwise")
		}
		migrate(t, url)
		if got := schema(t, url); got != want {
			t.Errorf("%s:\n%s\nwant:\n%s", what, got, want)
		}
	}
}

func migrate(t *testing.T, url string) {
	d, err := db.Open(t.Context(), url)
	if err != nil {
		t.Error(err)
		return
	}
	defer d.Close()
	if err := d.Migrate(t.Context()); err != nil {
		t.Error(err)
	}
}

// schema is every table and index, and how often each step has run, as text.
func schema(t *testing.T, url string) string {
	t.Helper()
	d, err := db.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	var lines []string
	err = d.Read(t.Context(), func(tx *db.Tx) error {
		lines = nil
		rows, err := tx.Query(t.Context(), `SELECT coalesce(sql, name) FROM sqlite_master
			UNION ALL SELECT 'step ' || version_id || ': ' || count(*) FROM goose_db_version GROUP BY version_id ORDER BY 1`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var line string
			if err := rows.Scan(&line); err != nil {
				return err
			}
			lines = append(lines, line)
		}
		return rows.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(lines, "\n")
}
