package posting

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/dockline/dockline/collector/db"
)

// By which name a target knows what others call otherwise: its document of each posting that it confirmed. A connector is given those of the same
// order, so that a definition can name them to the system; and what others call the order, as their facts tell it, for a system that needs it.

// noteNames keeps what the target called the documents of a confirmed posting.
func noteNames(ctx context.Context, tx *db.Tx, r *row, now int64) error {
	ins := db.Insert{Table: "cross_reference", Columns: []string{"tenant", "system", "kind", "ours", "theirs", "noted_at"},
		Conflict: []string{"ours", "kind", "system", "tenant"}, Update: []string{"theirs", "noted_at"}}
	for _, d := range r.Documents {
		if d.GetNumber() != "" && d.GetNumber() != r.Key {
			ins.Rows = append(ins.Rows, []any{r.Tenant, r.Target, d.GetKind(), r.Key, d.GetNumber(), now})
		}
	}
	if len(ins.Rows) == 0 {
		return nil
	}
	// The last of several documents of one kind stands for it.
	slices.Reverse(ins.Rows)
	ins.Rows = slices.CompactFunc(ins.Rows, func(a, b []any) bool { return a[2] == b[2] })
	if err := tx.Upsert(ctx, ins); err != nil {
		return fmt.Errorf("names of documents: %w", err)
	}
	return nil
}

// namesOf are the target's names for the order of a posting and for what was posted of it, as "kind/ours".
func namesOf(ctx context.Context, tx *db.Tx, r *row) (map[string]string, error) {
	order, _ := orderOf(r.Document)
	if order == "" {
		return nil, nil
	}
	// Everything of an order has a key that begins with its number.
	rows, err := tx.Query(ctx, `SELECT kind, ours, theirs FROM cross_reference WHERE ours >= ? AND ours < ? AND system = ? AND tenant = ? AND fold_key = ''`,
		order, order+"0", r.Target, r.Tenant) // "0" comes right after "/"
	if err != nil {
		return nil, fmt.Errorf("names of documents: %w", err)
	}
	defer rows.Close()
	names := make(map[string]string)
	for rows.Next() {
		var kind, ours, theirs string
		if err := rows.Scan(&kind, &ours, &theirs); err != nil {
			return nil, err
		}
		if ours == order || strings.HasPrefix(ours, order+"/") {
			names[kind+"/"+ours] = theirs
		}
	}
	return names, rows.Err()
}

// namesElsewhere are what the customer and the systems call the order of a posting, as "role/kind": "crm/quote", "customer/order".
func namesElsewhere(ctx context.Context, tx *db.Tx, r *row) (map[string]string, error) {
	order, _ := orderOf(r.Document)
	if order == "" {
		return nil, nil
	}
	rows, err := tx.Query(ctx, `SELECT system, kind, theirs FROM cross_reference WHERE ours = ? AND tenant = ? AND fold_key <> ''`, order, r.Tenant)
	if err != nil {
		return nil, fmt.Errorf("names of order %s: %w", order, err)
	}
	defer rows.Close()
	names := make(map[string]string)
	for rows.Next() {
		var system, kind, theirs string
		if err := rows.Scan(&system, &kind, &theirs); err != nil {
			return nil, err
		}
		names[system+"/"+kind] = theirs
	}
	return names, rows.Err()
}
