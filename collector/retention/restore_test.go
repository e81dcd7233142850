package retention_test

import (
	"strings"
	"testing"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/retention"
	. "github.com/dockline/dockline/collector/state/statetest"
	"github.com/dockline/dockline/testenv"
)

// An order that was archived, put back, told more of and archived again is in two archives. The older one is not put back in the place of the younger one, which
// has what was told since: that would be lost without a word.
func TestAnOlderArchiveIsNotPutBackOverAYoungerOne(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w, who := aYear(t, d, 2), retention.Who{By: "ana", Reason: "asked"}
		r := w.retention()
		first := w.run(r)
		if _, err := r.RestoreKey(t.Context(), Tenant, "order/SO1", who); err != nil {
			t.Fatal(err)
		}
		w.fold()
		w.tell(Keyed(Pick(900, "P-late", In(L("SO1", "1", "BOLT", "1"), "A-01", "")), "P-late"))
		w.fold()
		w.confirm()
		w.later(2 * day)
		w.later(425 * day)
		w.tell(Accepted("SO-NEWER", "1", L("SO-NEWER", "1", "BOLT", "10")))
		w.fold()
		second := w.run(r)
		if len(second) == 0 {
			t.Fatal("nothing was archived again")
		}
		w.expect("facts of the order", 0, `SELECT COUNT(*) FROM fact WHERE fold_key = 'order/SO1'`)
		before := w.dump(t, d)
		_, err := r.Restore(t.Context(), []string{w.folder + "/" + Tenant + "/" + first[0].Manifest}, who)
		if err == nil || !strings.Contains(err.Error(), "put archive") {
			t.Errorf("it says %v", err)
		}
		same(t, "after the refusal", w.dump(t, d), before)
		if _, err := r.RestoreKey(t.Context(), Tenant, "order/SO1", who); err != nil {
			t.Fatal(err)
		}
		w.fold()
		w.expect("facts of the order", 7, `SELECT COUNT(*) FROM fact WHERE fold_key = 'order/SO1'`)
		w.agrees()
	})
}
