package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"text/tabwriter"
	"time"

	"github.com/dockline/dockline/collector/api"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/eventlog"
	"github.com/dockline/dockline/collector/export"
	"github.com/dockline/dockline/proto/event"
)

type eventListCommand struct {
	Tenant string   `required:"" help:"Name of the tenant."`
	Order  string   `help:"Only of this order."`
	Site   string   `help:"Only of this site."`
	Kind   []string `help:"Only of these kinds, like shipment.departed."`
	Since  string   `help:"Only what happened since a time (2026-03-01T06:00:00Z), or so long ago (36h)."`
	Limit  int      `default:"50" help:"How many, those that came last."`
	JSON   bool     `name:"json" help:"Print everything, for scripts; the fields are those of GET /api/v1/events."`
}

// Run prints those of which all flags are true.
func (c *eventListCommand) Run(all *commands) error {
	if c.Limit < 1 {
		return wrong("--limit %d: give how many at most", c.Limit)
	}
	s := eventlog.Selection{Tenant: c.Tenant}
	var err error
	if s.Kinds, err = export.Kinds(c.Kind); err != nil {
		return wrong("--kind: %w", err)
	}
	if c.Since != "" {
		if s.Since, err = moment("--since", c.Since, time.Now()); err != nil {
			return err
		}
	}
	if c.Site != "" {
		s.Sites = []string{c.Site}
	}
	if c.Order != "" {
		s.Keys = []string{event.OrderKey(c.Order)}
	}
	return withTenant(all, c.Tenant, func(ctx context.Context, d *db.DB) error {
		if err := d.Read(ctx, func(tx *db.Tx) error {
			if err := checkPostings(ctx, tx, all, c.Tenant, "", "", c.Site); err != nil {
				return err
			}
			return knownOrder(ctx, tx, c.Tenant, c.Order)
		}); err != nil {
			return err
		}
		found, err := (&eventlog.Log{DB: d}).Last(ctx, s, c.Limit)
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(api.EventsOf(found))
		}
		w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "HAPPENED\tKIND\tSUBJECT\tSITE\tSOURCE\tRECORD\tID")
		for _, e := range found {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", stamp(e.Event.GetOccurredAt().AsTime()), event.KindName(e.Event.GetKind()), e.Event.GetSubject(),
				cmp.Or(e.Event.GetSite(), "the centre"), e.Event.GetSource(), e.Event.GetSourceKey(), e.Event.GetId())
		}
		return w.Flush()
	})
}
