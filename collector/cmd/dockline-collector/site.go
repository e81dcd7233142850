package main

import (
	"context"

	"github.com/dockline/dockline/collector"
	"github.com/dockline/dockline/collector/fleet"
)

type siteCommand struct {
	Add  siteAddCommand  `cmd:"" help:"Make a site known and print the command that enrols it, with a one-time token; or sign its request. Its key never leaves the site."`
	List siteListCommand `cmd:"" help:"List sites and how they are, the worst first."`
	Show siteShowCommand `cmd:"" help:"Show one site: what is wrong and what to do, its plugins and devices, its last day, its daily close."`

	Loss  siteLossCommand  `cmd:"" help:"Take events that a site has lost for gone, so that its counts go on."`
	Close siteCloseCommand `cmd:"" help:"Print the daily close: captured, logged, folded and posted, by site and day."`

	Revoke       siteRevokeCommand       `cmd:"" help:"Shut a site out: its connection ends at once, and no certificate that it has counts any more."`
	Allow        siteAllowCommand        `cmd:"" help:"Let a site that was offline for longer than the grace period renew its certificate."`
	Certificates siteCertificatesCommand `cmd:"" help:"List the certificates that sites got: when, from where, until when."`

	Config  siteConfigCommand  `cmd:"" help:"What sites are to run: set it, give it out ring by ring, see who does not run it."`
	Master  siteMasterCommand  `cmd:"" help:"Make items, units or customers known to a tenant's sites, from a file; sites warn of what is not known. What a system of record tells of is changed there, not by a file."`
	Command siteCommandCommand `cmd:"" help:"Have a site read again, count, leave an order, or take a configuration."`
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
