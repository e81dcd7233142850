package collector

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/dockline/dockline/collector/db"
)

// An SQLite database is not restored while a collector has its folder, be it that it has the file not open at this moment; afterwards it is.
func TestRestoreBesideACollectorOfAFile(t *testing.T) {
	c := &Config{DataDir: t.TempDir()}
	d, err := OpenDatabase(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "backup.db")
	if _, err := d.Backup(t.Context(), out, false); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	m := &Collector{config: c}
	if err := m.lock(); err != nil {
		t.Fatal(err)
	}
	if _, err := Restore(t.Context(), c, out, "ana"); !errors.Is(err, db.ErrInUse) {
		t.Errorf("restored under a collector: %v", err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	kept, err := Restore(t.Context(), c, out, "ana")
	if err != nil || kept == "" {
		t.Fatalf("with nobody there: %q, %v", kept, err)
	}
	m = &Collector{config: c}
	if err := m.lock(); err != nil {
		t.Errorf("a collector is kept off after the restore: %v", err)
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
}
