package rebuild

import (
	"cmp"
	"context"
	"time"

	"github.com/dockline/dockline/collector/db"
)

// stepSwitch puts right a portion of what was written down: facts from their events, and the keys are folded again by whoever folds. Should
// this process end, the next takes up what is still open.
func (b *Rebuild) stepSwitch(ctx context.Context, r *Run) error {
	r.ChangedAt = b.now().UTC()
	return b.DB.Write(ctx, func(tx *db.Tx) error {
		found, err := differences(ctx, tx, `number = ? AND settled = ? ORDER BY tenant, fold_key, log_id LIMIT ?`, r.Number, open, cmp.Or(b.KeyPage, 100))
		if err != nil {
			return err
		}
		if len(found) == 0 {
			r.Phase, r.after = verifying, Key{}
			return saveIn(ctx, tx, r, nil)
		}
		var events []int64
		var keys, unreadable []Key
		for i := range found {
			d := &found[i]
			if d.settled = restored; d.logID != 0 {
				events = append(events, d.logID)
			}
			keys = append(keys, d.Key)
			if d.What == stateUnreadable {
				unreadable = append(unreadable, d.Key)
			}
		}
		if err := b.RestoreFacts(ctx, tx, events); err != nil {
			return err
		}
		if err := b.Mark(ctx, tx, keys, unreadable); err != nil {
			return err
		}
		return saveIn(ctx, tx, r, found)
	})
}

// waitForFolds is how long a step waits for those who fold, where this process does not.
const waitForFolds = 100 * time.Millisecond

// stepVerify folds anew what was put right, once it is folded for good, and says of each whether it agrees now.
func (b *Rebuild) stepVerify(ctx context.Context, r *Run) error {
	var found []Difference
	err := b.DB.Read(ctx, func(tx *db.Tx) (err error) {
		found, err = differences(ctx, tx, `number = ? AND settled = ? ORDER BY tenant, fold_key, log_id LIMIT ?`, r.Number, restored, cmp.Or(b.KeyPage, 100))
		return err
	})
	if err != nil {
		return err
	}
	if len(found) == 0 {
		r.Phase = reporting
		return b.save(ctx, r, nil)
	}
	if b.Fold != nil {
		for more := true; more; {
			if more, err = b.Fold(ctx); err != nil {
				return err
			}
		}
	}
	settled, err := b.verify(ctx, found)
	if err != nil {
		return err
	}
	if len(settled) == 0 {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(waitForFolds):
		}
	}
	return b.save(ctx, r, settled)
}

// verify looks again at differences and returns those of which something can be said.
func (b *Rebuild) verify(ctx context.Context, found []Difference) (settled []Difference, err error) {
	var keys []Key
	asked := make(map[Key]bool)
	for _, d := range found {
		if !asked[d.Key] {
			asked[d.Key] = true
			keys = append(keys, d.Key)
		}
	}
	states, err := b.CompareStates(ctx, keys, nil)
	if err != nil {
		return nil, err
	}
	byKey := make(map[Key]State, len(states))
	for _, s := range states {
		byKey[s.Key] = s
	}
	for _, d := range found {
		s := byKey[d.Key]
		if s.Pending {
			continue
		}
		d.settled = agrees
		if again, differs := s.difference(); differs {
			d.settled, d.Text = remains, again.Text
		}
		if d.logID != 0 {
			page, err := b.CompareFacts(ctx, d.logID-1, 1)
			if err != nil {
				return nil, err
			}
			for _, f := range page.Differences {
				if f.Key == d.Key && f.LogID == d.logID {
					d.settled, d.Text = remains, factTexts[f.What]
				}
			}
		}
		settled = append(settled, d)
	}
	return settled, nil
}
