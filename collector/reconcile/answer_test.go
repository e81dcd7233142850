package reconcile_test

import (
	"testing"

	"github.com/dockline/dockline/collector/db"
	. "github.com/dockline/dockline/collector/state/statetest"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv"
)

// In a database that was put back a site's answer to a command may be told again before the command is made again: the command has its
// answer all the same, and is not open for ever.
func TestAnswerBeforeItsCommand(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d, nil)
		w.tell(Result(9, "release/SO1", 1, docklinev1.CommandOutcome_COMMAND_OUTCOME_APPLIED, "begun"))
		w.tell(Accepted("SO1", "1", L("", "1", "SKU-1", "5")))
		const outcomes = `SELECT command_key, version, outcome, outcome_text FROM command`
		if got, want := w.rows(outcomes), "release/SO1 | 1 | 1 | begun\n"; got != want {
			t.Errorf("the command is %q, want %q", got, want)
		}
	})
}
