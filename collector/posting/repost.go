package posting

import (
	"context"
	"fmt"
	"time"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/db"
)

// MayPostAgain is nil where a person may say that what was confirmed is to be posted again, its document having been taken back or deleted in the target.
func MayPostAgain(ctx context.Context, tx *db.Tx, tenant string, ref Ref) error {
	found, err := collect(tx.Query(ctx, `SELECT `+columns+` FROM posting WHERE tenant = ? AND target = ? AND kind = ? AND natural_key = ?`, tenant, ref.Target, ref.Kind, ref.Key))
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return fmt.Errorf("%s: %w", ref, ErrAbsent)
	}
	return found[0].repostable()
}

func (r *row) repostable() error {
	switch {
	case isChain(r):
		return fmt.Errorf("a %s is one part of a variance: have the bin counted again, and what differs is posted", r.Kind)
	case reverses(r.Kind) != "":
		return fmt.Errorf("%s is the reversal of another document: it follows from what is wanted of that", r.Ref)
	case r.State == Diverged:
		return fmt.Errorf("it differs from what is wanted, and is read back every few minutes: once it is taken back in %s, what is right is posted by itself", r.Target)
	case r.State != Confirmed:
		return fmt.Errorf("it is %s: only what %s has confirmed can be posted again", r.State, r.Target)
	case !r.Wanted || r.hash != r.confirmedHash:
		return fmt.Errorf("what %s has confirmed is not what is wanted now", r.Target)
	}
	return nil
}

// PostAgain is a person's word that what was confirmed is to be in the target once more. The sender looks first: what stands there stays the only one;
// for what was taken back the document is made anew under its next reference, and for what is gone under the same. Said twice it is an error while the
// first is on its way, and changes nothing after it. The caller asks for rights and keeps the record.
func PostAgain(ctx context.Context, tx *db.Tx, tenant string, ref Ref, now time.Time) error {
	r, err := hold(ctx, tx, tenant, ref)
	if err != nil {
		return err
	}
	if r == nil {
		return fmt.Errorf("%s: %w", ref, ErrAbsent)
	}
	if err := r.repostable(); err != nil {
		return fmt.Errorf("%s cannot be posted again: %w", ref, err)
	}
	return r.planAgain(ctx, tx, r.ConfirmedVersion, now)
}

// CanPostAgain says whether there can be a posting of this kind that is posted again.
func CanPostAgain(kind connector.Kind) bool {
	return kind != connector.StockAdjustment && reverses(kind) == ""
}
