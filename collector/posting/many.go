package posting

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/db"
)

// Most postings are confirmed, or wait once more, and have nothing to do with the others that are settled with them. What follows from these is
// written with a few statements for all of them; the rest is settled one by one.

// concludeMany decides about postings and writes those that concern nobody else; the others are returned, with nothing of them written.
func (s *Sender) concludeMany(ctx context.Context, tx *db.Tx, all []*settled, now time.Time) (rest []*settled, err error) {
	var many []*settled
	for _, d := range all {
		switch {
		case d.after == nil:
			continue
		case d.fault != nil && d.fault.OpenFrom != "" || isChain(d.after) || reverses(d.after.Kind) != "":
			rest = append(rest, d)
			continue
		}
		if err := s.decided(d.after, d.answer, now).decide(d.after, d.heard); err != nil {
			return nil, fmt.Errorf("posting %s: %w", d.row.Ref, err)
		}
		if plain(d) {
			many = append(many, d)
		} else {
			rest = append(rest, d)
		}
	}
	reversed, err := s.withReversal(ctx, tx, many)
	if err != nil {
		return nil, err
	}
	kept := many[:0]
	for _, d := range many {
		if reversed[d.after.place()] {
			rest = append(rest, d)
			continue
		}
		kept = append(kept, d)
	}
	slices.SortFunc(rest, func(a, b *settled) int { return cmp.Compare(a.row.id, b.row.id) })
	return rest, s.writeMany(ctx, tx, kept, now)
}

// plain says whether nothing follows but receipts and the turn of those that waited for it: there is and was no exception.
func plain(d *settled) bool {
	switch d.after.State {
	case Confirmed, Ready, Unknown:
		return !d.before.caseDue && len(caseOf(&d.before, nil)) == 0 && len(caseOf(d.after, nil)) == 0
	}
	return false
}

// withReversal are those confirmed of which a reversal is planned or told.
func (s *Sender) withReversal(ctx context.Context, tx *db.Tx, many []*settled) (map[place]bool, error) {
	of := make(map[place]place)
	for _, d := range many {
		if d.after.State == Confirmed && s.reversible(d.after) {
			of[place{d.after.Tenant, d.after.reversalRef()}] = d.after.place()
		}
	}
	found, err := tx.Lookup(ctx, db.Lookup{Table: "posting", Columns: keyColumns, Key: keyColumns, Rows: keysOf(slices.Collect(maps.Keys(of)))})
	if err != nil {
		return nil, fmt.Errorf("reversals: %w", err)
	}
	out := make(map[place]bool)
	for _, v := range found {
		out[of[placeOf(v)]] = true
	}
	return out, nil
}

func (s *Sender) writeMany(ctx context.Context, tx *db.Tx, many []*settled, now time.Time) error {
	if len(many) == 0 {
		return nil
	}
	micros := now.UnixMicro()
	rows := make([]*row, len(many))
	var confirmed, left []*row
	var told []place
	for i, d := range many {
		rows[i] = d.after
		if d.after.State == Confirmed && d.before.State != Confirmed {
			confirmed = append(confirmed, d.after)
		}
		if d.after.State != d.before.State && (d.before.State == Sending || d.before.State == Unknown || d.before.State == Blocked) {
			left = append(left, d.after)
		}
		if standingOf(&d.before) != standingOf(d.after) {
			told = append(told, d.after.place())
		}
	}
	if err := saveAll(ctx, tx, rows, micros); err != nil {
		return err
	}
	if err := noteNames(ctx, tx, confirmed, micros); err != nil {
		return err
	}
	if err := tellNeededOf(ctx, tx, left); err != nil {
		return err
	}
	if err := promoteAfterAll(ctx, tx, confirmed, micros); err != nil {
		return err
	}
	return s.receipts(ctx, tx, told, now)
}

// tellNeededOf is tellNeeded for many postings.
func tellNeededOf(ctx context.Context, tx *db.Tx, left []*row) error {
	places := make([]place, len(left))
	for i, r := range left {
		places[i] = r.place()
	}
	needs, err := needsOfAll(ctx, tx, places)
	if err != nil || len(needs) == 0 {
		return err
	}
	needed := make(map[place]bool)
	for at, refs := range needs {
		for _, ref := range refs {
			needed[place{at.tenant, ref}] = true
		}
	}
	found, err := tx.Lookup(ctx, db.Lookup{Table: "posting", Columns: []string{"id"}, Key: keyColumns, Rows: keysOf(slices.Collect(maps.Keys(needed))), Where: "t.state = 'diverged'"})
	if err != nil || len(found) == 0 {
		return err
	}
	u := db.Update{Table: "posting", Key: []string{"id"}, Set: []string{"case_due"}}
	for _, v := range found {
		u.Rows = append(u.Rows, []any{v[0], true})
	}
	_, err = tx.UpdateAll(ctx, u)
	return err
}

// promoteAfterAll is promoteAfter for many postings.
func promoteAfterAll(ctx context.Context, tx *db.Tx, confirmed []*row, now int64) error {
	var names, serials [][]any
	seen := make(map[[3]string]bool)
	for _, r := range confirmed {
		names = append(names, r.place().key())
		if serial := [3]string{r.SerialKey, r.Target, r.Tenant}; r.SerialKey != "" && !seen[serial] {
			seen[serial] = true
			serials = append(serials, []any{r.SerialKey, r.Target, r.Tenant})
		}
	}
	needing, err := tx.Lookup(ctx, db.Lookup{Table: "posting_dependency", Columns: keyColumns, Key: []string{"needs_key", "needs_kind", "needs_target", "tenant"}, Rows: names})
	if err != nil {
		return fmt.Errorf("posting: promote: %w", err)
	}
	places := make(map[place]bool)
	for _, v := range needing {
		places[placeOf(v)] = true
	}
	waiting := make(map[int64]*row)
	for _, l := range []db.Lookup{{Key: keyColumns, Rows: keysOf(slices.Collect(maps.Keys(places)))}, {Key: []string{"serial_key", "target", "tenant"}, Rows: serials}} {
		l.Table, l.Columns = "posting", []string{"id", "target", "kind", "natural_key", "not_before", "timing"}
		l.Where = "t.state = 'planned' AND NOT " + unmet + " AND NOT " + heldBack
		found, err := tx.Lookup(ctx, l)
		if err != nil {
			return fmt.Errorf("posting: promote: %w", err)
		}
		for _, v := range found {
			r := &row{id: v[0].(int64), notBefore: v[4].(int64)}
			r.Target, r.Kind, r.Key, r.Timing = v[1].(string), connector.Kind(v[2].(string)), v[3].(string), Timing(v[5].(string))
			waiting[r.id] = r
		}
	}
	return makeReady(ctx, tx, now, slices.SortedFunc(maps.Values(waiting), func(a, b *row) int { return cmp.Compare(a.id, b.id) }))
}

// receipts works out those of the events that feed these postings.
func (s *Sender) receipts(ctx context.Context, tx *db.Tx, places []place, now time.Time) error {
	if s.Receipts == nil || len(places) == 0 {
		return nil
	}
	feeding, err := eventsOfAll(ctx, tx, places)
	if err != nil {
		return err
	}
	events := make(map[string][]string)
	for p, ids := range feeding {
		events[p.tenant] = append(events[p.tenant], ids...)
	}
	for _, tenant := range slices.Sorted(maps.Keys(events)) {
		if err := s.Receipts(ctx, tx, tenant, events[tenant], now); err != nil {
			return fmt.Errorf("receipts: %w", err)
		}
	}
	return nil
}
