package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"github.com/dockline/dockline/collector"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/xref"
)

type xrefCommand struct {
	Import xrefImportCommand `cmd:"" help:"Enter codes of a system, from a CSV file, and say which of ours they are."`
	List   xrefListCommand   `cmd:"" help:"List the codes of systems and ours."`
	Export xrefExportCommand `cmd:"" help:"Write the codes of a system as import reads them."`
}

// Help is shown below the usage.
func (xrefCommand) Help() string {
	return `A system may know items, units, customers, carriers, reasons and warehouses by codes of its own. Name these domains under xref of its connector in
collector.yaml, required or optional, and enter the codes here: what the system is told then bears its codes, and what it reports becomes ours. A code of
a required domain without an entry is refused and becomes the exception xref_missing, which names it; of an optional one it is the same in both, unless it
means something else in the other by an entry.`
}

type xrefImportCommand struct {
	person
	Tenant string `required:"" help:"Name of the tenant."`
	System string `arg:"" help:"The system whose codes these are, by its name under connectors."`
	File   string `arg:"" type:"existingfile" help:"The CSV file."`
	Whole  bool   `help:"The file is all that there is: what it does not have is taken out, in the domains that it has."`
	Reason string `help:"Why, for those who ask later."`
	JSON   bool   `name:"json" help:"Print everything, for scripts."`
}

// Help is shown below the usage.
func (xrefImportCommand) Help() string {
	return `The first line names the columns: domain,ours,theirs and, where two codes are one in the other system, direction (both, out or in):

    domain,ours,theirs,direction
    item,BOLT,4711-08,
    reason,damaged,DMG,both
    reason,damaged,DMG2,in

out is used only for what the system is told, in only for what it reports. An entry goes before one that is there and says otherwise. Nothing is taken of
a file with a line that is wrong. It holds from the next call on; what was refused for want of a code is tried again by
posting retry, or entered again by deadletter requeue. Needs the scope site.act where the tenant has users; the audit says who changed what.

Exit code 0: taken. 1: not allowed, or it failed. 2: the file is wrong, or there is no such system.`
}

// systemKnown refuses a system that the tenant does not have.
func systemKnown(all *commands, tenant, system string) error {
	config, err := collector.LoadConfig(all.Config)
	if err != nil {
		return err
	}
	var names []string
	for _, n := range config.Connectors {
		if n.Tenant == tenant {
			names = append(names, n.Name)
		}
	}
	return known("system", system, names)
}

// Run takes the file in one transaction.
func (c *xrefImportCommand) Run(all *commands) error {
	if err := systemKnown(all, c.Tenant, c.System); err != nil {
		return err
	}
	file, err := os.Open(c.File)
	if err != nil {
		return err
	}
	defer file.Close()
	entries, err := xref.ReadCSV(file, c.System)
	if err != nil {
		return wrongCall{fmt.Errorf("%s: %w", c.File, err)}
	}
	var done xref.Change
	err = withDatabase(all, func(ctx context.Context, d *db.DB) error {
		return d.Write(ctx, func(tx *db.Tx) (err error) {
			done, err = xref.Take(ctx, tx, xref.Import{Tenant: c.Tenant, System: c.System, Entries: entries, Whole: c.Whole, By: c.name(), Reason: c.Reason}, time.Now())
			return err
		})
	})
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(done)
	}
	fmt.Printf("%d new, %d changed, %d taken out, %d as they were\n", done.Added, done.Changed, done.Removed, done.Same)
	return nil
}

type xrefListCommand struct {
	Tenant string `required:"" help:"Name of the tenant."`
	System string `arg:"" optional:"" help:"Only this system's, by its name under connectors."`
	Domain string `help:"Only these: item, unit, customer, carrier, reason or warehouse." enum:"item,unit,customer,carrier,reason,warehouse," default:""`
	Code   string `help:"Only entries with this code, ours or theirs."`
	JSON   bool   `name:"json" help:"Print everything, for scripts."`
}

// Run reads.
func (c *xrefListCommand) Run(all *commands) error {
	entries, err := xrefEntries(all, c.Tenant, c.System, xref.Domain(c.Domain))
	if err != nil {
		return err
	}
	shown := []xref.Entry{}
	for _, e := range entries {
		if c.Code == "" || e.Ours == c.Code || e.Theirs == c.Code {
			shown = append(shown, e)
		}
	}
	if c.JSON {
		return printJSON(shown)
	}
	return printXref(os.Stdout, shown)
}

func xrefEntries(all *commands, tenant, system string, domain xref.Domain) (entries []xref.Entry, err error) {
	if err := systemKnown(all, tenant, system); err != nil {
		return nil, err
	}
	err = withDatabase(all, func(ctx context.Context, d *db.DB) error {
		return d.Read(ctx, func(tx *db.Tx) (err error) {
			entries, err = xref.List(ctx, tx, tenant, system, domain)
			return err
		})
	})
	return entries, err
}

func printXref(out io.Writer, entries []xref.Entry) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	if len(entries) == 0 {
		fmt.Fprintln(w, "There is none: every system has our codes (`xref import` enters others)")
		return w.Flush()
	}
	fmt.Fprintln(w, "SYSTEM\tDOMAIN\tOURS\tTHEIRS\tUSED")
	for _, e := range entries {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", e.System, e.Domain, e.Ours, e.Theirs, map[xref.Direction]string{xref.Both: "both ways", xref.Out: "for what it is told", xref.In: "for what it reports"}[e.Direction])
	}
	return w.Flush()
}

type xrefExportCommand struct {
	Tenant string `required:"" help:"Name of the tenant."`
	System string `arg:"" help:"The system, by its name under connectors."`
}

// Run writes to standard output.
func (c *xrefExportCommand) Run(all *commands) error {
	entries, err := xrefEntries(all, c.Tenant, c.System, "")
	if err != nil {
		return err
	}
	return xref.WriteCSV(os.Stdout, entries)
}
