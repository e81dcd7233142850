package stock

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/policy"
	"github.com/dockline/dockline/collector/state"
)

// Promised works out what can be promised of an item over a set of sites (none: all), from what the tables say now.
func Promised(ctx context.Context, tx *db.Tx, tenant, item string, sites []string, now time.Time) (Promise, error) {
	all, err := Available(ctx, tx, tenant, []string{item}, sites, now)
	if err != nil {
		return Promise{}, err
	}
	return all[0], nil
}

// Available works out the same for several items.
func Available(ctx context.Context, tx *db.Tx, tenant string, items, sites []string, now time.Time) ([]Promise, error) {
	p, err := policyInForce(ctx, tx, tenant)
	if err != nil {
		return nil, err
	}
	through := make(map[string]Told)
	if err := told(ctx, tx, tenant, through); err != nil {
		return nil, fmt.Errorf("how far sites have told: %w", err)
	}
	all := make([]Promise, len(items))
	for i, item := range items {
		f := Facts{Item: item, Told: through, Safety: make(map[string]int64), StaleAfter: make(map[string]time.Duration), Horizon: p.Stock(p.Scope(tenant, "", ""), item).InboundHorizon, Now: now}
		for _, read := range []func(context.Context, *db.Tx, string, *Facts) error{holdings, demands} {
			if err := read(ctx, tx, tenant, &f); err != nil {
				return nil, fmt.Errorf("stock of %s: %w", item, err)
			}
		}
		names := append([]string{}, sites...)
		for _, h := range f.Holdings {
			names = append(names, h.Site)
		}
		for _, d := range f.Demands {
			names = append(names, d.Site)
		}
		for _, site := range names {
			of := p.Stock(p.Scope(tenant, site, ""), item)
			f.Safety[site], f.StaleAfter[site] = of.SafetyOf(site, item), of.StaleAfter
		}
		all[i] = ATP(f, sites)
	}
	return all, nil
}

// Items names items of which there is anything, beginning after one, at a site or at all; limit bounds them.
func Items(ctx context.Context, tx *db.Tx, tenant, site, after string, limit int) (items []string, err error) {
	where, args := `tenant = ? AND item > ?`, []any{tenant, after}
	if site != "" {
		where, args = where+` AND site = ?`, append(args, site)
	}
	err = each(ctx, tx, `SELECT item FROM ledger_account WHERE `+where+` AND account >= 'stock/' AND account < 'stock0' AND balance <> 0
		UNION SELECT item FROM stock_demand WHERE `+where+` ORDER BY item LIMIT ?`, append(append(args, args...), limit), func(rows *sql.Rows) error {
		var item string
		err := rows.Scan(&item)
		items = append(items, item)
		return err
	})
	return items, err
}

// policyInForce is the policy of the collectors at work, the built-in one where none has started yet.
func policyInForce(ctx context.Context, tx *db.Tx, tenant string) (*policy.Policy, error) {
	var body []byte
	err := tx.QueryRow(ctx, `SELECT body FROM policy_version WHERE tenant = ? ORDER BY activated_at DESC, version LIMIT 1`, tenant).Scan(&body)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return policy.Default(), nil
	case err != nil:
		return nil, fmt.Errorf("policy in force: %w", err)
	}
	return policy.FromBody(body)
}

func each(ctx context.Context, tx *db.Tx, query string, args []any, scan func(*sql.Rows) error) error {
	rows, err := tx.Query(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// holdings leaves out what belongs to others: it is not ours to promise.
func holdings(ctx context.Context, tx *db.Tx, tenant string, f *Facts) error {
	return each(ctx, tx, `SELECT account, balance FROM ledger_account WHERE tenant = ? AND item = ? AND account >= 'stock/' AND account < 'stock0' AND balance <> 0`,
		[]any{tenant, f.Item}, func(rows *sql.Rows) error {
			var account string
			var balance int64
			if err := rows.Scan(&account, &balance); err != nil {
				return err
			}
			b, err := state.ParseBucket(account)
			if err == nil && b.Owner == "" {
				f.Holdings = append(f.Holdings, Holding{b.Site, b.Status, balance})
			}
			return err
		})
}

func demands(ctx context.Context, tx *db.Tx, tenant string, f *Facts) error {
	return each(ctx, tx, `SELECT fold_key, kind, site, quantity, at FROM stock_demand WHERE tenant = ? AND item = ?`, []any{tenant, f.Item}, func(rows *sql.Rows) error {
		var d Demand
		var at int64
		if err := rows.Scan(&d.Key, &d.Kind, &d.Site, &d.Quantity, &at); err != nil {
			return err
		}
		if at != 0 {
			d.At = time.UnixMicro(at).UTC()
		}
		f.Demands = append(f.Demands, d)
		return nil
	})
}

// told reads how far the streams that move stock have told everything: a site is as old as the one that is furthest behind.
func told(ctx context.Context, tx *db.Tx, tenant string, of map[string]Told) error {
	err := each(ctx, tx, `SELECT site, MIN(through_at), MIN(movement) FROM stream WHERE tenant = ? AND moves_stock = 1 GROUP BY site`, []any{tenant}, func(rows *sql.Rows) error {
		var site string
		var through, movement int64
		if err := rows.Scan(&site, &through, &movement); err != nil {
			return err
		}
		t := Told{Movement: uint64(movement)}
		if through > 0 {
			t.Through = time.UnixMicro(through).UTC()
		}
		of[site] = t
		return nil
	})
	if err != nil {
		return err
	}
	err = each(ctx, tx, `SELECT site, COUNT(*) FROM gap WHERE tenant = ? AND closed_at = 0 GROUP BY site`, []any{tenant}, func(rows *sql.Rows) error {
		var site string
		var n int
		err := rows.Scan(&site, &n)
		t := of[site]
		t.Gaps = n
		of[site] = t
		return err
	})
	if err != nil {
		return err
	}
	return each(ctx, tx, `SELECT e.site, COUNT(DISTINCT d.fold_key) FROM dirty d JOIN fact f ON f.tenant = d.tenant AND f.fold_key = d.fold_key JOIN event e ON e.log_id = f.log_id
		WHERE d.tenant = ? AND d.fold_key >= 'movement/' AND d.fold_key < 'movement0' GROUP BY e.site`, []any{tenant}, func(rows *sql.Rows) error {
		var site string
		var n int
		if err := rows.Scan(&site, &n); err != nil {
			return err
		}
		t := of[site]
		t.Pending = n
		of[site] = t
		return nil
	})
}
