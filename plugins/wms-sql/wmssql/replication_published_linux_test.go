package wmssql_test

import (
	"fmt"
	"testing"
)

// A table leaves its publication and comes back before anybody has looked, or is replaced by another of its name: by no slot comes what was written to it in
// between, so it is read anew. Also where that happens while the plugin is off.
//
// Shows: S35
func TestReplicationOfATableThatWasNotPublishedForAMoment(t *testing.T) {
	c := logicalCluster(t)
	for name, unseen := range map[string][]string{
		"taken out and put back": {"ALTER PUBLICATION dockline DROP TABLE picks", fmt.Sprintf(onePick, 2), "ALTER PUBLICATION dockline ADD TABLE picks"},
		"publishes less, and all again": {"ALTER PUBLICATION dockline SET (publish = 'update')", fmt.Sprintf(onePick, 2),
			"ALTER PUBLICATION dockline SET (publish = 'insert, update, delete, truncate')"},
		"another table": {"ALTER TABLE picks RENAME TO old_picks", "CREATE TABLE picks (LIKE old_picks INCLUDING ALL)", "INSERT INTO picks SELECT * FROM old_picks", fmt.Sprintf(onePick, 2),
			"ALTER PUBLICATION dockline ADD TABLE picks"},
	} {
		for _, off := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, plugin off: %v", name, off), func(t *testing.T) {
				w := newWarehouse(t, c, replicatedPicks, pickTables...)
				w.pick(1)
				w.start()
				w.tells("picks/1 v1")
				w.following()
				if off {
					w.stop()
				}
				execute(t, w.DB, unseen...)
				if off {
					w.start()
				}
				w.pick(3)
				w.until("what was written in between is told", func() bool { f := w.journal.inForce(t); return f["picks/2"] != nil && f["picks/3"] != nil })
				if n := w.journal.count(); n != 3 {
					t.Errorf("%d events of 3 rows: %v", n, w.journal.last(9))
				}
			})
		}
	}
}
