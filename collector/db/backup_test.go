package db_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
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

func mark(t *testing.T) db.Mark {
	return func(ctx context.Context, tx *db.Tx) error {
		_, err := tx.NewIncarnation(ctx, time.Now())
		return err
	}
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
		return back(d, out, false)
	}); err != nil {
		t.Fatal(err)
	}
	if err := back(d, out, false); !errors.Is(err, os.ErrExist) {
		t.Errorf("a second backup into the same file: %v", err)
	}
	if err := back(d, filepath.Join(dir, "none", "backup.db"), false); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "make it") {
		t.Errorf("a backup into a folder that is not there: %v", err)
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
	if err := back(d, out, false); err != nil {
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
	if _, err := db.Restore(t.Context(), out, path, time.Now(), func(context.Context, *db.Tx) error { return no }); !errors.Is(err, no) {
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

func back(d *db.DB, out string, portable bool) error {
	_, err := d.Backup(context.Background(), out, portable)
	return err
}

// content is every row of every table, by table.
func content(t *testing.T, d *db.DB) map[string][]string {
	t.Helper()
	all := make(map[string][]string)
	path := filepath.Join(t.TempDir(), "content")
	if err := back(d, path, true); err != nil {
		t.Fatal(err)
	}
	if _, err := db.ReadCopy(path, nil, func(table string, columns []string, rows [][]any) error {
		for _, row := range rows {
			line := make(map[string]any, len(columns))
			for i, column := range columns {
				line[column] = row[i]
			}
			all[table] = append(all[table], fmt.Sprint(line))
		}
		slices.Sort(all[table])
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

// fillOddly puts in values of every kind: nothing, none, the greatest, all bytes, and text of many scripts.
func fillOddly(t *testing.T, d *db.DB, rows int) {
	t.Helper()
	bytes := make([]byte, 256)
	for i := range bytes {
		bytes[i] = byte(i)
	}
	events := db.Insert{Table: "event", Columns: []string{"log_id", "log_offset", "tenant", "partition_key", "id", "site", "source", "kind", "subject", "epoch", "epoch_ordinal", "seq", "occurred_at", "recorded_at", "body"}}
	for i := range rows {
		var offset any
		if i%3 > 0 {
			offset = int64(i)
		}
		events.Rows = append(events.Rows, []any{i + 1, offset, "acme", "", fmt.Sprint("id", i), "Größe \u4e2d\u6587 \t\n\\", "", math.MaxInt64, "", "", math.MinInt64, -1, 0, i, bytes[:i%257]})
	}
	if err := d.Write(t.Context(), func(tx *db.Tx) error { return tx.InsertAll(t.Context(), events) }); err != nil {
		t.Fatal(err)
	}
}

// A copy of either engine is restored into either, to the last row, while the database that it is made of goes on: it has one moment's rows. What was
// there before is kept, what is restored has a name of its own, and numbers go on behind those that were given.
func TestACopyIsRestoredIntoEitherEngine(t *testing.T) {
	open := func(t *testing.T, url string) *db.DB {
		d, err := db.Open(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		return d
	}
	urls := map[string]func() string{"sqlite": func() string { return "sqlite:" + filepath.Join(t.TempDir(), "d.db") }, "postgres": func() string { return testenv.PostgreSQL(t) }}
	for from, source := range urls {
		for to, target := range urls {
			t.Run(from+" to "+to, func(t *testing.T) {
				d := open(t, source())
				fillOddly(t, d, 6000)
				addSite(t, d, "before")
				first, err := d.Incarnation(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				out := filepath.Join(t.TempDir(), "copy")
				info, err := d.Backup(t.Context(), out, true)
				if err != nil {
					t.Fatal(err)
				}
				if info.Rows["event"] != 6000 || info.Engine != from || info.Incarnation != first || info.Bytes == 0 {
					t.Errorf("the copy says %+v", info)
				}
				want := content(t, d)
				addSite(t, d, "after")
				if err := d.Close(); err != nil {
					t.Fatal(err)
				}
				url := target()
				there := open(t, url)
				addSite(t, there, "there")
				restore := func() (string, error) {
					if path, ok := db.SQLitePath(url); ok {
						return db.Restore(t.Context(), out, path, time.Now(), mark(t))
					}
					return db.RestorePostgres(t.Context(), out, url, time.Now(), mark(t))
				}
				if _, err := restore(); !errors.Is(err, db.ErrInUse) {
					t.Errorf("restored under an open database: %v", err)
				}
				if n := count(t, there, `SELECT count(*) FROM site WHERE id = 'there'`); n != 1 {
					t.Error("the refusal changed the database")
				}
				there.Close()
				kept, err := restore()
				if err != nil || kept == "" {
					t.Fatalf("restore = %q, %v", kept, err)
				}
				d = open(t, url)
				defer d.Close()
				is := content(t, d)
				second, err := d.Incarnation(t.Context())
				if err != nil || second == first {
					t.Errorf("incarnation %s, %v; before it was %s", second, err, first)
				}
				delete(is, "meta")
				delete(want, "meta")
				for table := range want {
					if !slices.Equal(is[table], want[table]) {
						t.Errorf("%s is not as it was: %d rows, %d before", table, len(is[table]), len(want[table]))
					}
				}
				if err := d.Write(t.Context(), func(tx *db.Tx) error {
					ids, err := tx.NextIDs(t.Context(), "event", "log_id", 1)
					if err == nil && ids[0] <= 6000 {
						err = fmt.Errorf("number %d was given before", ids[0])
					}
					return err
				}); err != nil {
					t.Error(err)
				}
				if strings.HasPrefix(kept, "dockline_") {
					if n := count(t, d, `SELECT count(*) FROM `+kept+`.site WHERE id = 'there'`); n != 1 {
						t.Error("what was there is not kept")
					}
				}
			})
		}
	}
}

// A copy that is cut off or bent is refused, and nothing is touched.
func TestACopyThatIsDamaged(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		fillOddly(t, d, 500)
		out := filepath.Join(t.TempDir(), "copy")
		if err := back(d, out, true); err != nil {
			t.Fatal(err)
		}
		whole, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		for at := 0; at < len(whole); at += 97 {
			half, bent := filepath.Join(t.TempDir(), "half"), filepath.Join(t.TempDir(), "bent")
			if err := os.WriteFile(half, whole[:at], 0o600); err != nil {
				t.Fatal(err)
			}
			other := slices.Clone(whole)
			other[at] ^= 0x10
			if err := os.WriteFile(bent, other, 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := db.ReadCopy(half, nil, nil); err == nil {
				t.Errorf("the first %d of %d bytes are taken for a copy", at, len(whole))
			}
			if _, err := db.Look(t.Context(), half); at > 3 && (!errors.Is(err, db.ErrDamaged) || !strings.Contains(err.Error(), "copy "+half)) {
				t.Errorf("the first %d of %d bytes are no damaged copy: %v", at, len(whole), err)
			}
			if info, err := db.ReadCopy(bent, nil, nil); err == nil && info.Rows["event"] != 500 {
				t.Errorf("a copy with another byte %d is taken for whole, with %d events", at, info.Rows["event"])
			}
		}
	})
}
