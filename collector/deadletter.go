package collector

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/deadletter"
	"github.com/dockline/dockline/collector/eventlog"
	"github.com/dockline/dockline/collector/exception"
	"github.com/dockline/dockline/collector/people"
	"github.com/dockline/dockline/collector/policy"
	"github.com/dockline/dockline/collector/state"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Desk is where people settle dead letters.
func (c *Centre) Desk() *deadletter.Desk { return NewDesk(c.Log, c.Now) }

// NewDesk settles dead letters of an event log.
func NewDesk(log *eventlog.Log, now func() time.Time) *deadletter.Desk {
	return &deadletter.Desk{Event: log.InForce, Append: appending(log), Source: policy.Self, Now: now,
		Bring: func(ctx context.Context, tx *db.Tx, events []*docklinev1.Event) error {
			b, err := log.Bring(ctx, tx, events)
			if err == nil && len(b.Differing) > 0 {
				err = fmt.Errorf("event %s is in the log already with other content: this record was corrected before", b.Differing[0].GetId())
			}
			return err
		}}
}

// deadLetterActions are what can be done about the exception of a record that was refused.
func deadLetterActions(p *policy.Policy) exception.Actions {
	desk := func(now time.Time) *deadletter.Desk {
		log := &eventlog.Log{Links: links, Now: func() time.Time { return now }, Keys: func(e *docklinev1.Event) []eventlog.Touch { return touchesOf(e, p) }}
		return NewDesk(log, log.Now)
	}
	ofLetter := func(e *exception.Exception) bool {
		return strings.HasPrefix(e.Origin, "fold/"+state.KindRecord+"/") && e.Code != "stream_gap" && e.Code != "command_refused"
	}
	return exception.Actions{{
		Name: "edit_and_requeue", Title: "Correct it and enter it", Scope: people.DeadLetterAct, For: ofLetter,
		Sets: []exception.Set{{Name: "field", Help: "the field to put right, as pick.lines[0].quantity.value; without it the record is entered as it is"}, {Name: "value", Help: "what it should say"}},
		Do: func(ctx context.Context, tx *db.Tx, e *exception.Exception, a exception.Acting) (string, error) {
			d, who := desk(a.Now), deadletter.Who{By: a.By, Reason: a.Reason}
			if field := a.Set["field"]; field != "" {
				if _, err := d.Edit(ctx, tx, e.Tenant, e.Subject, who, func(event *docklinev1.Event) (*docklinev1.Event, error) {
					return event, deadletter.Set(event, field, a.Set["value"])
				}); err != nil {
					return "", err
				}
			}
			entered, err := d.Requeue(ctx, tx, e.Tenant, e.Subject, who)
			if err != nil {
				return "", err
			}
			return fmt.Sprintf("event %s is entered in its place", entered.GetId()), nil
		},
	}, {
		Name: "discard", Title: "Discard the record", Scope: people.DeadLetterAct, For: ofLetter,
		Do: func(ctx context.Context, tx *db.Tx, e *exception.Exception, a exception.Acting) (string, error) {
			return "the record has no effect, and is kept", desk(a.Now).Discard(ctx, tx, e.Tenant, e.Subject, deadletter.Who{By: a.By, Reason: a.Reason})
		},
	}}
}
