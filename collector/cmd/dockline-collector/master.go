package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"google.golang.org/protobuf/encoding/protojson"

	"github.com/dockline/dockline/collector"
	"github.com/dockline/dockline/collector/audit"
	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/fleet"
	"github.com/dockline/dockline/collector/master"
	"github.com/dockline/dockline/collector/people"
)

type masterCommand struct {
	List    masterListCommand    `cmd:"" help:"Say how many records there are, from where, and how far sites and systems are behind."`
	Show    masterShowCommand    `cmd:"" help:"Show one record: what is known of it, in which version, and who told of it."`
	Refused masterRefusedCommand `cmd:"" help:"List records that could not be taken from a system, or that a system does not take, with the reason."`
	Sync    masterSyncCommand    `cmd:"" help:"Read a kind from a system from the beginning: what it no longer tells of is removed."`
}

// Help is shown below the usage.
func (masterCommand) Help() string {
	return `Master data are items, units, customers, GTINs, bins and reason codes. They are read from the systems whose connector says "master:" in collector.yaml, page by page
and from then on what changes, and told to the sites that they concern and to other systems. That is a stream of its own: no event and no posting waits for it.`
}

type masterListCommand struct {
	Tenant string `required:"" help:"Name of the tenant."`
	JSON   bool   `name:"json" help:"Print everything, for scripts."`
}

// Run reads in one transaction.
func (c *masterListCommand) Run(all *commands) error {
	return withFleet(all, func(ctx context.Context, config *collector.Config, f *fleet.Fleet) error {
		var s master.Status
		now := time.Now()
		if err := knownTenant(ctx, f.DB, c.Tenant); err != nil {
			return err
		}
		err := f.DB.Read(ctx, func(tx *db.Tx) (err error) {
			s, err = master.Read(ctx, tx, c.Tenant, now, now.Add(-cmp.Or(config.MQTT.OfflineAfter, 20*time.Second)))
			return err
		})
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(s)
		}
		return printMaster(os.Stdout, s)
	})
}

func printMaster(out io.Writer, s master.Status) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	if len(s.Kinds)+len(s.Sources) == 0 {
		fmt.Fprintln(w, "No master data is known: no connector of the tenant says \"master:\" in collector.yaml, and nobody has entered a file (`site master`)")
		return w.Flush()
	}
	fmt.Fprintln(w, "KIND\tRECORDS\tREMOVED")
	for _, k := range s.Kinds {
		fmt.Fprintf(w, "%s\t%d\t%d\n", k.Kind, k.Records, k.Removed)
	}
	if len(s.Sources) > 0 {
		fmt.Fprintln(w, "\nFROM\tKIND\tTOLD\tREFUSED\tREAD\tSTATE")
		for _, o := range s.Sources {
			fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%s\t%s\n", o.Name, o.Kind, o.Told, o.Refused, stamp(o.PolledAt), sourceState(o))
		}
	}
	for _, part := range []struct {
		title string
		rows  []master.Behind
	}{{"TO SYSTEM", s.Targets}, {"TO SITE", s.Sites}} {
		if len(part.rows) == 0 {
			continue
		}
		fmt.Fprintf(w, "\n%s\tBEHIND\tSINCE\tREFUSED\tSTATE\n", part.title)
		for _, b := range part.rows {
			fmt.Fprintf(w, "%s\t%d\t%s\t%d\t%s\n", b.Name, b.Behind, stamp(b.Since), b.Refused, behindState(b))
		}
	}
	return w.Flush()
}

func sourceState(s master.Source) string {
	switch {
	case s.Fault != "":
		return "stands still since " + stamp(s.Since) + ": " + strings.ReplaceAll(s.Fault, "\n", "; ")
	case s.Whole && s.WholeAt.IsZero():
		return "is being read for the first time"
	case s.Whole:
		return "is being read from the beginning again"
	}
	return "everything is read"
}

func behindState(b master.Behind) string {
	switch {
	case b.Fault != "":
		return "stands still: " + strings.ReplaceAll(b.Fault, "\n", "; ")
	case !b.Online && b.Behind > 0:
		return "offline; it gets them when it is back"
	case !b.Online:
		return "offline"
	case b.Behind > 0:
		return "under way"
	}
	return "has everything"
}

type masterShowCommand struct {
	Tenant string `required:"" help:"Name of the tenant."`
	Kind   string `arg:"" enum:"item,unit,customer,gtin,bin,reason" help:"item, unit, customer, gtin, bin or reason."`
	Code   string `arg:"" help:"Its code."`
	JSON   bool   `name:"json" help:"Print everything, for scripts."`
}

// Run prints the record, a removed one too.
func (c *masterShowCommand) Run(all *commands) error {
	kind, _ := connector.ParseMasterKind(c.Kind)
	return withDatabase(all, func(ctx context.Context, d *db.DB) error {
		var k master.Known
		if err := knownTenant(ctx, d, c.Tenant); err != nil {
			return err
		}
		err := d.Read(ctx, func(tx *db.Tx) (err error) {
			k, err = master.Find(ctx, tx, c.Tenant, kind, c.Code)
			return err
		})
		if err != nil {
			return err
		}
		detail, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(k.Detail)
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(struct {
				Kind      string            `json:"kind"`
				Code      string            `json:"code"`
				Name      string            `json:"name"`
				Version   uint64            `json:"version"`
				Removed   bool              `json:"removed"`
				Source    string            `json:"source"`
				ChangedAt time.Time         `json:"changed_at"`
				Detail    json.RawMessage   `json:"detail"`
				Refused   map[string]string `json:"refused"`
			}{c.Kind, k.Code, k.Name, k.Version, k.Removed, k.Source, k.ChangedAt, detail, k.Refused})
		}
		return printRecord(os.Stdout, c.Kind, k)
	})
}

func printRecord(out io.Writer, kind string, k master.Known) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "%s\t%s\n", kind, k.Code)
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(w, "%s\t%s\n", name, value)
		}
	}
	d := k.GetDetail()
	line("name", k.Name)
	line("base unit", d.GetUnit())
	for _, u := range d.GetUnits() {
		line("unit", strings.TrimSpace(fmt.Sprintf("%s = %s %s  %s", u.GetUnit(), u.GetBaseQuantity(), d.GetUnit(), u.GetGtin())))
	}
	line("GTIN", strings.Join(d.GetGtins(), ", "))
	if d.GetLots() {
		line("lots", "are kept")
	}
	if d.GetSerials() {
		line("serial numbers", "are kept")
	}
	line("sites", cmp.Or(strings.Join(d.GetSites(), ", "), "all"))
	line("version", fmt.Sprintf("%d of %s, told by %s", k.Version, stamp(k.ChangedAt), cmp.Or(k.Source, "a person")))
	if k.Removed {
		line("removed", "it is no longer known there")
	}
	for _, party := range slices.Sorted(maps.Keys(k.Refused)) {
		line("refused", party+": "+k.Refused[party])
	}
	return w.Flush()
}

type masterRefusedCommand struct {
	Tenant string `required:"" help:"Name of the tenant."`
	Limit  int    `default:"100" help:"At most so many."`
	JSON   bool   `name:"json" help:"Print everything, with what was told, for scripts."`
}

// Run lists them by system.
func (c *masterRefusedCommand) Run(all *commands) error {
	return withDatabase(all, func(ctx context.Context, d *db.DB) error {
		var found []master.Refusal
		if err := knownTenant(ctx, d, c.Tenant); err != nil {
			return err
		}
		err := d.Read(ctx, func(tx *db.Tx) (err error) {
			found, err = master.Refusals(ctx, tx, c.Tenant, c.Limit)
			return err
		})
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(struct {
				Refused []master.Refusal `json:"refused"`
			}{found})
		}
		if len(found) == 0 {
			fmt.Println("No record is refused")
			return nil
		}
		w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "SYSTEM\tKIND\tCODE\tSINCE\tREASON")
		for _, r := range found {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", r.Party, r.Kind, r.Code, stamp(r.At), strings.ReplaceAll(r.Reason, "\n", "; "))
		}
		return w.Flush()
	})
}

type masterSyncCommand struct {
	person
	Tenant string `required:"" help:"Name of the tenant."`
	Source string `arg:"" help:"Name of the connector."`
	Kind   string `required:"" enum:"item,unit,customer,gtin,bin,reason" help:"item, unit, customer, gtin, bin or reason."`
	Accept bool   `help:"Remove what it no longer tells of, even where that is most of what is known."`
	Reason string `help:"Why, for those who ask later."`
}

// Run leaves the reading to the collector that is at work.
func (c *masterSyncCommand) Run(all *commands) error {
	kind, _ := connector.ParseMasterKind(c.Kind)
	return withDatabase(all, func(ctx context.Context, d *db.DB) error {
		err := d.Write(ctx, func(tx *db.Tx) error {
			if err := people.Allow(ctx, tx, c.Tenant, c.name(), people.SiteAct); err != nil {
				return err
			}
			if err := master.Ask(ctx, tx, c.Tenant, c.Source, kind, c.Accept); err != nil {
				return err
			}
			return audit.Record(ctx, tx, audit.Act{Tenant: c.Tenant, By: c.name(), Action: "master.sync", Object: "master/" + c.Source + "/" + c.Kind, Reason: c.Reason,
				Detail: map[string]any{"accept": c.Accept}}, time.Now())
		})
		if err == nil {
			fmt.Printf("%s is read from the beginning by the collector that is at work; `dockline-collector master list --tenant %s` says how far it is\n", c.Source, c.Tenant)
		}
		return err
	})
}
