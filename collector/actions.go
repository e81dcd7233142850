package collector

import (
	"context"
	"slices"
	"time"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/exception"
	"github.com/dockline/dockline/collector/ownership"
	"github.com/dockline/dockline/collector/policy"
	"github.com/dockline/dockline/collector/receipt"
)

// Actions are all that people can do about exceptions under a policy. Each part of the centre adds its own, in a file of its own
// (actions_NOUN.go).
func Actions(p *policy.Policy) exception.Actions {
	human := &exception.Human{Policy: p, Receipts: func(ctx context.Context, tx *db.Tx, tenant string, eventIDs []string, now time.Time) error {
		return receipt.Refresh(ctx, tx, tenant, eventIDs, p.OfRole(ownership.SystemOfRecord), now)
	}}
	return slices.Concat(
		postingActions(),
		siteActions(),
		deadLetterActions(p),
		decideActions(p),
		human.Actions(), // of two with one name the stage's own goes first
	)
}
