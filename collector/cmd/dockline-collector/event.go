package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protojson"

	"github.com/dockline/dockline/collector"
	"github.com/dockline/dockline/collector/api"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/eventlog"
	"github.com/dockline/dockline/proto/event"
)

type eventCommand struct {
	List   eventListCommand   `cmd:"" help:"List events, the newest first: of an order, a site, a kind, since a time."`
	Show   eventShowCommand   `cmd:"" help:"Print an event, with every content that came under its id."`
	Accept eventAcceptCommand `cmd:"" help:"Take another content that came under an event's id as an event of its own: its source has used a key again."`
}

// oneEvent names an event.
type oneEvent struct {
	ID     string `arg:"" help:"Id of the event, as an exception or the console's page Events names it, or its beginning."`
	Tenant string `required:"" help:"Name of the tenant."`
}

// whole completes the beginning of an id, where it is that of one event alone.
func (e *oneEvent) whole(ctx context.Context, d *db.DB) error {
	ids, err := (&eventlog.Log{DB: d}).Begins(ctx, e.Tenant, e.ID, 11)
	switch {
	case err != nil || len(ids) == 0 || ids[0] == e.ID:
		return err
	case len(ids) == 1:
		e.ID = ids[0]
		return nil
	case len(ids) > 10:
		ids = append(ids[:10], "and more")
	}
	return wrong("%q is the beginning of several ids: %s", e.ID, strings.Join(ids, ", "))
}

type eventShowCommand struct {
	oneEvent
	JSON bool `name:"json" help:"Print everything, for scripts; the fields are those of GET /api/v1/events/ID."`
}

// Run prints the content that counts, and then the others.
func (c *eventShowCommand) Run(all *commands) error {
	return withDatabase(all, func(ctx context.Context, d *db.DB) error {
		if err := c.whole(ctx, d); err != nil {
			return err
		}
		found, err := (&eventlog.Log{DB: d}).Get(ctx, c.Tenant, c.ID)
		if err != nil {
			return fmt.Errorf("%w of tenant %s: give the id of an event, or its beginning, as an exception or the console's page Events has it", err, c.Tenant)
		}
		if c.JSON {
			return printJSON(api.BodiesOf(found))
		}
		return printBodies(os.Stdout, found)
	})
}

// clockWords says by how much a clock is wrong.
func clockWords(wrong time.Duration) string {
	if wrong < 0 {
		return (-wrong).Round(time.Second).String() + " behind"
	}
	return wrong.Round(time.Second).String() + " ahead"
}

func printBodies(out io.Writer, found []eventlog.Entry) error {
	for i, e := range found {
		standing := "this content counts"
		switch {
		case e.Variant == eventlog.AcceptedVariant:
			standing = "accepted as an event of its own, " + eventlog.AcceptedID(e.Event)
		case e.Variant != 0:
			standing = "kept beside it, and does not count"
		}
		if i > 0 {
			fmt.Fprintln(out)
		}
		fmt.Fprintf(out, "Content %s: %s\n", eventlog.BodyName(e.Event), standing)
		fmt.Fprintf(out, "%s %s of %s, source %s, record %q, happened %s, in the log since %s\n", event.KindName(e.Event.GetKind()), e.Event.GetSubject(),
			cmp.Or(e.Event.GetSite(), "the centre"), e.Event.GetSource(), e.Event.GetSourceKey(), stamp(e.Event.GetOccurredAt().AsTime()), stamp(e.RecordedAt))
		if wrong := event.ClockWrong(e.Event); wrong != 0 {
			fmt.Fprintf(out, "its time is doubtful, and so is what is worked out from it: the clock that gave it was %s; set the clock of the site's machine or of the scanner right\n", clockWords(wrong))
		}
		if e.Epoch != "" {
			fmt.Fprintf(out, "the site's journal has it as %d of epoch %s\n", e.Seq, e.Epoch)
		}
		text, err := protojson.MarshalOptions{Multiline: true}.Marshal(e.Event)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%s\n", text)
	}
	return nil
}

type eventAcceptCommand struct {
	oneEvent
	person
	Body   string `placeholder:"NAME" help:"Which content, by the beginning of its name as event show prints it, where there are several others."`
	Reason string `required:"" help:"Why, for those who ask later."`
}

// Help is shown below the usage.
func (eventAcceptCommand) Help() string {
	return `Of two contents under one event id the one counts that the site's journal wrote first, and an exception asks a person to look. Where a WMS has used a
key again for something else, both happened: this command makes the other content an event of its own, under an id and a record of its own. The order,
shipment or count that it names is worked out again, and the exception closes when no other content is left.

It cannot be undone by a command: where it was wrong, the site declares the new event an error.

A correction that the source tells later of the key is taken for one of the content that counts under the first id.`
}

// Run accepts it; done again it changes nothing.
func (c *eventAcceptCommand) Run(all *commands) error {
	config, err := collector.LoadConfig(all.Config)
	if err != nil {
		return err
	}
	ctx, stop := interruptible()
	defer stop()
	if err := withDatabase(all, func(ctx context.Context, d *db.DB) error { return c.whole(ctx, d) }); err != nil {
		return err
	}
	done, err := collector.AcceptEvent(ctx, config, collector.Acceptance{Tenant: c.Tenant, Event: c.ID, Body: c.Body, By: c.name(), Reason: c.Reason})
	if err != nil {
		return err
	}
	if done.Known {
		fmt.Printf("it was accepted before, as event %s\n", done.Event.GetId())
	} else {
		fmt.Printf("accepted: %s %s is event %s from now on\n", event.KindName(done.Event.GetKind()), done.Event.GetSubject(), done.Event.GetId())
	}
	if done.Left > 0 {
		fmt.Printf("%d more to decide about\n", done.Left)
	}
	return nil
}
