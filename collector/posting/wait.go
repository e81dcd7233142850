package posting

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/db"
)

// Explain says of each posting that is on its way what it waits for now, in Waits. A fault that it carries is not said again.
func Explain(ctx context.Context, tx *db.Tx, list []Entry, now time.Time) error {
	paused := make(map[string]*Pause)
	for i := range list {
		e := &list[i]
		switch e.State {
		case Planned, Ready, Sending, Unknown:
		default:
			continue
		}
		if _, asked := paused[e.Target]; !asked {
			p, err := PauseOf(ctx, tx, e.Target)
			if err != nil {
				return err
			}
			paused[e.Target] = p
		}
		reasons, err := e.reasons(ctx, tx, now)
		if err != nil {
			return fmt.Errorf("what %s waits for: %w", e.Ref, err)
		}
		if p := paused[e.Target]; p != nil {
			reasons = append([]string{p.String()}, reasons...)
		}
		e.Waits = strings.Join(reasons, "; ")
	}
	return nil
}

// String says that a target is paused, by whom and until when.
func (p *Pause) String() string {
	return fmt.Sprintf("%s is paused since %s by %s (%s): nothing is sent until somebody says `posting resume %s`", p.Target, p.At.Format("2006-01-02 15:04 MST"), p.By, p.Reason, p.Target)
}

// reasons are why a posting on its way is not sent at this moment.
func (e *Entry) reasons(ctx context.Context, tx *db.Tx, now time.Time) (out []string, err error) {
	if e.NotBefore.After(now) && (e.State == Planned || e.State == Ready) {
		out = append(out, "its hour comes at "+stamp(e.NotBefore))
	}
	switch e.State {
	case Planned:
		needs, err := e.unmetNeeds(ctx, tx)
		if err != nil {
			return nil, err
		}
		before, err := e.before(ctx, tx)
		if out = append(append(out, needs...), before...); err != nil || len(out) > 0 {
			return out, err
		}
		return []string{"nothing is in its way: the sender takes it up within seconds"}, nil
	case Ready:
		sibling, err := e.siblingUnderWay(ctx, tx)
		if err != nil {
			return nil, err
		}
		out = append(out, sibling...)
		if e.ReadyAt.After(now) && !e.ReadyAt.Equal(e.NotBefore) {
			out = append(out, "it is tried again at "+stamp(e.ReadyAt))
		}
	case Sending:
		out = append(out, "a call is under way")
	case Unknown:
		out = append(out, fmt.Sprintf("it may have had its effect: %s is asked at %s, and counts it as absent only when its settle time is over", e.Target, stamp(e.ReadyAt)))
	}
	return out, nil
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 MST") }

// unmetNeeds are those that it needs and that are not confirmed.
func (e *Entry) unmetNeeds(ctx context.Context, tx *db.Tx) (out []string, err error) {
	needs, err := needsOf(ctx, tx, e.Tenant, e.Ref)
	if err != nil {
		return nil, err
	}
	for _, n := range needs {
		var s State
		err := tx.QueryRow(ctx, `SELECT state FROM posting WHERE natural_key = ? AND kind = ? AND target = ? AND tenant = ?`, n.Key, n.Kind, n.Target, e.Tenant).Scan(&s)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			out = append(out, fmt.Sprintf("it needs %s, which nothing has asked for yet", n))
		case err != nil:
			return nil, err
		case s != Confirmed:
			out = append(out, fmt.Sprintf("it needs %s, which is %s", n, s))
		}
	}
	return out, nil
}

// before is the first of its serial key that must be finished before it.
func (e *Entry) before(ctx context.Context, tx *db.Tx) ([]string, error) {
	if e.SerialKey == "" {
		return nil, nil
	}
	return e.sibling(ctx, tx, "before it comes %s, which is %s", `EXISTS (SELECT 1 FROM posting t WHERE t.natural_key = ? AND t.kind = ? AND t.target = ? AND t.tenant = ? AND o.id < t.id AND `+heldBack+`)
		AND o.state IN `+unfinished, e.Key, e.Kind, e.Target, e.Tenant)
}

// siblingUnderWay is another of its serial key that is under way or not settled.
func (e *Entry) siblingUnderWay(ctx context.Context, tx *db.Tx) ([]string, error) {
	if e.SerialKey == "" {
		return nil, nil
	}
	return e.sibling(ctx, tx, "one at a time: %s is %s", `o.state IN ('sending', 'unknown') AND NOT (o.natural_key = ? AND o.kind = ?)`, e.Key, e.Kind)
}

// sibling is the first of its serial key of which a condition on o holds.
func (e *Entry) sibling(ctx context.Context, tx *db.Tx, text, condition string, args ...any) ([]string, error) {
	ref, s := Ref{Target: e.Target}, State("")
	var kind string
	err := tx.QueryRow(ctx, `SELECT o.kind, o.natural_key, o.state FROM posting o WHERE o.serial_key = ? AND o.target = ? AND o.tenant = ? AND `+condition+` ORDER BY o.id LIMIT 1`,
		append([]any{e.SerialKey, e.Target, e.Tenant}, args...)...).Scan(&kind, &ref.Key, &s)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	ref.Kind = connector.Kind(kind)
	return []string{fmt.Sprintf(text, ref, s)}, nil
}
