package milestone

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/collector/audit"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/people"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// ErrNoClock is returned where an object has no clock of a name.
var ErrNoClock = errors.New("no such clock")

// Change is what a person tells the clock of one object.
type Change struct {
	Act
	Tenant, Key string
	// Source is who tells it to the event log.
	Source string
	// Append takes the fact into the event log within the caller's transaction.
	Append func(ctx context.Context, tx *db.Tx, events []*docklinev1.Event) error
}

// Tell appends what a person tells a clock as a fact, so that it holds whenever the key is folded again, and records who told it. A signal may
// have a name of its own; all else is about a clock that there is.
func (c Change) Tell(ctx context.Context, tx *db.Tx, now time.Time) error {
	if strings.TrimSpace(c.Reason) == "" {
		return errors.New("say why: whoever looks at this clock later has nothing else to go by")
	}
	if err := people.Allow(ctx, tx, c.Tenant, c.By, people.ExceptionAct); err != nil {
		return err
	}
	b, err := Load(ctx, tx, []Key{{c.Tenant, c.Key}})
	if err != nil {
		return err
	}
	clocks := b.Of(Key{c.Tenant, c.Key})
	at := slices.IndexFunc(clocks, func(e Entry) bool { return e.Name == c.Name })
	if at < 0 && (c.Action != Signal || len(clocks) == 0) {
		return fmt.Errorf("%s has no clock %q: %w; %s", c.Key, c.Name, ErrNoClock, namesOf(clocks))
	}
	if at >= 0 {
		if err := c.fits(clocks[at]); err != nil {
			return err
		}
	}
	if err := c.Append(ctx, tx, []*docklinev1.Event{c.event()}); err != nil {
		return err
	}
	return audit.Record(ctx, tx, audit.Act{Tenant: c.Tenant, By: c.By, Action: "milestone." + c.Action, Object: c.Key + " " + c.Name, Reason: c.Reason, Detail: c.detail()}, now)
}

// fits refuses what would change nothing.
func (c Change) fits(e Entry) error {
	switch {
	case c.Action == Pause && !e.PausedAt.IsZero():
		return fmt.Errorf("the clock %s of %s waits already, since %s", c.Name, c.Key, stamp(e.PausedAt))
	case c.Action == Resume && e.PausedAt.IsZero():
		return fmt.Errorf("the clock %s of %s does not wait: it is %s", c.Name, c.Key, e.Standing)
	case c.Action != Reset && !e.Open():
		return fmt.Errorf("the clock %s of %s is %s since %s; only reset begins it anew", c.Name, c.Key, e.Standing, stamp(e.ReachedAt))
	case c.Action == Extend && c.Until.IsZero() && c.For < time.Second:
		return errors.New("say for how much longer, or until when")
	case c.Action == Extend && c.For > longestExtra:
		return fmt.Errorf("for %s is more than %s; say until when", c.For, longestExtra)
	case c.Action == Extend && !c.Until.IsZero() && !c.Until.After(e.StartedAt):
		return fmt.Errorf("until %s is before it began, %s", stamp(c.Until), stamp(e.StartedAt))
	}
	return nil
}

func namesOf(clocks []Entry) string {
	if len(clocks) == 0 {
		return "it has none: nothing that starts one was told of it, or its number is another"
	}
	var names []string
	for _, e := range clocks {
		names = append(names, e.Name)
	}
	return "it has " + strings.Join(names, ", ")
}

func (c Change) detail() map[string]string {
	detail := map[string]string{"at": stamp(c.At)}
	if !c.Until.IsZero() {
		detail["until"] = stamp(c.Until)
	}
	if c.For != 0 {
		detail["for"] = c.For.String()
	}
	return detail
}

func (c Change) event() *docklinev1.Event {
	told := &docklinev1.MilestoneChange{Key: c.Key, Name: c.Name, Action: c.Action, Reason: c.Reason, Seconds: int64(c.For / time.Second)}
	if !c.Until.IsZero() {
		told.Until = timestamppb.New(c.Until)
	}
	e := &docklinev1.Event{Tenant: c.Tenant, Source: c.Source, Kind: docklinev1.EventKind_EVENT_KIND_MILESTONE_CHANGED, Subject: c.Name, Actor: c.By, OccurredAt: timestamppb.New(c.At),
		SourceKey: "milestone/" + c.Key + "/" + c.Name, SourceRevision: c.At.UTC().Format(time.RFC3339Nano) + " " + c.Action,
		Payload: &docklinev1.Event_MilestoneChange{MilestoneChange: told}}
	e.Id = event.ID(event.Cause{Tenant: e.Tenant, Source: e.Source, SourceKey: e.SourceKey, Revision: e.SourceRevision, Kind: event.KindName(e.Kind)})
	return e
}
