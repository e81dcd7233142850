package exception

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/policy"
)

// Human are the actions that every exception has: what a person says about it. Those of the stages, which change what caused it, stand beside
// them.
type Human struct {
	// Policy says how an exception may be treated.
	Policy *policy.Policy
	// Receipts works out the receipts of events anew whose exception was closed, put off or opened again.
	Receipts func(ctx context.Context, tx *db.Tx, tenant string, eventIDs []string, now time.Time) error
}

// Actions are all of them.
func (h *Human) Actions() Actions {
	unresolved := func(_ context.Context, _ *db.Tx, e *Exception) error {
		if !e.Unresolved() {
			return errors.New("it is resolved")
		}
		return nil
	}
	return Actions{
		{Name: "acknowledge", Title: "Say that you have seen it", Do: h.acknowledge, Allowed: h.in(Open, Reopened, Suppressed)},
		{Name: "start", Title: "Say that you work on it", Do: h.start, Allowed: h.in(Open, Reopened, Suppressed, Acknowledged)},
		{Name: "assign", Title: "Give it to a person or a team", Do: h.assign, Allowed: unresolved,
			Sets: []Set{{Name: "person", Help: "who has it; none for nobody in particular"}, {Name: "team", Help: "which team has it; none for the one that policy names"}}},
		{Name: "comment", Title: "Write something about it: the reason is the comment", Do: h.comment},
		{Name: "snooze", Title: "Hear nothing of it until a time", Do: h.snooze, Allowed: unresolved,
			Sets: []Set{{Name: "until", Help: "a time like 2026-12-01T08:00:00Z, or how long, like 36h", Required: true}}},
		{Name: "resolve", Title: "Say that its cause is removed", Do: h.resolve, Allowed: unresolved},
		{Name: "waive", Title: "Leave it as it is", Do: h.waive, Allowed: h.mayWaive},
		{Name: "reopen", Title: "Open it again", Do: h.reopen, Allowed: func(_ context.Context, _ *db.Tx, e *Exception) error {
			switch {
			case e.Unresolved():
				return errors.New("it is open")
			case !e.Caused:
				return errors.New("its cause is gone; it opens by itself when it comes back")
			}
			return nil
		}},
	}
}

func (h *Human) in(states ...State) func(context.Context, *db.Tx, *Exception) error {
	return func(_ context.Context, _ *db.Tx, e *Exception) error {
		for _, s := range states {
			if e.State == s {
				return nil
			}
		}
		return fmt.Errorf("it is %s", e.State)
	}
}

func (h *Human) mayWaive(_ context.Context, _ *db.Tx, e *Exception) error {
	switch {
	case !e.Unresolved():
		return errors.New("it is resolved")
	case !OwnerOf(h.Policy, e).MayWaive():
		return fmt.Errorf("owners.yaml does not let %s be left as it is (waive: allow); remove its cause", e.Code)
	}
	return nil
}

// write changes what people said about an exception, and notes it. Whatever the state was, its escalation is looked at anew.
func (h *Human) write(ctx context.Context, tx *db.Tx, e *Exception, a Acting, said string, set string, values ...any) error {
	now := a.Now.UnixMicro()
	n, err := tx.Exec(ctx, `UPDATE exception SET changed_at = ?, `+set+` WHERE tenant = ? AND number = ? AND state = ?`, append(append([]any{now}, values...), e.Tenant, e.Number, e.State)...)
	if err != nil {
		return err
	}
	if n == 0 {
		return errors.New("it has changed at this moment; look at it again")
	}
	return note(ctx, tx, e, Note{At: a.Now, Kind: NoteAct, Person: a.By, Text: said + ": " + a.Reason})
}

func (h *Human) acknowledge(ctx context.Context, tx *db.Tx, e *Exception, a Acting) (string, error) {
	now := a.Now.UnixMicro()
	return "acknowledged", h.then(ctx, tx, e, a, h.write(ctx, tx, e, a, "acknowledged", "state = ?, acknowledged_at = ?, snoozed_until = 0, look_at = ?", Acknowledged, now, now))
}

func (h *Human) start(ctx context.Context, tx *db.Tx, e *Exception, a Acting) (string, error) {
	now, acknowledged := a.Now.UnixMicro(), e.AcknowledgedAt.UnixMicro()
	if e.AcknowledgedAt.IsZero() {
		acknowledged = now
	}
	said := a.By + " works on it"
	return said, h.then(ctx, tx, e, a, h.write(ctx, tx, e, a, said, "state = ?, acknowledged_at = ?, snoozed_until = 0, look_at = ?, assignee = CASE assignee WHEN '' THEN ? ELSE assignee END",
		Working, acknowledged, now, a.By))
}

func (h *Human) assign(ctx context.Context, tx *db.Tx, e *Exception, a Acting) (string, error) {
	person, byPerson := a.Set["person"]
	team, byTeam := a.Set["team"]
	if !byPerson && !byTeam {
		return "", fmt.Errorf("%w: name a person or a team", ErrIncorrect)
	}
	assignee, hand := e.Assignee, e.handTeam
	if byPerson {
		assignee = or(person)
	}
	if byTeam {
		hand = or(team)
		if hand != "" && !has(h.Policy.Teams(), hand) {
			return "", fmt.Errorf("%w: team %s is not in owners.yaml; there are %s", ErrIncorrect, hand, strings.Join(h.Policy.Teams(), ", "))
		}
	}
	said := "given to " + strings.Trim(strings.TrimSpace(assignee+" of ")+" "+teamOf(hand, e.RuleTeam), " ")
	if assignee == "" {
		said = "given to " + teamOf(hand, e.RuleTeam)
	}
	return said, h.write(ctx, tx, e, a, said, "assignee = ?, hand_team = ?", assignee, hand)
}

func teamOf(hand, rule string) string {
	if hand == "" {
		return rule
	}
	return hand
}

// or reads a name in which "none" is nobody.
func or(name string) string {
	if name == "none" {
		return ""
	}
	return name
}

func has(list []string, name string) bool {
	for _, s := range list {
		if s == name {
			return true
		}
	}
	return false
}

func (h *Human) comment(ctx context.Context, tx *db.Tx, e *Exception, a Acting) (string, error) {
	return "noted", note(ctx, tx, e, Note{At: a.Now, Kind: NoteComment, Person: a.By, Text: a.Reason})
}

func (h *Human) snooze(ctx context.Context, tx *db.Tx, e *Exception, a Acting) (string, error) {
	until, err := time.Parse(time.RFC3339, a.Set["until"])
	if d, no := time.ParseDuration(a.Set["until"]); no == nil {
		until, err = a.Now.Add(d), nil
	}
	if err != nil || !until.After(a.Now) {
		return "", fmt.Errorf("%w: until %q: write a time to come like 2026-12-01T08:00:00Z, or how long, like 36h", ErrIncorrect, a.Set["until"])
	}
	said := "put off until " + until.UTC().Format("2006-01-02 15:04 MST")
	return said, h.then(ctx, tx, e, a, h.write(ctx, tx, e, a, said, "state = ?, snoozed_until = ?, look_at = ?", Suppressed, until.UnixMicro(), until.UnixMicro()))
}

func (h *Human) resolve(ctx context.Context, tx *db.Tx, e *Exception, a Acting) (string, error) {
	said := fmt.Sprintf("resolved; where its cause is still there at %s it is opened again", a.Now.Add(Grace).UTC().Format("2006-01-02 15:04 MST"))
	return said, h.close(ctx, tx, e, a, said, ByHuman, a.Now.Add(Grace))
}

func (h *Human) waive(ctx context.Context, tx *db.Tx, e *Exception, a Acting) (string, error) {
	return "left as it is; it is opened again only when it becomes another one", h.close(ctx, tx, e, a, "left as it is", Waived, time.Time{})
}

func (h *Human) close(ctx context.Context, tx *db.Tx, e *Exception, a Acting, said string, closed Closed, look time.Time) error {
	now, at := a.Now.UnixMicro(), int64(0)
	if !look.IsZero() {
		at = look.UnixMicro()
	}
	return h.then(ctx, tx, e, a, h.write(ctx, tx, e, a, said, "state = ?, resolved_at = ?, closed = ?, closed_by = ?, look_at = ?, snoozed_until = 0, untold = 0", Resolved, now, closed, a.By, at))
}

func (h *Human) reopen(ctx context.Context, tx *db.Tx, e *Exception, a Acting) (string, error) {
	if err := reopen(ctx, tx, e, OwnerOf(h.Policy, e), h.Policy, a.Now); err != nil {
		return "", err
	}
	return "open again", h.then(ctx, tx, e, a, note(ctx, tx, e, Note{At: a.Now, Kind: NoteAct, Person: a.By, Text: "opened again: " + a.Reason}))
}

// then brings the receipts in line where a state was changed without a fault.
func (h *Human) then(ctx context.Context, tx *db.Tx, e *Exception, a Acting, err error) error {
	if err != nil || h.Receipts == nil || len(e.EventIDs) == 0 {
		return err
	}
	return h.Receipts(ctx, tx, e.Tenant, e.EventIDs, a.Now)
}

// reopen begins the life of an exception anew whose cause is still there: the team has its time again.
func reopen(ctx context.Context, tx *db.Tx, e *Exception, owner policy.Owner, p *policy.Policy, now time.Time) error {
	due := p.Calendar(owner.Calendar).Add(now, owner.Due).UnixMicro()
	_, err := tx.Exec(ctx, `UPDATE exception SET state = ?, due_at = ?, look_at = ?, opened_at = ?, changed_at = ?, resolved_at = 0, hand_team = '', raised = 0, level = 0,
		acknowledged_at = 0, snoozed_until = 0, closed = '', closed_by = '', untold = 1, times = times + 1 WHERE tenant = ? AND number = ? AND state = ? AND caused = 1`,
		Reopened, due, due, now.UnixMicro(), now.UnixMicro(), e.Tenant, e.Number, Resolved)
	return err
}
