package posting

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// heard is what the target said about one posting.
type heard struct {
	// at is when it was asked; looked says that found is an answer.
	at     time.Time
	looked bool
	found  []connector.Found
	// applied: Apply was answered with these documents.
	applied   bool
	documents []*docklinev1.DocumentReference
	// fault is what went wrong, applying whether Apply was begun.
	fault    *connector.Fault
	applying bool
}

// send claims, calls and settles up to limit postings; unless fromReady only such as are read back.
func (s *Sender) send(ctx context.Context, limit int, fromReady bool) (int, error) {
	// The clock of the calls starts before the lease's, so that a call's deadline lies before the lease's end.
	calls, cancel := context.WithTimeout(ctx, s.CallTimeout)
	defer cancel()
	jobs, err := s.claim(ctx, limit, fromReady)
	if err != nil || len(jobs) == 0 {
		return 0, err
	}
	answers := make([]heard, len(jobs))
	errs := make([]error, len(jobs))
	var group sync.WaitGroup
	for i, j := range jobs {
		group.Go(func() {
			answers[i] = s.call(calls, j)
			// What was heard is written also when the collector is asked to stop.
			write, end := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
			defer end()
			errs[i] = s.settle(write, j, answers[i])
		})
	}
	group.Wait()
	if err := errors.Join(errs...); err != nil {
		return len(jobs), err
	}
	for _, h := range answers {
		if err := s.learn(ctx, h); err != nil {
			return len(jobs), err
		}
	}
	return len(jobs), nil
}

// learn tells breaker and pause what one answer says about the target.
func (s *Sender) learn(ctx context.Context, h heard) error {
	if h.fault == nil || h.fault.Class != docklinev1.FaultClass_FAULT_CLASS_TECHNICAL {
		return s.answered(ctx)
	}
	if ctx.Err() != nil {
		return nil // we hung up, not the target
	}
	s.failed(h.fault)
	return nil
}

// call looks and applies as state and style of the posting want it.
func (s *Sender) call(ctx context.Context, j job) heard {
	h := heard{at: s.Now()}
	if claimedAt := j.row.leaseUntil - s.Lease.Microseconds(); h.at.UnixMicro()-claimedAt >= s.CallTimeout.Microseconds() {
		// The machine slept between commit and call: the lease may soon be another's.
		h.fault = &connector.Fault{Class: docklinev1.FaultClass_FAULT_CLASS_TECHNICAL, Code: "too_late", Text: "the lease is running out"}
		return h
	}
	first := j.row.State == Sending
	if first {
		s.count(func(st *Stats) { st.Sent++ })
	}
	if !first || j.row.Style == connector.CreateOnce || j.row.Style == connector.Advance && j.row.Attempts > 1 {
		found, err := s.Connector.Find(ctx, j.posting)
		if err != nil {
			h.fault = faultOf(err, false)
			return h
		}
		h.looked, h.found = true, inForce(found)
		if !first || !mayApply(j.row.Style, h.found) {
			return h
		}
	}
	if err := ctx.Err(); err != nil {
		h.fault = faultOf(err, false)
		return h
	}
	h.applying = true
	result, err := s.Connector.Apply(ctx, j.posting)
	if err != nil {
		h.fault = faultOf(err, true)
		return h
	}
	h.applied, h.documents = true, result.Documents
	return h
}

// mayApply says whether what was found leaves something to apply. Drafts that are too many the connector deletes.
func mayApply(style connector.Style, found []connector.Found) bool {
	if draftsOnly(style, found) {
		return true
	}
	switch len(found) {
	case 0:
		return true
	case 1:
		return !found[0].Reversed && !found[0].Complete && (style != connector.CreateOnce || found[0].Draft)
	}
	return false
}

// draftsOnly tells that there are several documents, and that all but one of them are drafts, which have no effect.
func draftsOnly(style connector.Style, found []connector.Found) bool {
	_, ok := connector.SpareDrafts(found)
	return style == connector.CreateOnce && len(found) > 1 && ok
}

// inForce leaves out what was taken back where something else is there; where nothing is, one of what was taken back says so.
func inForce(found []connector.Found) []connector.Found {
	left := slices.DeleteFunc(slices.Clone(found), func(f connector.Found) bool { return f.Reversed })
	if len(left) == 0 && len(found) > 0 {
		return found[:1]
	}
	return left
}

// faultOf classifies what a connector returned. What is not a Fault is technical, and of an Apply unknown.
func faultOf(err error, applying bool) *connector.Fault {
	if f, ok := errors.AsType[*connector.Fault](err); ok {
		if f.Class == docklinev1.FaultClass_FAULT_CLASS_UNSPECIFIED {
			c := *f
			c.Class, c.Unknown = docklinev1.FaultClass_FAULT_CLASS_TECHNICAL, applying
			return &c
		}
		return f
	}
	code := "connector_error"
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		code = "timeout"
	}
	return &connector.Fault{Class: docklinev1.FaultClass_FAULT_CLASS_TECHNICAL, Code: code, Text: "no answer that can be used",
		Unknown: applying, Err: err}
}

// settle writes what became of a posting and what follows from it, in one transaction.
func (s *Sender) settle(ctx context.Context, j job, h heard) error {
	var after *row
	late := false
	err := s.DB.Write(ctx, func(tx *db.Tx) error {
		after, late = nil, false
		r, err := hold(ctx, tx, j.row.Tenant, j.row.Ref)
		if err != nil {
			return err
		}
		if r == nil || r.leaseHolder != s.token || r.leaseUntil != j.row.leaseUntil || r.State != j.row.State {
			late = true // another sender settles it by reading back
			return nil
		}
		now := s.Now()
		before := *r
		d := deciding{now: now.UnixMicro(), settle: s.Connector.SettleTime(), recheck: s.Recheck,
			wait: backoff(r.Attempts, s.RetryFirst, s.RetryLongest, s.Random())}
		if r.State == Sending && s.nextOpen(r, h.fault, now) {
			d.redated = true
			if err := noteCutoff(ctx, tx, r, s.date(r, now), "closed in "+s.Target, now.UnixMicro()); err != nil {
				return err
			}
		}
		if err := d.decide(r, h); err != nil {
			return err
		}
		after = r
		return s.conclude(ctx, tx, &before, r, now)
	})
	if err != nil {
		return fmt.Errorf("posting %s: settle: %w", j.row.Ref, err)
	}
	if late {
		s.count(func(st *Stats) { st.Late++ })
		s.Log.Warn("answer came after the posting's lease; it is settled by reading back", "posting", j.row.Ref.String())
		return nil
	}
	s.report(j.row.State, after)
	return nil
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
		if err := noteNames(ctx, tx, r, micros); err != nil {
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
