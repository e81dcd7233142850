package eventlog_test

import (
	"strings"
	"testing"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/eventlog"
	"github.com/dockline/dockline/testenv"
)

// TestTheSequencerLooksOnlyAtWhatHasNoPlace: it looks many times a second, so what that costs must not grow with all that was ever placed.
func TestTheSequencerLooksOnlyAtWhatHasNoPlace(t *testing.T) {
	d := testenv.SQLite(t)
	var plan []string
	err := d.Read(t.Context(), func(tx *db.Tx) error {
		rows, err := tx.Query(t.Context(), `EXPLAIN QUERY PLAN `+eventlog.Unplaced)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var id, parent, unused int64
			var text string
			if err := rows.Scan(&id, &parent, &unused, &text); err != nil {
				return err
			}
			plan = append(plan, text)
		}
		return rows.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Join(plan, "\n")
	for _, index := range []string{"event_offset (log_offset=?)", "receipt_unplaced", "command_unplaced"} {
		if !strings.Contains(text, index) {
			t.Errorf("no use is made of %s:\n%s", index, text)
		}
	}
}
