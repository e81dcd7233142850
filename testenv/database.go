package testenv

import (
	"path/filepath"
	"testing"

	"github.com/dockline/dockline/collector/db"
)

// EachDatabase runs a test on an empty, migrated SQLite and on an empty, migrated PostgreSQL.
func EachDatabase(t *testing.T, run func(t *testing.T, d *db.DB)) {
	t.Run("sqlite", func(t *testing.T) { run(t, openDatabase(t, "sqlite:"+filepath.Join(t.TempDir(), "test.db"))) })
	t.Run("postgresql", func(t *testing.T) { run(t, Postgres(t)) })
}

// SQLite opens an empty, migrated SQLite that ends with the test.
func SQLite(t testing.TB) *db.DB {
	return openDatabase(t, "sqlite:"+filepath.Join(t.TempDir(), "test.db"))
}

// Postgres opens an empty, migrated PostgreSQL database that ends with the test.
func Postgres(t testing.TB) *db.DB {
	t.Helper()
	return openDatabase(t, PostgreSQL(t))
}

func openDatabase(t testing.TB, url string) *db.DB {
	t.Helper()
	d, err := db.Open(t.Context(), url)
	if err != nil {
		t.Fatalf("open database: %v", err)
	}
	if err := d.Migrate(t.Context()); err != nil {
		t.Fatalf("migrate: %v", err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Errorf("close database: %v", err)
		}
	})
	return d
}
