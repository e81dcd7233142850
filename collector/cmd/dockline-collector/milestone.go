package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dockline/dockline/collector"
	"github.com/dockline/dockline/collector/api"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/milestone"
	"github.com/dockline/dockline/collector/policy"
	"github.com/dockline/dockline/proto/event"
)

type milestoneCommand struct {
	List   milestoneListCommand   `cmd:"" help:"List clocks that run, the one that is due first first."`
	Show   milestoneShowCommand   `cmd:"" help:"Show the clocks of one order, shipment or return."`
	Report milestoneReportCommand `cmd:"" help:"Say how often milestones were met: service levels."`
	Signal milestoneActCommand    `cmd:"" help:"Tell a clock that it is reached, or give a signal that milestones wait for."`
	Reset  milestoneActCommand    `cmd:"" help:"Begin a clock anew."`
	Extend milestoneExtendCommand `cmd:"" help:"Give a clock longer."`
	Pause  milestoneActCommand    `cmd:"" help:"Let a clock wait, until it is resumed."`
	Resume milestoneActCommand    `cmd:"" help:"Let a clock that waits run on."`
	Stop   milestoneActCommand    `cmd:"" help:"End a clock without counting it."`
}

type milestoneListCommand struct {
	Tenant    string        `required:"" help:"Name of the tenant."`
	Breached  bool          `help:"Only those that ran past their due."`
	DueWithin time.Duration `help:"Only those that are due within this time, and those that are overdue: 2h."`
	Milestone string        `help:"Only this milestone."`
	Object    string        `enum:",order,shipment,return" default:"" help:"Only of orders, shipments or returns: order, shipment, return."`
	Site      string        `help:"Only of this site."`
	Region    string        `help:"Only of this region."`
	Customer  string        `help:"Only of this customer."`
	All       bool          `help:"Those that have ended too, by key."`
	Limit     int           `default:"100" help:"At most so many."`
	JSON      bool          `name:"json" help:"Print everything, for scripts."`
}

// Run lists clocks.
func (c *milestoneListCommand) Run(all *commands) error {
	f := milestone.Filter{Name: c.Milestone, Object: c.Object, Site: c.Site, Region: c.Region, Customer: c.Customer, Breached: c.Breached, All: c.All, Limit: c.Limit}
	if c.DueWithin > 0 {
		f.DueBefore = time.Now().Add(c.DueWithin)
	}
	return listMilestones(all, c.Tenant, f, c.JSON)
}

type milestoneShowCommand struct {
	Tenant string `required:"" help:"Name of the tenant."`
	Key    string `arg:"" help:"What it is of: order/NUMBER, shipment/SITE/NUMBER, return/RMA; an order's number alone will do."`
	JSON   bool   `name:"json" help:"Print everything, for scripts."`
}

// Run lists the clocks of one thing.
func (c *milestoneShowCommand) Run(all *commands) error {
	return listMilestones(all, c.Tenant, milestone.Filter{Key: clockKey(c.Key), All: true}, c.JSON)
}

// clockKey takes the number of an order for its key.
func clockKey(key string) string {
	if !strings.Contains(key, "/") {
		return event.OrderKey(key)
	}
	return key
}

func listMilestones(all *commands, tenant string, f milestone.Filter, asJSON bool) error {
	return withTenant(all, tenant, func(ctx context.Context, d *db.DB) error {
		var found []milestone.Entry
		if err := d.Read(ctx, func(tx *db.Tx) (err error) { found, err = milestone.List(ctx, tx, tenant, f); return err }); err != nil {
			return err
		}
		if f.Key != "" && len(found) == 0 {
			return wrong("%s of tenant %s has no clock: nothing that starts one was told of it, or its number is another", f.Key, tenant)
		}
		if asJSON {
			return printJSON(api.MilestonesOf(found))
		}
		w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "KEY\tMILESTONE\tSTANDS\tSTARTED\tDUE\tREACHED\tSITE\tCUSTOMER")
		for _, e := range found {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", e.Key, plain(e.Name), e.Stands(), atOf(e.StartedAt), atOf(e.DueAt), atOf(e.ReachedAt), cmp.Or(e.Site, "-"), cmp.Or(e.Customer, "-"))
		}
		return w.Flush()
	})
}

func atOf(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return stamp(t)
}

type milestoneReportCommand struct {
	Tenant    string   `required:"" help:"Name of the tenant."`
	By        []string `default:"milestone" enum:"region,site,customer,milestone,object,level,day" help:"What it is divided by: region, site, customer, milestone, object, level, day; several with commas."`
	From      string   `placeholder:"DAY" help:"Only what was due on this day or later, 2026-11-24 (UTC)."`
	To        string   `placeholder:"DAY" help:"Only what was due before this day."`
	Milestone string   `help:"Only this milestone."`
	Object    string   `enum:",order,shipment,return" default:"" help:"Only of orders, shipments or returns: order, shipment, return."`
	Site      string   `help:"Only of this site."`
	Region    string   `help:"Only of this region."`
	Customer  string   `help:"Only of this customer."`
	JSON      bool     `name:"json" help:"Print everything, for scripts."`
}

// Help is shown below the usage.
func (milestoneReportCommand) Help() string {
	return `A milestone that was reached by its due is met; one that was reached later, or that is overdue now, is missed, whatever became of its exception. What is
not due yet, or waits, is counted apart. What was cancelled or stopped by a person does not count. A shipment may have goods of several customers, so
its milestones are of none; those of orders are.`
}

// Run prints service levels.
func (c *milestoneReportCommand) Run(all *commands) error {
	f := milestone.ReportFilter{By: c.By, Filter: milestone.Filter{Name: c.Milestone, Object: c.Object, Site: c.Site, Region: c.Region, Customer: c.Customer}}
	for _, day := range []struct {
		name, text string
		at         *time.Time
	}{{"from", c.From, &f.From}, {"to", c.To, &f.To}} {
		if day.text == "" {
			continue
		}
		at, err := time.Parse(time.DateOnly, day.text)
		if err != nil {
			return wrong("--%s %q: give a day, like 2026-11-24", day.name, day.text)
		}
		*day.at = at
	}
	return withTenant(all, c.Tenant, func(ctx context.Context, d *db.DB) error {
		var found []milestone.Level
		if err := d.Read(ctx, func(tx *db.Tx) (err error) { found, err = milestone.Report(ctx, tx, c.Tenant, f); return err }); err != nil {
			return err
		}
		if c.JSON {
			return printJSON(api.LevelsOf(c.By, found))
		}
		w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintf(w, "%s\tMET\tMISSED\tOVERDUE\tRUNNING\tPERCENT\tTARGET\n", strings.ToUpper(strings.Join(c.By, "\t")))
		for _, l := range found {
			percent, target := "-", "-"
			if p, ok := l.Percent(); ok {
				percent = fmt.Sprintf("%.1f", p)
			}
			if l.Target > 0 {
				target = fmt.Sprintf("%g", l.Target)
			}
			for _, value := range l.Group {
				fmt.Fprintf(w, "%s\t", cmp.Or(value, "-"))
			}
			fmt.Fprintf(w, "%d\t%d\t%d\t%d\t%s\t%s\n", l.Met, l.Missed, l.Overdue, l.Running, percent, target)
		}
		return w.Flush()
	})
}

// milestoneWho is about which clock, who says it and why.
type milestoneWho struct {
	person
	Tenant string `required:"" help:"Name of the tenant."`
	Key    string `arg:"" help:"What it is of: order/NUMBER, shipment/SITE/NUMBER, return/RMA; an order's number alone will do."`
	Name   string `arg:"" help:"The milestone, as milestone show lists it; for a signal also a name that milestones.yaml waits for."`
	Reason string `required:"" help:"Why, for those who ask later."`
	At     string `placeholder:"TIME" help:"When it was, if not now: 2026-11-24T08:00:00Z."`
}

// Help is shown below the usage.
func (milestoneWho) Help() string {
	return `What a person says is kept as an event, so that it holds whenever the order is worked out again, and in the audit. It counts from the time at which it was
said, or from --at. What a clock was told before it was begun anew does not count any more.`
}

type milestoneActCommand struct {
	milestoneWho
}

// Run tells the clock what the command is called.
func (c *milestoneActCommand) Run(all *commands, verb milestoneVerb) error {
	return c.tell(all, milestone.Act{Action: string(verb)})
}

// milestoneVerb is the name of the command that was given.
type milestoneVerb string

type milestoneExtendCommand struct {
	milestoneWho
	For   time.Duration `xor:"long" required:"" help:"So much longer, in working time of its calendar: 4h."`
	Until string        `xor:"long" required:"" placeholder:"TIME" help:"Until this moment: 2026-11-24T08:00:00Z."`
}

// Run gives the clock longer.
func (c *milestoneExtendCommand) Run(all *commands) error {
	act := milestone.Act{Action: milestone.Extend, For: c.For}
	if c.Until != "" {
		at, err := time.Parse(time.RFC3339, c.Until)
		if err != nil {
			return wrong("--until %q: give a moment, like 2026-11-24T08:00:00Z", c.Until)
		}
		act.Until = at
	}
	return c.tell(all, act)
}

func (c *milestoneWho) tell(all *commands, act milestone.Act) (err error) {
	config, err := collector.LoadConfig(all.Config)
	if err != nil {
		return err
	}
	ctx, stop := interruptible()
	defer stop()
	centre, err := collector.OpenCentre(ctx, config)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, centre.Close()) }()
	act.At, act.By, act.Name, act.Reason = centre.Now(), c.name(), c.Name, c.Reason
	if c.At != "" {
		at, err := time.Parse(time.RFC3339, c.At)
		if err != nil {
			return wrong("--at %q: give a moment, like 2026-11-24T08:00:00Z", c.At)
		}
		act.At = at
	}
	change := milestone.Change{Act: act, Tenant: c.Tenant, Key: clockKey(c.Key), Source: policy.Self, Append: centre.Append}
	if err := centre.DB.Write(ctx, func(tx *db.Tx) error { return change.Tell(ctx, tx, centre.Now()) }); err != nil {
		return err
	}
	fmt.Printf("told %s of %s: %s; the collector works out the rest\n", plain(c.Name), change.Key, act.Action)
	return nil
}
