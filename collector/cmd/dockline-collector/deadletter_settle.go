package main

import (
	"context"
	"fmt"
	"os"

	"google.golang.org/protobuf/encoding/protojson"

	"github.com/dockline/dockline/collector"
	"github.com/dockline/dockline/collector/audit"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/deadletter"
	"github.com/dockline/dockline/collector/people"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

type deadletterEditCommand struct {
	oneLetter
	person
	Set    map[string]string `mapsep:"none" placeholder:"FIELD=VALUE" help:"Put one field right, as pick.lines[0].quantity.value=5; may be given several times."`
	File   string            `type:"existingfile" help:"The whole event as JSON, as deadletter show prints it."`
	Reason string            `required:"" help:"Why, for those who ask later."`
	Enter  bool              `help:"Enter it at once."`
}

// Help is shown below the usage.
func (deadletterEditCommand) Help() string {
	return `The correction is held against the rules of its kind, as if a site had sent it, and refused with what is wrong where it breaks one. The record stays as
it came; every correction is kept beside it, with who wrote it, why, and what differs. It has an effect only once it is entered: with --enter, or with
deadletter requeue.`
}

// Run keeps the correction.
func (c *deadletterEditCommand) Run(all *commands) error {
	if len(c.Set) == 0 && c.File == "" {
		return wrong("give --set FIELD=VALUE, or --file with the whole event")
	}
	return withLetters(all, func(ctx context.Context, centre *collector.Centre, desk *deadletter.Desk) error {
		who := deadletter.Who{By: c.name(), Reason: c.Reason}
		var difference string
		var entered *docklinev1.Event
		err := centre.DB.Write(ctx, func(tx *db.Tx) (err error) {
			if difference, err = desk.Edit(ctx, tx, c.Tenant, c.ID, who, c.change); err != nil || !c.Enter {
				return err
			}
			entered, err = desk.Requeue(ctx, tx, c.Tenant, c.ID, who)
			return err
		})
		if err != nil {
			return err
		}
		fmt.Println(difference)
		if entered == nil {
			fmt.Println("kept; enter it with deadletter requeue")
			return nil
		}
		fmt.Printf("entered as event %s\n", entered.GetId())
		return nil
	})
}

func (c *deadletterEditCommand) change(e *docklinev1.Event) (*docklinev1.Event, error) {
	if c.File != "" {
		text, err := os.ReadFile(c.File)
		if err != nil {
			return nil, err
		}
		e = &docklinev1.Event{}
		if err := protojson.Unmarshal(text, e); err != nil {
			return nil, fmt.Errorf("%s: %w", c.File, err)
		}
	}
	for field, value := range c.Set {
		if err := deadletter.Set(e, field, value); err != nil {
			return nil, fmt.Errorf("--set %w", err)
		}
	}
	return e, nil
}

type deadletterRequeueCommand struct {
	person
	deadletterFilter
	IDs       []string `arg:"" optional:"" name:"id" help:"The dead letters, by the beginnings of their ids."`
	All       bool     `help:"All that the flags name and that can be entered: those with a correction, and those that nothing is wrong with any more."`
	Envelopes bool     `help:"Try envelopes again that arrived whole and could not be read, those of --site or all."`
	Reason    string   `required:"" help:"Why, for those who ask later."`
	JSON      bool     `name:"json" help:"Print what became of each, for scripts."`
}

// Help is shown below the usage.
func (deadletterRequeueCommand) Help() string {
	return `A correction is entered under an id that comes of the record's own, so that it is there once however often this is done. It stands for the record that its
source calls so: what the source tells of that record afterwards, as when the corrected row is read again, counts in its place, and nothing happens
twice. Where the source gives its rows no key, the two cannot be told apart; do not enter such a row if it will be exported again.

After a mapping or a program was mended, --all --code CODE enters what was refused for that reason and is no longer. Each is entered by itself; one that
is still wrong stays, and the command says why and ends with 1.`
}

// requeuedJSON is what became of one.
type requeuedJSON struct {
	ID    string `json:"id"`
	Event string `json:"event,omitempty"`
	Fault string `json:"fault,omitempty"`
}

// Run enters them one by one.
func (c *deadletterRequeueCommand) Run(all *commands) error {
	if len(c.IDs) == 0 && !c.All && !c.Envelopes {
		return wrong("name dead letters, or give --all or --envelopes")
	}
	return withLetters(all, func(ctx context.Context, centre *collector.Centre, desk *deadletter.Desk) error {
		if c.Envelopes {
			return c.envelopes(ctx, centre)
		}
		if err := centre.DB.Read(ctx, func(tx *db.Tx) error { return people.Allow(ctx, tx, c.Tenant, c.name(), people.DeadLetterAct) }); err != nil {
			return err
		}
		done := []requeuedJSON{}
		failed := 0
		enter := func(id string) error {
			var e *docklinev1.Event
			err := centre.DB.Write(ctx, func(tx *db.Tx) (err error) {
				e, err = desk.Requeue(ctx, tx, c.Tenant, id, deadletter.Who{By: c.name(), Reason: c.Reason})
				return err
			})
			if ctx.Err() != nil {
				return ctx.Err()
			}
			out := requeuedJSON{ID: id, Event: e.GetId()}
			if err != nil {
				out.Event, out.Fault = "", err.Error()
				failed++
			}
			done = append(done, out)
			return nil
		}
		for _, id := range c.IDs {
			if err := enter(id); err != nil {
				return err
			}
		}
		if c.All {
			if err := c.each(ctx, centre, enter); err != nil {
				return err
			}
		}
		return c.print(done, failed)
	})
}

// each gives every dead letter that the flags name to f, page by page.
func (c *deadletterRequeueCommand) each(ctx context.Context, centre *collector.Centre, f func(id string) error) error {
	filter := c.filter()
	filter.State = deadletter.Open
	for left := c.Limit; left > 0; {
		filter.Limit = min(left, 100)
		var page []deadletter.Letter
		if err := centre.DB.Read(ctx, func(tx *db.Tx) (err error) { page, err = deadletter.List(ctx, tx, c.Tenant, filter); return err }); err != nil {
			return err
		}
		for _, l := range page {
			if err := f(l.EventID); err != nil {
				return err
			}
		}
		if len(page) < filter.Limit {
			return nil
		}
		left, filter.After = left-len(page), page[len(page)-1].Key
	}
	return nil
}

func (c *deadletterRequeueCommand) print(done []requeuedJSON, failed int) error {
	if c.JSON {
		if err := printJSON(struct {
			Requeued []requeuedJSON `json:"requeued"`
		}{done}); err != nil {
			return err
		}
	} else {
		for _, d := range done {
			if d.Fault != "" {
				fmt.Printf("%s: stays: %s\n", d.ID[:min(12, len(d.ID))], d.Fault)
			} else {
				fmt.Printf("%s: entered as event %s\n", d.ID[:min(12, len(d.ID))], d.Event)
			}
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d could not be entered", failed, len(done))
	}
	return nil
}

func (c *deadletterRequeueCommand) envelopes(ctx context.Context, centre *collector.Centre) error {
	var n int64
	err := centre.DB.Write(ctx, func(tx *db.Tx) (err error) {
		if err := people.Allow(ctx, tx, c.Tenant, c.name(), people.DeadLetterAct); err != nil {
			return err
		}
		if n, err = centre.Log.RetryEnvelopes(ctx, tx, c.Tenant, c.Site); err != nil || n == 0 {
			return err
		}
		return audit.Record(ctx, tx, audit.Act{Tenant: c.Tenant, By: c.name(), Action: "deadletter.requeue", Object: "envelopes/" + c.Site, Reason: c.Reason, Detail: map[string]int64{"envelopes": n}}, centre.Now())
	})
	if err == nil {
		fmt.Printf("%d envelopes are tried again by the collector; what is still unreadable comes back\n", n)
	}
	return err
}

type deadletterDiscardCommand struct {
	oneLetter
	person
	Reason string `required:"" help:"Why, for those who ask later."`
}

// Run discards one.
func (c *deadletterDiscardCommand) Run(all *commands) error {
	return withLetters(all, func(ctx context.Context, centre *collector.Centre, desk *deadletter.Desk) error {
		err := centre.DB.Write(ctx, func(tx *db.Tx) error {
			return desk.Discard(ctx, tx, c.Tenant, c.ID, deadletter.Who{By: c.name(), Reason: c.Reason})
		})
		if err == nil {
			fmt.Println("discarded; the record is kept and has no effect")
		}
		return err
	})
}
