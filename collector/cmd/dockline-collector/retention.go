package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"text/tabwriter"

	"github.com/dockline/dockline/collector"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/retention"
	"github.com/dockline/dockline/proto/event"
)

type retentionCommand struct {
	Plan    retentionPlanCommand    `cmd:"" default:"withargs" help:"Say what is old enough to be archived, and why the rest stays. Changes nothing."`
	Run     retentionRunCommand     `cmd:"" help:"Write what is old enough into archives, and then delete it from the database."`
	Runs    retentionRunsCommand    `cmd:"" help:"List the runs that archived, by hand or at archive.at, and how each ended."`
	List    retentionListCommand    `cmd:"" help:"List archives, the newest first."`
	Where   retentionWhereCommand   `cmd:"" help:"Say in which archive something is, and how it stood."`
	Verify  retentionVerifyCommand  `cmd:"" help:"Hold archives against their manifests, the chain of these, and the folder against what the database knows."`
	Restore retentionRestoreCommand `cmd:"" help:"Put back what is archived: one order, or whole archives into a database that never ran."`
}

// Help is shown below the usage.
func (retentionCommand) Help() string {
	return `How long what has ended stays in the database says retention.yaml of the policy, by tenant; as it ships, everything stays for ever. What is older
goes into an archive: JSON lines that anybody can read, with a manifest, below archive.folder of collector.yaml (docs/archive.md). It goes with all that
hangs together with it, or not at all: an order with an open posting, exception, return or clock stays. Only what was written, synced and read back
is deleted. Ids stay for ever, so that what comes again is a duplicate then as before. Stock stays as it is.

It runs by hand, or by itself from archive.at of collector.yaml on, every night; one that fails is a case (retention_failed).`
}

// withRetention opens the centre for a command about the archives of a tenant; "" is none in particular.
func withRetention(all *commands, tenant string, f func(context.Context, *collector.Centre, *retention.Retention) error) error {
	return withCentre(all, func(ctx context.Context, centre *collector.Centre) error {
		if err := knownTenant(ctx, centre.DB, tenant); err != nil {
			return err
		}
		return f(ctx, centre, centre.Retention())
	})
}

type retentionPlanCommand struct {
	Tenant string `required:"" help:"Name of the tenant."`
	JSON   bool   `name:"json" help:"Print everything, for scripts."`
}

// Run only reads.
func (c *retentionPlanCommand) Run(all *commands) error {
	return withRetention(all, c.Tenant, func(ctx context.Context, _ *collector.Centre, r *retention.Retention) error {
		p, err := r.Plan(ctx, c.Tenant)
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(p)
		}
		fmt.Printf("%s with %s, %d bytes without indexes, would be archived\n", event.Several(int(p.Groups), "group"), event.Several(int(p.Events), "event"), p.Bytes)
		for _, m := range slices.Sorted(maps.Keys(p.Months)) {
			fmt.Printf("  %s  %d\n", m, p.Months[m])
		}
		for _, kind := range slices.Sorted(maps.Keys(p.Keys)) {
			fmt.Printf("  %s: %d\n", kind, p.Keys[kind])
		}
		for _, why := range slices.Sorted(maps.Keys(p.Stays)) {
			fmt.Printf("%s: %s\n", event.Several(int(p.Stays[why]), "group"), why+", and so stays")
		}
		if p.Groups > 0 {
			fmt.Printf("Nothing was changed. To do it: dockline-collector retention run --tenant %s --reason WHY\n", c.Tenant)
		}
		return nil
	})
}

type retentionRunCommand struct {
	person
	Tenant string `required:"" help:"Name of the tenant."`
	Reason string `required:"" help:"Why, for those who ask later."`
	JSON   bool   `name:"json" help:"Print everything, for scripts."`
}

// Help is shown below the usage.
func (retentionRunCommand) Help() string {
	return `The collector may be at work or stopped. Interrupted, or after a power cut, the next run ends what this one had begun; of what is not whole on the disk
nothing is deleted. What changes while it is written stays, and goes with a later run. It needs the scope retention.

Copy the archive folder elsewhere before you rely on it: once this has run, what it took exists there only.

Exit code 0: done, also where there was nothing to do. 1: it failed.`
}

// Run archives.
func (c *retentionRunCommand) Run(all *commands) error {
	return withRetention(all, c.Tenant, func(ctx context.Context, _ *collector.Centre, r *retention.Retention) error {
		done, err := r.Run(ctx, c.Tenant, retention.Who{By: c.name(), Reason: c.Reason})
		if c.JSON {
			return errors.Join(err, printJSON(archivesJSON{done}))
		}
		for _, a := range done {
			fmt.Printf("archive %d, %s: %s with %s, %d bytes; %d deleted from the database, %d changed meanwhile and stay\n", a.Number, a.Manifest,
				event.Several(int(a.Groups), "group"), event.Several(int(a.Events), "event"), a.Bytes, a.Pruned, a.Skipped)
		}
		if err == nil && len(done) == 0 {
			fmt.Println("Nothing is old enough; `dockline-collector retention plan` says why what is old stays")
		}
		return err
	})
}

// archivesJSON is archives as --json prints them.
type archivesJSON struct {
	Archives []*retention.Archive `json:"archives"`
}

type retentionRunsCommand struct {
	Tenant string `required:"" help:"Name of the tenant."`
	Limit  int    `default:"30" help:"How many."`
	JSON   bool   `name:"json" help:"Print everything, for scripts."`
}

// runsJSON is runs as --json prints them.
type runsJSON struct {
	Runs []*retention.Record `json:"runs"`
}

// Run lists runs.
func (c *retentionRunsCommand) Run(all *commands) error {
	return withTenant(all, c.Tenant, func(ctx context.Context, d *db.DB) error {
		found := []*retention.Record{}
		if err := d.Read(ctx, func(tx *db.Tx) error {
			list, err := retention.Runs(ctx, tx, c.Tenant, c.Limit)
			found = append(found, list...)
			return err
		}); err != nil {
			return err
		}
		if c.JSON {
			return printJSON(runsJSON{found})
		}
		w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "NUMBER\tBEGAN\tENDED\tSTATE\tARCHIVES\tGROUPS\tEVENTS\tBY\tWHY")
		for _, r := range found {
			ended := "-"
			if !r.EndedAt.IsZero() {
				ended = stamp(r.EndedAt)
			}
			fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%d\t%d\t%d\t%s\t%s\n", r.Number, stamp(r.StartedAt), ended, r.State, r.Archives, r.Groups, r.Events, r.By, r.Text)
		}
		return w.Flush()
	})
}

type retentionListCommand struct {
	Tenant string `required:"" help:"Name of the tenant."`
	Limit  int    `default:"50" help:"How many."`
	JSON   bool   `name:"json" help:"Print everything, for scripts."`
}

// Run lists archives.
func (c *retentionListCommand) Run(all *commands) error {
	return withTenant(all, c.Tenant, func(ctx context.Context, d *db.DB) error {
		found := []*retention.Archive{}
		if err := d.Read(ctx, func(tx *db.Tx) (err error) { found, err = retention.List(ctx, tx, c.Tenant, c.Limit); return err }); err != nil {
			return err
		}
		if c.JSON {
			return printJSON(archivesJSON{found})
		}
		w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "NUMBER\tSTATE\tGROUPS\tEVENTS\tBYTES\tDELETED\tSTAYED\tPUT BACK\tFROM\tTO\tBY\tMANIFEST")
		for _, a := range found {
			fmt.Fprintf(w, "%d\t%s\t%d\t%d\t%d\t%d\t%d\t%d\t%s\t%s\t%s\t%s\n", a.Number, a.State, a.Groups, a.Events, a.Bytes, a.Pruned, a.Skipped, a.Restored, a.FirstAt.Format("2006-01-02"), a.LastAt.Format("2006-01-02"), a.By, a.Manifest)
		}
		return w.Flush()
	})
}

type retentionWhereCommand struct {
	Tenant string `required:"" help:"Name of the tenant."`
	Key    string `arg:"" help:"Key, like order/SO1001 or shipment/dc-east/S7."`
	JSON   bool   `name:"json" help:"Print everything, for scripts."`
}

// Run says where something is.
func (c *retentionWhereCommand) Run(all *commands) error {
	return withTenant(all, c.Tenant, func(ctx context.Context, d *db.DB) error {
		var at *retention.Place
		if err := d.Read(ctx, func(tx *db.Tx) (err error) {
			if at, err = retention.Where(ctx, tx, c.Tenant, c.Key); errors.Is(err, retention.ErrAbsent) {
				err = c.elsewhere(ctx, tx, err)
			}
			return err
		}); err != nil {
			return err
		}
		if c.JSON {
			return printJSON(at)
		}
		printPlace(c.Tenant, at)
		return nil
	})
}

// elsewhere says of a key that is in no archive whether it never left the database, or nothing is known of it.
func (c *retentionWhereCommand) elsewhere(ctx context.Context, tx *db.Tx, absent error) error {
	there, err := tx.Lookup(ctx, db.Lookup{Table: "state", Columns: []string{"status"}, Key: []string{"tenant", "fold_key"}, Rows: [][]any{{c.Tenant, c.Key}}})
	switch {
	case err != nil:
		return err
	case len(there) > 0:
		return fmt.Errorf("%w: it is in the database", absent)
	}
	return fmt.Errorf("%w, and nothing is known of it; write a key like order/SO1001, or see what `dockline-collector find` says", absent)
}

func printPlace(tenant string, at *retention.Place) {
	fmt.Printf("%s is archived since %s: %s, %s from %s to %s\nArchive %d, %s, group %d. To put it back: dockline-collector retention restore --tenant %s --key %s --reason WHY\n", at.Key, stamp(at.At),
		orElse(at.Status, "no status"), event.Several(int(at.Events), "event"), stamp(at.FirstAt), stamp(at.LastAt), at.Archive, at.Manifest, at.Part, tenant, at.Key)
}

type retentionVerifyCommand struct {
	Tenant string `required:"" help:"Name of the tenant."`
	JSON   bool   `name:"json" help:"Print everything, for scripts."`
}

// verifiedJSON is what verify found, as --json prints it.
type verifiedJSON struct {
	Archives int      `json:"archives"`
	Faults   []string `json:"faults"`
}

// Run reads every archive whole; exit code 1 where something is wrong.
func (c *retentionVerifyCommand) Run(all *commands) error {
	return withRetention(all, c.Tenant, func(ctx context.Context, _ *collector.Centre, r *retention.Retention) error {
		n, faults, err := r.Verify(ctx, c.Tenant)
		if err != nil {
			return err
		}
		if c.JSON {
			err = printJSON(verifiedJSON{Archives: n, Faults: append([]string{}, faults...)})
		} else {
			for _, fault := range faults {
				fmt.Println(fault)
			}
			_, err = fmt.Printf("%s read, %s found\n", event.Several(n, "archive"), event.Several(len(faults), "fault"))
		}
		if err != nil {
			return err
		}
		if len(faults) > 0 {
			return retention.ErrDamaged
		}
		return nil
	})
}

type retentionRestoreCommand struct {
	person
	Tenant string   `help:"With --key: name of the tenant."`
	Key    string   `xor:"what" help:"Key of what is to come back, like order/SO1001, with all that hangs together with it."`
	From   []string `xor:"what" type:"existingfile" help:"Manifests of archives that are to come back whole; several with commas."`
	Reason string   `required:"" help:"Why, for those who ask later."`
	JSON   bool     `name:"json" help:"Print everything, for scripts."`
}

// Help is shown below the usage.
func (retentionRestoreCommand) Help() string {
	return `--key puts one order back beside a collector at work: its events at their places in the log, its documents as they were confirmed, its exceptions. What was
told of it since then counts from now on, and what differs is told to the systems of record as after every event. It is archived again when it has
ended and its term is over, which it is at once where nothing new was told.

--from puts whole archives back, for an auditor or another machine: into an empty database, before its collector runs for the first time; or into the
one that they came from. What is there already stays as it is. After an older database was put back, "retention verify" names the archives that it does not know:
put these back before its collectors run, since later their events' places in the log are taken.

It needs the scope retention.`
}

// Run puts back.
func (c *retentionRestoreCommand) Run(all *commands) error {
	if c.Key == "" && len(c.From) == 0 || c.Key != "" && c.Tenant == "" {
		return wrong("retention restore: give --tenant and --key, or --from with manifests")
	}
	return withRetention(all, c.Tenant, func(ctx context.Context, _ *collector.Centre, r *retention.Retention) error {
		who := retention.Who{By: c.name(), Reason: c.Reason}
		var done *retention.Restored
		var err error
		if c.Key != "" {
			done, err = r.RestoreKey(ctx, c.Tenant, c.Key, who)
		} else {
			done, err = r.Restore(ctx, c.From, who)
		}
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(done)
		}
		fmt.Printf("%s with %s put back", event.Several(int(done.Groups), "group"), event.Several(int(done.Events), "event"))
		if done.There > 0 {
			fmt.Printf(", %d were there and stay as they are", done.There)
		}
		fmt.Println()
		return nil
	})
}
