package rebuild

import (
	"context"
	"fmt"
	"strings"

	"github.com/dockline/dockline/collector/db"
)

// Exception is a case for a person that a run opens; whose it is the policy says.
type Exception struct {
	Code, Subject, Title, Text string
}

// CodeDiffers is the code of the exception that what is kept of a key is not what its events say.
const CodeDiffers = "state_differs"

// mostReported is for how many keys of a tenant a person is told one by one; the others are told of as a number.
const mostReported = 50

// stepReport ends a run: people are told of what differs, and of what no longer does.
func (b *Rebuild) stepReport(ctx context.Context, r *Run) error {
	r.Phase, r.ChangedAt = done, b.now().UTC()
	return b.DB.Write(ctx, func(tx *db.Tx) error {
		if b.Report != nil && r.Kind != Check {
			if err := b.report(ctx, tx, r); err != nil {
				return err
			}
		}
		for _, query := range []string{`DELETE FROM rebuild_difference WHERE number IN (SELECT number FROM rebuild WHERE kind = ? AND number < ? AND phase = ?)`,
			`DELETE FROM rebuild WHERE kind = ? AND number < ? AND phase = ?`} {
			if _, err := tx.Exec(ctx, query, r.Kind, r.Number, done); err != nil {
				return err
			}
		}
		return saveIn(ctx, tx, r, nil)
	})
}

func (b *Rebuild) report(ctx context.Context, tx *db.Tx, r *Run) error {
	open, err := keysOf(ctx, tx, `number = ? AND settled <> ?`, r.Number, agrees)
	if err != nil {
		return err
	}
	known := make(map[Key]bool)
	told, more := make(map[string]int), make(map[string]int)
	for _, key := range open {
		known[key] = true
		if told[key.Tenant]++; told[key.Tenant] > mostReported {
			more[key.Tenant]++
			continue
		}
		found, err := differences(ctx, tx, `number = ? AND tenant = ? AND fold_key = ? AND settled <> ? ORDER BY log_id LIMIT 4`, r.Number, key.Tenant, key.Key, agrees)
		if err != nil {
			return err
		}
		if err := b.Report(ctx, tx, key, []Exception{differs(key, found)}); err != nil {
			return err
		}
	}
	// Whatever was told of before and agrees now; a run over some keys knows only of these.
	before, err := keysOf(ctx, tx, `number <= ?`, r.Number)
	if err != nil {
		return err
	}
	if r.Kind == Switch && r.Scope.Key != "" {
		before = append(before, r.Scope)
	}
	for _, key := range before {
		if !known[key] && r.covers(key) {
			if err := b.Report(ctx, tx, key, nil); err != nil {
				return err
			}
		}
	}
	for _, tenant := range tenantsOf(before) {
		if r.Scope.Key != "" || r.Scope.Tenant != "" && r.Scope.Tenant != tenant {
			continue
		}
		var found []Exception
		if n := more[tenant]; n > 0 {
			found = []Exception{manyDiffer(tenant, n)}
		}
		if err := b.Report(ctx, tx, Key{Tenant: tenant}, found); err != nil {
			return err
		}
	}
	return nil
}

func differs(key Key, found []Difference) Exception {
	var texts []string
	for i, d := range found {
		text := d.Text
		if d.EventID != "" {
			text = "event " + d.EventID + ": " + text
		}
		if i == 3 {
			text = "and more"
		}
		texts = append(texts, text)
	}
	return Exception{Code: CodeDiffers, Subject: key.Key, Title: "What is kept of " + key.Key + " is not what its events say",
		Text: fmt.Sprintf("%s. What people see of it, and what is posted because of it, may be wrong. `dockline-collector rebuild --tenant %s --key %s` tells how it differs; with --switch it is put right from the event log while everything goes on. If it comes again, look at the database's disk.",
			strings.Join(texts, "; "), key.Tenant, key.Key)}
}

func manyDiffer(tenant string, n int) Exception {
	return Exception{Code: CodeDiffers, Subject: tenant, Title: fmt.Sprintf("What is kept of %d more keys is not what their events say", n),
		Text: fmt.Sprintf("Beside those that have a case of their own, %d keys differ from the event log. After a new version or a new mapping that is expected: `dockline-collector rebuild --tenant %s` tells which and how, and with --switch puts them right while everything goes on.", n, tenant)}
}

func keysOf(ctx context.Context, tx *db.Tx, where string, args ...any) (keys []Key, err error) {
	rows, err := tx.Query(ctx, `SELECT DISTINCT tenant, fold_key FROM rebuild_difference WHERE `+where+` ORDER BY tenant, fold_key`, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var key Key
		if err := rows.Scan(&key.Tenant, &key.Key); err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	return keys, rows.Err()
}

func tenantsOf(keys []Key) (tenants []string) {
	for _, key := range keys {
		if len(tenants) == 0 || tenants[len(tenants)-1] != key.Tenant {
			tenants = append(tenants, key.Tenant)
		}
	}
	return tenants
}
