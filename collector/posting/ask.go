package posting

import (
	"context"
	"fmt"
	"time"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// MayCompensate is nil where a person may ask for a posting's document to be taken back: it had its effect, differs from what is wanted now, and
// its kind can be reversed at all. Whether its target takes reversals only the sender knows; the posting's case says so where it does not.
func MayCompensate(ctx context.Context, tx *db.Tx, tenant string, ref Ref) error {
	found, err := collect(tx.Query(ctx, `SELECT `+columns+` FROM posting WHERE tenant = ? AND target = ? AND kind = ? AND natural_key = ?`, tenant, ref.Target, ref.Kind, ref.Key))
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return fmt.Errorf("%s: %w", ref, ErrAbsent)
	}
	return found[0].compensable()
}

func (r *row) compensable() error {
	_, has := connector.Reversals[r.Kind]
	switch {
	case !has || r.Style == connector.Level:
		return fmt.Errorf("nothing takes back a document of the kind %s; what is wanted of it is told anew by itself", r.Kind)
	case r.State == Correcting:
		return fmt.Errorf("its reversal is under way: posting show %s says how far it is", r.reversalRef())
	case r.State != Diverged:
		return fmt.Errorf("it is %s: only what had its effect and differs from what is wanted can be taken back", r.State)
	case r.Booked == nil || r.confirmedHash == "":
		return fmt.Errorf("what %s has is not what Dockline sent: take it back there", r.Target)
	}
	return nil
}

// Compensate asks for a posting's document to be taken back and for what is wanted of it, if anything, to be posted anew. The sender plans the
// reversal as it does any other: after those of the documents that need this one. The caller asks for rights and keeps the record.
func Compensate(ctx context.Context, tx *db.Tx, p Say, ref Ref, now time.Time) error {
	r, err := hold(ctx, tx, p.Tenant, ref)
	if err != nil {
		return err
	}
	if r == nil {
		return fmt.Errorf("%s: %w", ref, ErrAbsent)
	}
	if err := r.compensable(); err != nil {
		return err
	}
	if err := tx.Upsert(ctx, db.Insert{Table: "posting_ask", Columns: []string{"tenant", "target", "kind", "natural_key", "generation", "person", "reason", "asked_at"},
		Conflict: askKey, Update: []string{"person", "reason", "asked_at"},
		Rows: [][]any{{p.Tenant, r.Target, string(r.Kind), r.Key, r.Generation, p.By, p.Reason, now.UnixMicro()}}}); err != nil {
		return fmt.Errorf("compensate %s: %w", ref, err)
	}
	r.caseDue = true
	r.touch()
	return r.save(ctx, tx, now.UnixMicro())
}

var askKey = []string{"tenant", "target", "kind", "natural_key", "generation"}

// asked says whether a person asked for the present document of a posting to be taken back.
func asked(ctx context.Context, tx *db.Tx, r *row) (bool, error) {
	var n int
	err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM posting_ask WHERE tenant = ? AND target = ? AND kind = ? AND natural_key = ? AND generation = ?`,
		r.Tenant, r.Target, r.Kind, r.Key, r.Generation).Scan(&n)
	return n > 0, err
}

// forget drops what was asked for: it was done, cannot be done, or somebody left the document as it is.
func forget(ctx context.Context, tx *db.Tx, r *row) error {
	return tx.DeleteAll(ctx, "posting_ask", askKey, [][]any{{r.Tenant, r.Target, string(r.Kind), r.Key, r.Generation}})
}

// cannotCompensate tells who asked that the target takes no reversal from us.
func (s *Sender) cannotCompensate(ctx context.Context, tx *db.Tx, r *row) error {
	by, has := connector.Reversals[r.Kind]
	if !has || r.State != Diverged || r.Style == connector.Level {
		return nil
	}
	wanted, err := asked(ctx, tx, r)
	if err != nil || !wanted {
		return err
	}
	r.say(Fault{Class: docklinev1.FaultClass_FAULT_CLASS_PROCESS, Code: r.Fault.Code, Text: r.Fault.Text,
		Remedy: fmt.Sprintf("%s takes no %s from Dockline, so that it cannot be taken back from here: reverse %s in %[1]s by hand; what is right is then posted by itself.", r.Target, by, documentNames(r.Documents))})
	return forget(ctx, tx, r)
}
