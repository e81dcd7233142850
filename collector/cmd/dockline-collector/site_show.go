package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dockline/dockline/collector"
	"github.com/dockline/dockline/collector/api"
	"github.com/dockline/dockline/collector/fleet"
	"github.com/dockline/dockline/proto/event"
)

type siteListCommand struct {
	Tenant   string `default:"" help:"Only this tenant's."`
	State    string `default:"" enum:",online,offline,never-seen" help:"Only sites in this state: online, offline or never-seen."`
	Region   string `default:"" help:"Only sites of this region."`
	Problems bool   `help:"Only sites of which something is wrong."`
	JSON     bool   `name:"json" help:"Print everything, for scripts; the fields are those of GET /api/v1/sites."`
}

// Run lists the worst first, and among equals by name.
func (c *siteListCommand) Run(all *commands) error {
	return withFleet(all, func(ctx context.Context, _ *collector.Config, f *fleet.Fleet) error {
		if err := knownTenant(ctx, f.DB, c.Tenant); err != nil {
			return err
		}
		sites, err := f.Sites(ctx, c.Tenant)
		if err != nil {
			return err
		}
		sites = slices.DeleteFunc(sites, func(s *fleet.Site) bool {
			return c.State != "" && strings.ReplaceAll(string(s.State), " ", "-") != c.State || c.Region != "" && s.Region != c.Region || c.Problems && len(s.Conditions) == 0
		})
		if err := f.AddImpact(ctx, sites); err != nil {
			return err
		}
		slices.SortStableFunc(sites, func(a, b *fleet.Site) int { return -cmp.Compare(a.Severity, b.Severity) })
		if c.JSON {
			return printJSON(api.SitesOf(sites))
		}
		if len(sites) == 0 {
			fmt.Fprintln(os.Stderr, "No such site is known; `dockline-collector site add TENANT/SITE` makes one known.")
		}
		w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "TENANT\tSITE\tREGION\tSTATE\tHELD\tORDERS\tHEALTH")
		for _, s := range sites {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%d\t%s\n", s.Tenant, s.ID, cmp.Or(s.Region, "-"), s.State, s.Backlog, s.Impact.Orders, s.Health)
		}
		return w.Flush()
	})
}

type siteShowCommand struct {
	siteArgument
	Hours int  `default:"24" help:"How many hours of history."`
	JSON  bool `name:"json" help:"Print everything, for scripts; the fields are those of GET /api/v1/sites/{id}."`
}

// Run prints what a person on duty wants to know of a site, the worst first.
func (c *siteShowCommand) Run(all *commands) error {
	return withFleet(all, func(ctx context.Context, _ *collector.Config, f *fleet.Fleet) error {
		s, err := f.Site(ctx, c.Tenant, c.Site)
		if err != nil {
			return err
		}
		detail, err := api.SiteDetailOf(ctx, f, s, time.Now(), time.Duration(c.Hours)*time.Hour)
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(detail)
		}
		return printSite(os.Stdout, s, detail)
	})
}

// daysText is a number of days as people say it: beyond a year nobody counts.
func daysText(days float64) string {
	if days > 365 {
		return "more than a year"
	}
	return fmt.Sprintf("%.1f days", days)
}

func printSite(to io.Writer, s *fleet.Site, d *api.SiteDetail) error {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	line := func(name, format string, args ...any) { fmt.Fprintf(w, "%s\t%s\n", name, fmt.Sprintf(format, args...)) }
	fmt.Fprintf(w, "%s of %s: %s\n%s.\n", cmp.Or(s.Title, s.ID), s.Tenant, s.State, s.Health)
	if text := s.Impact.Text(); text != "" {
		fmt.Fprintf(w, "%s.\n", text)
	}
	for _, c := range s.Conditions {
		fmt.Fprintf(w, "\n%s: %s.\n  %s\n", strings.ToUpper(strings.TrimPrefix(c.GetSeverity().String(), "SEVERITY_")), c.GetTitle(), c.GetText())
	}
	fmt.Fprintln(w)
	line("Last word", "%s", stamp(s.SeenAt))
	line("Agent", "%s", cmp.Or(d.AgentVersion, "-"))
	line("Held at the site", "%s, the oldest of %s", event.Several(s.Backlog, "event"), stamp(s.OldestEventAt))
	if d.OldestUnconfirmedAt != nil {
		line("Not in the ERP since", "%s", stamp(*d.OldestUnconfirmedAt))
	}
	if d.DaysUntilFull != nil {
		line("Journal full in", "%s at the pace of today", daysText(*d.DaysUntilFull))
	}
	line("Certificate until", "%s", stamp(s.CertificateNotAfter))
	for _, p := range d.Plugins {
		line("Plugin "+p.ID, "%s, %d MB, %.0f %% of a core, %s taken, %d refused", p.State, p.MemoryBytes>>20, p.CPUPercent, event.Several(p.AcceptedTotal, "event"), p.RefusedTotal)
	}
	for _, device := range d.Devices {
		line(orElse(device.Kind, "device")+" "+device.ID, "%s", deviceText(&device))
	}
	for _, spell := range d.History {
		line("History", "%s to %s %s %s", spell.From.UTC().Format("2006-01-02 15:04"), spell.To.UTC().Format("15:04"), spell.State, strings.Join(spell.Codes, " "))
	}
	for _, day := range d.Days {
		line("Close of "+day.Date, "%s: %s", day.State, day.Reason)
	}
	for _, e := range d.Exceptions {
		line(fmt.Sprintf("Exception %d", e.Number), "%s", e.Title)
	}
	return w.Flush()
}

func deviceText(d *api.Device) string {
	text := "cannot be reached"
	if d.Reachable {
		text = "reachable"
	}
	if d.LastSeenAt != nil {
		text += ", last seen " + stamp(*d.LastSeenAt)
	}
	if d.BatteryPercent != nil {
		text += fmt.Sprintf(", battery %d %%", *d.BatteryPercent)
	}
	if d.Text != "" {
		text += ": " + d.Text
	}
	return text
}

func orElse(text, otherwise string) string { return cmp.Or(text, otherwise) }

func stamp(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04:05 MST")
}
