package collector

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/policy"
	"github.com/dockline/dockline/collector/reconcile"
	"github.com/dockline/dockline/collector/state"
)

// DiffScope says which recorded history is folded under two policies.
type DiffScope struct {
	// Tenant "" is every tenant, Key "" every key.
	Tenant, Key string
	// Since leaves out keys of which nothing has changed since; zero is all.
	Since time.Time
	// Page is how many keys are folded at a time, default 100.
	Page int
}

// Diffed counts what would differ.
type Diffed struct {
	// Keys were folded under both, of Pending nothing can be said yet, Differing would differ, Failed could not be folded under one of both.
	Keys      int64 `json:"keys"`
	Pending   int64 `json:"pending"`
	Differing int64 `json:"differing"`
	Failed    int64 `json:"failed"`
	// States would be others. Postings and Exceptions count changes by what they are: "new goods_issue", "opened over_shipped".
	States     int64            `json:"states"`
	Postings   map[string]int64 `json:"postings"`
	Exceptions map[string]int64 `json:"exceptions"`
}

// add counts one key.
func (d *Diffed) add(t *reconcile.Tried) {
	d.Keys++
	switch {
	case t.Pending:
		d.Pending++
		return
	case t.Fault != "":
		d.Failed++
	}
	if t.Differs() {
		d.Differing++
	}
	if t.Stored != t.Hash {
		d.States++
	}
	for _, p := range t.Postings {
		d.Postings[p.Change+" "+string(p.Kind)]++
	}
	for _, e := range t.Exceptions {
		d.Exceptions[e.Change+" "+e.Code]++
	}
}

// Diff folds recorded history under two policies, page by page in transactions that only read, and tells found of each key that would differ. It
// takes the same memory for a thousand orders and for a million.
func (k *PolicyDesk) Diff(ctx context.Context, before, after *policy.Policy, of DiffScope, found func(tenant string, t *reconcile.Tried) error) (*Diffed, error) {
	d := &Diffed{Postings: make(map[string]int64), Exceptions: make(map[string]int64)}
	page := cmp.Or(of.Page, 100)
	if of.Key != "" {
		return d, k.diffPage(ctx, d, before, after, of.Tenant, []string{of.Key}, found)
	}
	last := reconcile.Key{Tenant: of.Tenant}
	for {
		keys, err := k.keysAfter(ctx, last, of, page)
		if err != nil {
			return d, err
		}
		byTenant := make(map[string][]string)
		var tenants []string
		for _, key := range keys {
			if byTenant[key.Tenant] == nil {
				tenants = append(tenants, key.Tenant)
			}
			byTenant[key.Tenant] = append(byTenant[key.Tenant], key.Key)
			last = key
		}
		for _, tenant := range tenants {
			if err := k.diffPage(ctx, d, before, after, tenant, byTenant[tenant], found); err != nil {
				return d, err
			}
		}
		if len(keys) < page {
			return d, nil
		}
	}
}

func (k *PolicyDesk) diffPage(ctx context.Context, d *Diffed, before, after *policy.Policy, tenant string, keys []string, found func(string, *reconcile.Tried) error) error {
	list, err := k.worker.Differ(ctx, tenant, keys, before, after)
	if err != nil {
		return err
	}
	for i := range list {
		d.add(&list[i])
		if list[i].Differs() || list[i].Pending {
			if err := found(tenant, &list[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// keysAfter are the next keys with a state. Buckets of stock are left out: which bucket a fact lies in was decided by the mapping when it was told,
// and they post nothing.
func (k *PolicyDesk) keysAfter(ctx context.Context, after reconcile.Key, of DiffScope, most int) (keys []reconcile.Key, err error) {
	err = k.DB.Read(ctx, func(tx *db.Tx) error {
		keys = nil
		rows, err := tx.Query(ctx, `SELECT tenant, fold_key FROM state WHERE (tenant, fold_key) > (?, ?) AND (? = '' OR tenant = ?) AND changed_at >= ?
			AND NOT (fold_key >= ? AND fold_key < ?) ORDER BY tenant, fold_key LIMIT ?`, after.Tenant, after.Key, of.Tenant, of.Tenant, sinceMicros(of.Since),
			state.KindStock+"/", state.KindStock+"0", most)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var key reconcile.Key
			if err := rows.Scan(&key.Tenant, &key.Key); err != nil {
				return err
			}
			keys = append(keys, key)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("keys to fold: %w", err)
	}
	return keys, nil
}

func sinceMicros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// Plan is what an activation would do at once: keys that are folded again because a code of theirs was unknown, and what becomes of them.
type Plan struct {
	// Again are those keys, of which at most 1,000 were tried.
	Again int `json:"again"`
	Diffed
	// Changes are the values that the version says otherwise than the one in force.
	Changes []policy.Change `json:"changes,omitempty"`
}

// Plan says what activating a policy would do, without doing it.
func (k *PolicyDesk) Plan(ctx context.Context, p *policy.Policy) (*Plan, error) {
	plan := &Plan{Diffed: Diffed{Postings: make(map[string]int64), Exceptions: make(map[string]int64)}, Changes: k.m.policy().Changes(p)}
	const most = 1000
	byTenant := make(map[string][]string)
	err := k.DB.Read(ctx, func(tx *db.Tx) error {
		clear(byTenant)
		rows, err := tx.Query(ctx, `SELECT DISTINCT tenant, substr(origin, 6) FROM exception WHERE state <> 'resolved' AND code IN (?, ?) AND origin LIKE 'fold/%' ORDER BY 1, 2`,
			state.CodeUnknownItem, state.CodeUnknownUnit)
		if err != nil {
			return err
		}
		defer rows.Close()
		plan.Again = 0
		for rows.Next() {
			var tenant, key string
			if err := rows.Scan(&tenant, &key); err != nil {
				return err
			}
			if plan.Again++; plan.Again <= most {
				byTenant[tenant] = append(byTenant[tenant], key)
			}
		}
		return rows.Err()
	})
	if err != nil {
		return nil, err
	}
	for tenant, keys := range byTenant {
		for start := 0; start < len(keys); start += 100 {
			list, err := k.worker.Try(ctx, tenant, keys[start:min(start+100, len(keys))], p)
			if err != nil {
				return nil, err
			}
			for i := range list {
				plan.add(&list[i])
			}
		}
	}
	return plan, nil
}
