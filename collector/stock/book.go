package stock

import (
	"context"
	"database/sql"
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/state"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Place is an item, and its lot, at a site.
type Place struct{ Item, Lot string }

// Ledger is what the own ledger says that a site holds of its operator's goods, by status, in millionths. Items that the mapping does not know are
// left out: they have a case of their own.
func Ledger(ctx context.Context, tx *db.Tx, tenant, site string) (map[Place]map[string]int64, error) {
	out := make(map[Place]map[string]int64)
	err := each(ctx, tx, `SELECT account, balance FROM ledger_account WHERE tenant = ? AND site = ? AND account >= 'stock/' AND account < 'stock0' AND balance <> 0`,
		[]any{tenant, site}, func(rows *sql.Rows) error {
			var account string
			var balance int64
			if err := rows.Scan(&account, &balance); err != nil {
				return err
			}
			b, err := state.ParseBucket(account)
			if err != nil || b.Owner != "" || b.Unmapped() {
				return err
			}
			at := Place{b.Item, b.Lot}
			if out[at] == nil {
				out[at] = make(map[string]int64)
			}
			out[at][b.Status] += balance
			return nil
		})
	if err != nil {
		return nil, fmt.Errorf("ledger of %s: %w", site, err)
	}
	return out, nil
}

// Counted is by how much what a site counted differs from its ledger where the count does not stand yet, in millionths.
func Counted(ctx context.Context, tx *db.Tx, tenant, site string) (map[Place]int64, error) {
	out := make(map[Place]int64)
	err := each(ctx, tx, `SELECT fold_key, body FROM state WHERE tenant = ? AND site = ? AND fold_key >= 'stock/' AND fold_key < 'stock0'`, []any{tenant, site},
		func(rows *sql.Rows) error {
			var key string
			var body []byte
			if err := rows.Scan(&key, &body); err != nil {
				return err
			}
			b, err := state.ParseBucket(key)
			if err != nil || b.Owner != "" || b.Unmapped() {
				return err
			}
			s := new(docklinev1.StockState)
			if err := proto.Unmarshal(body, s); err != nil {
				return fmt.Errorf("%s: %w", key, err)
			}
			for _, v := range s.GetVariances() {
				if v.GetStanding() != state.StandingFinal && v.GetVariance() != 0 {
					out[Place{b.Item, b.Lot}] += v.GetVariance()
				}
			}
			return nil
		})
	if err != nil {
		return nil, fmt.Errorf("counts at %s: %w", site, err)
	}
	return out, nil
}

// Unfolded is how many keys have facts of a site that are to be folded now.
func Unfolded(ctx context.Context, tx *db.Tx, tenant, site string) (n int, err error) {
	err = tx.QueryRow(ctx, `SELECT COUNT(DISTINCT d.fold_key) FROM dirty d JOIN fact f ON f.tenant = d.tenant AND f.fold_key = d.fold_key JOIN event e ON e.log_id = f.log_id
		WHERE d.tenant = ? AND d.due_at = 0 AND e.site = ?`, tenant, site).Scan(&n)
	return n, err
}
