package retention_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/retention"
	. "github.com/dockline/dockline/collector/state/statetest"
	"github.com/dockline/dockline/testenv"
)

// Whatever lives orders, shipments and returns have led, over or not: what is archived of them leaves what stays in agreement with the log, and put
// back everything is as it was, to the last row, and folds to the same.
func TestAnyLivesAreArchivedAndPutBack(t *testing.T) {
	defer retention.AnyStatus()()
	lives := testenv.Count("retention.lives")
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		tenants := make([]string, lives)
		for i := range lives {
			tenants[i] = fmt.Sprint("t", i)
			r := rand.New(rand.NewPCG(uint64(i), 210))
			events := slices.Concat(OrderLife(r), GoodsLife(r))
			for j := range events {
				events[j] = proto.CloneOf(events[j])
				events[j].Tenant = tenants[i]
			}
			w.tell(events...)
			if i%2 == 0 {
				w.fold() // else what comes in between is folded together
			}
		}
		w.fold()
		w.later(2 * day)
		w.confirm()
		w.later(480 * day)
		w.write(func(tx *db.Tx) error {
			_, err := tx.Exec(t.Context(), `UPDATE exception SET state = 'resolved', look_at = 0 WHERE state <> 'resolved'`)
			return err
		})
		w.tell(Accepted("SO-NEW", "1", L("SO-NEW", "1", "BOLT", "10")))
		w.fold()
		w.agrees()
		before := w.dump(t, d)
		r := w.retention()
		r.MaxFile = 3
		groups, whys := int64(0), make(map[string]int64)
		for _, tenant := range tenants {
			plan, err := r.Plan(t.Context(), tenant)
			if err != nil {
				t.Fatal(err)
			}
			for why, n := range plan.Stays {
				whys[why] += n
			}
			done, err := r.Run(t.Context(), tenant, retention.Who{By: "ana", Reason: "test"})
			if err != nil {
				t.Fatal(err)
			}
			pruned := int64(0)
			for _, a := range done {
				pruned += a.Pruned
			}
			if pruned != plan.Groups {
				t.Errorf("%s: %d groups were archived, %d were planned", tenant, pruned, plan.Groups)
			}
			groups += pruned
		}
		t.Logf("%d groups of %d lives archived; what stays: %v", groups, lives, whys)
		if groups < int64(lives) {
			t.Errorf("only %d groups were archived", groups)
		}
		w.fold()
		w.agrees()
		for {
			var tenant, key string
			w.read(func(tx *db.Tx) error {
				tenant = ""
				rows, err := tx.Query(t.Context(), `SELECT tenant, fold_key FROM archive_key ORDER BY tenant, fold_key LIMIT 1`)
				if err != nil {
					return err
				}
				defer rows.Close()
				for rows.Next() {
					if err := rows.Scan(&tenant, &key); err != nil {
						return err
					}
				}
				return rows.Err()
			})
			if tenant == "" {
				break
			}
			if _, err := r.RestoreKey(t.Context(), tenant, key, retention.Who{By: "ana", Reason: "test"}); err != nil {
				t.Fatal(err)
			}
		}
		w.expect("events still in an archive that had keys", 0, `SELECT COUNT(*) FROM fact f JOIN event_identity i ON i.tenant = f.tenant AND i.id = f.event_id WHERE i.archive <> 0 AND NOT EXISTS (SELECT 1 FROM event e WHERE e.log_id = i.log_id)`)
		w.fold()
		w.agrees()
		after := w.dump(t, d)
		for _, row := range before["event"] { // events without keys: nothing calls them back one by one
			if _, there := slices.BinarySearch(after["event"], row); !there {
				of := strings.Fields(strings.TrimPrefix(row, "["))
				w.expect("in an archive is "+of[1], 1, `SELECT COUNT(*) FROM event_identity WHERE tenant = ? AND id = ? AND archive <> 0`, of[0], of[1])
			}
		}
		for _, table := range []string{"event", "fact", "link", "state", "posting", "posting_event", "receipt", "ledger", "ledger_account", "no_document"} {
			for _, row := range after[table] {
				if _, there := slices.BinarySearch(before[table], row); !there {
					t.Errorf("%s: not as it was: %.300s", table, row)
				}
			}
		}
		for _, table := range []string{"fact", "link", "state", "posting", "posting_event", "ledger", "ledger_account", "no_document"} {
			if len(after[table]) != len(before[table]) {
				t.Errorf("%s: %d rows, there were %d", table, len(after[table]), len(before[table]))
			}
		}
	})
}
