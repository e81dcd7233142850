package downlink

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

const (
	firstRetry = time.Second
	lastRetry  = time.Minute
	// idle is how long the loop sleeps when there is nothing to do and nobody wakes it.
	idle = time.Minute
)

// Source is the source of the events that say what became of commands.
const Source = "downlink"

// Deliverer carries a command out at a sink, at least once.
type Deliverer interface {
	// Deliver returns what became of the command, which is final, or an error where the sink was not there or did not answer:
	// then the command comes again.
	Deliver(ctx context.Context, c *docklinev1.Command) (*docklinev1.CommandResult, error)
}

// Loop carries out what the store holds.
type Loop struct {
	Tenant, Site string
	Store        *Store
	Sink         Deliverer
	// Record makes an event durable in the journal.
	Record func(ctx context.Context, e *docklinev1.Event) error
	// Now is the clock (time.Now).
	Now func() time.Time
	// Log may be nil.
	Log *slog.Logger

	retries map[string]retry
}

type retry struct {
	due  time.Time
	wait time.Duration
}

// Run carries out commands until ctx ends.
func (l *Loop) Run(ctx context.Context) error {
	for {
		wait, err := l.Step(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			l.log().Error("downlink: carry out commands", "err", err)
			wait = firstRetry
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-l.Store.arrived:
		case <-timer.C:
		}
		timer.Stop()
	}
}

func (l *Loop) now() time.Time {
	if l.Now == nil {
		return time.Now()
	}
	return l.Now()
}

func (l *Loop) log() *slog.Logger {
	if l.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return l.Log
}

// Step journals the results that wait for it, carries out every command that is due, in the order in which they came, and
// returns how long there is nothing to do. Commands about one subject are never carried out past each other: a cancellation
// waits while the release before it is retried.
func (l *Loop) Step(ctx context.Context) (time.Duration, error) {
	if err := l.tell(ctx); err != nil {
		return 0, err
	}
	pending, err := l.Store.Pending()
	if err != nil {
		return 0, err
	}
	wait := idle
	held := map[string]bool{}
	retries := map[string]retry{}
	for _, c := range pending {
		about := l.subject(c)
		id := c.Key + "\x00" + strconv.FormatUint(c.Version, 10)
		r := l.retries[id]
		if now := l.now(); held[about] || now.Before(r.due) {
			held[about] = true
			if r.wait > 0 {
				retries[id] = r
				wait = min(wait, max(0, r.due.Sub(now)))
			}
			continue
		}
		err := l.carryOut(ctx, c)
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
		if err != nil {
			held[about] = true
			r.wait = min(max(firstRetry, 2*r.wait), lastRetry)
			r.due = l.now().Add(r.wait)
			retries[id] = r
			wait = min(wait, r.wait)
			l.log().Warn("downlink: a command is not carried out yet, it comes again", "command", c.Key, "again_in", r.wait, "err", err)
		} else if err := l.tell(ctx); err != nil {
			return 0, err
		}
	}
	l.retries = retries
	return wait, nil
}

// carryOut delivers one command and makes its result durable.
func (l *Loop) carryOut(ctx context.Context, c *docklinev1.Command) error {
	result, err := l.Store.begin(c)
	if err != nil {
		return err
	}
	if result == nil {
		if result, err = l.Sink.Deliver(ctx, c); err != nil {
			return err
		}
	}
	if result.GetOutcome() == docklinev1.CommandOutcome_COMMAND_OUTCOME_UNSPECIFIED {
		return fmt.Errorf("the sink did not say what became of it")
	}
	return l.Store.finish(c, l.completed(c, result))
}

// tell journals results that the journal does not have.
func (l *Loop) tell(ctx context.Context) error {
	results, err := l.Store.results()
	if err != nil {
		return err
	}
	for _, r := range results {
		if err := l.Record(ctx, r.event); err != nil {
			return fmt.Errorf("journal the result of %s: %w", r.event.SourceKey, err)
		}
		if err := l.Store.told(r); err != nil {
			return err
		}
	}
	return nil
}

func (l *Loop) completed(c *docklinev1.Command, result *docklinev1.CommandResult) *docklinev1.Event {
	kind := docklinev1.EventKind_EVENT_KIND_COMMAND_COMPLETED
	version := strconv.FormatUint(c.Version, 10)
	now := timestamppb.New(l.now())
	return &docklinev1.Event{
		Id: event.ID(event.Cause{
			Tenant: l.Tenant, Site: l.Site, Source: Source, SourceKey: c.Key, Revision: version, Kind: event.KindName(kind),
		}),
		Tenant: l.Tenant, Site: l.Site, Source: Source,
		Kind: kind, Subject: l.subject(c), CorrelationId: c.CorrelationId, Traceparent: c.Traceparent,
		SourceKey: c.Key, SourceRevision: version, OccurredAt: now, CapturedAt: now,
		Payload: &docklinev1.Event_CommandResult{CommandResult: &docklinev1.CommandResult{
			Key: c.Key, Version: c.Version, Outcome: result.Outcome, Class: result.Class, Text: result.Text,
		}},
	}
}

// subject is what a command is about, as a person would say it.
func (l *Loop) subject(c *docklinev1.Command) string {
	switch work := c.Work.(type) {
	case *docklinev1.Command_ReleaseOrder:
		return work.ReleaseOrder.GetOrder().GetNumber()
	case *docklinev1.Command_CancelOrder:
		return work.CancelOrder.GetNumber()
	case *docklinev1.Command_RequestCount:
		return work.RequestCount.GetNumber()
	case *docklinev1.Command_AdviseInbound:
		return work.AdviseInbound.GetInbound().GetAdvice()
	}
	return c.Key
}
