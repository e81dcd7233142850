package wmssql

import (
	"os"
	"strings"
	"testing"
)

// The table's columns change under the plugin: it says which is missing, tells nothing of that table, and goes on when it fits again.
//
// Shows: S38
func TestATableThatChanges(t *testing.T) {
	s := newSite(t, picksOnly, picksTable, twoPicks)
	s.says("pick.confirmed picks/A", "pick.confirmed picks/B")
	s.run("INSERT INTO picks (id, ord, qty, at, seq) VALUES ('C', 'SO1', '1', '2026-07-04 08:00', 3)", "ALTER TABLE picks RENAME COLUMN qty TO amount")
	s.says()
	s.says()
	c := s.host.condition("database_schema")
	if c == nil || !strings.Contains(c.GetText(), "there is no column qty") || !strings.Contains(c.GetText(), "amount") || !strings.Contains(c.GetText(), "picks") {
		t.Fatalf("the condition does not say what is missing: %v", s.host.conditions)
	}
	s.run("ALTER TABLE picks RENAME COLUMN amount TO qty", "ALTER TABLE picks ADD COLUMN more TEXT")
	s.says("pick.confirmed picks/C")
	if len(s.host.conditions) != 0 {
		t.Errorf("it still says %v", s.host.conditions)
	}
}

// A column turns NULL: the row is refused with its column and kept whole, the others go on, and it is told when it is put right.
func TestAColumnThatTurnsNULL(t *testing.T) {
	s := newSite(t, picksOnly, picksTable, twoPicks, "INSERT INTO picks (id, ord, qty, at, seq) VALUES ('C', 'SO1', NULL, '2026-07-04 08:00', 3), ('D', 'SO1', '4', '2026-07-04 08:00', 4), ('E', 'SO1', '4', '2026-07-04 08:00', NULL)")
	s.says("pick.confirmed picks/A", "pick.confirmed picks/B", "refused field_missing", "pick.confirmed picks/D")
	letter := s.host.events[2].GetDeadLetter()
	for _, want := range []string{"id=C", "quantity is empty", "column qty"} {
		if !strings.Contains(letter.GetText(), want) {
			t.Errorf("the letter does not say %q: %s", want, letter.GetText())
		}
	}
	if !strings.Contains(string(letter.GetRaw()), "qty=NULL") || len(letter.GetRefusedEvent()) == 0 {
		t.Errorf("the letter has lost the row: %q", letter.GetRaw())
	}
	if c := s.host.condition("rows_without_watermark"); c == nil || !strings.Contains(c.GetText(), "picks") {
		t.Errorf("nobody says that a row has no watermark: %v", s.host.conditions)
	}
	s.run("UPDATE picks SET qty = '3', seq = 5 WHERE id = 'C'")
	s.says("pick.confirmed picks/C")
}

// The database goes away and comes back: that is said, and nothing is lost or told twice.
func TestADatabaseThatGoesAway(t *testing.T) {
	s := newSite(t, picksOnly, picksTable, twoPicks)
	s.says("pick.confirmed picks/A", "pick.confirmed picks/B")
	s.run("INSERT INTO picks (id, ord, qty, at, seq) VALUES ('C', 'SO1', '1', '2026-07-04 08:00', 3)")
	s.capture.reopen()
	if err := os.Rename(s.path, s.path+".away"); err != nil {
		t.Fatal(err)
	}
	s.says()
	if len(s.host.devices) != 1 || s.host.devices[0].GetReachable() || !strings.Contains(s.host.devices[0].GetText(), s.path) {
		t.Fatalf("nobody says that it cannot be reached: %v %v", s.host.devices, s.host.conditions)
	}
	if err := os.Rename(s.path+".away", s.path); err != nil {
		t.Fatal(err)
	}
	s.says("pick.confirmed picks/C")
	if !s.host.devices[0].GetReachable() {
		t.Errorf("it still says %v", s.host.devices)
	}
}

// Rows of a megabyte each: a page ends by bytes, and all are read.
func TestWideRowsAreReadInPieces(t *testing.T) {
	s := newSite(t, picksOnly, picksTable, "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40) INSERT INTO picks (id, ord, qty, at, seq) SELECT 'P' || i, hex(zeroblob(500000)), '1', '2026-07-04 08:00', 1 FROM n")
	if err := s.step(); err != nil {
		t.Fatal(err)
	}
	if n := len(s.host.events); n != 40 {
		t.Errorf("%d of 40 rows were told", n)
	}
	if s.host.batches < 3 {
		t.Errorf("40 MB came in %d batches", s.host.batches)
	}
}
