package main

import (
	"context"
	"fmt"
	"time"

	"github.com/dockline/dockline/collector"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/fleet"
	"github.com/dockline/dockline/proto/event"
)

type siteLossCommand struct {
	siteArgument
	person
	Reason string `help:"Why, for those who ask later."`
	Accept bool   `help:"Take all that is listed for gone: what could be read again was, and the rest was counted or compared by hand."`
}

// Run lists what a site has lost with what can be done about it, or accepts it.
func (c *siteLossCommand) Run(all *commands) error {
	return withFleet(all, func(ctx context.Context, _ *collector.Config, f *fleet.Fleet) error {
		if c.Accept {
			if err := f.DB.Read(ctx, func(tx *db.Tx) error { return c.may(ctx, tx, c.Tenant) }); err != nil {
				return err
			}
		}
		s, err := f.Site(ctx, c.Tenant, c.Site)
		if err != nil {
			return err
		}
		for _, g := range s.Gaps {
			fmt.Printf("seq %d to %d of epoch %s: %s %s since %s\n", g.First, g.Last, g.Epoch, event.Several(g.Missing, "event"), g.Cause, stamp(g.OpenedAt))
			if !c.Accept || g.Cause != "lost" {
				continue
			}
			err := f.DB.Write(ctx, func(tx *db.Tx) error {
				if err := collector.AcceptLoss(ctx, tx, c.Tenant, c.Site, g.Epoch, g.First, time.Now()); err != nil {
					return err
				}
				return c.record(ctx, tx, "site.loss", c.Tenant, c.Site, c.Reason, map[string]any{"epoch": g.Epoch, "from": g.First, "to": g.Last})
			})
			if err != nil {
				return err
			}
			fmt.Println("  taken for gone")
		}
		if len(s.Gaps) == 0 {
			fmt.Printf("nothing of site %s is missing\n", c.Site)
		} else if !c.Accept {
			for _, a := range s.LossActions() {
				fmt.Printf("%s. %s\n  %s\n", a.Title, a.Why, a.Command)
			}
		}
		return nil
	})
}
