package reconcile_test

import (
	"fmt"
	"testing"

	"github.com/dockline/dockline/collector/db"
	. "github.com/dockline/dockline/collector/state/statetest"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv"
)

// BenchmarkOneMoreMovement books one more pick in a bucket that has had so many movements, and a count after them.
func BenchmarkOneMoreMovement(b *testing.B) {
	for _, n := range []int{10, 10_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			d := testenv.SQLite(b)
			worker, add := benchWorker(d)
			tell := func(e *docklinev1.Event) {
				if err := d.Write(b.Context(), func(tx *db.Tx) error { return add(b.Context(), tx, []*docklinev1.Event{e}) }); err != nil {
					b.Fatal(err)
				}
				benchMark(b, d, `UPDATE dirty SET due_at = 1000000000000000000 WHERE fold_key LIKE 'order/%'`)
				benchSteps(b, worker)
			}
			benchMark(b, d, fmt.Sprintf(`INSERT INTO ledger (id, tenant, record, event_id, item, from_account, to_account, quantity, occurred_at, source, movement, count_number, own, from_kept, to_kept, policy_version, written_at)
				WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)
				SELECT i, '%s', 'movement/old/' || i, 'old' || i, 'A', 'stock/dc-east/B-01/A//available', 'stock/dc-east//A//picked', 1000000, i, 'wms', 0, '', 0, 1, 0, '', 0 FROM n`, n, Tenant))
			benchMark(b, d, fmt.Sprintf(`INSERT INTO ledger_account (tenant, account, kind, site, item, moved, balance, changed_at)
				VALUES ('%s', 'stock/dc-east/B-01/A//available', 'available', 'dc-east', 'A', -%d000000, -%d000000, 0)`, Tenant, n, n))
			tell(Count(1, "CC1", In(L("", "", "A", "5"), "B-01", "")))
			made := 0
			for b.Loop() {
				made++
				tell(Pick(100+made%50000, fmt.Sprintf("one-%d", made), In(L("SO1", "1", "A", "1"), "B-01", "")))
			}
		})
	}
}
