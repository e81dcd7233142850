package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/dockline/dockline/collector"
	"github.com/dockline/dockline/collector/audit"
	"github.com/dockline/dockline/collector/people"
	"github.com/dockline/dockline/collector/rebuild"
	"github.com/dockline/dockline/proto/event"
)

type rebuildCommand struct {
	person
	Reason  string   `help:"With --switch: why, for those who ask later."`
	Tenant  string   `help:"Only this tenant."`
	Key     string   `help:"Only this key, as an exception or an earlier run names it: order/SO1001, shipment/dc-east/S7, stock/dc-east/A-01/BOLT//available."`
	Switch  bool     `help:"Put right what differs. Without it nothing is changed: the run only tells what it would put right."`
	Without []string `help:"Name of a connector that the configuration lacks because its system was given up: what was posted to it counts as no longer wanted."`
	Limit   int      `default:"100" help:"How many differences are listed."`
	JSON    bool     `name:"json" help:"Print everything, for scripts."`
}

// Help is shown below the usage.
func (rebuildCommand) Help() string {
	return `Everything that the collector knows of orders, shipments, counts and stock follows from its event log. This command derives it anew from there, beside what
there is, and compares: the facts of every event, and for every key its state, its postings and the reasons why events lead to no document. The
collector may be at work or stopped; nobody waits for it.

With --switch it first compares and writes down what differs, and then puts that right: facts from their events, and the keys are folded again.
Then it looks at each once more. Should it be interrupted, the same command goes on where it was.

A key of which something was told a moment ago and is not folded yet is counted as such and not judged.

Exit code 0: everything agrees (with --switch: does now). 1: something differs, or it failed.`
}

// rebuilt is what a run came to, as --json prints it.
type rebuilt struct {
	*rebuild.Run
	Differences []rebuild.Difference `json:"differences"`
}

// Run compares, and puts right where it is asked to.
func (c *rebuildCommand) Run(all *commands) error {
	if c.Key != "" && c.Tenant == "" {
		return wrong("rebuild: --key needs --tenant")
	}
	config, err := collector.LoadConfig(all.Config)
	if err != nil {
		return err
	}
	ctx, stop := interruptible()
	defer stop()
	b, closeAll, err := collector.OpenRebuild(ctx, config, c.Without)
	if err != nil {
		return err
	}
	out, err := c.run(ctx, b)
	if err = errors.Join(err, closeAll()); err != nil {
		return err
	}
	if c.JSON {
		if err := printJSON(out); err != nil {
			return err
		}
	} else if err := out.print(); err != nil {
		return err
	}
	return out.verdict()
}

func (c *rebuildCommand) run(ctx context.Context, b *rebuild.Rebuild) (out *rebuilt, err error) {
	if err := knownTenant(ctx, b.DB, c.Tenant); err != nil {
		return nil, err
	}
	if !c.Switch {
		return c.through(ctx, b, rebuild.Check)
	}
	act, scope := audit.Act{Tenant: c.Tenant, By: c.name(), Action: "state.rebuild", Object: c.Key, Reason: c.Reason}, people.Replay
	if c.Tenant == "" {
		act.Tenant, scope = audit.Everywhere, people.SystemAct
	}
	err = people.InSteps(ctx, b.DB, scope, act, func(ctx context.Context) (map[string]any, error) {
		if out, err = c.through(ctx, b, rebuild.Switch); err != nil {
			return nil, err
		}
		return map[string]any{"differing": out.Differing, "remaining": out.Remaining}, nil
	})
	return out, err
}

// through is one run from beginning to end.
func (c *rebuildCommand) through(ctx context.Context, b *rebuild.Rebuild, kind string) (*rebuilt, error) {
	r, err := b.Begin(ctx, kind, rebuild.Key{Tenant: c.Tenant, Key: c.Key})
	if err != nil {
		return nil, err
	}
	for !r.Done() {
		if err := b.Step(ctx, r); err != nil {
			return nil, errors.Join(err, b.End(context.WithoutCancel(ctx), r))
		}
	}
	if c.Key != "" && r.Keys == 0 {
		return nil, errors.Join(wrong("nothing is known of %s of tenant %s: no event names it. A key is written as an exception or an earlier run names it: order/SO1001, shipment/dc-east/S7", c.Key, c.Tenant),
			b.End(ctx, r))
	}
	found, err := b.Differences(ctx, r, c.Limit)
	return &rebuilt{r, found}, errors.Join(err, b.End(ctx, r))
}

func (o *rebuilt) print() error {
	fmt.Printf("%s, %s and %s compared: ", event.Several(o.Events, "event"), event.Several(o.Facts, "fact"), event.Several(o.Keys, "key"))
	switch o.Differing {
	case 0:
		fmt.Println("nothing differs")
	case 1:
		fmt.Println("1 differs")
	default:
		fmt.Printf("%d keys differ\n", o.Differing)
	}
	if o.Pending > 0 {
		fmt.Printf("not judged: %s, of which something that was told is not folded yet\n", event.Several(o.Pending, "key"))
	}
	if len(o.Differences) == 0 {
		return nil
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "TENANT\tKEY\tWHAT\tEVENT\tNOW\tTEXT")
	for _, d := range o.Differences {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", d.Tenant, d.Key.Key, strings.ReplaceAll(d.What, "_", " "), d.EventID, d.Settled, strings.ReplaceAll(d.Text, "\n", " "))
	}
	return w.Flush()
}

// verdict is the error that the command ends with.
func (o *rebuilt) verdict() error {
	remains := o.Differing
	if o.Kind == rebuild.Switch {
		remains = o.Remaining
	}
	if remains == 0 {
		return nil
	}
	if o.Kind == rebuild.Switch {
		return fmt.Errorf("%s still not as the event log has it: see the log of the collector, and whether the database can be written", event.Several(remains, "key"))
	}
	return fmt.Errorf("%s not as the event log has it; --switch puts that right", event.Several(remains, "key"))
}
