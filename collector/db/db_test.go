package db_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/testenv"
)

// each runs f on a migrated database of either engine.
func each(t *testing.T, f func(t *testing.T, d *db.DB)) { testenv.EachDatabase(t, f) }

func count(t *testing.T, d *db.DB, query string, args ...any) int64 {
	t.Helper()
	var n int64
	if err := d.Read(t.Context(), func(tx *db.Tx) error { return tx.QueryRow(t.Context(), query, args...).Scan(&n) }); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}

func TestMigrateTwice(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		if err := d.Migrate(t.Context()); err != nil {
			t.Fatalf("second Migrate: %v", err)
		}
		if n := count(t, d, `SELECT count(*) FROM meta`); n != 0 {
			t.Errorf("meta has %d rows, want 0", n)
		}
	})
}

func TestOpenRefusesWhatItDoesNotKnow(t *testing.T) {
	for _, url := range []string{"", "mysql://x", "sqlite:", "sqlite::memory:"} {
		if d, err := db.Open(t.Context(), url); err == nil {
			d.Close()
			t.Errorf("Open(%q) succeeded", url)
		}
	}
}

// A path with characters that mean something in a URL must be that file and no other.
func TestSQLitePathIsTaken(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a b%20?x#y.db")
	d, err := db.Open(t.Context(), "sqlite:"+path)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := d.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if found, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "*")); !slices.Contains(found, path) {
		t.Errorf("files are %q, want %q among them", found, path)
	}
}

func TestWriteRollsBack(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		stop := errors.New("stop")
		err := d.Write(t.Context(), func(tx *db.Tx) error {
			if _, err := tx.Exec(t.Context(), `INSERT INTO meta (name, value) VALUES (?, 'what?')`, "a"); err != nil {
				return err
			}
			return stop
		})
		if !errors.Is(err, stop) {
			t.Errorf("Write = %v, want %v", err, stop)
		}
		if n := count(t, d, `SELECT count(*) FROM meta`); n != 0 {
			t.Errorf("%d rows after rollback, want 0", n)
		}
	})
}

// A context that ends within a transaction rolls all of it back, and the next transaction works.
func TestWriteEndsWithItsContext(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		ctx, cancel := context.WithCancel(t.Context())
		err := d.Write(ctx, func(tx *db.Tx) error {
			if _, err := tx.Exec(ctx, `INSERT INTO meta (name, value) VALUES ('a', 'b')`); err != nil {
				return err
			}
			cancel()
			return nil
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("Write = %v, want %v", err, context.Canceled)
		}
		if _, err := d.Incarnation(t.Context()); err != nil {
			t.Errorf("next transaction: %v", err)
		}
		if n := count(t, d, `SELECT count(*) FROM meta WHERE name = 'a'`); n != 0 {
			t.Errorf("%d rows after rollback, want 0", n)
		}
	})
}

func TestReadWritesNothing(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		err := d.Read(t.Context(), func(tx *db.Tx) error {
			_, err := tx.Exec(t.Context(), `INSERT INTO meta (name, value) VALUES ('a', 'b')`)
			return err
		})
		if err == nil {
			t.Error("an INSERT within Read succeeded")
		}
	})
}

type distinct string

func TestParametersOfAllKinds(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		var number int64
		var text, null any
		err := d.Write(t.Context(), func(tx *db.Tx) error {
			if _, err := tx.Exec(t.Context(), `INSERT INTO receipt (tenant, site, event_id, version, position, level, body)
				VALUES (?, ?, '?', ?, ?, ?, ?)`, distinct("t"), "s", uint32(7), nil, true, []byte{}); err != nil {
				return err
			}
			return tx.QueryRow(t.Context(), `SELECT version, event_id, position FROM receipt WHERE tenant = ? AND level = ?`,
				"t", 1).Scan(&number, &text, &null)
		})
		if err != nil {
			t.Fatal(err)
		}
		if number != 7 || text != "?" || null != nil {
			t.Errorf("read %d %v %v, want 7 ? <nil>", number, text, null)
		}
	})
}

func identities(from, to int, hash byte) db.Insert {
	ins := db.Insert{Table: "event_identity", Columns: []string{"tenant", "id", "body_hash", "log_id"},
		Conflict: []string{"tenant", "id"}, Returning: []string{"id", "log_id", "body_hash"}}
	for i := from; i < to; i++ {
		ins.Rows = append(ins.Rows, []any{"t", fmt.Sprintf("%06d", i), []byte{hash}, i})
	}
	return ins
}

func TestInsertAbsentReturnsOnlyTheNew(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		for _, step := range []struct{ from, to, fresh int }{{0, 1, 1}, {0, 700, 699}, {600, 3000, 2300}, {0, 3000, 0}} {
			var got [][]any
			err := d.Write(t.Context(), func(tx *db.Tx) (err error) {
				ins := identities(step.from, step.to, 1)
				ins.Rows = append(ins.Rows, ins.Rows[0]) // twice within one call
				got, err = tx.InsertAbsent(t.Context(), ins)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			if len(got) != step.fresh {
				t.Errorf("[%d, %d): %d rows were new, want %d", step.from, step.to, len(got), step.fresh)
			}
			for _, row := range got {
				if id := row[0].(string); id != fmt.Sprintf("%06d", row[1].(int64)) || len(row[2].([]byte)) != 1 {
					t.Fatalf("row %v came back wrong", row)
				}
			}
		}
		if n := count(t, d, `SELECT count(*) FROM event_identity`); n != 3000 {
			t.Errorf("%d rows, want 3000", n)
		}
	})
}

func TestUpsertAndInsertAllAndDelete(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		ctx := t.Context()
		err := d.Write(ctx, func(tx *db.Tx) error {
			for _, hash := range []byte{1, 2} {
				ins := identities(0, 1500, hash)
				ins.Returning, ins.Update = nil, []string{"body_hash"}
				if err := tx.Upsert(ctx, ins); err != nil {
					return err
				}
			}
			receipts := db.Insert{Table: "receipt", Columns: []string{"tenant", "site", "event_id", "version", "position", "level", "body"}}
			for i := range 1500 {
				var position any
				if i%2 == 0 {
					position = i
				}
				receipts.Rows = append(receipts.Rows, []any{"t", "s", fmt.Sprint(i), i, position, 1, []byte("x")})
			}
			if err := tx.InsertAll(ctx, receipts); err != nil {
				return err
			}
			few := receipts
			few.Rows = [][]any{{"t", "s", "few", 1, nil, 1, []byte("x")}}
			return tx.InsertAll(ctx, few)
		})
		if err != nil {
			t.Fatal(err)
		}
		if n := count(t, d, `SELECT count(*) FROM event_identity WHERE body_hash = ?`, []byte{2}); n != 1500 {
			t.Errorf("%d rows were updated, want 1500", n)
		}
		if n := count(t, d, `SELECT count(*) FROM receipt WHERE position IS NULL`); n != 751 {
			t.Errorf("%d receipts without position, want 751", n)
		}
		var deleted int64
		err = d.Write(ctx, func(tx *db.Tx) (err error) {
			ids := make([]int64, 1201)
			for i := range ids {
				ids[i] = int64(i)
			}
			deleted, err = tx.Delete(ctx, "event_identity", "log_id", ids)
			return err
		})
		if err != nil || deleted != 1201 {
			t.Errorf("Delete = %d, %v, want 1201", deleted, err)
		}
	})
}

func TestNextIDsMeetTheSerial(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		ctx := t.Context()
		var ids []int64
		var serial int64
		err := d.Write(ctx, func(tx *db.Tx) error {
			ids = nil
			for range 2 {
				more, err := tx.NextIDs(ctx, "dirty", "id", 3)
				if err != nil {
					return err
				}
				ids = append(ids, more...)
			}
			if _, err := tx.Exec(ctx, `INSERT INTO dirty (id, tenant, fold_key) VALUES (?, 't', 'k')`, ids[1]); err != nil {
				return err
			}
			return tx.QueryRow(ctx, `INSERT INTO dirty (tenant, fold_key) VALUES ('t', 'k') RETURNING id`).Scan(&serial)
		})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, serial)
		if !slices.IsSorted(ids) || len(slices.Compact(slices.Clone(ids))) != 7 {
			t.Errorf("ids are %v, want 7 that grow", ids)
		}
	})
}

func TestIncarnationStaysUntilRestored(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		first, err := d.Incarnation(t.Context())
		if err != nil || len(first) != 32 {
			t.Fatalf("Incarnation = %q, %v", first, err)
		}
		if again, _ := d.Incarnation(t.Context()); again != first {
			t.Errorf("second call gave %q, want %q", again, first)
		}
		if err := d.NewIncarnation(t.Context()); err != nil {
			t.Fatal(err)
		}
		if after, _ := d.Incarnation(t.Context()); after == first {
			t.Error("the incarnation did not change")
		}
	})
}

func TestLeaseHasOneHolder(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		now := time.Unix(1000, 0)
		d.Now = func() time.Time { return now }
		lease := func(holder string) bool {
			t.Helper()
			held, err := d.Lease(t.Context(), "sender", holder, time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			return held
		}
		if !lease("a") || lease("b") || !lease("a") {
			t.Error("a should hold the lease, b not")
		}
		prolong := func(holder string) (held bool) {
			t.Helper()
			err := d.Write(t.Context(), func(tx *db.Tx) (err error) {
				held, err = tx.Prolong(t.Context(), "sender", holder, time.Minute)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			return held
		}
		now = now.Add(50 * time.Second)
		if !prolong("a") || prolong("b") {
			t.Error("who holds the lease can prolong it, and nobody else")
		}
		now = now.Add(50 * time.Second)
		if lease("b") {
			t.Error("the lease was prolonged")
		}
		now = now.Add(time.Minute)
		if !prolong("a") || lease("b") {
			t.Error("a lease that was over, and that nobody has taken, can be prolonged")
		}
		now = now.Add(time.Minute)
		if !lease("b") || lease("a") || prolong("a") {
			t.Error("after its end b should hold the lease, a not")
		}
		if err := d.Release(t.Context(), "sender", "b"); err != nil || !lease("a") {
			t.Errorf("after Release (%v) a should hold the lease", err)
		}
		d.Now = nil
		if held, err := d.Lease(t.Context(), "other", "a", time.Minute); err != nil || !held {
			t.Errorf("lease by the database's clock: %v, %v", held, err)
		}
	})
}

// Many writers add to one number under a lock; none of the additions is lost.
func TestLockSerializes(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		ctx := t.Context()
		var wg sync.WaitGroup
		errs := make(chan error, 8)
		for range 8 {
			wg.Go(func() {
				for range 5 {
					errs <- d.Write(ctx, func(tx *db.Tx) error { return addOne(ctx, tx) })
				}
			})
		}
		go func() { wg.Wait(); close(errs) }()
		for err := range errs {
			if err != nil {
				t.Fatal(err)
			}
		}
		if n := count(t, d, `SELECT max(length(value)) FROM meta`); n != 40 {
			t.Errorf("length is %d after 40 additions", n)
		}
	})
}

func addOne(ctx context.Context, tx *db.Tx) error {
	if err := tx.Lock(ctx, "counter"); err != nil {
		return err
	}
	var n int
	if err := tx.QueryRow(ctx, `SELECT coalesce(max(length(value)), 0) FROM meta`).Scan(&n); err != nil {
		return err
	}
	return tx.Upsert(ctx, db.Insert{Table: "meta", Columns: []string{"name", "value"}, Conflict: []string{"name"},
		Update: []string{"value"}, Rows: [][]any{{"counter", strings.Repeat("x", n+1)}}})
}

// Claimers share work: no row is claimed twice at once, and a deadlock is run again.
func TestClaimLeavesOutWhatIsTaken(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		ctx := t.Context()
		if err := d.Write(ctx, func(tx *db.Tx) error { return tx.InsertAll(ctx, noReturn(identities(0, 200, 1))) }); err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		taken := map[int64]int{}
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for claimAndDelete(t, d, func(id int64) { mu.Lock(); taken[id]++; mu.Unlock() }) {
				}
			})
		}
		wg.Wait()
		if n := count(t, d, `SELECT count(*) FROM event_identity`); n != 0 || len(taken) != 200 {
			t.Errorf("%d rows left, %d taken", n, len(taken))
		}
		for id, n := range taken {
			if n != 1 {
				t.Errorf("row %d was taken %d times", id, n)
			}
		}
	})
}

// claimAndDelete takes up to ten rows; false when there is none that is not taken.
func claimAndDelete(t *testing.T, d *db.DB, took func(int64)) bool {
	ctx := t.Context()
	var ids []int64
	err := d.Write(ctx, func(tx *db.Tx) error {
		ids = nil
		rows, err := tx.Claim(ctx, `SELECT log_id FROM event_identity ORDER BY id LIMIT 10`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var id int64
			if err := rows.Scan(&id); err != nil {
				return err
			}
			ids = append(ids, id)
		}
		rows.Close()
		_, err = tx.Delete(ctx, "event_identity", "log_id", ids)
		return err
	})
	if err != nil {
		t.Error(err)
		return false
	}
	for _, id := range ids {
		took(id)
	}
	return len(ids) > 0
}

// Two transactions that lock two rows in opposite order: one is run again, both end well.
func TestDeadlockIsRunAgain(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		ctx := t.Context()
		if err := d.Write(ctx, func(tx *db.Tx) error { return tx.InsertAll(ctx, noReturn(identities(0, 2, 1))) }); err != nil {
			t.Fatal(err)
		}
		var first sync.WaitGroup
		first.Add(2)
		var wg sync.WaitGroup
		for _, order := range [][2]int{{0, 1}, {1, 0}} {
			wg.Go(func() {
				met := d.Engine() == "sqlite" // writers are serial there: they cannot meet
				err := d.Write(ctx, func(tx *db.Tx) error {
					for i, n := range order {
						if _, err := tx.Exec(ctx, `UPDATE event_identity SET log_id = log_id + 10 WHERE id = ?`, fmt.Sprintf("%06d", n)); err != nil {
							return err
						}
						if i == 0 && !met {
							met = true
							first.Done()
							first.Wait()
						}
					}
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := count(t, d, `SELECT sum(log_id) FROM event_identity`); n != 41 {
			t.Errorf("sum is %d, want 41: each row by both transactions", n)
		}
	})
}

func noReturn(ins db.Insert) db.Insert {
	ins.Returning, ins.Conflict = nil, nil
	return ins
}
