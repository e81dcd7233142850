package retention_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/retention"
	. "github.com/dockline/dockline/collector/state/statetest"
	"github.com/dockline/dockline/testenv"
)

// A database is put back to a state before its archives were written. These are not written over: the new ones have higher numbers. Verify names those
// that the database does not know; put back, what was only in them is there again, and they are known.
func TestArchivesOfADatabaseThatWasLost(t *testing.T) {
	for name, archiveFirst := range map[string]bool{"put back at once": false, "archived before that": true} {
		t.Run(name, func(t *testing.T) {
			testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
				w := aYear(t, d, 2)
				who := retention.Who{By: "ana", Reason: "restored"}
				copied := filepath.Join(t.TempDir(), "copy")
				if _, err := d.Backup(t.Context(), copied, true); err != nil {
					t.Fatal(err)
				}
				copyOf := w.clock
				w.tell(ended("SO-LOST", 900)...)
				w.fold()
				w.confirm()
				w.later(2 * day)
				w.later(425 * day)
				w.tell(Accepted("SO-NEWER", "1", L("SO-NEWER", "1", "BOLT", "10")))
				w.fold()
				lost := w.run(w.retention())
				if len(lost) == 0 {
					t.Fatal("nothing was archived")
				}
				was := filesIn(t, w.folder)

				old := newWorld(t, putBack(t, d, copied))
				old.clock, old.folder, old.seq = copyOf, w.folder, w.seq
				r := old.retention()
				verify := func(what string, want ...string) {
					t.Helper()
					_, faults, err := r.Verify(t.Context(), Tenant)
					if err != nil || len(faults) != len(want) {
						t.Fatalf("%s: %q, %v", what, faults, err)
					}
					for i := range want {
						if !strings.Contains(faults[i], want[i]) {
							t.Errorf("%s: %q does not say %q", what, faults[i], want[i])
						}
					}
				}
				var manifests, told []string
				for _, a := range lost {
					path := filepath.Join(w.folder, Tenant, a.Manifest)
					manifests, told = append(manifests, path), append(told, "retention restore --from "+path)
				}
				verify("after the restore", told...)
				if archiveFirst {
					done := old.run(r)
					if len(done) != 1 || done[0].Number <= lost[len(lost)-1].Number {
						t.Fatalf("archives: %+v", done)
					}
					verify("after it has archived again", told...)
				}
				got, err := r.Restore(t.Context(), manifests, who)
				if err != nil || got.Groups != 1 || got.There != 2 {
					t.Fatalf("put back: %+v, %v", got, err)
				}
				old.fold()
				old.expect("facts of what was lost", 6, `SELECT COUNT(*) FROM fact WHERE fold_key = 'order/SO-LOST'`)
				old.agrees()
				verify("after it was put back")
				old.run(r)
				now := filesIn(t, w.folder)
				for path, content := range was {
					if !bytes.Equal(now[path], content) {
						t.Errorf("%s is not what it was", path)
					}
				}
			})
		})
	}
}

// putBack restores a copy into a database of its own, of the same kind.
func putBack(t *testing.T, like *db.DB, copied string) *db.DB {
	t.Helper()
	mark := func(ctx context.Context, tx *db.Tx) error { _, err := tx.NewIncarnation(ctx, time.Now()); return err }
	path := filepath.Join(t.TempDir(), "old.db")
	url, err := "sqlite:"+path, error(nil)
	if like.Engine() == "sqlite" {
		_, err = db.Restore(t.Context(), copied, path, time.Now(), mark)
	} else {
		url = testenv.PostgreSQL(t)
		_, err = db.RestorePostgres(t.Context(), copied, url, time.Now(), mark)
	}
	if err != nil {
		t.Fatal(err)
	}
	d := opened(t, url)
	t.Cleanup(func() { d.Close() })
	return d
}

func filesIn(t *testing.T, folder string) map[string][]byte {
	t.Helper()
	all := make(map[string][]byte)
	paths, err := filepath.Glob(filepath.Join(folder, "*", "*", "archive-*"))
	if err != nil || len(paths) == 0 {
		t.Fatal(paths, err)
	}
	for _, path := range paths {
		if all[path], err = os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// Two databases that write into one folder do not write over each other's archives, though both gave the number at the same moment.
func TestAFileIsNeverWrittenOver(t *testing.T) {
	w := aYear(t, testenv.SQLite(t), 2)
	r := w.retention()
	content := []byte("another database's")
	var path string
	r.Fault = func(at string) error {
		if at != "unsealed" || path != "" {
			return nil
		}
		parts, err := filepath.Glob(filepath.Join(w.folder, "*", "*", "*.part"))
		if err != nil || len(parts) != 1 {
			t.Fatal(parts, err)
		}
		path = strings.TrimSuffix(parts[0], ".part")
		return os.WriteFile(path, content, 0o600)
	}
	if _, err := r.Run(t.Context(), Tenant, retention.Who{By: "ana", Reason: "yearly"}); err == nil || !strings.Contains(err.Error(), "archive.folder") {
		t.Errorf("it says %v", err)
	}
	if done := w.run(r); len(done) != 1 || done[0].Number != 2 || done[0].Pruned != 2 {
		t.Errorf("the next run: %+v", done)
	}
	if is, err := os.ReadFile(path); err != nil || !bytes.Equal(is, content) {
		t.Errorf("the file of the other one: %q, %v", is, err)
	}
}
