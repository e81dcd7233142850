package submission

import (
	"cmp"
	"context"
	"errors"
	"fmt"
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
var ErrDiffers = errors.New("another order was handed in before under this number of this customer; what was handed in stays as it is: change it in the system of record, or hand in the other under a number of its own")

// Intake takes orders in.
type Intake struct {
	// Bring takes events into the event log within the caller's transaction: those whose id is new, and says how many they are. InForce is the event
	// under an id, nil where the log has none at hand.
	Bring   func(ctx context.Context, tx *db.Tx, events []*docklinev1.Event) (taken int, err error)
	InForce func(ctx context.Context, tx *db.Tx, tenant, id string) (*docklinev1.Event, error)
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
	// Known: it had been handed in before, with the same content.
	Known bool `json:"known"`
}

// Take takes an order in within the caller's transaction, where the one who hands it in may do so: a fact in the event log, and a row in the audit
// trail. Whoever hands in the same order again, under the same number, for the same customer and through the same channel, is told that it is known;
// another one there is ErrDiffers.
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
	fact := o.fact(tenant, by, now)
	done.Event = fact.Id
	if fault := event.Validate(fact); fault != nil {
		return done, Faults{{"", fault.Text}}
	}
	if err := people.Allow(ctx, tx, tenant, by, people.OrderAct); err != nil {
		return done, err
	}
	taken, err := i.Bring(ctx, tx, []*docklinev1.Event{fact})
	if err != nil {
		return done, err
	}
	if done.Known = taken == 0; done.Known {
		return done, i.same(ctx, tx, fact)
	}
	return done, audit.Record(ctx, tx, audit.Act{Tenant: tenant, By: by, Action: "order.submit", Object: event.SubmissionKey(o.Number),
		Detail: map[string]any{"event": fact.Id, "customer": o.Customer, "channel": o.Channel, "lines": len(o.Lines)}}, now)
}

// same is nil where what is there under the event's id says the same order. When it was handed in is no part of that.
func (i *Intake) same(ctx context.Context, tx *db.Tx, fact *docklinev1.Event) error {
	there, err := i.InForce(ctx, tx, fact.GetTenant(), fact.GetId())
	if err == nil && !proto.Equal(there.GetOrder(), fact.GetOrder()) { // one that is archived is not at hand, and is over
		err = fmt.Errorf("order %s of customer %s: %w", fact.GetSubject(), fact.GetOrder().GetCustomer(), ErrDiffers)
	}
	return err
}

// fact is the order as an event. Its id follows from channel, customer and number.
func (o *Order) fact(tenant, by string, now time.Time) *docklinev1.Event {
	source := Source(o.Channel)
	at := o.OrderedAt
	if at.IsZero() {
		at = now
	}
	e := &docklinev1.Event{Tenant: tenant, Source: source, Kind: docklinev1.EventKind_EVENT_KIND_ORDER_SUBMITTED, Subject: o.Number, Actor: by, OccurredAt: timestamppb.New(at), CapturedAt: timestamppb.New(now),
		SourceKey: strings.TrimPrefix(event.Key("", o.Customer, o.Number), "/"), SourceRevision: "1", Origin: "handed in by " + by, Payload: &docklinev1.Event_Order{Order: o.payload()}}
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
