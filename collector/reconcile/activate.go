package reconcile

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/policy"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// Activate records that a policy version is in force for a tenant from now on, as a row and as the fact policy.activated, where it is
// not the one in force already. Keys with open exceptions are folded again: those that met a code which the former mapping did not know under this
// version, the others under their own, with their exceptions going to who must act on them by this one. Stock that lay under an unknown code goes to its
// item. It is called before the first Worker runs.
func Activate(ctx context.Context, d *db.DB, tenant string, p *policy.Policy, appendFacts Append, now time.Time) error {
	err := d.Write(ctx, func(tx *db.Tx) error { return activate(ctx, tx, tenant, p, appendFacts, now) })
	if err != nil {
		return fmt.Errorf("activate policy %s: %w", p.Version, err)
	}
	return nil
}

func activate(ctx context.Context, tx *db.Tx, tenant string, p *policy.Policy, appendFacts Append, now time.Time) error {
	if err := tx.Lock(ctx, "policy/"+tenant); err != nil {
		return err
	}
	var newest string
	err := tx.QueryRow(ctx, `SELECT version FROM policy_version WHERE tenant = ? ORDER BY activated_at DESC, version LIMIT 1`, tenant).Scan(&newest)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	if newest == p.Version {
		return nil
	}
	if err := tx.Upsert(ctx, db.Insert{Table: "policy_version", Columns: []string{"tenant", "version", "body", "activated_at"}, Conflict: []string{"tenant", "version"},
		Update: []string{"activated_at"}, Rows: [][]any{{tenant, p.Version, p.Body(), now.UnixMicro()}}}); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `INSERT INTO dirty (tenant, fold_key) SELECT DISTINCT tenant, substr(origin, 6) FROM exception
		WHERE tenant = ? AND state <> 'resolved' AND origin LIKE 'fold/%'`, tenant); err != nil {
		return err
	}
	if err := rekey(ctx, tx, tenant, p.Mapping); err != nil {
		return err
	}
	if appendFacts == nil {
		return nil
	}
	e := &docklinev1.Event{Tenant: tenant, Source: policy.Self, Kind: docklinev1.EventKind_EVENT_KIND_POLICY_ACTIVATED, Subject: p.Version,
		SourceKey: "policy/" + p.Version, SourceRevision: now.UTC().Format(time.RFC3339Nano), OccurredAt: timestamppb.New(now),
		Payload: &docklinev1.Event_PolicyActivated{PolicyActivated: &docklinev1.PolicyActivated{Version: p.Version}}}
	e.Id = event.ID(event.Cause{Tenant: tenant, Source: e.Source, SourceKey: e.SourceKey, Revision: e.SourceRevision, Kind: event.KindName(e.Kind)})
	return appendFacts(ctx, tx, []*docklinev1.Event{e})
}
