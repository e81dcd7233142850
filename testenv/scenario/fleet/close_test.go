package fleet_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dockline/dockline/agent/journal"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/fleet"
	"github.com/dockline/dockline/testenv"
)

const (
	tuesday   = "2026-11-24"
	wednesday = "2026-11-25"
)

// A day closes when the site has said that it is over and all that it accepted is in the log: not before, not while the site is away, and
// also where the events come a day late.
func TestADayCloses(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newDays(t, d, journal.Options{})
		w.hello()
		w.capture(0, 200)
		w.deliver()
		w.beat()
		w.want("during the day", tuesday, fleet.DayOpen, 200, 200, 0, 0)
		w.capture(200, 50) // the line is cut
		w.tomorrow()
		w.want("the site has not said that the day is over", tuesday, fleet.DayOpen, 200, 200, 0, 0)
		w.hello()
		w.beat()
		w.want("it says so, and its events are not here", tuesday, fleet.DayWaiting, 250, 200, 0, 0)
		w.send(true)
		w.want("they are here, and not in the log", tuesday, fleet.DayWaiting, 250, 200, 0, 0)
		w.fill()
		day := w.want("they are in the log", tuesday, fleet.DayClosed, 250, 250, 0, 0)
		if day.ClosedAt.IsZero() || day.Settled() != 250 {
			t.Errorf("closed at %v, %d settled", day.ClosedAt, day.Settled())
		}
		w.capture(250, 3)
		w.deliver()
		w.beat()
		w.want("the next day", wednesday, fleet.DayOpen, 3, 3, 0, 0)
		w.want("a day stays closed", tuesday, fleet.DayClosed, 250, 250, 0, 0)
	})
}

// What is only sent twice counts once; what is captured twice is one event, and the account says so.
func TestWhatComesTwiceIsNoDifference(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newDays(t, d, journal.Options{})
		w.hello()
		w.capture(0, 150)
		w.send(false)
		w.deliver()
		if err := w.journal.Fork("test"); err != nil { // all that is kept is sent again under new numbers
			t.Fatal(err)
		}
		w.hello()
		w.deliver()
		w.tomorrow()
		w.capture(0, 150) // the source was read again
		w.deliver()
		w.beat()
		w.want("sent twice", tuesday, fleet.DayClosed, 150, 150, 0, 0)
		w.tomorrow()
		w.beat()
		w.want("captured twice", wednesday, fleet.DayClosed, 150, 0, 150, 0)
	})
}

// A disk that is put back to the morning, and a database that is.
func TestADayClosesOverARestore(t *testing.T) {
	t.Run("disk", func(t *testing.T) {
		testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
			w := newDays(t, d, journal.Options{KeepAcknowledged: 24 * time.Hour})
			w.hello()
			w.capture(0, 120)
			w.deliver()
			w.beat()
			w.journal.Close()
			image := w.dir + ".image"
			copyFolder(t, w.dir, image)
			w.openJournal()
			w.hello()
			w.capture(120, 80)
			w.deliver()
			w.beat()
			w.journal.Close()
			copyFolder(t, image, w.dir)
			w.openJournal()
			w.now = w.now.Add(time.Hour)
			w.hello()
			w.beat()
			w.capture(120, 80) // the source goes on from its old cursor
			w.capture(200, 10)
			w.deliver()
			w.beat()
			w.tomorrow()
			w.beat()
			w.want("a disk put back", tuesday, fleet.DayClosed, 290, 210, 80, 0)
		})
	})
	t.Run("database", func(t *testing.T) {
		for name, keep := range map[string]time.Duration{"all is kept at the site": 24 * time.Hour, "nothing is kept at the site": 0} {
			t.Run(name, func(t *testing.T) {
				w := newDays(t, testenv.SQLite(t), journal.Options{KeepAcknowledged: keep})
				w.hello()
				w.capture(0, 3000)
				w.deliver()
				w.beat()
				w.journal.Close()
				w.openJournal() // what is acknowledged and not kept is gone now
				w.attach(testenv.SQLite(t))
				w.hello()
				w.deliver()
				w.tomorrow()
				w.beat()
				if keep > 0 {
					w.want("a database put back", tuesday, fleet.DayClosed, 3000, 3000, 0, 0)
					return
				}
				day := w.want("a database put back", tuesday, fleet.DayClosed, 3000, 0, 0, 3000)
				if !strings.Contains(day.Reason, "3000 declared lost") {
					t.Errorf("the account says %q", day.Reason)
				}
			})
		}
	})
}

// A damaged file loses a pack: the journal declares it, and that explains what is missing of the day.
func TestADeclaredLossExplainsTheDay(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newDays(t, d, journal.Options{})
		w.hello()
		w.capture(0, 1000)
		w.beat()
		w.journal.Close()
		spoil(t, w.dir)
		w.tomorrow()
		w.openJournal()
		w.hello()
		w.deliver() // the damage is met on the way
		w.hello()
		w.deliver()
		w.beat()
		found, err := w.fleet().Days(t.Context(), tenant, dcWest, tuesday)
		if err != nil || len(found) != 1 || found[0].Logged == 1000 || found[0].Logged < 500 {
			t.Fatalf("nothing, or too much, was lost: %+v, %v", found, err)
		}
		logged := found[0].Logged
		w.want("with a declared loss", tuesday, fleet.DayClosed, 1000, logged, 0, 1000-logged)
	})
}

// spoil flips a byte in the middle of a pack of the only file that holds some.
func spoil(t *testing.T, dir string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "epoch-*.db"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	data, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	frames := [][]byte{{0x28, 0xb5, 0x2f, 0xfd}} // a pack is one zstd frame
	at, n := 0, 0
	for ; n < 4; n++ {
		next := bytes.Index(data[at+1:], frames[0])
		if next < 0 {
			break
		}
		at += 1 + next
	}
	if n < 3 {
		t.Fatalf("only %d packs are in %s", n, files[0])
	}
	data[at+200] ^= 0x40
	if err := os.WriteFile(files[0], data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// What is lost without a word, here within the centre itself, is a difference: a case with the numbers and the remedy, which closes when the
// numbers agree, or when a person knows better.
func TestALossWithoutAWordIsADifference(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newDays(t, d, journal.Options{})
		w.hello()
		w.capture(0, 100)
		w.deliver()
		w.capture(100, 20)
		w.send(true)
		w.exec(`DELETE FROM inbox`) // acknowledged, and gone
		w.capture(120, 30)
		w.deliver()
		w.tomorrow()
		w.beat()
		day := w.want("a loss within the centre", tuesday, fleet.DayDifference, 150, 130, 0, 0)
		e := w.open["fleet/close/"+dcWest+"/"+tuesday]
		if day.Unexplained != 20 || e.Code != "daily_close" || !strings.Contains(e.Text, "Captured 150") || !strings.Contains(e.Text, "reread") {
			t.Errorf("unexplained %d; the case: %+v", day.Unexplained, e)
		}
		if err := w.fleet().AcceptDay(t.Context(), tenant, dcWest, tuesday, "compared with the paper of the shift", func(*db.Tx) error { return nil }); err != nil {
			t.Fatal(err)
		}
		w.want("a person has accepted it", tuesday, fleet.DayClosed, 150, 130, 0, 0)
		w.exec(`UPDATE site_day_log SET logged = logged - 1 WHERE day = ?`, tuesday)
		w.want("one more is missing than was accepted", tuesday, fleet.DayDifference, 150, 129, 0, 0)
		w.exec(`UPDATE site_day_log SET logged = logged + 21 WHERE day = ?`, tuesday)
		w.want("all is there after all", tuesday, fleet.DayClosed, 150, 150, 0, 0)
		w.exec(`UPDATE site_day_log SET logged = logged + 5 WHERE day = ?`, tuesday)
		w.want("the log has more than the site counted", tuesday, fleet.DayDifference, 150, 155, 0, 0)
	})
}

// What is logged and not folded or posted keeps a day open, and is a difference when that lasts; what is with a person does not.
func TestADayWaitsForItsPostings(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newDays(t, d, journal.Options{})
		w.hello()
		w.capture(0, 40)
		w.deliver()
		w.now = time.Date(2026, 11, 25, 0, 1, 0, 0, time.UTC)
		w.beat()
		w.exec(`INSERT INTO fact (tenant, fold_key, log_id, event_id, epoch_ordinal, seq, body) SELECT tenant, 'order/SO-1', log_id, id, 1, seq, body FROM event WHERE id = 'pick-11'`)
		w.exec(`INSERT INTO dirty (tenant, fold_key) VALUES (?, 'order/SO-1')`, tenant)
		if d := w.want("not folded", tuesday, fleet.DayWaiting, 40, 40, 0, 0); d.Unfolded != 1 {
			t.Errorf("%d unfolded", d.Unfolded)
		}
		w.exec(`DELETE FROM dirty`)
		for _, p := range []struct{ key, state, event string }{{"a", "ready", "pick-1"}, {"b", "rejected", "pick-2"}, {"c", "confirmed", "pick-3"}} {
			w.exec(`INSERT INTO posting (tenant, target, kind, natural_key, fold_key, serial_key, style, state, document, document_hash, source_version, policy_version, created_at, changed_at)
				VALUES (?, 'erp', 'goods_issue', ?, '', '', 'create', ?, ?, '', 1, '', 1, 1)`, tenant, p.key, p.state, []byte{1})
			w.exec(`INSERT INTO posting_event (tenant, event_id, target, kind, natural_key) VALUES (?, ?, 'erp', 'goods_issue', ?)`, tenant, p.event, p.key)
		}
		if d := w.want("one is not posted", tuesday, fleet.DayWaiting, 40, 40, 0, 0); d.Pending != 1 || d.Parked != 1 || d.Settled() != 38 {
			t.Errorf("%d pending, %d parked, %d settled", d.Pending, d.Parked, d.Settled())
		}
		w.now = w.now.Add(7 * time.Hour)
		w.want("for seven hours", tuesday, fleet.DayDifference, 40, 40, 0, 0)
		w.exec(`UPDATE posting SET state = 'confirmed' WHERE natural_key = 'a'`)
		w.want("it is posted", tuesday, fleet.DayClosed, 40, 40, 0, 0)
	})
}
