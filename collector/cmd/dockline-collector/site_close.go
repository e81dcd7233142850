package main

import (
	"context"
	"fmt"
	"os"
	"text/tabwriter"
	"time"

	"github.com/dockline/dockline/collector"
	"github.com/dockline/dockline/collector/api"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/eventlog"
	"github.com/dockline/dockline/collector/fleet"
)

type siteCloseCommand struct {
	person
	Tenant string `default:"" help:"Only this tenant's."`
	Site   string `arg:"" optional:"" help:"Only this site's: TENANT/SITE, or its name."`
	Date   string `default:"" help:"Only this day, like 2026-11-26, UTC."`
	Accept string `default:"" placeholder:"WHY" help:"Take the difference of this site and day as known: it closes, with these words, as long as the numbers stay."`
	JSON   bool   `name:"json" help:"Print everything, for scripts; the fields are those of GET /api/v1/days."`
}

// AfterApply splits TENANT/SITE.
func (c *siteCloseCommand) AfterApply() (err error) {
	c.Tenant, c.Site, err = splitSite(c.Tenant, c.Site)
	return err
}

// Run compares first, so that what it prints is of now; exceptions are left to the running collector.
func (c *siteCloseCommand) Run(all *commands) error {
	if _, err := time.Parse(time.DateOnly, c.Date); err != nil && c.Date != "" {
		return wrong("--date %q: give a day like 2026-11-26", c.Date)
	}
	return withFleet(all, func(ctx context.Context, _ *collector.Config, f *fleet.Fleet) error {
		if err := knownTenant(ctx, f.DB, c.Tenant); err != nil {
			return err
		}
		if c.Accept != "" {
			if c.Tenant == "" || c.Site == "" || c.Date == "" {
				return wrong("--accept needs the site, --tenant and --date")
			}
			if err := f.DB.Read(ctx, func(tx *db.Tx) error { return c.may(ctx, tx, c.Tenant) }); err != nil {
				return err
			}
			if err := f.AcceptDay(ctx, c.Tenant, c.Site, c.Date, c.Accept, func(tx *db.Tx) error {
				return c.record(ctx, tx, "site.close", c.Tenant, c.Site, c.Accept, map[string]any{"date": c.Date})
			}); err != nil {
				return err
			}
			fmt.Println("accepted; the collector closes the day and its exception with the next comparison, within a minute")
		}
		days, err := collector.NewCloser(f.DB, &eventlog.Log{DB: f.DB}).Preview(ctx, c.Tenant, c.Site, c.Date)
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(api.Days{Days: api.DaysOf(days)})
		}
		w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "DATE\tTENANT\tSITE\tSTATE\tCAPTURED\tLOGGED\tAGAIN\tLOST\tUNFOLDED\tPENDING\tPARKED\tREASON")
		for _, d := range days {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%s\n", d.Date, d.Tenant, d.Site, d.State, d.Captured, d.Logged, d.Again, d.Lost, d.Unfolded, d.Pending, d.Parked, d.Reason)
		}
		return w.Flush()
	})
}
