package db_test

import (
	"testing"
	"time"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/testenv"
)

// The sessions of a process are found by the name that it gave, and ended by it; those of others stay.
func TestSessionsAreEndedByName(t *testing.T) {
	url := testenv.PostgreSQL(t)
	const name = "dockline-collector 3b0c + 7d2e"
	open := func(name string) *db.DB {
		d, err := db.Open(t.Context(), db.Named(url, name))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { d.Close() })
		return d
	}
	open(name)
	other := open("dockline-collector other")
	var ended int64
	if err := other.Write(t.Context(), func(tx *db.Tx) (err error) {
		ended, err = tx.EndSessions(t.Context(), name)
		return err
	}); err != nil || ended != 1 {
		t.Errorf("%d sessions ended, %v", ended, err)
	}
	testenv.Eventually(t, time.Minute, "the session is gone", func() bool {
		return count(t, other, `SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'dockline-collector 3b0c%'`) == 0
	})
	if n := count(t, other, `SELECT count(*) FROM pg_stat_activity WHERE application_name = 'dockline-collector other'`); n != 1 {
		t.Errorf("%d sessions of the other one are left", n)
	}
}
