package wmssql

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

const (
	picksTable = "CREATE TABLE picks (id TEXT PRIMARY KEY, ord TEXT, qty TEXT, at TEXT, gone INTEGER DEFAULT 0, rev INTEGER DEFAULT 1, seq INTEGER)"
	picksOnly  = `
DATABASE
streams:
  - {name: picks, table: picks, watermark: seq, kind: pick.confirmed, key: id, deleted: 'row["gone"] == "1"', columns: {ord: [order, item], qty: quantity, at: occurred_at}}
`
	twoPicks = "INSERT INTO picks (id, ord, qty, at, seq) VALUES ('A', 'SO1', '1', '2026-07-04 08:00', 1), ('B', 'SO1', '2', '2026-07-04 08:00', 2)"
)

// A row that is corrected, deleted and there again: what was told is taken back by its id, and told anew.
//
// Shows: S35
func TestCorrectedAndDeletedRowsTakeBackWhatWasTold(t *testing.T) {
	s := newSite(t, picksOnly, picksTable, twoPicks)
	s.says("pick.confirmed picks/A", "pick.confirmed picks/B")
	s.says()
	s.run("UPDATE picks SET qty = '5', seq = 3 WHERE id = 'A'")
	s.says("pick.confirmed picks/A", "declared #0 incorrect_data right #2")
	s.stop()
	s.says()
	s.run("UPDATE picks SET gone = 1, qty = NULL, seq = 4 WHERE id = 'A'")
	s.says("declared #2 did_not_occur")
	s.says()
	s.run("UPDATE picks SET gone = 0, qty = '5', seq = 5 WHERE id = 'A'")
	s.says("declared #4 did_not_occur") // the deletion did not
	s.run("UPDATE picks SET gone = 1, seq = 6 WHERE id = 'A'")
	s.says("declared #2 did_not_occur")
	s.run("UPDATE picks SET gone = 0, qty = '1', seq = 7 WHERE id = 'A'")
	s.says("declared #3 did_not_occur") // what was told first is right again
	ids := map[string]bool{}
	for _, e := range s.host.events {
		if ids[idOf(e)] {
			t.Errorf("two events have the id of %s", e.GetSourceKey())
		}
		ids[idOf(e)] = true
	}
}

// TestAKeyThatComesAgainOnAPage: a view may show a key twice. Its later row is told as a correction of the earlier one, also where that went to the host
// with a batch before, and a third that says what the first did puts that in force again.
func TestAKeyThatComesAgainOnAPage(t *testing.T) {
	s := newSite(t, picksOnly, "CREATE TABLE picks (id TEXT, ord TEXT, qty TEXT, at TEXT, gone INTEGER DEFAULT 0, seq INTEGER)",
		`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 450)
		INSERT INTO picks (id, ord, qty, at, seq) SELECT CASE i WHEN 1 THEN 'A' WHEN 210 THEN 'A' WHEN 440 THEN 'A' ELSE i END, 'SO1', CASE i WHEN 210 THEN 7 ELSE 1 END, '2026-07-04 08:00', i FROM n`)
	if err := s.step(); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, said := range s.host.said() {
		if said == "pick.confirmed picks/A" || strings.HasPrefix(said, "declared") {
			got = append(got, said)
		}
	}
	const first, second = 0, 209
	want := []string{"pick.confirmed picks/A", "pick.confirmed picks/A", fmt.Sprintf("declared #%d incorrect_data right #%d", first, second), "declared #210 did_not_occur",
		fmt.Sprintf("declared #%d incorrect_data right #%d", second, first)}
	if !slices.Equal(got, want) {
		t.Errorf("told %q, want %q", got, want)
	}
}

// A record with revisions needs no word about the former ones: the highest counts.
func TestRevisionsAreToldAsTheyAre(t *testing.T) {
	s := newSite(t, `
DATABASE
streams:
  - {name: picks, table: picks, watermark: seq, kind: pick.confirmed, key: id, revision: rev, deleted: 'row["gone"] == "1"', columns: {ord: [order, item], qty: quantity, at: occurred_at}}
`, picksTable, twoPicks)
	s.says("pick.confirmed picks/A", "pick.confirmed picks/B")
	s.run("UPDATE picks SET qty = '5', rev = 2, seq = 3 WHERE id = 'A'")
	s.says("pick.confirmed picks/A")
	s.run("UPDATE picks SET gone = 1, rev = 3, seq = 4 WHERE id = 'A'")
	if err := s.step(); err != nil {
		t.Fatal(err)
	}
	got := s.host.said()[3:]
	slices.Sort(got)
	if !slices.Equal(got, []string{"declared #0 did_not_occur", "declared #2 did_not_occur"}) {
		t.Errorf("told %q: every revision is to be taken back", got)
	}
}

// Rows that somebody deletes leave no trace to read; they are missed where that is configured.
func TestVanishedRowsAreTakenBack(t *testing.T) {
	s := newSite(t, `
DATABASE
streams:
  - {name: picks, table: picks, watermark: seq, kind: pick.confirmed, key: id, vanished: {every: 1m, within: 48h}, columns: {ord: [order, item], qty: quantity, at: occurred_at}}
`, picksTable, twoPicks)
	s.says("pick.confirmed picks/A", "pick.confirmed picks/B")
	s.run("DELETE FROM picks WHERE id = 'A'")
	s.says("declared #0 did_not_occur")
	s.says()
}

// A shipment's lines are one event, of all its rows, whichever of them are new.
func TestRowsOfOneKeyAreOneEvent(t *testing.T) {
	s := newSite(t, `
DATABASE
page: 2
streams:
  - {name: ships, table: ships, watermark: seq, tie: [ship, line], kind: shipment.departed, key: ship, group: true, columns: {ship: shipment, ord: [order, item], qty: quantity, at: occurred_at}}
`, "CREATE TABLE ships (ship TEXT, line INTEGER, ord TEXT, qty INTEGER, at TEXT, seq INTEGER, PRIMARY KEY (ship, line))",
		"INSERT INTO ships VALUES ('S1', 1, 'SO1', 1, '2026-07-04 09:00', 1), ('S2', 1, 'SO2', 1, '2026-07-04 09:00', 1), ('S1', 2, 'SO1', 1, '2026-07-04 09:00', 1), ('S1', 3, 'SO1', 1, '2026-07-04 09:00', 2)")
	s.says("shipment.departed ships/S1", "shipment.departed ships/S2")
	if n := len(s.host.events[0].GetShipment().GetLines()); n != 3 {
		t.Errorf("the shipment has %d lines, the table 3", n)
	}
	s.run("INSERT INTO ships VALUES ('S2', 2, 'SO2', 1, '2026-07-04 09:00', 3)")
	s.says("shipment.departed ships/S2", "declared #1 incorrect_data right #2")
}

// The process ends at every batch in turn, before and after the host has it: each row is told once all the same.
//
// Shows: E02
func TestEndsAtEveryBatch(t *testing.T) {
	for _, durable := range []bool{false, true} {
		for at := 1; at <= 4; at++ {
			s := newSite(t, picksOnly, picksTable, "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500) INSERT INTO picks (id, ord, qty, at, seq) SELECT 'P' || i, 'SO', '1', '2026-07-04 08:00', i / 7 FROM n")
			s.host.failAt, s.host.durable = at, durable
			for lives := 0; len(s.host.events) < 500; lives++ {
				if lives > 10 {
					t.Fatalf("after %d lives %d of 500 rows are told", lives, len(s.host.events))
				}
				if s.step() != nil {
					s.stop()
				}
			}
			s.says()
			seen := map[string]int{}
			for _, e := range s.host.events {
				seen[e.GetSourceKey()]++
			}
			if len(seen) != 500 || len(s.host.events) != 500 {
				t.Errorf("end at batch %d (durable %v): %d events of %d rows, the table has 500", at, durable, len(s.host.events), len(seen))
			}
		}
	}
}

// The data folder is lost with the disk, the cursor is given back: what is told again are the same events.
func TestALostMemoryTellsTheSameEvents(t *testing.T) {
	s := newSite(t, picksOnly, picksTable, twoPicks)
	s.says("pick.confirmed picks/A", "pick.confirmed picks/B")
	s.stop()
	s.dataDir = t.TempDir()
	if err := s.step(); err != nil {
		t.Fatal(err)
	}
	for _, e := range s.host.events[2:] {
		if id := idOf(e); id != idOf(s.host.events[0]) && id != idOf(s.host.events[1]) {
			t.Errorf("%s was told again as another event", e.GetSourceKey())
		}
	}
	// A file that is none is set aside.
	s.stop()
	if err := os.WriteFile(filepath.Join(s.dataDir, "told.db"), []byte("this is no database, and long enough to be seen as one that is broken"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := s.step(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(s.dataDir, "told.db.damaged")); err != nil {
		t.Error(err)
	}
}

// Rows of an outbox are acknowledged once they are durable; where the process ends before, they are acknowledged later and not told again.
func TestOutboxIsAcknowledgedAfterItIsDurable(t *testing.T) {
	s := newSite(t, `
DATABASE
streams:
  - {name: picks, table: picks, watermark: seq, kind: pick.confirmed, key: id, outbox: {acknowledge: update, pending: gone = 0, set: gone = 1}, columns: {ord: [order, item], qty: quantity, at: occurred_at}}
`, picksTable, twoPicks)
	waiting := func() (n int) {
		if err := s.db.QueryRow("SELECT count(*) FROM picks WHERE gone = 0").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	s.host.failAt, s.host.durable = 1, true
	if err := s.step(); err == nil {
		t.Fatal("the first batch did not end the process")
	}
	if waiting() != 2 {
		t.Errorf("%d rows wait before the host has answered, want 2", waiting())
	}
	s.stop()
	if err := s.step(); err != nil {
		t.Fatal(err)
	}
	if len(s.host.events) != 2 || waiting() != 0 {
		t.Errorf("%d events told and %d rows wait, want 2 and 0: %v", len(s.host.events), waiting(), s.host.conditions)
	}
	s.run("INSERT INTO picks (id, ord, qty, at, seq) VALUES ('C', 'SO1', '1', '2026-07-04 08:00', 1)") // an outbox may give its numbers late
	s.says("pick.confirmed picks/C")
}

// What is complete lags by settle behind the last look, and stands still while the table cannot be read.
func TestCompleteThrough(t *testing.T) {
	s := newSite(t, picksOnly, picksTable, twoPicks)
	s.says("pick.confirmed picks/A", "pick.confirmed picks/B")
	first := s.host.through["picks"].GetTime().AsTime()
	if lag := time.Since(first); lag < 15*time.Minute || lag > 16*time.Minute || !s.host.through["picks"].GetMovesStock() {
		t.Errorf("complete through %s, %s ago: want settle", first, lag)
	}
	s.run("ALTER TABLE picks RENAME TO moved")
	s.says()
	if at := s.host.through["picks"].GetTime().AsTime(); !at.Equal(first) {
		t.Errorf("it went on to %s while the table was gone", at)
	}
}

// A person asks for what was told since a time: it comes again as the same events, what is older does not.
func TestRewind(t *testing.T) {
	s := newSite(t, picksOnly, picksTable, twoPicks)
	s.says("pick.confirmed picks/A", "pick.confirmed picks/B")
	since := s.clock.Add(time.Minute)
	s.run("INSERT INTO picks (id, ord, qty, at, seq) VALUES ('C', 'SO1', '1', '2026-07-04 08:00', 3)")
	s.says("pick.confirmed picks/C")
	s.stop()
	cursor, what, err := rewind(s.setup(), s.host.cursor, since)
	if err != nil || what == "" {
		t.Fatal(err)
	}
	s.host.cursor = cursor
	s.says("pick.confirmed picks/C")
	if idOf(s.host.events[2]) != idOf(s.host.events[3]) {
		t.Error("it came again as another event")
	}
	if s.host.events[3].GetKind() != docklinev1.EventKind_EVENT_KIND_PICK_CONFIRMED {
		t.Error("it came again as another kind")
	}
}
