package exception

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/policy"
)

// Told is something that people are to be told about an exception.
type Told struct {
	Exception Exception
	// Kind is opened, reopened, escalated or snooze_ended. Level counts from 1 for what is escalated.
	Kind  string
	Level int
	// Team is told, and Person, where one is named.
	Team, Person string
}

// Kinds of Told beside those of notes.
const ToldOpened = "opened"

// Escalator does what happens to exceptions by themselves: levels of their escalation, ends of snoozes, and the opening again of what a
// person has closed while its cause is still there. And it has people told. Several collectors may have one; each thing happens once.
type Escalator struct {
	DB *db.DB
	// Policy is the one in force.
	Policy func() *policy.Policy
	// Holder is the collector's name, by which it holds the lease.
	Holder string
	// Tell puts what people are to be told into the transaction; nil tells nobody.
	Tell func(ctx context.Context, tx *db.Tx, told []Told, now time.Time) error
	// Receipts works out receipts anew, as in Human.
	Receipts func(ctx context.Context, tx *db.Tx, tenant string, eventIDs []string, now time.Time) error
	// Every is the time between two looks (2 s).
	Every time.Duration
	// Now is nil for time.Now.
	Now func() time.Time
	// Log may be nil.
	Log *slog.Logger

	wake db.Signal
}

const (
	// leaseFor is how long one collector keeps looking alone.
	leaseFor = 30 * time.Second
	// portion is how many exceptions are looked at in one transaction.
	portion = 500
)

// Run looks until ctx ends.
func (s *Escalator) Run(ctx context.Context) error {
	defer s.DB.GiveBack(ctx, "exceptions", s.Holder)
	return db.Poll(ctx, &s.wake, cmp.Or(s.Every, 2*time.Second), s.Log, "escalate exceptions", func(ctx context.Context) (bool, error) {
		if held, err := s.DB.Lease(ctx, "exceptions", s.Holder, leaseFor); err != nil || !held {
			return false, err
		}
		n, err := s.Step(ctx)
		return n >= portion, err
	})
}

// Step looks once at what is due, and returns at how many exceptions. It holds their rows, so that two that look at once do nothing twice.
func (s *Escalator) Step(ctx context.Context) (n int, err error) {
	now := time.Now()
	if s.Now != nil {
		now = s.Now()
	}
	now = now.UTC().Truncate(time.Microsecond)
	for _, part := range []struct {
		where string
		args  []any
		do    func(ctx context.Context, tx *db.Tx, found []Exception, now time.Time) ([]Told, error)
	}{
		{"untold = 1 ORDER BY number", nil, s.opened},
		{"look_at > 0 AND look_at <= ? ORDER BY number", []any{now.UnixMicro()}, s.look},
	} {
		err := s.DB.Write(ctx, func(tx *db.Tx) error {
			found, err := s.hold(ctx, tx, part.where, part.args)
			if err != nil || len(found) == 0 {
				return err
			}
			n = max(n, len(found))
			told, err := part.do(ctx, tx, found, now)
			if err != nil || len(told) == 0 || s.Tell == nil {
				return err
			}
			return s.Tell(ctx, tx, told, now)
		})
		if err != nil {
			return n, fmt.Errorf("exceptions: %w", err)
		}
	}
	return n, nil
}

// hold reads exceptions without their events, and keeps others from them until the transaction ends.
func (s *Escalator) hold(ctx context.Context, tx *db.Tx, where string, args []any) ([]Exception, error) {
	rows, err := tx.Claim(ctx, `SELECT `+columnList+` FROM exception WHERE `+where+` LIMIT ?`, append(args, portion)...)
	if err != nil {
		return nil, err
	}
	return scan(rows)
}

// opened tells of what was opened, where it is bad enough.
func (s *Escalator) opened(ctx context.Context, tx *db.Tx, found []Exception, _ time.Time) (told []Told, err error) {
	least := s.Policy().Notices.Least()
	rows := make([][]any, len(found))
	for i, e := range found {
		rows[i] = []any{e.Tenant, e.Number, 0}
		if e.Unresolved() && e.State != Suppressed && e.Severity >= least {
			kind := ToldOpened
			if e.State == Reopened {
				kind = NoteReopened
			}
			told = append(told, Told{Exception: e, Kind: kind, Team: e.Team, Person: e.Assignee})
		}
	}
	_, err = tx.UpdateAll(ctx, db.Update{Table: "exception", Key: numbered, Set: []string{"untold"}, Rows: rows})
	return told, err
}

// look does what is due.
func (s *Escalator) look(ctx context.Context, tx *db.Tx, found []Exception, now time.Time) (told []Told, err error) {
	p := s.Policy()
	for i := range found {
		e := &found[i]
		steps := judge(e, p, now)
		if steps.woken {
			e.State, e.SnoozedUntil = Open, time.Time{}
			told = append(told, Told{Exception: *e, Kind: NoteSnoozeEnded, Team: e.Team, Person: e.Assignee})
			if err := note(ctx, tx, e, Note{At: now, Kind: NoteSnoozeEnded, Text: "it is open again: the time until which it was put off is over"}); err != nil {
				return nil, err
			}
		}
		for _, step := range steps.fired {
			if err := s.fire(ctx, tx, e, step, now); err != nil {
				return nil, err
			}
			told = append(told, Told{Exception: *e, Kind: NoteEscalated, Level: e.Level, Team: e.Team, Person: e.Assignee})
		}
		if steps.reopened {
			if err := s.reopen(ctx, tx, e, p, now); err != nil {
				return nil, err
			}
			continue
		}
		if err := s.save(ctx, tx, e, steps, now); err != nil {
			return nil, err
		}
	}
	return told, nil
}

// fire lets one level happen.
func (s *Escalator) fire(ctx context.Context, tx *db.Tx, e *Exception, l policy.Level, now time.Time) error {
	e.Level++
	e.handTeam = cmp.Or(l.Team, e.handTeam)
	e.Assignee = cmp.Or(l.Person, e.Assignee)
	if l.Severity != "" {
		e.raised = max(e.raised, l.SeverityOf())
	}
	e.Team, e.Severity = cmp.Or(e.handTeam, e.RuleTeam), max(e.RuleSeverity, e.raised)
	text := fmt.Sprintf("level %d: it was due at %s; now with %s", e.Level, e.DueAt.Format("2006-01-02 15:04 MST"), e.Team)
	if l.Person != "" {
		text += " (" + l.Person + ")"
	}
	return note(ctx, tx, e, Note{At: now, Kind: NoteEscalated, Text: text})
}

func (s *Escalator) save(ctx context.Context, tx *db.Tx, e *Exception, steps steps, now time.Time) error {
	next, changed := int64(0), e.ChangedAt
	if !steps.next.IsZero() {
		next = steps.next.UnixMicro()
	}
	if steps.woken || len(steps.fired) > 0 {
		changed = now
	}
	until := int64(0)
	if !e.SnoozedUntil.IsZero() {
		until = e.SnoozedUntil.UnixMicro()
	}
	_, err := tx.Exec(ctx, `UPDATE exception SET state = ?, level = ?, hand_team = ?, assignee = ?, raised = ?, look_at = ?, snoozed_until = ?, changed_at = ? WHERE tenant = ? AND number = ?`,
		e.State, e.Level, e.handTeam, e.Assignee, e.raised, next, until, changed.UnixMicro(), e.Tenant, e.Number)
	if err != nil || !steps.woken {
		return err
	}
	return s.receipts(ctx, tx, e, now)
}

func (s *Escalator) reopen(ctx context.Context, tx *db.Tx, e *Exception, p *policy.Policy, now time.Time) error {
	if err := reopen(ctx, tx, e, OwnerOf(p, e), p, now); err != nil {
		return err
	}
	if err := note(ctx, tx, e, Note{At: now, Kind: NoteReopened, Text: "its cause is still there, although " + e.ClosedBy + " had resolved it"}); err != nil {
		return err
	}
	return s.receipts(ctx, tx, e, now)
}

func (s *Escalator) receipts(ctx context.Context, tx *db.Tx, e *Exception, now time.Time) error {
	if s.Receipts == nil {
		return nil
	}
	ids, err := eventsOf(ctx, tx, e.Tenant, e.Number)
	if err != nil || len(ids) == 0 {
		return err
	}
	return s.Receipts(ctx, tx, e.Tenant, ids, now)
}

// steps is what happens to an exception at a moment.
type steps struct {
	fired    []policy.Level
	woken    bool
	reopened bool
	// next is when to look again, zero for never.
	next time.Time
}

// judge says what is due for an exception. It is pure; what was fired before is in its Level.
func judge(e *Exception, p *policy.Policy, now time.Time) (s steps) {
	owner := OwnerOf(p, e)
	calendar, escalation := p.Calendar(owner.Calendar), p.Escalation(owner)
	switch e.State {
	case Resolved:
		if !e.Caused || e.Closed != ByHuman {
			return s
		}
		if until := e.ResolvedAt.Add(Grace); now.Before(until) {
			s.next = until
			return s
		}
		s.reopened = true
		return s
	case Suppressed:
		if now.Before(e.SnoozedUntil) {
			s.next = e.SnoozedUntil
			return s
		}
		s.woken = true
	case Acknowledged, Working:
		if escalation.Stops() {
			return s
		}
		if resume := calendar.Add(e.AcknowledgedAt, escalation.Pause()); now.Before(resume) {
			s.next = resume
			return s
		}
	}
	for _, l := range escalation.Levels[min(e.Level, len(escalation.Levels)):] {
		if at := calendar.Add(e.DueAt, l.After); now.Before(at) {
			s.next = at
			break
		}
		s.fired = append(s.fired, l)
	}
	return s
}
