package sql_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv"
)

const writers = 8

// lateConfig reads two tables: one by the time at which its row was written, one by a number that the database gives out. The overlap is shorter
// than transactions are open: only the horizon can see that they are.
const lateConfig = `      zone: UTC
      poll: 100ms
      overlap: 1s
      settle: 1s
      page: 200
      streams:
        - {name: stamped, table: stamped, watermark: changed_at, tie: id, kind: pick.confirmed, key: pick, columns: {ord: order, sku: item, qty: quantity, picked_at: occurred_at}}
        - {name: numbered, table: numbered, watermark: id, kind: pick.confirmed, key: pick, columns: {ord: order, sku: item, qty: quantity, picked_at: occurred_at}}
`

// Many transactions write at once, each is open for a time of its own, some for longer than the overlap, and they end in another order than they
// began; a fifth of them is rolled back. The plugin that reads meanwhile is killed again and again. Every row that was committed is in the agent's
// journal exactly once, whichever way its table is read, by polling or from a replication slot, and no row that was rolled back.
//
// Shows: S35
func TestLateCommits(t *testing.T) {
	late := func(t *testing.T, d database, config string, statements ...string) {
		makeLateTables(t, d)
		d.run(t, statements...)
		a := newAgent(t, d.asReader(t), config)
		rows := testenv.Count("sql.late-rows")
		w := &writing{t: t, d: d, most: int64(rows)}
		began := time.Now()
		var running sync.WaitGroup
		for n := range writers {
			running.Add(1)
			go func() {
				defer running.Done()
				w.run(rand.New(rand.NewPCG(35, uint64(n))))
			}()
		}
		kills := killMeanwhile(t, a, w, testenv.Count("sql.kills"))
		running.Wait()
		if t.Failed() {
			return
		}
		last := time.Now()
		want := 2 * len(w.committed)
		testenv.Eventually(t, patience, fmt.Sprintf("all %d rows were told", want), func() bool { a.release(); return int(a.plugin().GetAcceptedTotal()) >= want },
			func() string {
				return fmt.Sprintf("%d of %d: %v", int(a.plugin().GetAcceptedTotal()), want, a.plugin())
			})
		told := time.Since(last)
		a.Stop()
		w.compare(a.held())
		testenv.Figure(t, "rows", want, "rolled back", 2*int(w.rolledBack.Load()), "kills", kills, "longest open ms", w.longest.Load(), "s writing", int(last.Sub(began).Seconds()), "ms until the last was told", told.Milliseconds())
	}
	eachDatabase(t, func(t *testing.T, d database) { late(t, d, lateConfig) })
	t.Run("postgresql by replication", func(t *testing.T) {
		d, _ := replicated(t)
		late(t, d, strings.NewReplacer("table: stamped, watermark: changed_at, tie: id,", "table: stamped, from: replication,", "table: numbered, watermark: id,", "table: numbered, from: replication,").Replace(lateConfig),
			"ALTER TABLE stamped REPLICA IDENTITY FULL", "ALTER TABLE numbered REPLICA IDENTITY USING INDEX numbered_pick_key") // the key is not the primary key
	})
}

// makeLateTables makes the two tables, whose times and numbers the database itself gives.
func makeLateTables(t *testing.T, d database) {
	stamp, serial := "timestamptz DEFAULT now()", "bigserial PRIMARY KEY"
	if d.maria {
		stamp, serial = "datetime(6) DEFAULT current_timestamp(6)", "bigint AUTO_INCREMENT PRIMARY KEY"
	}
	for _, name := range []string{"stamped", "numbered"} {
		d.run(t, fmt.Sprintf("CREATE TABLE %s (id %s, pick varchar(40) NOT NULL UNIQUE, ord varchar(40), sku varchar(40), qty integer, picked_at varchar(40), changed_at %s)", name, serial, stamp))
		d.run(t, fmt.Sprintf("CREATE INDEX %s_changed ON %s (changed_at, id)", name, name))
	}
}

// writing is what the writers do together. committed are the keys of rows that were, both tables having the same.
type writing struct {
	t    *testing.T
	d    database
	most int64

	given, rolledBack, longest atomic.Int64
	mu                         sync.Mutex
	committed                  map[string]bool
	undone                     []string
}

// run writes transactions until there are enough rows.
func (w *writing) run(r *rand.Rand) {
	for w.given.Load() < w.most && w.t.Context().Err() == nil {
		if err := w.transaction(r); err != nil {
			w.t.Errorf("write: %v", err)
			return
		}
	}
}

// transaction writes some rows, in pieces with pauses between them; one in forty is open for longer than the overlap.
func (w *writing) transaction(r *rand.Rand) error {
	began := time.Now()
	tx, err := w.d.BeginTx(w.t.Context(), nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	open := time.Duration(r.IntN(60)) * time.Millisecond
	if r.IntN(40) == 0 {
		open = time.Duration(1500+r.IntN(2500)) * time.Millisecond
	}
	var keys []string
	pieces := 1 + r.IntN(4)
	for range pieces {
		for range 1 + r.IntN(6) {
			n := w.given.Add(1)
			key := "P" + strconv.FormatInt(n, 10)
			for _, table := range []string{"stamped", "numbered"} {
				text := fmt.Sprintf("INSERT INTO %s (pick, ord, sku, qty, picked_at) VALUES (%s, 'SO%d', 'SKU%d', %d, '2026-07-04 08:00:00')", table, w.d.param(1), n/3, n%7, 1+n%5)
				if _, err := tx.ExecContext(w.t.Context(), text, key); err != nil {
					return err
				}
			}
			keys = append(keys, key)
		}
		pause(w.t.Context(), open/time.Duration(pieces))
	}
	w.note(time.Since(began))
	if r.IntN(5) == 0 {
		w.rolledBack.Add(int64(len(keys)))
		w.mu.Lock()
		w.undone = append(w.undone, keys...)
		w.mu.Unlock()
		return tx.Rollback()
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.committed == nil {
		w.committed = map[string]bool{}
	}
	for _, key := range keys {
		w.committed[key] = true
	}
	return nil
}

func (w *writing) note(open time.Duration) {
	for ms := open.Milliseconds(); ; {
		before := w.longest.Load()
		if ms <= before || w.longest.CompareAndSwap(before, ms) {
			return
		}
	}
}

// pause is how long the transaction stays open: what is tried here.
func pause(ctx context.Context, long time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(long):
	}
}

// compare holds the journal against what was committed.
func (w *writing) compare(held map[string][]*docklinev1.Event) {
	w.t.Helper()
	faults := 0
	say := func(format string, args ...any) {
		if faults++; faults <= 10 {
			w.t.Errorf(format, args...)
		}
	}
	for _, stream := range []string{"stamped", "numbered"} {
		for key := range w.committed {
			if n := len(held[stream+"/"+key]); n != 1 {
				say("%s %s was committed, and told %d times", stream, key, n)
			}
		}
		for _, key := range w.undone {
			if len(held[stream+"/"+key]) > 0 {
				say("%s %s was rolled back, and told", stream, key)
			}
		}
	}
	for key := range held {
		if _, pick, _ := strings.Cut(key, "/"); !w.committed[pick] {
			say("%s was told, and nobody wrote it", key)
		}
	}
	if faults > 10 {
		w.t.Errorf("and %d more", faults-10)
	}
	if len(w.committed) == 0 || len(w.undone) == 0 {
		w.t.Errorf("%d rows committed and %d rolled back: the test tried nothing", len(w.committed), len(w.undone))
	}
}

// cut ends the plugin's sessions at the database, in the middle of whatever they do.
func (d database) cut(t *testing.T) {
	t.Helper()
	if !d.maria {
		d.run(t, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'dockline-wms-sql' AND datname = current_database()")
		return
	}
	rows, err := d.QueryContext(t.Context(), "SELECT id FROM information_schema.processlist WHERE user = 'reader' AND db = database()")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var id int
		if err := rows.Scan(&id); err != nil {
			t.Fatal(err)
		}
		_, _ = d.ExecContext(t.Context(), fmt.Sprintf("KILL %d", id)) // it may have ended by itself
	}
}

// killMeanwhile kills the plugin a number of times, spread over the writing.
func killMeanwhile(t *testing.T, a *agent, w *writing, times int) (kills int) {
	for n := range times {
		due := w.most * int64(n+1) / int64(times+2)
		testenv.Eventually(t, patience, "enough is written for the next kill", func() bool { return w.given.Load() >= due || t.Failed() })
		var pid int
		testenv.Eventually(t, patience, "the plugin runs", func() bool {
			a.release()
			pid = pluginOf(a.PID())
			return pid != 0 && a.plugin().GetState() == "running"
		})
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		kills++
		w.d.cut(t)
		testenv.Eventually(t, patience, "its end is seen", func() bool { return int(a.plugin().GetRestarts()) >= kills })
	}
	return kills
}

// pluginOf is the agent's child that is the plugin, 0 where there is none.
func pluginOf(agent int) int {
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", agent))
	for _, list := range lists {
		text, _ := os.ReadFile(list) // a thread that is gone has none
		for _, word := range strings.Fields(string(text)) {
			if exe, err := os.Readlink("/proc/" + word + "/exe"); err == nil && filepath.Base(exe) == "wms-sql" {
				if pid, err := strconv.Atoi(word); err == nil {
					return pid
				}
			}
		}
	}
	return 0
}
