package people

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/dockline/dockline/collector/audit"
	"github.com/dockline/dockline/collector/db"
)

// Outcomes of an act in steps, under "outcome" in the detail of its rows in the audit trail.
const (
	Begun  = "begun"
	Done   = "done"
	Failed = "failed"
)

// InSteps does what does not fit into one transaction, since it writes files or takes in more than one transaction should hold. The person must have
// the scope, and the trail says that the act has begun, before anything else happens; a second row says what came of it. A row without a second one is
// an act that was interrupted: what it had done by then is done. do returns what the second row says beside the outcome.
func InSteps(ctx context.Context, d *db.DB, scope string, a audit.Act, do func(ctx context.Context) (map[string]any, error)) error {
	given, _ := a.Detail.(map[string]any)
	record := func(ctx context.Context, outcome string, more map[string]any) error {
		detail := map[string]any{"outcome": outcome}
		maps.Copy(detail, given)
		maps.Copy(detail, more)
		row := a
		row.Detail = detail
		return d.Write(ctx, func(tx *db.Tx) error {
			if outcome == Begun {
				return Act(ctx, tx, scope, row, time.Now())
			}
			return audit.Record(ctx, tx, row, time.Now())
		})
	}
	if err := record(ctx, Begun, nil); err != nil {
		return err
	}
	came, err := do(ctx)
	outcome := Done
	if err != nil {
		outcome = Failed
		came = maps.Clone(came)
		if came == nil {
			came = make(map[string]any)
		}
		came["error"] = err.Error()
	}
	// An act that was interrupted is recorded too: what it did stays.
	if recorded := record(context.WithoutCancel(ctx), outcome, came); recorded != nil {
		return errors.Join(err, fmt.Errorf("%s: what came of it could not be recorded: %w", a.Action, recorded))
	}
	return err
}
