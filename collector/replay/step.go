package replay

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/dockline/dockline/collector/db"
)

// try folds a page of keys aside and writes down what it saw of each.
func (r *Replay) try(ctx context.Context, j *Job) error {
	keys, err := r.Keys(ctx, j.Selection, j.after, r.page())
	if err != nil {
		return err
	}
	tried, err := r.Try(ctx, j.Selection.Tenant, keys, j.Selection.Policy)
	if err != nil {
		return err
	}
	var rows [][]any
	chain := j.Token
	for i := range tried {
		t := &tried[i]
		j.Keys++
		switch {
		case t.Pending:
			j.Pending++
		case t.Fault != "":
			j.Faulty++
		case len(t.Differs) > 0:
			j.Changed++
		default:
			j.Unchanged++
		}
		j.New, j.Differ, j.Gone, j.Opened, j.Closed = j.New+t.New, j.Differ+t.Changed, j.Gone+t.Gone, j.Opened+t.Opened, j.Closed+t.Closed
		digest := t.digest()
		if t.Pending {
			digest = ""
		}
		rows = append(rows, []any{j.Number, t.Key, digest, strings.Join(append(faultLine(t), t.Differs...), "\n")})
		sum := sha256.Sum256([]byte(chain + "\x00" + t.Key + "\x00" + digest))
		chain = hex.EncodeToString(sum[:12])
	}
	j.Token = chain
	if len(keys) > 0 {
		j.after = keys[len(keys)-1]
	}
	if len(keys) < r.page() {
		j.Phase, j.after = Ready, ""
		sum := sha256.Sum256(fmt.Append(nil, j.Number, chain))
		j.Token = fmt.Sprintf("%d-%s", j.Number, hex.EncodeToString(sum[:4]))
	}
	return r.DB.Write(ctx, func(tx *db.Tx) error {
		if err := r.notCancelled(ctx, tx, j); err != nil || j.Phase == Cancelled {
			return err
		}
		if err := tx.Upsert(ctx, db.Insert{Table: "replay_key", Columns: []string{"number", "fold_key", "digest", "differs"}, Conflict: []string{"number", "fold_key"},
			Update: []string{"digest", "differs"}, Rows: rows}); err != nil {
			return err
		}
		return j.save(ctx, tx, r.now())
	})
}

func faultLine(t *Tried) []string {
	if t.Fault == "" {
		return nil
	}
	return []string{"it cannot be folded: " + t.Fault}
}

// notCancelled takes up that somebody has cancelled the job, whoever works on it.
func (r *Replay) notCancelled(ctx context.Context, tx *db.Tx, j *Job) error {
	if err := tx.Lock(ctx, fmt.Sprintf("replay/%d", j.Number)); err != nil {
		return err
	}
	now, err := one(ctx, tx, j.Selection.Tenant, j.Number)
	if err == nil && now.Phase == Cancelled {
		*j = *now
	}
	return err
}

// run has a page of keys folded again, those that are still as they were seen.
func (r *Replay) run(ctx context.Context, j *Job) error {
	page, err := r.keysIn(ctx, j, seen)
	if err != nil {
		return err
	}
	var names []string
	for _, k := range page {
		names = append(names, k.key)
	}
	tried, err := r.Try(ctx, j.Selection.Tenant, names, j.Selection.Policy)
	if err != nil {
		return err
	}
	now := make(map[string]string, len(tried))
	for i := range tried {
		if !tried[i].Pending {
			now[tried[i].Key] = tried[i].digest()
		}
	}
	var same []string
	var rows [][]any
	for _, k := range page {
		if digest, known := now[k.key]; known && digest == k.digest {
			same = append(same, k.key)
			rows = append(rows, []any{j.Number, k.key, marked})
			j.Replayed++
		} else {
			rows = append(rows, []any{j.Number, k.key, stale})
			j.Stale++
		}
	}
	if len(page) < r.page() {
		j.Phase = Folding
	}
	return r.DB.Write(ctx, func(tx *db.Tx) error {
		if err := r.notCancelled(ctx, tx, j); err != nil || j.Phase == Cancelled {
			return err
		}
		if len(same) > 0 {
			if err := r.Mark(ctx, tx, j.Selection.Tenant, same, j.Selection.Policy); err != nil {
				return err
			}
		}
		if err := settle(ctx, tx, rows); err != nil {
			return err
		}
		return j.save(ctx, tx, r.now())
	})
}

// waitForFolds is how long a step waits for those who fold, where this process does not.
const waitForFolds = 100 * time.Millisecond

// verify looks at a page of keys once they are folded, and says of each whether it is as its facts now.
func (r *Replay) verify(ctx context.Context, j *Job) error {
	if r.Fold != nil {
		for more := true; more; {
			var err error
			if more, err = r.Fold(ctx); err != nil {
				return err
			}
		}
	}
	page, err := r.keysIn(ctx, j, marked)
	if err != nil {
		return err
	}
	var names []string
	for _, k := range page {
		names = append(names, k.key)
	}
	tried, err := r.Try(ctx, j.Selection.Tenant, names, j.Selection.Policy)
	if err != nil {
		return err
	}
	found := make(map[string]bool, len(tried))
	var rows [][]any
	for i := range tried {
		t := &tried[i]
		found[t.Key] = true
		switch {
		case t.Pending:
		case t.Fault != "" || len(t.Differs) > 0:
			j.Remaining++
			rows = append(rows, []any{j.Number, t.Key, remains})
		default:
			rows = append(rows, []any{j.Number, t.Key, folded})
		}
	}
	for _, name := range names {
		if !found[name] { // nothing is left of it
			rows = append(rows, []any{j.Number, name, folded})
		}
	}
	if len(page) == 0 {
		j.Phase = Done
	}
	if err := r.DB.Write(ctx, func(tx *db.Tx) error {
		if err := r.notCancelled(ctx, tx, j); err != nil || j.Phase == Cancelled {
			return err
		}
		if err := settle(ctx, tx, rows); err != nil {
			return err
		}
		return j.save(ctx, tx, r.now())
	}); err != nil || len(rows) > 0 || j.Phase != Folding {
		return err
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(waitForFolds):
		return nil
	}
}

func settle(ctx context.Context, tx *db.Tx, rows [][]any) error {
	_, err := tx.UpdateAll(ctx, db.Update{Table: "replay_key", Key: []string{"number", "fold_key"}, Set: []string{"state"}, Rows: rows})
	return err
}
