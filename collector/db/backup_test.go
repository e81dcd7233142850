package db_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/testenv"
)

func openAt(t *testing.T, path string) *db.DB {
	t.Helper()
	d, err := db.Open(t.Context(), "sqlite:"+path)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return d
}

func addSite(t *testing.T, d *db.DB, id string) {
	t.Helper()
	if err := d.Write(t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(t.Context(), `INSERT INTO site (tenant, id, created_at) VALUES ('acme', ?, 1)`, id)
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

func mark(t *testing.T) func(*db.DB) error {
	return func(d *db.DB) error { return d.NewIncarnation(t.Context()) }
}

// A backup that is taken while a transaction is open and others go on holds one moment; put back, it has that moment's rows and a name of
// its own, and the database that was there is kept.
func TestBackupAndRestore(t *testing.T) {
	dir := t.TempDir()
	path, out := filepath.Join(dir, "collector.db"), filepath.Join(dir, "backup.db")
	d := openAt(t, path)
	addSite(t, d, "before")
	first, err := d.Incarnation(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Write(t.Context(), func(tx *db.Tx) error {
		if _, err := tx.Exec(t.Context(), `INSERT INTO site (tenant, id, created_at) VALUES ('acme', 'open', 1)`); err != nil {
			return err
		}
		return d.Backup(t.Context(), out)
	}); err != nil {
		t.Fatal(err)
	}
	if err := d.Backup(t.Context(), out); !errors.Is(err, os.ErrExist) {
		t.Errorf("a second backup into the same file: %v", err)
	}
	addSite(t, d, "after")
	if _, err := db.Restore(t.Context(), out, path, time.Now(), mark(t)); !errors.Is(err, db.ErrInUse) {
		t.Errorf("restored under an open database: %v", err)
	}
	if n := count(t, d, `SELECT count(*) FROM site`); n != 3 {
		t.Errorf("%d sites after the refusal, want 3", n)
	}
	d.Close()
	kept, err := db.Restore(t.Context(), out, path, time.Now(), mark(t))
	if err != nil || kept == "" {
		t.Fatalf("Restore = %q, %v", kept, err)
	}
	d = openAt(t, path)
	defer d.Close()
	if n := count(t, d, `SELECT count(*) FROM site WHERE id = 'before'`) - count(t, d, `SELECT count(*) FROM site WHERE id <> 'before'`); n != 1 {
		t.Errorf("the restored database has other rows than those committed before the backup")
	}
	if second, err := d.Incarnation(t.Context()); err != nil || second == first {
		t.Errorf("incarnation %s, %v; before it was %s", second, err, first)
	}
	old := openAt(t, kept)
	defer old.Close()
	if n := count(t, old, `SELECT count(*) FROM site`); n != 3 {
		t.Errorf("the database that is kept has %d sites, want 3", n)
	}
}

// A file that is no database of a collector, or only half of one, is refused and nothing is touched; neither is where the mark fails.
func TestRestoreRefusesWhatIsNoBackup(t *testing.T) {
	dir := t.TempDir()
	path, out := filepath.Join(dir, "collector.db"), filepath.Join(dir, "backup.db")
	d := openAt(t, path)
	addSite(t, d, "here")
	if err := d.Backup(t.Context(), out); err != nil {
		t.Fatal(err)
	}
	d.Close()
	whole, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{"half": whole[:len(whole)/2], "empty": nil, "text": []byte("this is no database at all, but long enough to look at")}
	bent := append([]byte(nil), whole...)
	for i := 8192; i < 8192+64; i++ {
		bent[i] ^= 0xff
	}
	files["bent"] = bent
	for name, content := range files {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := db.Restore(t.Context(), file, path, time.Now(), mark(t)); err == nil {
			t.Errorf("%s was restored", name)
		}
	}
	no := errors.New("no")
	if _, err := db.Restore(t.Context(), out, path, time.Now(), func(*db.DB) error { return no }); !errors.Is(err, no) {
		t.Errorf("with a mark that fails: %v", err)
	}
	left, err := filepath.Glob(path + "*")
	if err != nil || len(left) != 1 {
		t.Errorf("files %v", left)
	}
	d = openAt(t, path)
	defer d.Close()
	if n := count(t, d, `SELECT count(*) FROM site`); n != 1 {
		t.Errorf("%d sites, want 1", n)
	}
}

// PostgreSQL is left to its own tools.
func TestBackupOfPostgres(t *testing.T) {
	d, err := db.Open(t.Context(), testenv.PostgreSQL(t))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := d.Backup(context.Background(), filepath.Join(t.TempDir(), "x")); !errors.Is(err, db.ErrNotHere) {
		t.Errorf("Backup = %v", err)
	}
}
