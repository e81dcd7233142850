package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/dockline/dockline/collector"
	"github.com/dockline/dockline/proto/event"
	"github.com/dockline/dockline/proto/event/epcis"
	"github.com/dockline/dockline/proto/wire"
)

type importCommand struct {
	File   string `arg:"" type:"existingfile" help:"The document."`
	Tenant string `required:"" help:"Name of the tenant whose events these are."`
	Format string `default:"epcis" enum:"epcis" help:"epcis is a GS1 EPCIS 2.0 document in JSON: a document, a query's answer, a list of events or one event."`
	Source string `default:"epcis" help:"Under which name others' events are told. It is part of their ids, so give every sender one of its own and never change it."`
	JSON   bool   `name:"json" help:"Print everything, for scripts."`
}

// Help is shown below the usage.
func (importCommand) Help() string {
	return `What Dockline exported comes back as the events that it was. Of what others wrote the standard fields are understood, as docs/epcis.md lists: the
sites that they name must be known, by the location numbers under epcis in collector.yaml. What is not understood is kept whole under an exception
that says where it stood and why.

The collector may be at work or stopped. Importing the same document again changes nothing.

Exit code 0: every event was understood. 1: some are kept under exceptions, or it failed.`
}

// Run takes the document in.
func (c *importCommand) Run(all *commands) error {
	if !wire.ValidName(c.Source) {
		return fmt.Errorf("--source %q: use 1 to 64 letters, digits, - or _", c.Source)
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
	im := &epcis.Importer{Tenant: config.EPCISTenant(c.Tenant), Source: c.Source, File: filepath.Base(c.File), Received: time.Now().UTC().Truncate(time.Microsecond)}
	done, err := capture.EPCIS(ctx, file, im)
	if err != nil {
		err = fmt.Errorf("%s: %w", c.File, err)
	}
	if c.JSON {
		if printed := printJSON(done); err == nil {
			err = printed
		}
	} else if err == nil || done.Read > 0 {
		fmt.Printf("%s read. In the event log: %d new, %d there before; %d of them refused\n", event.Several(done.Read, "EPCIS event"), done.Taken, done.Known, done.Refused)
		for _, reason := range done.Reasons {
			fmt.Printf("refused: %s\n", reason)
		}
	}
	if err == nil && done.Refused > 0 {
		err = fmt.Errorf("%d could not be understood; each is kept under an exception", done.Refused)
	}
	return errors.Join(err, closeAll())
}
