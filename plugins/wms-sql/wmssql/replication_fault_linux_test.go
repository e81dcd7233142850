package wmssql_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/dockline/dockline/plugins/wms-sql/wmssql"
	"github.com/dockline/dockline/testenv"
)

const (
	onePick  = "INSERT INTO picks (id, ord, sku, qty) VALUES (%d, 'SO1', 'A', 1)"
	manyRows = "INSERT INTO picks (id, ord, sku, qty) SELECT i, 'SO' || i / 3, 'A', 1 + i %% 5 FROM generate_series(%d, %d) i"
)

func (w *warehouse) pick(ids ...int) {
	w.t.Helper()
	for _, id := range ids {
		execute(w.t, w.DB, fmt.Sprintf(onePick, id))
	}
}

// number asks for one.
func (w *warehouse) number(query string) (n int64) {
	w.t.Helper()
	if err := w.QueryRowContext(w.t.Context(), query).Scan(&n); err != nil {
		w.t.Fatalf("%s: %v", query, err)
	}
	return n
}

func (w *warehouse) confirmed() int64 {
	return w.number("SELECT coalesce((SELECT pg_wal_lsn_diff(confirmed_flush_lsn, '0/0')::bigint FROM pg_replication_slots WHERE slot_name = '" + w.slot() + "'), -1)")
}

// following waits until the slot is followed, and gives the server's process.
func (w *warehouse) following() (process int64) {
	w.t.Helper()
	w.until("the slot is followed", func() bool {
		err := w.QueryRowContext(w.t.Context(), "SELECT coalesce((SELECT active_pid FROM pg_replication_slots WHERE slot_name = $1), 0)", w.slot()).Scan(&process)
		return err == nil && process != 0 && w.journal.device("replication_slot").GetReachable()
	})
	return process
}

// Twenty thousand rows in one transaction, and a plugin that is killed at batch after batch of it, before and after the journal has it: each row is
// told once, in batches that stay small, and memory does not grow with the transaction.
func TestReplicationOfABigTransactionWithKills(t *testing.T) {
	const rows = 20_000
	w := newWarehouse(t, logicalCluster(t), replicatedPicks, pickTables...)
	w.start()
	w.following()
	before := w.journal.count()
	w.stop()
	execute(t, w.DB, fmt.Sprintf(manyRows, 1, rows))
	var most uint64
	for kill := range 5 {
		w.journal.mu.Lock()
		w.journal.dieAfter, w.journal.before = 2+kill*4, kill%2 == 0
		w.journal.mu.Unlock()
		w.start()
		ended := w.stopped
		w.until("it dies", func() bool {
			w.journal.mu.Lock()
			defer w.journal.mu.Unlock()
			return w.journal.dieAfter == 0
		})
		if err := ended(); err == nil || !strings.Contains(err.Error(), errDied.Error()) {
			t.Fatalf("it ended with %v", err)
		}
		w.stopped = nil
	}
	w.start()
	w.until("all rows are told", func() bool {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		w.journal.mu.Lock()
		defer w.journal.mu.Unlock()
		told := uint64(len(w.journal.events))
		most = max(most, m.HeapAlloc-min(m.HeapAlloc, told*1500)) // what is told is held here by the test
		return told >= uint64(before+rows)
	})
	w.stop()
	if n := len(w.journal.inForce(t)); n != rows {
		t.Errorf("%d of %d rows count", n, rows)
	}
	if w.journal.biggest > 250 {
		t.Errorf("a batch held %d events", w.journal.biggest)
	}
	if most > 120<<20 {
		t.Errorf("the plugin took up to %d MiB", most>>20)
	}
}

// While the journal takes nothing, the server is answered all the same, and is told of nothing that the journal has not got; then everything comes, over
// the same line.
func TestReplicationWhileTheJournalIsSlow(t *testing.T) {
	w := newWarehouse(t, logicalCluster(t, "wal_sender_timeout=3s"), replicatedPicks, pickTables...)
	w.start()
	process := w.following()
	open := w.journal.close()
	execute(t, w.DB, fmt.Sprintf(manyRows, 1, 60_000)) // more than lines hold
	base, began := w.confirmed(), time.Now()
	w.until("three time-outs of the server have passed", func() bool { return time.Since(began) > 9*time.Second })
	if w.following() != process {
		t.Error("the server has ended the line meanwhile")
	}
	if at := w.confirmed(); at != base {
		t.Errorf("the slot was moved on by %d bytes, and the journal has none of it", at-base)
	}
	w.until("the lag is said", func() bool {
		return strings.Contains(w.journal.device("replication_slot").GetText(), "MiB of the log are not yet durable")
	})
	open()
	w.until("all is told", func() bool { return w.journal.count() >= 60_000 })
	w.until("the slot is moved on", func() bool { return w.confirmed() > base })
	if n := len(w.journal.inForce(t)); n != 60_000 {
		t.Errorf("%d rows count", n)
	}
}

// The server has removed the log that the slot needed while the plugin was away; the slot is dropped; somebody reads from it: each is said, and what
// stands in the tables is told, what is gone from them is taken back.
//
// Shows: S35
func TestReplicationSlotThatIsLost(t *testing.T) {
	c := logicalCluster(t, "max_slot_wal_keep_size=32MB")
	for name, lose := range map[string]struct {
		how func(t *testing.T, w *warehouse)
		why string
	}{
		"log removed": {func(t *testing.T, w *warehouse) {
			w.until("the slot is lost", func() bool {
				execute(t, w.DB, "INSERT INTO other SELECT coalesce(max(id), 0) + i FROM other, generate_series(1, 50000) i GROUP BY i", "SELECT pg_switch_wal()", "CHECKPOINT")
				return w.number("SELECT count(*) FROM pg_replication_slots WHERE wal_status = 'lost' AND slot_name = '"+w.slot()+"'") == 1
			})
		}, "max_slot_wal_keep_size"},
		"dropped": {func(t *testing.T, w *warehouse) {
			execute(t, w.DB, "SELECT pg_drop_replication_slot('"+w.slot()+"')")
		}, "dropped it"},
		"read by another": {func(t *testing.T, w *warehouse) {
			execute(t, w.DB, "SELECT pg_replication_slot_advance('"+w.slot()+"', pg_current_wal_lsn())")
		}, "somebody else has read from it"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWarehouse(t, c, replicatedPicks, pickTables...)
			w.pick(1, 2, 3)
			w.start()
			w.tells("picks/1 v1", "picks/2 v1", "picks/3 v1")
			w.following()
			w.pick(4)
			w.tells("picks/4 v1")
			w.stop()
			w.pick(5)
			execute(t, w.DB, "UPDATE picks SET qty = 9 WHERE id = 2", "DELETE FROM picks WHERE id = 4", "DELETE FROM picks WHERE id = 1")
			lose.how(t, w)
			w.pick(6)
			w.start()
			w.tells("picks/5 v1", "picks/6 v1", "picks/2 v2", "declared picks/2 v1 incorrect_data", "declared picks/4 v1 did_not_occur", "declared picks/1 v1 did_not_occur")
			w.condition("slot_lost", w.slot(), lose.why)
			w.following()
			w.pick(7)
			w.tells("picks/7 v1")
		})
	}
}

// A slot that holds more than most_lag while the journal takes nothing: a person is told; where the configuration says so it is given up, the server's
// disk is free at once, and everything is told when the journal takes again.
func TestReplicationLagIsBounded(t *testing.T) {
	c := logicalCluster(t)
	for _, over := range []string{"report", "give_up"} {
		t.Run(over, func(t *testing.T) {
			w := newWarehouse(t, c, strings.Replace(replicatedPicks, "publication: dockline}", "publication: dockline, most_lag: 64MiB, over: "+over+"}", 1), pickTables...)
			w.start()
			w.following()
			w.condition("slot_unbounded", "max_slot_wal_keep_size")
			open := w.journal.close()
			there := "SELECT count(*) FROM pg_replication_slots WHERE slot_name = '" + w.slot() + "'"
			for n := range 12 {
				execute(t, w.DB, fmt.Sprintf(manyRows, n*100+1, (n+1)*100), "SELECT pg_switch_wal()")
			}
			if over == "report" {
				w.condition("slot_lag", "more than most_lag", w.slot(), "pg_drop_replication_slot")
				if w.number(there) != 1 {
					t.Error("the slot is gone, and nobody wanted that")
				}
			} else {
				w.until("the slot is given up", func() bool { return w.number(there) == 0 })
			}
			open()
			w.until("all is told", func() bool { return w.journal.count() >= 1200 })
			if over == "give_up" {
				w.condition("slot_lost", "more than most_lag", "given up")
			}
			w.until("the slot holds little", func() bool { return w.following() != 0 && !w.journal.says("slot_lag") })
			if n := len(w.journal.inForce(t)); n != 1200 {
				t.Errorf("%d rows count", n)
			}
		})
	}
}

// The server is restarted, and crashes, while rows come: each row is told once, and the plugin needs nobody to go on.
func TestReplicationOverARestart(t *testing.T) {
	c := logicalCluster(t)
	w := newWarehouse(t, c, replicatedPicks, pickTables...)
	w.start()
	w.following()
	for n, end := range []func(){c.Stop, c.Crash} {
		open := w.journal.close()
		execute(t, w.DB, fmt.Sprintf(manyRows, n*3000+1, (n+1)*3000))
		end()
		open()
		w.until("it says that the database is away", func() bool {
			d := w.journal.device("database")
			return d != nil && !d.GetReachable() && strings.Contains(d.GetText(), w.name)
		})
		c.Start()
		w.until("all is told", func() bool { return w.journal.count() >= (n+1)*3000 })
		w.following()
	}
	if got := len(w.journal.inForce(t)); got != 6000 {
		t.Errorf("%d rows count", got)
	}
}

// A table that does not fit any longer is set aside and named; the others go on, and when it fits again it is read whole.
//
// Shows: S38
func TestReplicationOfATableThatChanges(t *testing.T) {
	c := logicalCluster(t)
	for name, change := range map[string]struct{ away, back, code, words string }{
		"a column is renamed":          {"ALTER TABLE picks RENAME qty TO amount", "ALTER TABLE picks RENAME amount TO qty", "database_schema", "no column qty"},
		"the table is renamed":         {"ALTER TABLE picks RENAME TO gone", "ALTER TABLE gone RENAME TO picks", "database_schema", "picks"},
		"no longer published":          {"ALTER PUBLICATION dockline DROP TABLE picks", "ALTER PUBLICATION dockline ADD TABLE picks", "replication_setup", "ADD TABLE"},
		"the publication is dropped":   {"DROP PUBLICATION dockline", "CREATE PUBLICATION dockline FOR TABLE picks, ships", "replication_setup", "CREATE PUBLICATION"},
		"rows lose their identity":     {"ALTER TABLE picks REPLICA IDENTITY NOTHING", "ALTER TABLE picks REPLICA IDENTITY DEFAULT", "replication_setup", "REPLICA IDENTITY FULL"},
		"a type is another":            {"ALTER TABLE picks ALTER qty TYPE text", "ALTER TABLE picks ALTER qty TYPE numeric USING qty::numeric", "", ""},
		"a column is left out of it":   {"ALTER PUBLICATION dockline SET TABLE picks (id, ord, sku, at, note), ships", "ALTER PUBLICATION dockline SET TABLE picks, ships", "replication_setup", "leaves out"},
		"some rows are left out of it": {"ALTER PUBLICATION dockline SET TABLE picks WHERE (id > 1), ships", "ALTER PUBLICATION dockline SET TABLE picks, ships", "replication_setup", "only some rows"},
		"it publishes inserts only":    {"ALTER PUBLICATION dockline SET (publish = 'insert')", "ALTER PUBLICATION dockline SET (publish = 'insert, update, delete')", "replication_setup", "does not publish everything"},
		"the table is another by now":  {"ALTER TABLE picks RENAME TO before; CREATE TABLE picks (LIKE before INCLUDING ALL)", "ALTER PUBLICATION dockline ADD TABLE picks", "replication_setup", "ADD TABLE"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWarehouse(t, c, replicatedPicks, pickTables...)
			w.pick(1)
			w.start()
			w.tells("picks/1 v1")
			w.following()
			execute(t, w.DB, change.away)
			qty := "qty"
			if strings.Contains(change.away, "TO amount") {
				qty = "amount"
			}
			target := "picks"
			if strings.HasSuffix(change.away, "TO gone") {
				target = "gone"
			}
			execute(t, w.DB, fmt.Sprintf("INSERT INTO %s (id, ord, sku, %s) VALUES (2, 'SO1', 'A', 1)", target, qty))
			if change.code != "" {
				w.condition(change.code, change.words)
			}
			execute(t, w.DB, change.back, fmt.Sprintf(onePick, 3))
			w.until("both are told", func() bool { f := w.journal.inForce(t); return f["picks/2"] != nil && f["picks/3"] != nil })
			w.until("nothing is wrong any more", func() bool { return !w.journal.says(change.code) })
			w.following()
		})
	}
}

// What an administrator must still do is said before anything is captured, with the line and the statement that does it.
//
// Shows: S38
func TestReplicationIsCheckedBeforehand(t *testing.T) {
	w := newWarehouse(t, logicalCluster(t), replicatedPicks, append(pickTables, "CREATE TABLE bare (id integer)", "CREATE VIEW seen AS SELECT * FROM picks",
		"CREATE ROLE plain LOGIN", "GRANT SELECT ON ALL TABLES IN SCHEMA public TO plain", "GRANT pg_read_all_stats TO plain", "CREATE TABLE part (id integer PRIMARY KEY, ord text, sku text, qty numeric, at timestamptz, note text) PARTITION BY RANGE (id)")...)
	check := func(config, path string, words ...string) {
		t.Helper()
		faults := wmssql.New().Check([]byte(config), "wms")
		for _, f := range faults {
			ok := f.GetPath() == path && f.GetLine() > 0
			for _, word := range words {
				ok = ok && strings.Contains(f.GetText(), word)
			}
			if ok {
				return
			}
		}
		t.Errorf("no fault at %s that says %q: %v", path, words, faults)
	}
	if faults := wmssql.New().Check([]byte(w.config), "wms"); len(faults) > 0 {
		t.Fatal(faults)
	}
	with := func(old, new string) string { return strings.Replace(w.config, old, new, 1) }
	check(with("publication: dockline", "publication: none"), "database.replication", "CREATE PUBLICATION")
	check(with("user: dockline", "user: plain"), "database.user", "ALTER ROLE", "REPLICATION")
	check(with("table: picks", "table: seen"), "streams[0]", "no table")
	check(with("table: picks", "table: part"), "streams[0]", "publish_via_partition_root")
	check(with("slot: ", "slot: Not-"), "database.replication.slot", "lower case")
	execute(t, w.DB, "ALTER TABLE picks REPLICA IDENTITY NOTHING")
	check(w.config, "streams[0]", "ALTER TABLE", "REPLICA IDENTITY FULL")

	replica := newWarehouse(t, testenv.PostgresOnDisk(t, 300), replicatedPicks, pickTables...)
	faults := wmssql.New().Check([]byte(replica.config), "wms")
	if len(faults) != 1 || !strings.Contains(faults[0].GetText(), "ALTER SYSTEM SET wal_level = logical") {
		t.Errorf("a server that writes no logical log: %v", faults)
	}
}

// Two agents with one slot: the second says so and takes nothing from the first. A slot that this agent did not make it leaves alone.
func TestReplicationSlotOfAnother(t *testing.T) {
	c := logicalCluster(t)
	w := newWarehouse(t, c, replicatedPicks, pickTables...)
	w.pick(1)
	w.start()
	w.tells("picks/1 v1")
	process := w.following()
	second := &warehouse{DB: w.DB, t: t, name: w.name, port: w.port, config: w.config, journal: &journal{}, dataDir: t.TempDir()}
	second.start()
	second.condition("database_busy", "another agent has the same slot")
	second.stop()
	w.pick(2)
	w.tells("picks/2 v1")
	if w.following() != process {
		t.Error("the first agent's line was cut")
	}
	w.stop()
	w.until("nobody follows it", func() bool {
		return w.number("SELECT count(*) FROM pg_replication_slots WHERE active AND slot_name = '"+w.slot()+"'") == 0
	})
	second.start()
	second.condition("replication_setup", "this agent did not make it")
	second.stop()
	if second.journal.count() != 0 {
		t.Error("the second agent told something")
	}
}

// A configuration that goes over to polling drops the slot and tells nothing twice, nor does one that comes back.
func TestReplicationIsLeftAndTakenUpAgain(t *testing.T) {
	w := newWarehouse(t, logicalCluster(t), replicatedPicks, append(pickTables, "ALTER TABLE picks ADD changed timestamptz DEFAULT clock_timestamp()", "ALTER TABLE ships ADD changed timestamptz DEFAULT clock_timestamp()")...)
	by := w.config
	polled := strings.ReplaceAll(strings.Replace(by, "  replication: {slot: "+w.slot()+", publication: dockline}\n", "", 1), "from: replication", "watermark: changed")
	w.pick(1)
	w.config = polled
	w.start()
	w.tells("picks/1 v1")
	w.stop()
	w.pick(2)
	w.config = by
	w.start()
	w.tells("picks/2 v1")
	w.following()
	w.stop()
	w.pick(3)
	w.config = polled
	w.start()
	w.tells("picks/3 v1")
	w.until("the slot is dropped", func() bool {
		return w.number("SELECT count(*) FROM pg_replication_slots WHERE slot_name = '"+w.slot()+"'") == 0
	})
	w.stop()
	execute(t, w.DB, "DELETE FROM picks WHERE id = 1") // moved away while it was polled: nobody takes that back
	w.pick(4)
	w.config = by
	w.start()
	w.tells("picks/4 v1")
	w.following()
	w.inForceIs(4)
}

func (w *warehouse) inForceIs(want int) {
	w.t.Helper()
	if n := len(w.journal.inForce(w.t)); n != want {
		w.t.Errorf("%d events count, want %d", n, want)
	}
}

// The plugin's folder is lost: the tables are read again, and all that comes is what was told before.
func TestReplicationWithoutItsMemory(t *testing.T) {
	w := newWarehouse(t, logicalCluster(t), replicatedPicks, pickTables...)
	w.pick(1, 2)
	w.start()
	w.tells("picks/1 v1", "picks/2 v1")
	w.following()
	w.stop()
	if err := os.RemoveAll(filepath.Join(w.dataDir, "told.db")); err != nil {
		t.Fatal(err)
	}
	w.pick(3)
	w.start()
	w.tells("picks/3 v1")
}
