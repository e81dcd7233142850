package sim

import (
	"context"
	"time"

	"github.com/dockline/dockline/collector/audit"
	"github.com/dockline/dockline/collector/db"
)

// days go by after everything is quiet, longer than the longest milestone of the built-in policy.
const days, night = 7, 12 * time.Hour

// later lets days go by, so that what people wait for in vain becomes somebody's.
func (w *world) later(ctx context.Context) error {
	w.trace.add(w.now, "%d days go by", days)
	for range days * 24 * time.Hour / night {
		w.pass(night)
		if err := w.round(ctx); err != nil {
			return err
		}
	}
	w.pass(5 * time.Minute)
	if err := w.round(ctx); err != nil {
		return err
	}
	if err := w.owned(ctx); err != nil {
		return err
	}
	if err := w.clocks(ctx); err != nil {
		return err
	}
	if err := w.rebuild(ctx); err != nil {
		return err
	}
	return w.verdict()
}

// clocks: a clock that runs past its due is a breach, a breach that nobody has met is somebody's, and who does not act is not the last to know.
func (w *world) clocks(ctx context.Context) error {
	for _, c := range []struct{ text, query string }{
		{"no clock runs past its due unseen: %s", `SELECT name || ' of ' || fold_key FROM milestone WHERE standing = 'running' AND breached = 0 AND due_at <= ? ORDER BY fold_key, name`},
		{"a breach is somebody's: nobody was told of %s", `SELECT name || ' of ' || fold_key FROM milestone m WHERE standing = 'running' AND breached = 1 AND due_at <= ?
			AND NOT EXISTS (SELECT 1 FROM exception e WHERE e.tenant = m.tenant AND e.state = 'open' AND e.origin = 'milestone/' || m.fold_key) ORDER BY fold_key, name`},
		{"who does not act is not the last to know: nobody has looked at exception %s", `SELECT number || ' ' || code FROM exception WHERE state = 'open' AND look_at > 0 AND look_at <= ? ORDER BY number`},
	} {
		found, err := w.centre.texts(ctx, c.query, w.now.Add(-10*time.Minute).UnixMicro())
		if err != nil {
			return err
		}
		for _, text := range found {
			w.breaks(c.text, text)
		}
	}
	return nil
}

// audited: every act of a person is in the audit, and nothing was done to it.
func (w *world) audited(ctx context.Context) error {
	return w.centre.quietly(func() error {
		return w.centre.db.Read(ctx, func(tx *db.Tx) error {
			end, err := audit.Verify(ctx, tx, tenant)
			switch {
			case err != nil:
				w.breaks("every act is on record: %v", err)
			case end.N != w.acts:
				w.breaks("every act is on record: %d are, there were %d", end.N, w.acts)
			}
			return nil
		})
	})
}
