package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/dockline/dockline/collector"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/eventlog"
	"github.com/dockline/dockline/collector/export"
	"github.com/dockline/dockline/proto/event"
)

type exportCommand struct {
	Log       exportLogCommand `cmd:"" default:"withargs" help:"Write the event log: CloudEvents, EPCIS, JSON lines."`
	Analytics analyticsCommand `cmd:"" help:"Write events, states, postings, exceptions and milestones as tables, as of one moment."`
}

type exportLogCommand struct {
	Tenant string   `required:"" help:"Name of the tenant."`
	Format string   `default:"cloudevents" enum:"${formats}" help:"One of ${formats}. cloudevents is CloudEvents 1.0, one JSON object a line; cloudevents-batch the same as one JSON array; epcis is one GS1 EPCIS 2.0 document (docs/epcis.md); jsonl is Dockline's own form."`
	After  uint64   `help:"Only events behind this offset: what the export before said was its last."`
	Upto   uint64   `help:"Only events up to this offset, and it."`
	Since  string   `help:"Only what happened since a time (2026-03-01T06:00:00Z), or so long ago (36h)."`
	Before string   `help:"Only what happened before a time, or longer ago than this."`
	Site   []string `help:"Only of this site; several with commas. centre is what the systems at the centre told."`
	Kind   []string `help:"Only of this kind (pick.confirmed), or of all kinds of an object (pick.*); several with commas."`
	Order  []string `help:"Only what concerns this order; several with commas."`
	Plain  bool     `help:"EPCIS only: leave out what only Dockline understands, such as who did it. What is written so cannot be read back whole."`
	Out    string   `type:"path" help:"Write to this file instead of the standard output. It is there when it is whole."`
}

// Run writes the events to the output, and what it wrote to the standard error.
func (c *exportLogCommand) Run(all *commands) error {
	selection, err := c.selection(time.Now())
	if err != nil {
		return err
	}
	format := export.Formats[c.Format]()
	if f, ok := format.(*export.EPCIS); ok {
		config, err := collector.LoadConfig(all.Config)
		if err != nil {
			return err
		}
		f.Tenant, f.Plain = config.EPCISTenant, c.Plain
	} else if c.Plain {
		return wrong("--plain is for --format epcis; %s is written whole", c.Format)
	}
	return withTenant(all, c.Tenant, func(ctx context.Context, d *db.DB) error {
		var done export.Result
		err := into(c.Out, func(w io.Writer) (err error) {
			done, err = export.Write(ctx, w, &eventlog.Log{DB: d}, selection, format)
			return err
		})
		if err != nil {
			return err
		}
		fmt.Fprintf(os.Stderr, "%s written", event.Several(done.Written, "event"))
		if done.LeftOut > 0 {
			fmt.Fprintf(os.Stderr, ", %d left out: %s has no form for them", done.LeftOut, c.Format)
		}
		fmt.Fprintf(os.Stderr, "; to go on from here: --after %d\n", done.Upto)
		return nil
	})
}

func (c *exportLogCommand) selection(now time.Time) (eventlog.Selection, error) {
	s := eventlog.Selection{Tenant: c.Tenant, After: c.After, Upto: c.Upto}
	var err error
	if s.Kinds, err = export.Kinds(c.Kind); err != nil {
		return s, wrong("--kind: %w", err)
	}
	for _, bound := range []struct {
		name, text string
		to         *time.Time
	}{{"--since", c.Since, &s.Since}, {"--before", c.Before, &s.Before}} {
		if bound.text == "" {
			continue
		}
		if *bound.to, err = moment(bound.name, bound.text, now); err != nil {
			return s, err
		}
	}
	for _, site := range c.Site {
		if site == "centre" {
			site = ""
		}
		s.Sites = append(s.Sites, site)
	}
	for _, order := range c.Order {
		s.Keys = append(s.Keys, event.OrderKey(order))
	}
	return s, nil
}

// into writes to the standard output, or to a file that takes its name only when it is whole.
func into(path string, write func(io.Writer) error) error {
	if path == "" {
		return write(os.Stdout)
	}
	file, err := os.OpenFile(path+".part", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o640)
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	err = write(file)
	if synced := file.Sync(); err == nil {
		err = synced
	}
	if closed := file.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}
