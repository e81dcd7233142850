package submission

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/collector/audit"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/people"
	"github.com/dockline/dockline/collector/policy"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// ErrDiffers: another order was handed in under the number before.
var ErrDiffers = errors.New("another order was handed in before under this number of this customer; what was handed in stays as it is, unless the system of record refuses it: change it there, or hand in the other under a number of its own")

// Intake takes orders in.
type Intake struct {
	// Bring takes events into the event log within the caller's transaction: those whose id is new, and says how many they are. InForce is the event
	// under an id, nil where the log has none at hand.
	Bring   func(ctx context.Context, tx *db.Tx, events []*docklinev1.Event) (taken int, err error)
	InForce func(ctx context.Context, tx *db.Tx, tenant, id string) (*docklinev1.Event, error)
	// Refused says whether the system of record has refused the order of an event, and has none under its number and customer; and which records of refusals
	// (event.Record) a corrected one answers.
	Refused func(ctx context.Context, tx *db.Tx, e *docklinev1.Event) (refused bool, answers []string, err error)
	// Now may be nil.
	Now func() time.Time
	// Wake is called when orders that were taken in are in the database; it may be nil.
	Wake func()
}

// Taken is what became of an order that was handed in.
type Taken struct {
	Event    string `json:"event"`
	Number   string `json:"number"`
	Customer string `json:"customer"`
	Channel  string `json:"channel,omitempty"`
	// Version is 1, and one more each time that a refused order is handed in again, corrected.
	Version int `json:"version"`
	// Known: it had been handed in before, with the same content.
	Known bool `json:"known"`
}

// Take takes an order in within the caller's transaction, where the one who hands it in may do so: a fact in the event log, and a row in the audit
// trail. Whoever hands in the same order again, under the same number, for the same customer and through the same channel, is told that it is known.
// Another one there corrects the former, as its next version, where the system of record has refused that; else it is ErrDiffers.
func (i *Intake) Take(ctx context.Context, tx *db.Tx, tenant string, o *Order) (Taken, error) {
	done := Taken{Number: o.Number, Customer: o.Customer, Channel: o.Channel}
	if err := o.Check(); err != nil {
		return done, err
	}
	now := time.Now()
	if i.Now != nil {
		now = i.Now()
	}
	by := cmp.Or(o.By, policy.API)
	fact := o.fact(tenant, by, now, 1)
	if fault := event.Validate(fact); fault != nil {
		return done, Faults{{"", fault.Text}}
	}
	if err := people.Allow(ctx, tx, tenant, by, people.OrderAct); err != nil {
		return done, err
	}
	for version := 1; ; version++ {
		fact := o.fact(tenant, by, now, version)
		there, err := i.InForce(ctx, tx, tenant, o.fact(tenant, by, now, version+1).GetId())
		if err != nil {
			return done, err
		}
		if there != nil {
			continue // there is a newer one
		}
		done.Event, done.Version = fact.GetId(), version
		taken, err := i.Bring(ctx, tx, []*docklinev1.Event{fact})
		if err != nil {
			return done, err
		}
		if taken > 0 {
			return done, i.recorded(ctx, tx, o, fact, version, nil, now)
		}
		return i.again(ctx, tx, o, fact, done, now)
	}
}

// again is an order under a number that one was handed in under before, of which fact is the newest version's event as this order would have it.
func (i *Intake) again(ctx context.Context, tx *db.Tx, o *Order, fact *docklinev1.Event, done Taken, now time.Time) (Taken, error) {
	there, err := i.InForce(ctx, tx, fact.GetTenant(), fact.GetId())
	if err != nil {
		return done, err
	}
	if done.Known = there == nil || same(there, fact); done.Known { // one that is archived is not at hand, and is over
		return done, nil
	}
	differs := fmt.Errorf("order %s of customer %s: %w", fact.GetSubject(), fact.GetOrder().GetCustomer(), ErrDiffers)
	if i.Refused == nil {
		return done, differs
	}
	refused, answers, err := i.Refused(ctx, tx, there)
	if err != nil {
		return done, err
	}
	if !refused {
		return done, differs
	}
	done.Version++
	next := o.fact(fact.GetTenant(), fact.GetActor(), now, done.Version)
	next.GetOrder().Answers = answers
	done.Event = next.GetId()
	taken, err := i.Bring(ctx, tx, []*docklinev1.Event{next})
	if err == nil && taken == 0 {
		err = differs
	}
	if err != nil {
		return done, err
	}
	return done, i.recorded(ctx, tx, o, next, done.Version, there, now)
}

// recorded notes in the audit trail who handed the order in, and which one it corrects.
func (i *Intake) recorded(ctx context.Context, tx *db.Tx, o *Order, fact *docklinev1.Event, version int, corrects *docklinev1.Event, now time.Time) error {
	detail := map[string]any{"event": fact.GetId(), "customer": o.Customer, "channel": o.Channel, "lines": len(o.Lines)}
	if corrects != nil {
		detail["version"], detail["corrects"] = version, corrects.GetId()
	}
	return audit.Record(ctx, tx, audit.Act{Tenant: fact.GetTenant(), By: fact.GetActor(), Action: "order.submit", Object: event.SubmissionKey(o.Number), Detail: detail}, now)
}

// same says whether two events are the same order. When it was handed in, and what it answers, is no part of that.
func same(a, b *docklinev1.Event) bool {
	x, y := proto.CloneOf(a.GetOrder()), proto.CloneOf(b.GetOrder())
	x.Answers, y.Answers = nil, nil
	return proto.Equal(x, y)
}

// fact is the order as an event. Its id follows from channel, customer, number and version.
func (o *Order) fact(tenant, by string, now time.Time, version int) *docklinev1.Event {
	source := Source(o.Channel)
	at := o.OrderedAt
	if at.IsZero() {
		at = now
	}
	e := &docklinev1.Event{Tenant: tenant, Source: source, Kind: docklinev1.EventKind_EVENT_KIND_ORDER_SUBMITTED, Subject: o.Number, Actor: by, OccurredAt: timestamppb.New(at), CapturedAt: timestamppb.New(now),
		SourceKey: strings.TrimPrefix(event.Key("", o.Customer, o.Number), "/"), SourceRevision: strconv.Itoa(version), Origin: "handed in by " + by, Payload: &docklinev1.Event_Order{Order: o.payload()}}
	e.Id = event.ID(event.Cause{Tenant: tenant, Source: source, SourceKey: e.SourceKey, Revision: e.SourceRevision, Kind: event.KindName(e.Kind)})
	return e
}

// Source is under which name a channel's orders are told: "api", or "api/shop".
func Source(channel string) string {
	if channel == "" {
		return policy.API
	}
	return policy.API + "/" + channel
}
