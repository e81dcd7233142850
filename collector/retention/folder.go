package retention

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/dockline/dockline/collector/db"
)

var fileName = regexp.MustCompile(`^archive-([0-9]{8,18})\.json(l\.zst)?(\.part)?$`)

// files calls f for each file of an archive below a folder, with its number and its path there. A folder that is not there has none.
func files(folder string, f func(number int64, path string)) error {
	err := fs.WalkDir(os.DirFS(folder), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		if parts := fileName.FindStringSubmatch(entry.Name()); parts != nil {
			number, err := strconv.ParseInt(parts[1], 10, 64)
			if err != nil {
				return err
			}
			f(number, path)
		}
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// highest is the highest number of an archive in the folder, of whatever tenant.
func (r *Retention) highest() (n int64, err error) {
	err = files(r.Folder, func(number int64, _ string) { n = max(n, number) })
	return n, err
}

// unknown says what is in a tenant's folder and not of this database: what an older one that was put back does not remember, above all.
func (r *Retention) unknown(ctx context.Context, tenant string) (told []string, err error) {
	of := make(map[string]int64) // archives by path without its end
	if err := files(filepath.Join(r.Folder, tenant), func(number int64, path string) { of[path[:strings.Index(path, ".json")]] = number }); err != nil {
		return nil, err
	}
	known := make(map[string]*Archive)
	if err := r.DB.Read(ctx, func(tx *db.Tx) error {
		all, err := list(ctx, tx, `tenant = ?`, tenant)
		for _, a := range all {
			known[strings.TrimSuffix(a.Manifest, ".json")] = a
		}
		return err
	}); err != nil {
		return nil, err
	}
	for _, base := range slices.Sorted(maps.Keys(of)) {
		path := r.path(tenant, base)
		switch a := known[base]; {
		case a == nil && isThere(path+".json"):
			told = append(told, fmt.Sprintf("%s.json: this database does not know archive %d: one that was lost wrote it, before an older one was put back, or another one writes into the same folder. Keep it. "+
				"What of it is not in this database puts back `dockline-collector retention restore --from %s.json --reason WHY`; then it is known", path, of[base], path))
		case a == nil:
			told = append(told, fmt.Sprintf("%s: this database does not know archive %d, and it has no manifest: nothing was deleted by it, and its files may be removed unless another database is writing it now", path, of[base]))
		case a.State == Left:
			told = append(told, fmt.Sprintf("%s: archive %d was given up, and nothing was deleted by it: its files may be removed", path, a.Number))
		}
	}
	return told, nil
}

func isThere(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// learn writes down that a whole archive of another database was put back, so that it is known. One whose number this database has given itself is not.
func learn(ctx context.Context, tx *db.Tx, a *Archive) error {
	_, err := tx.InsertAbsent(ctx, db.Insert{Table: "archive", Conflict: []string{"number"},
		Columns: []string{"number", "tenant", "state", "manifest", "sha256", "previous", "groups", "events", "bytes", "restored", "first_at", "last_at", "person", "reason", "created_at", "changed_at"},
		Rows: [][]any{{a.Number, a.Tenant, string(a.State), a.Manifest, a.SHA256, a.Previous, a.Groups, a.Events, a.Bytes, a.Restored, a.FirstAt.UnixMicro(), a.LastAt.UnixMicro(), a.By, a.Reason,
			a.CreatedAt.UnixMicro(), a.ChangedAt.UnixMicro()}}})
	if err != nil {
		return err
	}
	if err := tx.Lock(ctx, numbers); err != nil {
		return err
	}
	return tx.NumberFrom(ctx, "archive", "number", a.Number)
}

// numbers is the lock under which archives' numbers are moved on: without it two at once could get the same.
const numbers = "archive/numbers"

// nextNumber gives an archive a number that is higher than one.
func nextNumber(ctx context.Context, tx *db.Tx, than int64) (int64, error) {
	if err := tx.Lock(ctx, numbers); err != nil {
		return 0, err
	}
	ids, err := tx.NextIDs(ctx, "archive", "number", 1)
	if err == nil && ids[0] <= than {
		if err = tx.NumberFrom(ctx, "archive", "number", than); err == nil {
			ids, err = tx.NextIDs(ctx, "archive", "number", 1)
		}
	}
	if err != nil {
		return 0, err
	}
	return ids[0], nil
}
