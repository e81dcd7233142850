package reconcile

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/policy"
)

// inForce is the policy in force now.
func (w *Worker) inForce() *policy.Policy {
	if w.InForce != nil {
		return w.InForce()
	}
	return w.Policy
}

// inForce is the policy in force now, the same throughout a batch.
func (b *batch) inForce() *policy.Policy {
	if b.present == nil {
		b.present = b.worker.inForce()
	}
	return b.present
}

// activation is a version that came in force with a fact of the log.
type activation struct {
	version string
	logID   int64
}

// policyOf is the version in force at the key's first fact; where an open exception says that a code was unknown, and for the
// ledger, which has no first fact to speak of, it is the version in force now.
func (b *batch) policyOf(ctx context.Context, key foldKey) (*policy.Policy, error) {
	if b.under != nil {
		return b.under, nil
	}
	had, present := b.states[key], b.inForce()
	switch {
	case isLedger(key.key) || b.unmapped[key] || had != nil && (had.policy == present.Version || had.status == statusUnmapped):
		return present, nil
	case had != nil:
		return b.worker.version(ctx, b.tx, key.tenant, had.policy)
	}
	version, err := b.atFirstFact(ctx, key)
	if err != nil || version == "" || version == present.Version {
		return present, err
	}
	return b.worker.version(ctx, b.tx, key.tenant, version)
}

// atFirstFact names the version that was in force when the first fact of a key was told, whichever collector folds it and however late; "" where
// nobody says. What was told before any version came in force is under the first.
func (b *batch) atFirstFact(ctx context.Context, key foldKey) (string, error) {
	first, err := b.firstFact(ctx, key)
	if err != nil || first == 0 {
		return "", err
	}
	list, err := b.activations(ctx, key.tenant)
	if err != nil || len(list) == 0 {
		return "", err
	}
	version := list[0].version
	for _, a := range list {
		if a.logID < first {
			version = a.version
		}
	}
	return version, nil
}

// firstFact is the place in the log of a key's first fact, 0 where it has none.
func (b *batch) firstFact(ctx context.Context, key foldKey) (int64, error) {
	var first int64
	if rows, ok := b.facts[key]; ok {
		for _, row := range rows {
			if first == 0 || row.logID < first {
				first = row.logID
			}
		}
		return first, nil
	}
	err := b.tx.QueryRow(ctx, `SELECT COALESCE(MIN(log_id), 0) FROM fact WHERE tenant = ? AND fold_key = ?`, key.tenant, key.key).Scan(&first)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return 0, fmt.Errorf("first fact of %s: %w", key.key, err)
	}
	return first, nil
}

// activations are those of a tenant, the oldest first.
func (b *batch) activations(ctx context.Context, tenant string) ([]activation, error) {
	if list, ok := b.activated[tenant]; ok {
		return list, nil
	}
	rows, err := b.tx.Query(ctx, `SELECT version, log_id FROM policy_activation WHERE tenant = ? ORDER BY number`, tenant)
	if err != nil {
		return nil, fmt.Errorf("policy versions: %w", err)
	}
	defer rows.Close()
	list := []activation{}
	for rows.Next() {
		var a activation
		if err := rows.Scan(&a.version, &a.logID); err != nil {
			return nil, err
		}
		list = append(list, a)
	}
	if b.activated == nil {
		b.activated = make(map[string][]activation)
	}
	b.activated[tenant] = list
	return list, rows.Err()
}

// version is a policy that is or was in force, the present one where it is not known any more.
func (w *Worker) version(ctx context.Context, tx *db.Tx, tenant, version string) (*policy.Policy, error) {
	w.mu.Lock()
	p := w.policies[version]
	w.mu.Unlock()
	if p != nil {
		return p, nil
	}
	var body []byte
	err := tx.QueryRow(ctx, `SELECT body FROM policy_version WHERE tenant = ? AND version = ?`, tenant, version).Scan(&body)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return w.inForce(), nil
	case err != nil:
		return nil, fmt.Errorf("policy version %s: %w", version, err)
	}
	if p, err = policy.FromBody(body); err != nil {
		return nil, fmt.Errorf("policy version %s: %w", version, err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.policies == nil {
		w.policies = make(map[string]*policy.Policy)
	}
	w.policies[version] = p
	return p, nil
}
