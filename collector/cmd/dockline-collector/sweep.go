package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dockline/dockline/collector"
	"github.com/dockline/dockline/collector/audit"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/people"
	"github.com/dockline/dockline/collector/sweep"
	"github.com/dockline/dockline/proto/event"
)

type sweepCommand struct {
	Run  sweepRunCommand  `cmd:"" default:"withargs" help:"Compare systems with what they should hold, now."`
	List sweepListCommand `cmd:"" help:"List the comparisons that were made, the newest first."`
	Show sweepShowCommand `cmd:"" help:"Show what one comparison found, and what is new, gone or still there since the one before."`
}

type sweepRunCommand struct {
	person
	Tenant string `help:"Only this tenant's systems."`
	Target string `help:"Only this system, by its name under connectors."`
	Site   string `help:"Only what is of this site."`
	All    bool   `help:"Also list what is explained."`
	JSON   bool   `name:"json" help:"Print everything, for scripts."`
}

// Help is shown below the usage.
func (sweepRunCommand) Help() string {
	return `Reads what every system holds and compares it with what it should hold: documents with what was posted, by line, lot and quantity; statuses and cases
field by field; and the stock of each site with Dockline's own ledger. A difference is something missing there, extra there, or different. Postings
under way and gaps in what a site has reported explain some differences. Each of the others becomes an exception for the team that owns it, which
closes by itself once a later comparison finds the difference gone.

This changes nothing in the systems. If a system lacks something of which it only holds a copy, the collector at work posts it again (sweep.heal in the
configuration). Documents are compared as far back as sweep.back says, with at most sweep.per_minute requests a minute.

The collector may be at work or stopped. A comparison that was interrupted goes on where it was.

Exit code 0: everything agrees or is explained. 1: something is unexplained, or a system could not be read to the end.`
}

// swept is what a command found, as --json prints it.
type swept struct {
	Unexplained int             `json:"unexplained"`
	Runs        []*sweep.Report `json:"runs"`
}

// Run compares system by system.
func (c *sweepRunCommand) Run(all *commands) error {
	config, err := collector.LoadConfig(all.Config)
	if err != nil {
		return err
	}
	ctx, stop := interruptible()
	defer stop()
	s, targets, closeAll, err := collector.OpenSweep(ctx, config)
	if err != nil {
		return err
	}
	out := swept{Runs: []*sweep.Report{}}
	err = c.through(ctx, s, targets, &out)
	if err = errors.Join(err, closeAll()); err != nil && len(out.Runs) == 0 {
		return err
	}
	if c.JSON {
		err = errors.Join(err, printJSON(out))
	} else {
		for _, r := range out.Runs {
			err = errors.Join(err, printSweep(os.Stdout, r, c.All))
		}
	}
	if endless := out.endless(); err == nil && len(endless) > 0 {
		err = fmt.Errorf("not everything could be compared: %s", strings.Join(endless, " "))
	}
	if err == nil && out.Unexplained > 0 {
		return fmt.Errorf("%s unexplained; `dockline-collector exceptions list` says who must act on what", differences(out.Unexplained))
	}
	return err
}

// endless are the lists without an end of all systems.
func (s *swept) endless() (all []string) {
	for _, r := range s.Runs {
		all = append(all, r.Endless...)
	}
	return all
}

func differences(n int) string {
	if n == 1 {
		return "1 difference is"
	}
	return fmt.Sprintf("%d differences are", n)
}

func (c *sweepRunCommand) through(ctx context.Context, s *sweep.Sweep, targets []*sweep.Target, out *swept) error {
	var names, tenants []string
	chosen := slices.DeleteFunc(slices.Clone(targets), func(t *sweep.Target) bool {
		names, tenants = append(names, t.Name), append(tenants, t.Tenant)
		return c.Target != "" && t.Name != c.Target || c.Tenant != "" && t.Tenant != c.Tenant
	})
	if err := errors.Join(known("tenant", c.Tenant, tenants), known("target", c.Target, names)); err != nil {
		return err
	}
	if len(chosen) == 0 {
		return wrong("there is nothing to compare: no system that is told anything is configured under connectors%s", map[bool]string{true: " for tenant " + c.Tenant}[c.Tenant != ""])
	}
	if err := c.may(ctx, s.DB, chosen); err != nil {
		return err
	}
	var errs []error
	for _, t := range chosen {
		r, err := s.Through(ctx, t, c.Site, sweep.Asked)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", t.Name, err))
			continue
		}
		report, err := c.record(ctx, s.DB, r)
		if err != nil {
			return err
		}
		out.Runs, out.Unexplained = append(out.Runs, report), out.Unexplained+report.Unexplained
	}
	return errors.Join(errs...)
}

// may is nil where the person may have the systems compared: what follows may be that something is posted again.
func (c *sweepRunCommand) may(ctx context.Context, d *db.DB, targets []*sweep.Target) error {
	return d.Read(ctx, func(tx *db.Tx) error {
		for _, t := range targets {
			if err := people.Allow(ctx, tx, t.Tenant, c.name(), people.PostingAct); err != nil {
				return err
			}
			sites, err := sitesOf(ctx, tx, t.Tenant)
			if err != nil {
				return err
			}
			if err := known("site", c.Site, sites); err != nil {
				return err
			}
		}
		return nil
	})
}

// record keeps who had it done, and reads what it came to.
func (c *sweepRunCommand) record(ctx context.Context, d *db.DB, r *sweep.Run) (report *sweep.Report, err error) {
	err = d.Write(ctx, func(tx *db.Tx) error {
		if report, err = sweep.ReportOf(ctx, tx, r); err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Act{Tenant: r.Tenant, By: c.name(), Action: "sweep.run", Object: r.Target,
			Detail: map[string]any{"run": r.Number, "site": r.Site, "unexplained": report.Unexplained, "healed": r.Healed}}, time.Now())
	})
	return report, err
}

// printSweep tells a person what a comparison found.
func printSweep(out io.Writer, r *sweep.Report, all bool) error {
	fmt.Fprintf(out, "%s%s (run %d): ", r.Target, map[bool]string{true: " at " + r.Site}[r.Site != ""], r.Number)
	if !r.Done() {
		fmt.Fprintf(out, "not finished; it goes on with: %s%s\n", r.Phase, map[bool]string{true: ". The last step failed: " + r.Fault}[r.Fault != ""])
	} else {
		fmt.Fprintf(out, "of documents and positions of stock %d agree, %d missing there, %d extra there, %d different\n", r.Matched, r.Missing, r.Extra, r.Different)
	}
	if r.Done() && r.Fault != "" {
		fmt.Fprintf(out, "  given up, so this is not all: %s\n", r.Fault)
	}
	for _, why := range r.Endless {
		fmt.Fprintf(out, "  %s\n", why)
	}
	for _, why := range r.NotCompared {
		fmt.Fprintf(out, "  %s\n", why)
	}
	if r.ByPending+r.ByGap > 0 {
		fmt.Fprintf(out, "  explained: %d by postings under way, %d by gaps in what sites have reported\n", r.ByPending, r.ByGap)
	}
	if len(r.NotListed) > 0 {
		fmt.Fprintf(out, "  %s gives no list of %s: only what Dockline posted was looked for, not what others may have entered\n", r.Target, strings.Join(r.NotListed, ", "))
	}
	if r.Foreign > 0 {
		fmt.Fprintf(out, "  %s of orders or sites that Dockline does not know\n", event.Several(r.Foreign, "document"))
	}
	if r.Before != 0 {
		fmt.Fprintf(out, "  since run %d: %d new, %d still there, %d gone\n", r.Before, len(r.New), len(r.StillThere), len(r.Gone))
	}
	for _, f := range r.Findings {
		if f.Cause != sweep.Unexplained && !all {
			continue
		}
		tag := string(f.Result)
		if f.Cause != sweep.Unexplained {
			tag += ", explained"
		}
		if slices.Contains(r.New, f.Subject) && r.Before != 0 {
			tag += ", new"
		}
		fmt.Fprintf(out, "  [%s] %s", tag, f.Text)
		if f.Value != "" {
			fmt.Fprintf(out, " Worth %s.", f.Value)
		}
		if f.Owner != "" {
			fmt.Fprintf(out, " It is owned by: %s.", strings.ReplaceAll(f.Owner, "_", " "))
		}
		if f.Healing != "" {
			fmt.Fprintf(out, " %s", f.Healing)
		}
		fmt.Fprintln(out)
	}
	for _, subject := range r.Gone {
		if all {
			fmt.Fprintf(out, "  [gone] %s\n", subject)
		}
	}
	return nil
}

type sweepListCommand struct {
	Tenant string `required:"" help:"Name of the tenant."`
	Target string `help:"Only those of this system."`
	Limit  int    `default:"20" help:"How many, the newest first."`
	JSON   bool   `name:"json" help:"Print everything, for scripts."`
}

// Run lists comparisons.
func (c *sweepListCommand) Run(all *commands) error {
	return withDatabase(all, func(ctx context.Context, d *db.DB) error {
		if err := knownTenant(ctx, d, c.Tenant); err != nil {
			return err
		}
		var reports []*sweep.Report
		err := d.Read(ctx, func(tx *db.Tx) (err error) {
			reports, err = sweep.Reports(ctx, tx, c.Tenant, c.Target, c.Limit)
			return err
		})
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(reports)
		}
		w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "RUN\tBEGAN\tSYSTEM\tSITE\tWHY\tSTANDS\tAGREE\tMISSING\tEXTRA\tDIFFERENT\tEXPLAINED\tUNEXPLAINED\tNEW\tSTILL THERE\tGONE\tREQUESTS")
		for _, r := range reports {
			fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\n", r.Number, r.StartedAt.Format("2006-01-02 15:04:05"), r.Target, r.Site, r.Why, r.Phase, r.Matched, r.Missing,
				r.Extra, r.Different, r.ByPending+r.ByGap, r.Unexplained, len(r.New), len(r.StillThere), len(r.Gone), r.Calls)
		}
		return w.Flush()
	})
}

type sweepShowCommand struct {
	Tenant string `required:"" help:"Name of the tenant."`
	Number int64  `arg:"" name:"run" help:"Number of the comparison, as list shows it."`
	JSON   bool   `name:"json" help:"Print everything, for scripts."`
}

// Run shows one, whether it found anything or not.
func (c *sweepShowCommand) Run(all *commands) error {
	return withDatabase(all, func(ctx context.Context, d *db.DB) error {
		if err := knownTenant(ctx, d, c.Tenant); err != nil {
			return err
		}
		var report *sweep.Report
		err := d.Read(ctx, func(tx *db.Tx) error {
			r, err := sweep.Read(ctx, tx, c.Tenant, c.Number)
			if err != nil {
				return err
			}
			report, err = sweep.ReportOf(ctx, tx, r)
			return err
		})
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(report)
		}
		return printSweep(os.Stdout, report, true)
	})
}
