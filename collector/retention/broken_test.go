package retention_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/retention"
	. "github.com/dockline/dockline/collector/state/statetest"
	"github.com/dockline/dockline/testenv"
)

// begun makes a row of an archive that a process before has left, with a manifest; it returns where that is.
func (w *world) begun(number int64, m *retention.Manifest, state string) (path string) {
	w.t.Helper()
	m.Schema, m.Tenant, m.Number, m.CreatedAt = retention.Schema, Tenant, number, w.clock
	text, err := json.Marshal(m)
	if err != nil {
		w.t.Fatal(err)
	}
	name := "2025-01/" + strings.TrimSuffix(m.File, ".jsonl.zst") + ".json"
	path = filepath.Join(w.folder, Tenant, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		w.t.Fatal(err)
	}
	sum := sha256.Sum256(text)
	w.write(func(tx *db.Tx) error {
		_, err := tx.Exec(w.t.Context(), `INSERT INTO archive (number, tenant, state, manifest, sha256, groups, events, person, reason, created_at, changed_at) VALUES (?, ?, ?, ?, ?, ?, ?, 'collector', 'its hour', ?, ?)`,
			number, Tenant, state, name, hex.EncodeToString(sum[:]), m.Groups, m.Events, w.clock.UnixMicro(), w.clock.UnixMicro())
		if err == nil {
			err = tx.NumberFrom(w.t.Context(), "archive", "number", number)
		}
		return err
	})
	return path
}

// hollow makes an archive as versions before wrote it: with the groups that another run had deleted meanwhile, and none of their events.
func (w *world) hollow(number int64) (path string) {
	w.t.Helper()
	nothing := sha256.Sum256(nil)
	group, err := json.Marshal(map[string]any{"record": "group", "part": 1, "class": "orders", "keys": []string{"order/SO1"}, "events": 6, "digest": hex.EncodeToString(nothing[:])})
	if err != nil {
		w.t.Fatal(err)
	}
	var file bytes.Buffer
	zip, err := zstd.NewWriter(&file)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, line := range []string{`{"record":"archive","schema":"dockline.archive/1","tenant":"` + Tenant + `","number":1}`, string(group), `{"record":"end","groups":1}`} {
		if _, err := zip.Write([]byte(line + "\n")); err != nil {
			w.t.Fatal(err)
		}
	}
	if err := zip.Close(); err != nil {
		w.t.Fatal(err)
	}
	sum := sha256.Sum256(file.Bytes())
	path = w.begun(number, &retention.Manifest{File: "archive-00000001.jsonl.zst", SHA256: hex.EncodeToString(sum[:]), Bytes: int64(file.Len()), Groups: 1, Events: 6}, "written")
	if err := os.WriteFile(strings.TrimSuffix(path, ".json")+".jsonl.zst", file.Bytes(), 0o600); err != nil {
		w.t.Fatal(err)
	}
	return path
}

// What versions before have left is taken back where nothing was deleted by it: an archive of groups without events, and one of which the file is
// missing. The night archives everything, and nothing is left over.
func TestArchivesThatHoldNothing(t *testing.T) {
	for name, leave := range map[string]func(w *world) string{
		"without events": func(w *world) string { return w.hollow(1) },
		"without a file": func(w *world) string {
			return w.begun(1, &retention.Manifest{File: "archive-00000001.jsonl.zst", SHA256: "00", Groups: 1, Events: 6}, "written")
		},
	} {
		t.Run(name, func(t *testing.T) {
			testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
				n := aYear(t, d, 3).nights()
				path := leave(n.world)
				n.at(n.clock.Truncate(day))
				n.at(n.clock.Add(25 * time.Hour))
				n.want("the night", "done", 3)
				n.expect("cases", 0, `SELECT COUNT(*) FROM exception WHERE code = 'retention_failed'`)
				n.expect("archives taken back", 1, `SELECT COUNT(*) FROM archive WHERE number = 1 AND state = 'left'`)
				if _, err := os.Stat(path); !os.IsNotExist(err) {
					t.Errorf("its manifest is still there: %v", err)
				}
				if checked, faults, err := n.one.Verify(t.Context(), Tenant); checked != 1 || len(faults) != 0 || err != nil {
					t.Errorf("verify: %d, %v, %v", checked, faults, err)
				}
				n.agrees()
			})
		})
	}
}

// An archive that is half deleted from the database and cannot be read is set aside: one case says which and what to do, and the others are archived.
// When its file is brought back the next night ends it, and the case closes.
func TestAnArchiveThatCannotBeRead(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		n := aYear(t, d, 3).nights()
		cut := 0
		r := n.retention()
		r.Together = 1
		r.Fault = func(at string) error {
			if at == "pruning" {
				if cut++; cut == 1 {
					return os.ErrDeadlineExceeded
				}
			}
			return nil
		}
		if _, err := r.Run(t.Context(), Tenant, retention.Who{By: "ana", Reason: "yearly"}); err == nil {
			t.Fatal("it was not cut short")
		}
		files, err := filepath.Glob(filepath.Join(n.folder, Tenant, "*", "*.jsonl.zst"))
		if err != nil || len(files) != 1 {
			t.Fatal(files, err)
		}
		if err := os.Rename(files[0], files[0]+".away"); err != nil {
			t.Fatal(err)
		}
		n.at(n.clock.Truncate(day))
		n.at(n.clock.Add(25 * time.Hour))
		n.want("the night", "failed done", 3)
		n.expect("cases", 1, `SELECT COUNT(*) FROM exception WHERE code = 'retention_failed' AND state = 'open' AND text LIKE '%archive-00000001%' AND text LIKE '%back from a copy%'`)
		n.expect("archives that are whole", 1, `SELECT COUNT(*) FROM archive WHERE state = 'pruned'`)
		if _, err := n.retention().Run(t.Context(), Tenant, retention.Who{By: "ana", Reason: "yearly"}); err == nil || !strings.Contains(err.Error(), "set aside") {
			t.Errorf("by hand it says %v", err)
		}
		if err := os.Rename(files[0]+".away", files[0]); err != nil {
			t.Fatal(err)
		}
		n.at(n.clock.Add(24 * time.Hour))
		n.expect("cases", 0, `SELECT COUNT(*) FROM exception WHERE code = 'retention_failed' AND state = 'open'`)
		n.expect("archives that are whole", 2, `SELECT COUNT(*) FROM archive WHERE state = 'pruned'`)
		if checked, faults, err := n.one.Verify(t.Context(), Tenant); checked != 2 || len(faults) != 0 || err != nil {
			t.Errorf("verify: %d, %v, %v", checked, faults, err)
		}
		n.agrees()
	})
}

// A fault of the program while it archives is a failed run and a case, and does not end the collector.
func TestAFaultOfTheProgramAtNight(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		n := aYear(t, d, 2).nights()
		n.at(n.clock.Truncate(day))
		var list []int
		n.one.Fault = func(string) error { list[0]++; return nil }
		n.two.Fault = n.one.Fault
		n.at(n.clock.Add(25 * time.Hour))
		n.want("the night", "failed", 0)
		n.expect("cases", 1, `SELECT COUNT(*) FROM exception WHERE code = 'retention_failed' AND state = 'open' AND text LIKE '%fault of the program%'`)
		n.one.Fault, n.two.Fault = nil, nil
		n.at(n.clock.Add(16 * time.Minute))
		n.want("tried again", "failed done", 2)
		n.expect("cases", 0, `SELECT COUNT(*) FROM exception WHERE code = 'retention_failed' AND state = 'open'`)
	})
}
