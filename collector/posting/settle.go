package posting

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/dockline/dockline/collector/db"
)

// settleGroup writes what became of some postings and what follows from it, in one transaction. Where that cannot be written each has one of its
// own, so that one does not hold up the others.
func (s *Sender) settleGroup(ctx context.Context, group []answer) error {
	// What was heard is written also when the collector is asked to stop.
	ctx, end := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer end()
	err := s.settle(ctx, group)
	if err == nil || len(group) == 1 {
		return err
	}
	var errs []error
	for i := range group {
		errs = append(errs, s.settle(ctx, group[i:i+1]))
	}
	return errors.Join(errs...)
}

// settled is one posting as it was before and after what was heard of it; after is nil where the answer came too late.
type settled struct {
	answer
	before row
	after  *row
}

func (s *Sender) settle(ctx context.Context, group []answer) error {
	var done []*settled
	// The target has had its call and the lease runs: this does not give way.
	err := s.DB.WriteFirst(ctx, func(tx *db.Tx) error {
		now := s.Now()
		all, err := s.holdGroup(ctx, tx, group)
		if err != nil {
			return err
		}
		done = all
		rest, err := s.concludeMany(ctx, tx, all, now)
		if err != nil {
			return err
		}
		for _, d := range rest {
			if err := s.settleAlone(ctx, tx, d, now); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("posting %s and %d more: settle: %w", group[0].row.Ref, len(group)-1, err)
	}
	for _, d := range done {
		if d.after == nil {
			s.count(func(st *Stats) { st.Late++ })
			s.Log.Warn("answer came after the posting's lease; it is settled by reading back", "posting", d.row.Ref.String())
			continue
		}
		s.report(d.row.State, d.after)
	}
	return nil
}

// holdGroup loads and locks the rows of some answers, in the order in which they were wanted.
func (s *Sender) holdGroup(ctx context.Context, tx *db.Tx, group []answer) ([]*settled, error) {
	l := db.Lookup{Table: "posting", Columns: columnNames, Key: []string{"id"}, Hold: true, Order: []string{"id"}}
	for _, a := range group {
		l.Rows = append(l.Rows, []any{a.row.id})
	}
	found, err := tx.Lookup(ctx, l)
	if err != nil {
		return nil, err
	}
	rows := make(map[int64]*row, len(found))
	for _, v := range found {
		r := new(row)
		if err := r.fill(v); err != nil {
			return nil, err
		}
		rows[r.id] = r
	}
	out := make([]*settled, len(group))
	for i, a := range group {
		out[i] = &settled{answer: a, after: rows[a.row.id]}
		if out[i].after == nil || !s.holds(a.job, out[i].after) {
			out[i].after = nil // another sender settles it by reading back
			continue
		}
		out[i].before = *out[i].after
	}
	slices.SortFunc(out, func(a, b *settled) int { return cmp.Compare(a.row.id, b.row.id) })
	return out, nil
}

// holds says whether the row is still under the lease under which the call was made.
func (s *Sender) holds(j job, r *row) bool {
	return r.leaseHolder == s.token && r.leaseUntil == j.row.leaseUntil && r.State == j.row.State
}

// decided works out what becomes of a posting that was answered.
func (s *Sender) decided(r *row, a answer, now time.Time) deciding {
	d := deciding{now: now.UnixMicro(), settle: s.Connector.SettleTime(), recheck: s.Recheck, turn: a.turn}
	if !a.unsent {
		d.wait = backoff(r.Attempts, s.RetryFirst, s.RetryLongest, s.Random())
	}
	return d
}

// settleAlone settles one posting that has to do with others: what they are is asked one after the other.
func (s *Sender) settleAlone(ctx context.Context, tx *db.Tx, d *settled, now time.Time) error {
	r, err := hold(ctx, tx, d.row.Tenant, d.row.Ref) // as what was settled before it in this transaction has left it
	if err != nil {
		return err
	}
	if r == nil || !s.holds(d.job, r) {
		d.after = nil
		return nil
	}
	before := *r
	deciding := s.decided(r, d.answer, now)
	if r.State == Sending && s.nextOpen(r, d.fault, now) {
		deciding.redated = true
		var c cutoffs
		c.note(r, s.date(r, now), "closed in "+s.Target, now.UnixMicro())
		if err := c.write(ctx, tx); err != nil {
			return err
		}
	}
	if err := deciding.decide(r, d.heard); err != nil {
		return err
	}
	d.after = r
	return s.conclude(ctx, tx, &before, r, now)
}

func insertFollowUp(ctx context.Context, tx *db.Tx, next *row, events []string, now int64) error {
	if err := insert(ctx, tx, []*row{next}, now); err != nil {
		return err
	}
	feeds := links{table: "posting_event", columns: eventColumns}
	for _, id := range events {
		feeds.add(next.place(), id)
	}
	return feeds.write(ctx, tx)
}

// conclude saves a decided posting with its chain, promotes what waited for it and tells people.
func (s *Sender) conclude(ctx context.Context, tx *db.Tx, before, r *row, now time.Time) error {
	micros := now.UnixMicro()
	if isChain(r) && r.State != before.State {
		first, follow, err := holdChain(ctx, tx, r)
		if err != nil {
			return err
		}
		events, err := eventsOf(ctx, tx, first.Tenant, first.Ref)
		if err != nil {
			return err
		}
		next, _, err := settleChain(first, follow, micros)
		if err != nil {
			return err
		}
		if next != nil {
			if err := insertFollowUp(ctx, tx, next, events, micros); err != nil {
				return err
			}
		}
		for _, c := range append(follow, first) {
			if c.id == r.id {
				continue
			}
			if c.changed && c.State != r.State {
				c.caseDue = true // its receipts may have changed with the chain
			}
			if err := c.save(ctx, tx, micros); err != nil {
				return err
			}
		}
	}
	if err := r.save(ctx, tx, micros); err != nil {
		return err
	}
	if r.State == Confirmed && before.State != Confirmed {
		if err := noteNames(ctx, tx, []*row{r}, micros); err != nil {
			return err
		}
	}
	if err := s.concludeReversals(ctx, tx, before, r, micros); err != nil {
		return err
	}
	if r.State != before.State && r.State != Ready && r.State != Unknown {
		if err := promoteAfter(ctx, tx, r, micros); err != nil {
			return err
		}
	}
	if r.State == Planned || isChain(r) && r.State != before.State { // restated, or followed up
		if err := promote(ctx, tx, micros, `t.tenant = ? AND t.fold_key = ?`, r.Tenant, r.FoldKey); err != nil {
			return err
		}
	}
	if standingOf(before) == standingOf(r) {
		return nil
	}
	if err := s.tell(ctx, tx, r, now); err != nil {
		return err
	}
	return r.save(ctx, tx, micros)
}

// standing is what people and receipts see of a posting's state.
type standing struct {
	state State
	fault Fault
}

func standingOf(r *row) standing {
	var s standing
	switch r.State {
	case Planned, Ready, Sending, Unknown: // on its way; what for stands in receipts
		s.fault.Code = r.Fault.Code
	default:
		s.state = r.State
	}
	if len(caseOf(r, nil)) > 0 {
		s.fault = r.Fault
	}
	return s
}

// report counts and logs what a person may want to know.
func (s *Sender) report(from State, r *row) {
	s.count(func(st *Stats) {
		switch {
		case r.State == from:
		case r.State == Unknown:
			st.Unknown++
		case r.State == Ready:
			st.Retried++
		case r.State == Rejected, r.State == Blocked:
			st.Rejected++
		case r.State != Superseded: // what is restated or corrected next was confirmed too
			st.Confirmed++
		}
	})
	if r.State != from && (r.State == Rejected || r.State == Blocked || r.State == Diverged) {
		s.Log.Warn("posting needs a person", "posting", r.Ref.String(), "state", string(r.State), "err", r.Fault.Text)
	}
}
