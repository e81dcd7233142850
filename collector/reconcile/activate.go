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

// Who is who puts a version in force, and why.
type Who struct {
	By, Reason string
}

// Activate puts a policy version in force as the collector itself does at its start.
func Activate(ctx context.Context, d *db.DB, tenant string, p *policy.Policy, appendFacts Append, now time.Time) error {
	err := d.Write(ctx, func(tx *db.Tx) error {
		_, err := ActivateBy(ctx, tx, tenant, p, Who{By: policy.Self}, appendFacts, now)
		return err
	})
	if err != nil {
		return fmt.Errorf("activate policy %s: %w", p.Version, err)
	}
	return nil
}

// ActivateBy records that a policy version is in force for a tenant from now on, as rows and as the fact policy.activated, and says whether it is
// not the one in force already. Stock that lay under a code which the former mapping did not know goes to its item, and keys with open exceptions are
// folded again (Relearn); all others stay as they are.
func ActivateBy(ctx context.Context, tx *db.Tx, tenant string, p *policy.Policy, who Who, appendFacts Append, now time.Time) (bool, error) {
	if err := tx.Lock(ctx, "policy/"+tenant); err != nil {
		return false, err
	}
	var newest string
	err := tx.QueryRow(ctx, `SELECT version FROM policy_activation WHERE tenant = ? ORDER BY number DESC LIMIT 1`, tenant).Scan(&newest)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return false, err
	}
	if newest == p.Version {
		return false, nil
	}
	if err := tx.Upsert(ctx, db.Insert{Table: "policy_version", Columns: []string{"tenant", "version", "body", "activated_at"}, Conflict: []string{"tenant", "version"},
		Update: []string{"activated_at"}, Rows: [][]any{{tenant, p.Version, p.Body(), now.UnixMicro()}}}); err != nil {
		return false, err
	}
	eventID, logID, err := tellActivated(ctx, tx, tenant, p, appendFacts, now)
	if err != nil {
		return false, err
	}
	if err := tx.InsertAll(ctx, db.Insert{Table: "policy_activation", Columns: []string{"tenant", "version", "former", "activated_by", "reason", "activated_at", "event_id", "log_id"},
		Rows: [][]any{{tenant, p.Version, newest, who.By, who.Reason, now.UnixMicro(), eventID, logID}}}); err != nil {
		return false, err
	}
	return true, Relearn(ctx, tx, tenant, p)
}

// Relearn has keys with open exceptions folded again, and moves stock that lies under a code which the mapping did not know to its item. A key that met
// such a code is folded under the version in force, any other under its own, with its exceptions going to those who must act by the one in force. A collector calls it once more when it has taken up a version: until then it gave facts their keys by the former one.
func Relearn(ctx context.Context, tx *db.Tx, tenant string, p *policy.Policy) error {
	if _, err := tx.Exec(ctx, `INSERT INTO dirty (tenant, fold_key) SELECT DISTINCT tenant, substr(origin, 6) FROM exception
		WHERE tenant = ? AND state <> 'resolved' AND origin LIKE 'fold/%'`, tenant); err != nil {
		return err
	}
	return rekey(ctx, tx, tenant, p.MappingOf(tenant))
}

// tellActivated appends the fact that a version is in force, and says where it stands in the log; nowhere where nobody takes facts.
func tellActivated(ctx context.Context, tx *db.Tx, tenant string, p *policy.Policy, appendFacts Append, now time.Time) (id string, logID int64, err error) {
	if appendFacts == nil {
		return "", 0, nil
	}
	e := &docklinev1.Event{Tenant: tenant, Source: policy.Self, Kind: docklinev1.EventKind_EVENT_KIND_POLICY_ACTIVATED, Subject: p.Version,
		SourceKey: "policy/" + p.Version, SourceRevision: now.UTC().Format(time.RFC3339Nano), OccurredAt: timestamppb.New(now),
		Payload: &docklinev1.Event_PolicyActivated{PolicyActivated: &docklinev1.PolicyActivated{Version: p.Version}}}
	e.Id = event.ID(event.Cause{Tenant: tenant, Source: e.Source, SourceKey: e.SourceKey, Revision: e.SourceRevision, Kind: event.KindName(e.Kind)})
	if err := appendFacts(ctx, tx, []*docklinev1.Event{e}); err != nil {
		return "", 0, err
	}
	err = tx.QueryRow(ctx, `SELECT log_id FROM event_identity WHERE tenant = ? AND id = ?`, tenant, e.GetId()).Scan(&logID)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil // whoever takes facts here keeps them elsewhere
	}
	return e.GetId(), logID, err
}
