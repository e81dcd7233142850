package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"text/tabwriter"
	"time"

	"github.com/dockline/dockline/collector"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/fleet"
	"github.com/dockline/dockline/collector/siteconfig"
)

type siteConfigCommand struct {
	Set     configSetCommand     `cmd:"" help:"Check FILE and make it the next version of a group's configuration. It goes to the canaries first."`
	Show    configShowCommand    `cmd:"" help:"Print a version, the newest by default."`
	Diff    configDiffCommand    `cmd:"" help:"Print what changes from one version to another, or to a file."`
	History configHistoryCommand `cmd:"" help:"List the versions of a group: who set them, why, and how far they got."`
	Rollout configRolloutCommand `cmd:"" help:"Look at a roll-out, send it on to the next ring, or stop it."`
	Join    configJoinCommand    `cmd:"" help:"Put a site into a group and one of its rings; ring 0 is the canary."`
	Drift   configDriftCommand   `cmd:"" help:"List sites, what they are to run, and in words where they do not."`
}

// group names a group of sites of a tenant.
type group struct {
	Tenant string `required:"" help:"Name of the tenant."`
	Group  string `default:"default" help:"Name of the group of sites; every site is in default that nobody has put elsewhere."`
}

type configSetCommand struct {
	group
	person
	File        string        `arg:"" type:"existingfile" help:"YAML with journal, uplink, log, rules and plugins' sections by id; an empty file gives all back to the sites' own."`
	Reason      string        `required:"" help:"Why, for those who ask later."`
	IfVersion   uint64        `help:"The version that this change began from; 0 is the first of a group. Another one than the newest is a conflict, and shows what the other changed."`
	Soak        time.Duration `default:"15m" help:"How long a ring must be well with it before the next one gets it."`
	Hold        bool          `help:"In the place of --soak: each ring waits for a person (site config rollout go)."`
	Trial       time.Duration `default:"5m" help:"How long a site watches itself with it (10s to 24h); it takes it back where its health falls."`
	SkipSchemas bool          `help:"Take plugins' sections that do not fit what the sites' plugins have said of them; each site still looks before it takes them."`
	DryRun      bool          `help:"Only check the file, and show what would change."`
	JSON        bool          `name:"json" help:"Print everything, for scripts."`
}

// Run checks before anything else: a file with faults is not taken.
func (c *configSetCommand) Run(all *commands) error {
	text, err := os.ReadFile(c.File)
	if err != nil {
		return err
	}
	if err := siteconfig.Check(string(text)); err != nil {
		return fmt.Errorf("%s:\n%w", c.File, err)
	}
	return withConfigs(all, c.Tenant, func(ctx context.Context, s *siteconfig.Store) error {
		if c.DryRun {
			if err := s.CheckSections(ctx, c.Tenant, c.Group, string(text)); err != nil {
				return err
			}
			newest, err := s.Get(ctx, c.Tenant, c.Group, 0)
			if err != nil && !errors.Is(err, siteconfig.ErrNone) {
				return err
			}
			change := siteconfig.Diff(newest.YAML, string(text))
			if change == "" {
				change = "(nothing changes)\n"
			}
			fmt.Printf("no faults; this would be version %d of group %s:\n%s", newest.Number+1, c.Group, change)
			if c.IfVersion != newest.Number {
				fmt.Printf("note: the newest is version %d, so it would take --if-version %[1]d\n", newest.Number)
			}
			return nil
		}
		change := siteconfig.Change{Tenant: c.Tenant, Group: c.Group, YAML: string(text), By: c.name(), Reason: c.Reason, From: c.IfVersion, Soak: c.Soak, Trial: c.Trial, SkipSchemas: c.SkipSchemas}
		if c.Hold {
			change.Soak = 0
		}
		made, err := s.Set(ctx, change)
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(made)
		}
		fmt.Printf("version %d of group %s goes to the canaries (ring 0) now; see it go on: dockline-collector site config rollout --tenant %s --group %s\n", made.Number, c.Group, c.Tenant, c.Group)
		return nil
	})
}

type configShowCommand struct {
	group
	Version uint64 `help:"Which one; by default the newest."`
	JSON    bool   `name:"json" help:"Print everything, for scripts."`
}

// Run prints the text as it was set.
func (c *configShowCommand) Run(all *commands) error {
	return withConfigs(all, c.Tenant, func(ctx context.Context, s *siteconfig.Store) error {
		v, err := s.Get(ctx, c.Tenant, c.Group, c.Version)
		if errors.Is(err, siteconfig.ErrNone) && c.Version > 0 {
			return wrong("group %s of tenant %s has no version %d: `dockline-collector site config history` lists those that there are", c.Group, c.Tenant, c.Version)
		}
		if err != nil {
			return fmt.Errorf("group %s of tenant %s: %w", c.Group, c.Tenant, err)
		}
		if c.JSON {
			return printJSON(v)
		}
		fmt.Printf("# version %d of group %s, by %s at %s: %s\n# %s%s\n%s", v.Number, v.Group, v.By, v.CreatedAt.Format("2006-01-02 15:04 MST"), v.Reason, v.State, standsWhere(v), v.YAML)
		return nil
	})
}

func standsWhere(v siteconfig.Version) string {
	where := fmt.Sprintf(" at ring %d", v.Ring)
	if v.State == siteconfig.Done {
		where = ""
	}
	if v.Text != "" {
		where += ": " + v.Text
	}
	return where
}

type configDiffCommand struct {
	group
	From uint64 `help:"From which version; by default the one before."`
	To   uint64 `help:"To which version; by default the newest."`
	File string `type:"existingfile" help:"To this file, in the place of --to."`
}

// Run prints the lines that change between the others.
func (c *configDiffCommand) Run(all *commands) error {
	return withConfigs(all, c.Tenant, func(ctx context.Context, s *siteconfig.Store) error {
		newest, err := s.Get(ctx, c.Tenant, c.Group, c.To)
		if err != nil {
			return err
		}
		from, to := cmp.Or(c.From, newest.Number-1), newest.YAML
		if c.File != "" {
			text, err := os.ReadFile(c.File)
			if err != nil {
				return err
			}
			from, to = cmp.Or(c.From, newest.Number), string(text)
		}
		before := siteconfig.Version{}
		if from > 0 {
			if before, err = s.Get(ctx, c.Tenant, c.Group, from); err != nil {
				return err
			}
		}
		fmt.Print(siteconfig.Diff(before.YAML, to))
		return nil
	})
}

type configHistoryCommand struct {
	group
	JSON bool `name:"json" help:"Print everything, for scripts."`
}

// Run lists the newest first.
func (c *configHistoryCommand) Run(all *commands) error {
	return withConfigs(all, c.Tenant, func(ctx context.Context, s *siteconfig.Store) error {
		found, err := s.History(ctx, c.Tenant, c.Group)
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(found)
		}
		w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "VERSION\tSET\tBY\tREASON\tSTATE")
		for _, v := range found {
			fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s%s\n", v.Number, v.CreatedAt.Format("2006-01-02 15:04"), v.By, v.Reason, v.State, standsWhere(v))
		}
		return w.Flush()
	})
}

type configRolloutCommand struct {
	Status configRolloutStatus `cmd:"" default:"withargs" help:"Show how far the newest version has got, site by site."`
	Go     configRolloutGo     `cmd:"" help:"Send the newest version on to the next ring now."`
	Stop   configRolloutStop   `cmd:"" help:"Stop the newest version: no other site gets it."`
}

type configRolloutStatus struct {
	group
	JSON bool `name:"json" help:"Print everything, for scripts."`
}

// Run shows version and sites.
func (c *configRolloutStatus) Run(all *commands) error {
	return withSites(all, c.Tenant, func(ctx context.Context, s *siteconfig.Store, offlineAfter time.Duration) error {
		v, err := s.Get(ctx, c.Tenant, c.Group, 0)
		if err != nil {
			return fmt.Errorf("group %s of tenant %s: %w", c.Group, c.Tenant, err)
		}
		sites, err := s.Members(ctx, c.Tenant, c.Group, offlineAfter)
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(struct {
				Version siteconfig.Version   `json:"version"`
				Sites   []*siteconfig.Member `json:"sites"`
			}{v, sites})
		}
		fmt.Printf("version %d by %s (%s): %s%s\n", v.Number, v.By, v.Reason, v.State, standsWhere(v))
		return printMembers(sites)
	})
}

func printMembers(sites []*siteconfig.Member) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "SITE\tGROUP\tRING\tTO RUN\tSENT\tSTATE\tDRIFT")
	for _, m := range sites {
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\t%s\t%s\n", m.Site, m.Group, m.Ring, m.Desired, m.Sent, cmp.Or(m.State, "-"), m.Drift)
	}
	return w.Flush()
}

type configRolloutGo struct {
	group
	person
}

// Run sends it on.
func (c *configRolloutGo) Run(all *commands) error {
	return withConfigs(all, c.Tenant, func(ctx context.Context, s *siteconfig.Store) error {
		v, err := s.Go(ctx, c.Tenant, c.Group, c.name())
		if err == nil {
			fmt.Printf("version %d goes on\n", v.Number)
		}
		return err
	})
}

type configRolloutStop struct {
	group
	person
	Reason string `required:"" help:"Why, for those who ask later."`
}

// Run stops it.
func (c *configRolloutStop) Run(all *commands) error {
	return withConfigs(all, c.Tenant, func(ctx context.Context, s *siteconfig.Store) error {
		v, err := s.Stop(ctx, c.Tenant, c.Group, c.name(), c.Reason)
		if err == nil {
			fmt.Printf("version %d is stopped at ring %d; sites that have it keep it until there is a newer one\n", v.Number, v.Ring)
		}
		return err
	})
}

type configJoinCommand struct {
	oneSite
	person
	Group string `default:"default" help:"Name of the group."`
	Ring  int    `required:"" help:"0 for the canary, up to 9."`
}

// Run puts one site into its place.
func (c *configJoinCommand) Run(all *commands) error {
	who, err := c.names()
	if err != nil {
		return err
	}
	return withConfigs(all, who.Tenant, func(ctx context.Context, s *siteconfig.Store) error {
		err := s.DB.Write(ctx, func(tx *db.Tx) error {
			if err := c.may(ctx, tx, who.Tenant); err != nil {
				return err
			}
			if err := s.JoinIn(ctx, tx, who.Tenant, who.Site, c.Group, c.Ring); err != nil {
				return err
			}
			return c.record(ctx, tx, "siteconfig.join", who.Tenant, who.Site, "", map[string]any{"group": c.Group, "ring": c.Ring})
		})
		if err != nil {
			return err
		}
		fmt.Printf("site %s is in ring %d of group %s\n", who.Site, c.Ring, c.Group)
		return nil
	})
}

type configDriftCommand struct {
	Tenant string `required:"" help:"Name of the tenant."`
	JSON   bool   `name:"json" help:"Print everything, for scripts."`
}

// Run lists all sites of the tenant.
func (c *configDriftCommand) Run(all *commands) error {
	return withSites(all, c.Tenant, func(ctx context.Context, s *siteconfig.Store, offlineAfter time.Duration) error {
		sites, err := s.Members(ctx, c.Tenant, "", offlineAfter)
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(sites)
		}
		return printMembers(sites)
	})
}

func withConfigs(all *commands, tenant string, f func(context.Context, *siteconfig.Store) error) error {
	return withSites(all, tenant, func(ctx context.Context, s *siteconfig.Store, _ time.Duration) error { return f(ctx, s) })
}

func withSites(all *commands, tenant string, f func(context.Context, *siteconfig.Store, time.Duration) error) error {
	return withFleet(all, func(ctx context.Context, c *collector.Config, sites *fleet.Fleet) error {
		if err := knownTenant(ctx, sites.DB, tenant); err != nil {
			return err
		}
		return f(ctx, &siteconfig.Store{DB: sites.DB}, c.MQTT.OfflineAfter)
	})
}
