package reconcile_test

import (
	"testing"

	"github.com/dockline/dockline/collector/db"
	. "github.com/dockline/dockline/collector/state/statetest"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv"
)

// The same business record under another event id is known by its source's key: of two revisions the newer counts, once, and of two contents without a
// revision the first, and a person is told.
//
// Shows: S58
func TestADuplicateByBusinessKey(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d, nil)
		pick := func(quantity string) *docklinev1.Event {
			return Pick(10, "p1", In(L("SO1", "1", "A", quantity), "B-01", ""))
		}
		other := func(revision string) *docklinev1.Event {
			return Revised(Pick(11, "p2", In(L("SO1", "2", "B", "3"), "B-02", "")), revision)
		}
		w.tell(Accepted("SO1", "1", L("", "1", "A", "5"), L("", "2", "B", "5")), pick("2"), pick("4"), other("1"), other("2"), pick("2"), other("2"))
		order := &docklinev1.OrderState{}
		w.stateOf("order/SO1", order)
		if a, b := order.GetLines()[0].GetPicked(), order.GetLines()[1].GetPicked(); a != 2_000_000 || b != 3_000_000 {
			t.Errorf("picked %d of the first line and %d of the second", a, b)
		}
		if got := w.codes(); got != "changed_record" {
			t.Errorf("cases: %s", got)
		}
	})
}
