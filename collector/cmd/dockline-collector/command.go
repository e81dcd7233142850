package main

import (
	"cmp"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/collector"
	"github.com/dockline/dockline/collector/audit"
	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/downlink"
	"github.com/dockline/dockline/collector/fleet"
	"github.com/dockline/dockline/collector/master"
	"github.com/dockline/dockline/collector/people"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

type siteCommandCommand struct {
	List    commandListCommand `cmd:"" help:"List what a site was told to do, and what became of it."`
	Reread  rereadCommand      `cmd:"" help:"Have a plugin tell again what it told since a time, or behind a cursor. What is known already changes nothing."`
	Recount recountCommand     `cmd:"" help:"Have bins counted."`
	Advise  adviseCommand      `cmd:"" help:"Tell a site what is on its way to it."`
	Cancel  cancelCommand      `cmd:"" help:"Have a site leave an order that the system of record cannot cancel there."`
	Config  setConfigCommand   `cmd:"" name:"config" help:"Give a site the configuration in FILE; one with faults is refused with their lines, and the one before stays."`
}

// toSite is what every command to a site has.
type toSite struct {
	siteArgument
	person
	Wait time.Duration `help:"Wait so long for the site's answer; exit code 1 where it is not applied."`
}

// send submits a command and, where that is wanted, waits for what becomes of it.
func (t *toSite) send(all *commands, c *docklinev1.Command) error {
	return withDatabase(all, func(ctx context.Context, d *db.DB) error {
		c.Tenant, c.Site = t.Tenant, t.Site
		var key string
		var version uint64
		err := d.Write(ctx, func(tx *db.Tx) (err error) {
			if err := t.may(ctx, tx, t.Tenant); err != nil {
				return err
			}
			if key, version, err = downlink.SubmitIn(ctx, tx, c, time.Now()); err != nil {
				return err
			}
			return t.record(ctx, tx, "site.command", t.Tenant, t.Site, reasonOf(c), map[string]any{"key": key, "version": version})
		})
		if err != nil {
			return err
		}
		fmt.Printf("%s version %d waits for site %s\n", key, version, t.Site)
		if t.Wait == 0 {
			return nil
		}
		ctx, cancel := context.WithTimeout(ctx, t.Wait)
		defer cancel()
		for {
			found, err := downlink.Commands(ctx, d, t.Tenant, t.Site, key, 1)
			switch {
			case err != nil && ctx.Err() == nil:
				return err
			case len(found) == 1 && (found[0].Version > version || !found[0].CompletedAt.IsZero()):
				fmt.Println(strings.TrimSuffix(fmt.Sprintf("%s: %s", found[0].State, found[0].Text), ": "))
				if found[0].State != "applied" {
					return fmt.Errorf("%s version %d is %s", key, version, found[0].State)
				}
				return nil
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("no answer within %s; `dockline-collector site command list` shows it when it comes (held: the site has it and has not carried it out yet; `dockline-collector site show` says what is in the way)", t.Wait)
			case <-time.After(200 * time.Millisecond):
			}
		}
	})
}

// reasonOf is why a command was given, where it says so.
func reasonOf(c *docklinev1.Command) string {
	return cmp.Or(c.GetReread().GetReason(), c.GetRequestCount().GetReason(), c.GetAdviseInbound().GetReason(), c.GetCancelOrder().GetReason())
}

type rereadCommand struct {
	toSite
	Plugin string `required:"" help:"Id of the plugin in the site's agent.yaml."`
	Since  string `help:"A time (2026-03-01T06:00:00Z), or how long ago (36h)."`
	Cursor string `help:"A cursor as the plugin wrote it."`
	Reason string `help:"Why, for the site's log."`
}

// Run wants either a time or a cursor.
func (c *rereadCommand) Run(all *commands) error {
	reread := &docklinev1.Reread{Reason: c.Reason}
	switch {
	case (c.Since == "") == (c.Cursor == ""):
		return wrong("give --since or --cursor")
	case c.Cursor != "":
		reread.From = &docklinev1.Reread_Cursor{Cursor: []byte(c.Cursor)}
	default:
		at, err := moment("--since", c.Since, time.Now())
		if err != nil {
			return err
		}
		reread.From = &docklinev1.Reread_Time{Time: timestamppb.New(at)}
	}
	return c.send(all, &docklinev1.Command{Plugin: c.Plugin, Work: &docklinev1.Command_Reread{Reread: reread}})
}

// moment reads a time, or how long ago it was.
func moment(flag, text string, now time.Time) (time.Time, error) {
	if ago, err := time.ParseDuration(text); err == nil {
		return now.Add(-ago), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return at, wrong("%s %q: give a time like 2026-03-01T06:00:00Z, or how long ago, like 36h", flag, text)
	}
	return at, nil
}

type recountCommand struct {
	toSite
	Number string   `required:"" help:"Number of the count; the same one again asks for a newer version of it."`
	Plugin string   `help:"Id of the plugin to ask, where the site has several that could."`
	Bin    []string `required:"" placeholder:"BIN,ITEM[,LOT]" sep:"none" help:"What to count; once for each bin and item."`
	Reason string   `help:"Why, for the people there."`
}

// Run asks for one count of all bins.
func (c *recountCommand) Run(all *commands) error {
	request := &docklinev1.RequestCount{Number: c.Number, Reason: c.Reason}
	for _, bin := range c.Bin {
		parts := strings.Split(bin, ",")
		if len(parts) < 2 || len(parts) > 3 || parts[0] == "" || parts[1] == "" {
			return wrong("--bin %q: give BIN,ITEM or BIN,ITEM,LOT", bin)
		}
		line := &docklinev1.Line{Bin: parts[0], Item: parts[1]}
		if len(parts) == 3 {
			line.Lot = parts[2]
		}
		request.Lines = append(request.Lines, line)
	}
	return c.send(all, &docklinev1.Command{Plugin: c.Plugin, Work: &docklinev1.Command_RequestCount{RequestCount: request}})
}

type cancelCommand struct {
	toSite
	Order  string `arg:"" help:"Number of the order."`
	Plugin string `help:"Id of the plugin to tell, where the site has several that could."`
	Reason string `required:"" help:"Why, for the people there."`
}

// Run tells the site alone: in the system of record nothing changes.
func (c *cancelCommand) Run(all *commands) error {
	return c.send(all, &docklinev1.Command{Plugin: c.Plugin, Work: &docklinev1.Command_CancelOrder{CancelOrder: &docklinev1.CancelOrder{Number: c.Order, Reason: c.Reason}}})
}

type setConfigCommand struct {
	toSite
	File string `arg:"" type:"existingfile" help:"YAML with journal, uplink, rules, log and plugins' sections by id; an empty file gives all back to the site's own."`
}

// Run sends the file as it stands: the site looks for its faults.
func (c *setConfigCommand) Run(all *commands) error {
	text, err := os.ReadFile(c.File)
	if err != nil {
		return err
	}
	return c.send(all, &docklinev1.Command{Work: &docklinev1.Command_ApplyConfig{ApplyConfig: &docklinev1.ApplyConfig{Yaml: string(text)}}})
}

type siteMasterCommand struct {
	Tenant string `required:"" help:"Name of the tenant."`
	person
	Reason string `help:"Why, for those who ask later."`
	Kind   string `required:"" enum:"item,unit,customer,gtin,bin,reason" help:"item, unit, customer, gtin, bin or reason."`
	Whole  bool   `help:"The file has everything of this kind that no system tells of: what was entered by file before and is not in it is no longer known."`
	File   string `arg:"" type:"existingfile" help:"CSV with the header code,name."`
}

// Run takes the file whole or not at all, but for what a system tells of.
func (c *siteMasterCommand) Run(all *commands) error {
	file, err := os.Open(c.File)
	if err != nil {
		return err
	}
	defer file.Close()
	rows, err := csv.NewReader(file).ReadAll()
	if err != nil {
		return fmt.Errorf("%s: %w", c.File, err)
	}
	if len(rows) == 0 || !slices.Equal(rows[0], []string{"code", "name"}) {
		return wrong("%s:1: the first line must be code,name", c.File)
	}
	kind, _ := connector.ParseMasterKind(c.Kind)
	records := make([]*docklinev1.MasterRecord, 0, len(rows))
	seen := make(map[string]bool, len(rows))
	for i, row := range rows[1:] {
		if seen[row[0]] {
			return wrong("%s: record %d: code %q is there twice", c.File, i+2, row[0])
		}
		seen[row[0]] = true
		r := &docklinev1.MasterRecord{Kind: kind, Code: row[0], Name: row[1]}
		if fault := master.Fault(r); fault != "" {
			return wrong("%s: record %d: %s", c.File, i+2, fault)
		}
		records = append(records, r)
	}
	return withDatabase(all, func(ctx context.Context, d *db.DB) error {
		var done master.Done
		err := d.Write(ctx, func(tx *db.Tx) (err error) {
			if err := people.Allow(ctx, tx, c.Tenant, c.name(), people.SiteAct); err != nil {
				return err
			}
			if done, err = (master.Put{Tenant: c.Tenant, Kind: kind, Records: records, Whole: c.Whole}).Do(ctx, tx, time.Now()); err != nil {
				return err
			}
			return audit.Record(ctx, tx, audit.Act{Tenant: c.Tenant, By: c.name(), Action: "master.put", Object: "master/" + c.Kind, Reason: c.Reason,
				Detail: map[string]any{"records": len(records), "changed": done.Changed, "kept": len(done.Kept), "whole": c.Whole}}, time.Now())
		})
		if err != nil {
			return err
		}
		fmt.Printf("%d of %d changed; sites get the changes when they are online\n", done.Changed, len(records))
		return keptBySystems(done.Kept)
	})
}

// keptBySystems names the records of a file that were not taken, for a system tells of them and says something else.
func keptBySystems(kept []master.Kept) error {
	if len(kept) == 0 {
		return nil
	}
	const named = 10
	var names []string
	for _, k := range kept[:min(named, len(kept))] {
		names = append(names, fmt.Sprintf("%s (%s)", k.Code, k.Source))
	}
	text := strings.Join(names, ", ")
	if more := len(kept) - named; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return foundWrong{fmt.Errorf("not taken: %s. A system of record tells of these, and something else than the file; they stay as it told them. Change them there, or leave them out of the file", text)}
}

type commandListCommand struct {
	siteArgument
	Limit int  `default:"50" help:"How many, the newest first."`
	JSON  bool `name:"json" help:"Print everything, for scripts."`
}

// Run lists the newest first.
func (c *commandListCommand) Run(all *commands) error {
	return withFleet(all, func(ctx context.Context, _ *collector.Config, f *fleet.Fleet) error {
		if _, err := f.Site(ctx, c.Tenant, c.Site); err != nil {
			return err
		}
		found, err := downlink.Commands(ctx, f.DB, c.Tenant, c.Site, "", c.Limit)
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(found)
		}
		w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "CREATED\tKEY\tVERSION\tSTATE\tTEXT")
		for _, s := range found {
			fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s\n", s.CreatedAt.Format("2006-01-02 15:04:05"), s.Key, s.Version, s.State, strings.ReplaceAll(s.Text, "\n", "; "))
		}
		return w.Flush()
	})
}

// withDatabase opens the configured database for one command.
func withDatabase(all *commands, f func(context.Context, *db.DB) error) error {
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
	if err := knownTenant(ctx, d, all.tenant); err != nil {
		return err
	}
	return f(ctx, d)
}

// withCentre opens the configured database with event log and folds for a command.
func withCentre(all *commands, f func(context.Context, *collector.Centre) error) (err error) {
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
	if err := knownTenant(ctx, centre.DB, all.tenant); err != nil {
		return err
	}
	return f(ctx, centre)
}
