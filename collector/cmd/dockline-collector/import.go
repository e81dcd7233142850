package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/dockline/dockline/collector"
	"github.com/dockline/dockline/collector/audit"
	"github.com/dockline/dockline/collector/capture"
	"github.com/dockline/dockline/collector/people"
	"github.com/dockline/dockline/proto/event"
	"github.com/dockline/dockline/proto/event/epcis"
	"github.com/dockline/dockline/proto/wire"
)

type importCommand struct {
	person
	Reason string `help:"Why, for those who ask later."`
	File   string `arg:"" type:"existingfile" help:"The document."`
	Tenant string `required:"" help:"Name of the tenant whose events these are."`
	Format string `default:"epcis" enum:"epcis,x12" help:"epcis is a GS1 EPCIS 2.0 document in JSON: a document, a query's answer, a list of events or one event. x12 is an interchange of a carrier's 214 sets."`
	Source string `default:"epcis" help:"Under which name others' events are told. It is part of their ids, so give every sender one of its own and never change it. Of x12 it is the carrier's name under carriers in collector.yaml."`
	JSON   bool   `name:"json" help:"Print everything, for scripts."`
}

// Help is shown below the usage.
func (importCommand) Help() string {
	return `What Dockline exported comes back as the events that it was. Of what others wrote the standard fields are understood, as docs/epcis.md lists: the
sites that they name must be known, by the location numbers under epcis in collector.yaml. What is not understood is kept whole under an exception
that says where it stood and why.

Of a carrier's statuses (--format x12) a set with anything wrong in it is kept whole under an exception that names segment and element; the others are
taken. docs/carriers.md lists what is understood.

Whoever imports needs the scope event.import, where the tenant has users; the audit says who brought which document and what came of it. The
collector may be at work or stopped. Importing the same document again changes nothing.

Exit code 0: every event was understood. 1: some are kept under exceptions, or it failed.`
}

// Run takes the document in.
func (c *importCommand) Run(all *commands) error {
	if !wire.ValidName(c.Source) {
		return wrong("--source %q: use 1 to 64 letters, digits, - or _", c.Source)
	}
	config, err := collector.LoadConfig(all.Config)
	if err != nil {
		return err
	}
	file, err := os.Open(c.File)
	if err != nil {
		return err
	}
	defer file.Close()
	ctx, stop := interruptible()
	defer stop()
	capture, closeAll, err := collector.OpenCapture(ctx, config)
	if err != nil {
		return err
	}
	if err := knownTenant(ctx, capture.DB, c.Tenant); err != nil {
		fmt.Fprintf(os.Stderr, "dockline-collector: %v\nThe document is taken for it all the same: where its name is misspelt, import it again under the right one.\n", err)
	}
	take, err := c.reader(config, capture, file)
	if err != nil {
		return errors.Join(err, closeAll())
	}
	done, err := c.take(ctx, capture, take)
	if c.JSON {
		if printed := printJSON(done); err == nil {
			err = printed
		}
	} else if err == nil || done.Read > 0 {
		fmt.Printf("%s read. In the event log: %d new, %d there before; %d of them refused\n", event.Several(done.Read, map[string]string{"epcis": "EPCIS event", "x12": "carrier message"}[c.Format]), done.Taken, done.Known, done.Refused)
		for _, reason := range done.Reasons {
			fmt.Printf("refused: %s\n", reason)
		}
	}
	if err == nil && done.Refused > 0 {
		err = fmt.Errorf("%d could not be understood; each is kept under an exception", done.Refused)
	}
	return errors.Join(err, closeAll())
}

// reader is what takes the document in.
func (c *importCommand) reader(config *collector.Config, into *capture.Capture, file *os.File) (func(ctx context.Context) (capture.Result, error), error) {
	if c.Format == "x12" {
		r, err := config.CarrierReader(c.Tenant, c.Source, time.Now())
		if err != nil {
			return nil, wrong("--source %v", err)
		}
		return func(ctx context.Context) (capture.Result, error) {
			return into.X12(ctx, file, filepath.Base(c.File), r)
		}, nil
	}
	im := &epcis.Importer{Tenant: config.EPCISTenant(c.Tenant), Source: c.Source, File: filepath.Base(c.File), Received: time.Now().UTC().Truncate(time.Microsecond)}
	return func(ctx context.Context) (capture.Result, error) { return into.EPCIS(ctx, file, im) }, nil
}

// take takes the document in, where the person may: the trail says that it began, and what came of it.
func (c *importCommand) take(ctx context.Context, into *capture.Capture, read func(ctx context.Context) (capture.Result, error)) (done capture.Result, err error) {
	act := audit.Act{Tenant: c.Tenant, By: c.name(), Action: "event.import", Object: "file/" + filepath.Base(c.File), Reason: c.Reason, Detail: map[string]any{"source": c.Source}}
	err = people.InSteps(ctx, into.DB, people.EventImport, act, func(ctx context.Context) (map[string]any, error) {
		if done, err = read(ctx); err != nil {
			err = fmt.Errorf("%s: %w", c.File, err)
		}
		return map[string]any{"read": done.Read, "taken": done.Taken, "known": done.Known, "refused": done.Refused}, err
	})
	return done, err
}
