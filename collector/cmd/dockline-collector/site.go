package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/dockline/dockline/collector"
	"github.com/dockline/dockline/collector/fleet"
	"github.com/dockline/dockline/collector/identity"
)

type siteCommand struct {
	Add  siteAddCommand  `cmd:"" help:"Make a site known and sign its request; its key never leaves the site."`
	List siteListCommand `cmd:"" help:"List sites and how they are, the worst first."`
	Show siteShowCommand `cmd:"" help:"Show one site: what is wrong and what to do, its plugins and devices, its last day, its daily close."`

	Close siteCloseCommand `cmd:"" help:"Print the daily close: captured, logged, folded and posted, by site and day."`

	Master  siteMasterCommand  `cmd:"" help:"Make items, units or customers known to a tenant's sites, from a file; sites warn of what is not known."`
	Command siteCommandCommand `cmd:"" help:"Have a site read again, count, leave an order, or take a configuration."`
}

type siteAddCommand struct {
	Tenant string `required:"" help:"Name of the tenant."`
	Site   string `required:"" help:"Name of the site within it."`
	Title  string `help:"What people call it."`
	Region string `help:"Region, for reports."`
	CSR    string `name:"csr" type:"existingfile" help:"The request that dockline-agent init wrote."`
	Out    string `default:"." type:"path" help:"Folder for site.crt and ca.crt."`
}

// Run signs first: a site that is known has a certificate.
func (c *siteAddCommand) Run(all *commands) error {
	return withFleet(all, func(ctx context.Context, config *collector.Config, f *fleet.Fleet) error {
		r := fleet.Registration{Tenant: c.Tenant, ID: c.Site, Title: c.Title, Region: c.Region}
		if c.CSR != "" {
			if err := c.sign(config, &r); err != nil {
				return err
			}
		}
		added, err := f.AddSite(ctx, r)
		if err != nil {
			return err
		}
		if added {
			fmt.Printf("site %s of tenant %s is known\n", c.Site, c.Tenant)
		} else {
			fmt.Printf("site %s of tenant %s was known and is up to date\n", c.Site, c.Tenant)
		}
		return nil
	})
}

func (c *siteAddCommand) sign(config *collector.Config, r *fleet.Registration) error {
	request, err := os.ReadFile(c.CSR)
	if err != nil {
		return err
	}
	authority, err := identity.Open(config.Path("identity"))
	if err != nil {
		return err
	}
	signed, err := authority.SignSite(request, c.Tenant, c.Site)
	if err != nil {
		return err
	}
	certificate, err := identity.ParseCertificate(signed)
	if err != nil {
		return err
	}
	r.CertificateSerial, r.CertificateNotAfter = certificate.SerialNumber.Text(16), certificate.NotAfter
	if err := os.MkdirAll(c.Out, 0o750); err != nil {
		return err
	}
	err = errors.Join(os.WriteFile(filepath.Join(c.Out, "site.crt"), signed, 0o644), os.WriteFile(filepath.Join(c.Out, "ca.crt"), authority.PEM(), 0o644))
	if err == nil {
		fmt.Printf("wrote site.crt (until %s) and ca.crt into %s: put both into the site's identity folder\n", certificate.NotAfter.Format("2006-01-02"), c.Out)
	}
	return err
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
