package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dockline/dockline/collector"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/people"
	"github.com/dockline/dockline/collector/policy/version"
	"github.com/dockline/dockline/collector/replay"
)

type replayCommand struct {
	Keys   replayKeysCommand   `cmd:"" default:"withargs" help:"Fold keys again: a dry run, unless --run is given."`
	List   replayListCommand   `cmd:"" help:"List replays, the newest first."`
	Show   replayShowCommand   `cmd:"" help:"Show what a replay came to, and what differed."`
	Cancel replayCancelCommand `cmd:"" help:"End a replay; what was folded again stays so."`
}

type replayKeysCommand struct {
	person
	Tenant  string   `required:"" help:"Name of the tenant."`
	Site    string   `help:"Keys with an event of this site."`
	From    string   `placeholder:"TIME" help:"Keys with an event that happened then or later: 2026-11-24 or 2026-11-24T08:00:00Z."`
	To      string   `placeholder:"TIME" help:"Keys with an event that happened before."`
	Order   string   `help:"This order with its shipments and returns."`
	Kind    string   `help:"Keys with an event of this kind, like shipment.departed."`
	Target  string   `help:"Keys of which something is to be told to this target."`
	Posting string   `help:"Keys with a posting of this kind, like goods_issue."`
	Key     string   `help:"This one key, like order/SO1001."`
	Policy  string   `placeholder:"VERSION" help:"Move the keys to this version of the policy, one that is or was in force. Without it each stays under its own."`
	Do      bool     `name:"run" help:"Do it."`
	Token   string   `help:"With --run: the dry run that is to be done, by the token that it printed. One that was interrupted goes on."`
	Yes     bool     `help:"With --run and without --token: try it and do it at once."`
	Without []string `help:"Name of a connector that the configuration lacks because its system was given up: what was posted to it counts as no longer wanted."`
	Reason  string   `help:"With --run: why, for those who ask later."`
	Limit   int      `default:"20" help:"How many of the keys that differ are listed."`
	JSON    bool     `name:"json" help:"Print everything, for scripts."`
}

// Help is shown below the usage.
func (replayKeysCommand) Help() string {
	return `What follows from the facts of the keys is worked out anew. A dry run only reads: it prints how many keys would be otherwise, which postings would be new,
other or gone, which exceptions would open or close, and a token. --run --token does exactly what that dry run saw: a key of which more was told
since is left alone and counted as stale.

State is always folded again. Systems of record are told nothing again: what is wanted of them is held against what they confirmed, as after every
event, so that a posting that is confirmed and still wanted stays as it is, and one that differs becomes an ordinary difference.

The collector may be at work or stopped. Interrupted, the same command with the token goes on where it was.

Exit code 0: done, or tried. 1: keys were left alone or still differ, or it failed.`
}

func (c *replayKeysCommand) selection() (s replay.Selection, err error) {
	s = replay.Selection{Tenant: c.Tenant, Site: c.Site, Order: c.Order, Kind: c.Kind, Target: c.Target, Posting: c.Posting, Key: c.Key, Policy: c.Policy}
	for _, limit := range []struct {
		name, text string
		at         *time.Time
	}{{"from", c.From, &s.From}, {"to", c.To, &s.To}} {
		if limit.text == "" {
			continue
		}
		at, err := time.Parse(time.DateOnly, limit.text)
		if err != nil {
			at, err = time.Parse(time.RFC3339, limit.text)
		}
		if err != nil {
			return s, wrong("--%s %q: give a day or a moment, like 2026-11-24 or 2026-11-24T08:00:00Z", limit.name, limit.text)
		}
		*limit.at = at.UTC()
	}
	return s, nil
}

// Run tries, or does what was tried.
func (c *replayKeysCommand) Run(all *commands) error {
	s, err := c.selection()
	switch {
	case err != nil:
		return err
	case c.Do && c.Token == "" && !c.Yes:
		return wrong("--run does what a dry run saw: give --token, as the dry run printed it, or --yes to try and do it at once")
	case c.Do && c.Reason == "":
		return wrong("--run: say why with --reason, for those who ask later")
	case !c.Do && c.Token != "":
		return wrong("--token is of a dry run: add --run to do it")
	case c.Token != "" && s != (replay.Selection{Tenant: c.Tenant}):
		return wrong("--token does what its dry run saw, whatever else is given: leave out --site, --order and whatever else says which keys, or --token")
	}
	return withReplay(all, func(ctx context.Context, centre *collector.Centre, r *replay.Replay) error {
		if err := centre.HasConnectors(ctx, c.Without); err != nil {
			return err
		}
		if c.Do {
			if err := centre.DB.Read(ctx, func(tx *db.Tx) error { return people.Allow(ctx, tx, c.Tenant, c.name(), people.Replay) }); err != nil {
				return err
			}
		}
		if err := centre.DB.Read(ctx, func(tx *db.Tx) error {
			if err := checkPostings(ctx, tx, all, c.Tenant, c.Target, c.Posting, c.Site); err != nil {
				return err
			}
			return knownOrder(ctx, tx, c.Tenant, c.Order)
		}); err != nil {
			return err
		}
		token := c.Token
		var j *replay.Job
		if token == "" {
			if s.Policy != "" {
				if err := centre.DB.Read(ctx, func(tx *db.Tx) (err error) { s.Policy, err = version.Find(ctx, tx, s.Policy); return err }); err != nil {
					return err
				}
			}
			if j, err = r.Begin(ctx, s); err != nil {
				return err
			}
			if err := c.through(ctx, r, j); err != nil {
				return err
			}
			token = j.Token
		}
		if c.Do {
			if j, err = r.Start(ctx, c.Tenant, token, c.name(), c.Reason); err != nil {
				return err
			}
			if err := c.through(ctx, r, j); err != nil {
				return err
			}
		}
		if err := c.print(ctx, centre, j); err != nil {
			return err
		}
		if j.Stale+j.Remaining > 0 {
			return fmt.Errorf("%d keys were left alone and %d still differ: try again", j.Stale, j.Remaining)
		}
		return nil
	})
}

// through does a job page by page, and says on the way how far it is.
func (c *replayKeysCommand) through(ctx context.Context, r *replay.Replay, j *replay.Job) error {
	told := time.Now()
	for !j.Ended() {
		if err := r.Step(ctx, j); err != nil {
			return errors.Join(err, r.Release(context.WithoutCancel(ctx), j))
		}
		if time.Since(told) > 5*time.Second {
			told = time.Now()
			fmt.Fprintf(os.Stderr, "replay %d, %s: %d keys tried, %d folded again\n", j.Number, j.Phase, j.Keys, j.Replayed)
		}
	}
	return r.Release(ctx, j)
}

func (c *replayKeysCommand) print(ctx context.Context, centre *collector.Centre, j *replay.Job) error {
	var differs []replay.Difference
	if err := centre.DB.Read(ctx, func(tx *db.Tx) (err error) { differs, err = replay.Differences(ctx, tx, j, c.Limit); return err }); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(replayOf(j, differs))
	}
	printReplay(j, differs)
	if j.Phase == replay.Ready && j.Keys > 0 {
		fmt.Printf("Nothing was changed. To do it: dockline-collector replay --tenant %s --run --token %s --reason WHY\n", c.Tenant, j.Token)
	}
	return nil
}

// replayJSON is a job as --json prints it.
type replayJSON struct {
	*replay.Job
	Differences []replay.Difference `json:"differences"`
}

func replayOf(j *replay.Job, differs []replay.Difference) replayJSON {
	if differs == nil {
		differs = []replay.Difference{}
	}
	return replayJSON{j, differs}
}

func printReplay(j *replay.Job, differs []replay.Difference) {
	fmt.Printf("Replay %d is %s: %d keys, %d would be otherwise, %d not\n", j.Number, j.Phase, j.Keys, j.Changed, j.Unchanged)
	fmt.Printf("Postings: %d new, %d otherwise, %d gone. Exceptions: %d opened, %d closed\n", j.New, j.Differ, j.Gone, j.Opened, j.Closed)
	if j.Pending > 0 {
		fmt.Printf("Of %d keys nothing can be said: something that was told of them is not folded yet\n", j.Pending)
	}
	if j.Faulty > 0 {
		fmt.Printf("%d keys cannot be folded\n", j.Faulty)
	}
	if j.Phase != replay.Ready && j.Phase != replay.Trying {
		fmt.Printf("%d keys were folded again, by %s: %s\n", j.Replayed, j.By, j.Reason)
		if j.Stale > 0 {
			fmt.Printf("%d keys were left alone: they are otherwise than when they were tried\n", j.Stale)
		}
		if j.Remaining > 0 {
			fmt.Printf("%d keys still differ from their facts\n", j.Remaining)
		}
	}
	for _, d := range differs {
		fmt.Printf("%s\n  %s\n", d.Key, strings.ReplaceAll(d.Text, "\n", "\n  "))
	}
}

type replayListCommand struct {
	Tenant string `required:"" help:"Name of the tenant."`
	Limit  int    `default:"20" help:"How many, the newest first."`
	JSON   bool   `name:"json" help:"Print everything, for scripts."`
}

// Run lists jobs.
func (c *replayListCommand) Run(all *commands) error {
	return withTenant(all, c.Tenant, func(ctx context.Context, d *db.DB) error {
		var found []*replay.Job
		if err := d.Read(ctx, func(tx *db.Tx) (err error) { found, err = replay.List(ctx, tx, c.Tenant, c.Limit); return err }); err != nil {
			return err
		}
		if c.JSON {
			return printJSON(struct {
				Replays []*replay.Job `json:"replays"`
			}{found})
		}
		w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "NUMBER\tPHASE\tKEYS\tCHANGED\tREPLAYED\tSTALE\tREMAINING\tBY\tSTARTED\tTOKEN")
		for _, j := range found {
			fmt.Fprintf(w, "%d\t%s\t%d\t%d\t%d\t%d\t%d\t%s\t%s\t%s\n", j.Number, j.Phase, j.Keys, j.Changed, j.Replayed, j.Stale, j.Remaining, orElse(j.By, "-"), stamp(j.StartedAt), j.Token)
		}
		return w.Flush()
	})
}

type replayShowCommand struct {
	Tenant string `required:"" help:"Name of the tenant."`
	Number int64  `arg:"" help:"The replay's number."`
	Limit  int    `default:"100" help:"How many of the keys that differed are listed."`
	JSON   bool   `name:"json" help:"Print everything, for scripts."`
}

// Run prints one job.
func (c *replayShowCommand) Run(all *commands) error {
	return withTenant(all, c.Tenant, func(ctx context.Context, d *db.DB) error {
		var j *replay.Job
		var differs []replay.Difference
		err := d.Read(ctx, func(tx *db.Tx) (err error) {
			if j, err = replay.Get(ctx, tx, c.Tenant, c.Number); err != nil {
				return err
			}
			differs, err = replay.Differences(ctx, tx, j, c.Limit)
			return err
		})
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(replayOf(j, differs))
		}
		printReplay(j, differs)
		return nil
	})
}

type replayCancelCommand struct {
	person
	Tenant string `required:"" help:"Name of the tenant."`
	Number int64  `arg:"" help:"The replay's number."`
	Reason string `required:"" help:"Why, for those who ask later."`
}

// Run cancels; whoever works on it stops at its next page.
func (c *replayCancelCommand) Run(all *commands) error {
	return withReplay(all, func(ctx context.Context, _ *collector.Centre, r *replay.Replay) error {
		j, err := r.Cancel(ctx, c.Tenant, c.Number, c.name(), c.Reason)
		if err == nil {
			fmt.Printf("cancelled after %d of %d keys\n", j.Replayed, j.Keys)
		}
		return err
	})
}

func withReplay(all *commands, f func(context.Context, *collector.Centre, *replay.Replay) error) error {
	return withCentre(all, func(ctx context.Context, centre *collector.Centre) error { return f(ctx, centre, centre.Replay()) })
}
