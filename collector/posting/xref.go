package posting

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dockline/dockline/collector/db"
)

// By which name a target knows what others call otherwise: its document of each posting that it confirmed. A connector is given those of the same
// order, so that a definition can name them to the system.

// noteNames keeps what the target called the documents of confirmed postings.
func noteNames(ctx context.Context, tx *db.Tx, confirmed []*row, now int64) error {
	ins := db.Insert{Table: "cross_reference", Columns: []string{"tenant", "system", "kind", "ours", "theirs", "noted_at"},
		Conflict: []string{"ours", "kind", "system", "tenant"}, Update: []string{"theirs", "noted_at"}}
	type name struct{ tenant, system, kind, ours string }
	seen := make(map[name]bool)
	for _, r := range confirmed {
		for _, d := range slices.Backward(r.Documents) { // the last of several documents of one kind stands for it
			n := name{r.Tenant, r.Target, d.GetKind(), r.Key}
			if d.GetNumber() == "" || d.GetNumber() == r.Key || seen[n] {
				continue
			}
			seen[n] = true
			ins.Rows = append(ins.Rows, []any{n.tenant, n.system, n.kind, n.ours, d.GetNumber(), now})
		}
	}
	if len(ins.Rows) == 0 {
		return nil
	}
	if err := tx.Upsert(ctx, ins); err != nil {
		return fmt.Errorf("names of documents: %w", err)
	}
	return nil
}

// atOnce bounds the orders of one question for names.
const atOnce = 50

// namesOf are, for each posting, the target's names for its order and for what was posted of that, as "kind/ours".
func namesOf(ctx context.Context, tx *db.Tx, rows []*row) (map[*row]map[string]string, error) {
	type book struct{ tenant, system string }
	orders := make(map[book]map[string][]*row)
	for _, r := range rows {
		if order, _ := orderOf(r.Document); order != "" {
			b := book{r.Tenant, r.Target}
			if orders[b] == nil {
				orders[b] = make(map[string][]*row)
			}
			orders[b][order] = append(orders[b][order], r)
		}
	}
	out := make(map[*row]map[string]string)
	for b, of := range orders {
		for part := range slices.Chunk(slices.Sorted(maps.Keys(of)), atOnce) {
			err := namesOfOrders(ctx, tx, b.tenant, b.system, part, func(order, name, theirs string) {
				for _, r := range of[order] {
					if out[r] == nil {
						out[r] = make(map[string]string)
					}
					out[r][name] = theirs
				}
			})
			if err != nil {
				return nil, fmt.Errorf("names of documents: %w", err)
			}
		}
	}
	return out, nil
}

func namesOfOrders(ctx context.Context, tx *db.Tx, tenant, system string, orders []string, found func(order, name, theirs string)) error {
	// Everything of an order has a key that begins with its number; "0" comes right after "/".
	ranges := strings.TrimSuffix(strings.Repeat("ours >= ? AND ours < ? OR ", len(orders)), " OR ")
	args := []any{system, tenant}
	for _, order := range orders {
		args = append(args, order, order+"0")
	}
	rows, err := tx.Query(ctx, `SELECT kind, ours, theirs FROM cross_reference WHERE system = ? AND tenant = ? AND (`+ranges+`)`, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var kind, ours, theirs string
		if err := rows.Scan(&kind, &ours, &theirs); err != nil {
			return err
		}
		for _, order := range orders {
			if ours == order || strings.HasPrefix(ours, order+"/") {
				found(order, kind+"/"+ours, theirs)
			}
		}
	}
	return rows.Err()
}
