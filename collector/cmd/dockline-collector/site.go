package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"text/tabwriter"

	"github.com/dockline/dockline/collector"
	"github.com/dockline/dockline/collector/api"
	"github.com/dockline/dockline/collector/fleet"
)

type siteCommand struct {
	Add  siteAddCommand  `cmd:"" help:"Make a site known and print the command that enrols it, with a one-time token; or sign its request. Its key never leaves the site."`
	List siteListCommand `cmd:"" help:"List sites and how they are."`
	Show siteShowCommand `cmd:"" help:"Show one site."`

	Revoke       siteRevokeCommand       `cmd:"" help:"Shut a site out: its connection ends at once, and no certificate that it has counts any more."`
	Allow        siteAllowCommand        `cmd:"" help:"Let a site that was offline for longer than the grace period renew its certificate."`
	Certificates siteCertificatesCommand `cmd:"" help:"List the certificates that sites got: when, from where, until when."`

	Config  siteConfigCommand  `cmd:"" help:"What sites are to run: set it, give it out ring by ring, see who does not run it."`
	Master  siteMasterCommand  `cmd:"" help:"Make items, units or customers known to a tenant's sites, from a file; sites warn of what is not known."`
	Command siteCommandCommand `cmd:"" help:"Have a site read again, count, leave an order, or take a configuration."`
}

type siteListCommand struct {
	Tenant string `default:"" help:"Only this tenant's."`
	JSON   bool   `name:"json" help:"Print everything, for scripts."`
}

func (c *siteListCommand) Run(all *commands) error {
	return withFleet(all, func(ctx context.Context, _ *collector.Config, f *fleet.Fleet) error {
		sites, err := f.Sites(ctx, c.Tenant)
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(api.SitesOf(sites))
		}
		w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "TENANT\tSITE\tSTATE\tHEALTH")
		for _, s := range sites {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", s.Tenant, s.ID, s.State, s.Health)
		}
		return w.Flush()
	})
}

type siteShowCommand struct {
	Tenant string `required:"" help:"Name of the tenant."`
	Site   string `arg:"" help:"Name of the site."`
	JSON   bool   `name:"json" help:"Print everything, for scripts."`
}

func (c *siteShowCommand) Run(all *commands) error {
	return withFleet(all, func(ctx context.Context, _ *collector.Config, f *fleet.Fleet) error {
		s, err := f.Site(ctx, c.Tenant, c.Site)
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(api.SiteOf(s))
		}
		fmt.Printf("%s of %s: %s\n%s\n", s.ID, s.Tenant, s.State, s.Health)
		return nil
	})
}

func printJSON(v any) error {
	out := json.NewEncoder(os.Stdout)
	out.SetIndent("", "  ")
	return out.Encode(v)
}

// withFleet opens the configured database for one command.
func withFleet(all *commands, f func(context.Context, *collector.Config, *fleet.Fleet) error) error {
	config, err := collector.LoadConfig(all.Config)
	if err != nil {
		return err
	}
	ctx, stop := interruptible()
	defer stop()
	d, err := collector.OpenDatabase(ctx, config)
	if err != nil {
		return err
	}
	defer d.Close()
	return f(ctx, config, &fleet.Fleet{DB: d, OfflineAfter: config.MQTT.OfflineAfter})
}
