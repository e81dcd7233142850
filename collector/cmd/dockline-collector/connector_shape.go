package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"text/tabwriter"

	"github.com/dockline/dockline/collector"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/shape"
)

type connectorShapeCommand struct {
	Show   shapeShowCommand   `cmd:"" help:"Show what is otherwise in a system's records than it was when somebody last accepted it."`
	Accept shapeAcceptCommand `cmd:"" help:"Take for right how they are made now."`
}

// Help is shown below the usage.
func (connectorShapeCommand) Help() string {
	return `Systems that tell how their records are made (Tryton; by http where the definition has a section shape) are asked once a day. A field that is gone,
that must be given now, of another type, or with other values than before is the exception shape_changed, so that somebody may see to it before a posting
is refused. The first answer is taken for right.`
}

// ofShapes is a system of a tenant.
type ofShapes struct {
	Tenant string `required:"" help:"Name of the tenant."`
	System string `arg:"" help:"The system, by its name under connectors."`
	Now    bool   `help:"Ask the system now, and do not take what it told last."`
}

// with opens what is needed, and asks the system where that is wanted.
func (o *ofShapes) with(all *commands, f func(ctx context.Context, w *shape.Watch) error) (err error) {
	if err := systemKnown(all, o.Tenant, o.System); err != nil {
		return err
	}
	config, err := collector.LoadConfig(all.Config)
	if err != nil {
		return err
	}
	ctx, stop := interruptible()
	defer stop()
	w, done, err := collector.OpenShapes(ctx, config, o.Now)
	if err != nil {
		return err
	}
	defer func() {
		if closed := done(); err == nil {
			err = closed
		}
	}()
	if o.Now {
		at := slices.IndexFunc(w.Targets, func(t *shape.Target) bool { return t.Tenant == o.Tenant && t.Name == o.System })
		if err := w.Look(ctx, w.Targets[at]); err != nil {
			return err
		}
	}
	return f(ctx, w)
}

type shapeShowCommand struct {
	ofShapes
	JSON bool `name:"json" help:"Print everything, for scripts."`
}

// Run prints the differences.
func (c *shapeShowCommand) Run(all *commands) error {
	return c.with(all, func(ctx context.Context, w *shape.Watch) error {
		var s shape.State
		err := w.DB.Read(ctx, func(tx *db.Tx) (err error) {
			s, err = shape.Read(ctx, tx, c.Tenant, c.System)
			return err
		})
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(s)
		}
		switch {
		case s.SeenAt.IsZero():
			fmt.Printf("%s was not asked yet: --now asks it\n", c.System)
		case s.Fields == 0:
			fmt.Printf("%s does not tell how its records are made\n", c.System)
		case len(s.Changes) == 0:
			fmt.Printf("%d fields, asked %s: as they were accepted %s by %s\n", s.Fields, stamp(s.SeenAt), stamp(s.AcceptedAt), s.AcceptedBy)
		default:
			fmt.Printf("otherwise than accepted %s by %s:\n", stamp(s.AcceptedAt), s.AcceptedBy)
			t := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
			for _, change := range s.Changes {
				fmt.Fprintf(t, "%s\t%s\t%s\n", map[bool]string{true: "may break", false: "new"}[change.Breaks], change.Field, change.Text)
			}
			return t.Flush()
		}
		return nil
	})
}

type shapeAcceptCommand struct {
	ofShapes
	person
	Reason string `required:"" help:"Why, for those who ask later."`
}

// Run accepts what was seen last.
func (c *shapeAcceptCommand) Run(all *commands) error {
	return c.with(all, func(ctx context.Context, w *shape.Watch) error {
		s, err := collector.AcceptShape(ctx, w, c.Tenant, c.System, c.name(), c.Reason)
		if err != nil {
			return err
		}
		fmt.Printf("accepted: %d fields of %s, %d otherwise than before\n", s.Fields, c.System, len(s.Changes))
		return nil
	})
}
