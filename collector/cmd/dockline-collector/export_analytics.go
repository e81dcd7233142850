package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/export"
	"github.com/dockline/dockline/proto/event"
)

type analyticsCommand struct {
	Tenant   string   `required:"" help:"Name of the tenant."`
	Out      string   `required:"" type:"path" help:"The folder to write; it must not be there."`
	Table    []string `enum:"${analyticsTables}" help:"Only these tables, with commas, of ${analyticsTables}."`
	Format   string   `default:"jsonl" enum:"jsonl,csv" help:"jsonl (one JSON object a line) or csv."`
	Compress bool     `help:"Compress the files with zstd."`
	Kind     []string `help:"Only events of this kind (pick.confirmed), or of all kinds of an object (pick.*); several with commas."`
	Since    string   `help:"Only events that happened since a time (2026-03-01T06:00:00Z), or so long ago (36h)."`
	Before   string   `help:"Only events that happened before a time, or longer ago than this."`
	Next     string   `type:"existingfile" placeholder:"MANIFEST" help:"Go on behind an export, by its manifest.json: later events, and what else has changed since."`
	JSON     bool     `name:"json" help:"Print the manifest, for scripts."`
}

// Help is shown below the usage.
func (analyticsCommand) Help() string {
	return `Writes a folder of tables for analysis: events, states of orders, shipments, returns and deliveries, lines of orders, postings, exceptions, milestones;
all as of one moment, beside a collector at work. manifest.json has for each its columns with their types, the columns that tell its rows apart, counts
and SHA-256. docs/archive.md describes them; columns are only ever added.

Day by day: --next with the manifest of the export before writes what came and changed since then. A row that comes again replaces the former
with the same key. Rows of what was archived since (retention run) are not taken back.`
}

// Run writes the folder.
func (c *analyticsCommand) Run(all *commands) error {
	if err := notThere("out", c.Out); err != nil {
		return err
	}
	now := time.Now()
	a := &export.Analytics{Tenant: c.Tenant, Tables: c.Table, CSV: c.Format == "csv", Compressed: c.Compress, Now: now}
	var err error
	if a.Kinds, err = export.Kinds(c.Kind); err != nil {
		return wrong("--kind: %w", err)
	}
	for _, bound := range []struct {
		name, text string
		to         *time.Time
	}{{"--since", c.Since, &a.Since}, {"--before", c.Before, &a.Before}} {
		if bound.text != "" {
			if *bound.to, err = moment(bound.name, bound.text, now); err != nil {
				return err
			}
		}
	}
	if c.Next != "" {
		text, err := os.ReadFile(c.Next)
		if err != nil {
			return err
		}
		var before export.AnalyticsManifest
		if err := json.Unmarshal(text, &before); err != nil {
			return fmt.Errorf("--next %s: %w", c.Next, err)
		}
		if before.Schema != export.AnalyticsSchema || before.Tenant != c.Tenant {
			return wrong("--next is the manifest of another tenant's export, or of another form: %s, %s", before.Tenant, before.Schema)
		}
		a.After = before.Next
	}
	return withTenant(all, c.Tenant, func(ctx context.Context, d *db.DB) error {
		m, err := a.Write(ctx, d, c.Out)
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(m)
		}
		for _, t := range m.Tables {
			fmt.Printf("%s: %s, %d bytes\n", t.File, event.Several(int(t.Rows), "row"), t.Bytes)
		}
		fmt.Printf("To go on from here: --next %s/manifest.json\n", c.Out)
		return nil
	})
}
