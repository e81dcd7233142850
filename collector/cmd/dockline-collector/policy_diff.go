package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/dockline/dockline/collector"
	"github.com/dockline/dockline/collector/policy"
	"github.com/dockline/dockline/collector/reconcile"
	"github.com/dockline/dockline/proto/event"
)

type policyDiffCommand struct {
	Old    string `arg:"" help:"A version, the beginning of its name, or a folder."`
	New    string `arg:"" optional:"" help:"The same. Where only one is given, it is compared with the version in force."`
	Tenant string `help:"Only this tenant."`
	Order  string `help:"Only this order; needs --tenant."`
	Since  string `help:"Only what has changed since a time (2026-03-01T06:00:00Z), or within so long (36h)."`
	Limit  int    `default:"100" help:"How many keys are printed; all are counted."`
	JSON   bool   `name:"json" help:"Print one JSON object a line: each key that would differ, then the counts."`
}

// Help is shown below the usage.
func (policyDiffCommand) Help() string {
	return `Every order, shipment, return and count that is recorded is folded under the old version and under the new one, beside what is kept; nothing is written and
nobody waits. What the two make of it is compared. Exit code 0, whether there are differences or not.`
}

// Run prints each key that would differ as it is found.
func (c *policyDiffCommand) Run(all *commands) error {
	if c.Order != "" && c.Tenant == "" {
		return wrong("--order needs --tenant")
	}
	of := collector.DiffScope{Tenant: c.Tenant}
	if c.Order != "" {
		of.Key = event.OrderKey(c.Order)
	}
	var err error
	if c.Since != "" {
		if of.Since, err = moment("--since", c.Since, time.Now()); err != nil {
			return err
		}
	}
	return withPolicyDesk(all, func(ctx context.Context, desk *collector.PolicyDesk) error {
		before, after, err := c.both(ctx, desk)
		if err != nil {
			return err
		}
		if !c.JSON {
			fmt.Printf("from version %s to %s\n", before.Version, after.Version)
		}
		printed := 0
		counts, err := desk.Diff(ctx, before, after, of, func(tenant string, t *reconcile.Tried) error {
			if !t.Differs() || c.Limit > 0 && printed >= c.Limit {
				return nil
			}
			printed++
			return c.print(os.Stdout, tenant, t)
		})
		if err != nil {
			return err
		}
		if c.JSON {
			return json.NewEncoder(os.Stdout).Encode(counts)
		}
		if int64(printed) < counts.Differing {
			fmt.Printf("%d more keys would differ; --limit 0 prints all\n", counts.Differing-int64(printed))
		}
		printCounts(os.Stdout, counts)
		return nil
	})
}

// both loads the two versions; one alone is compared with the one in force.
func (c *policyDiffCommand) both(ctx context.Context, desk *collector.PolicyDesk) (before, after *policy.Policy, err error) {
	first, second := c.Old, c.New
	if second == "" {
		first, second = "", c.Old
	}
	if before, err = desk.Load(ctx, first); err != nil {
		return nil, nil, err
	}
	after, err = desk.Load(ctx, second)
	return before, after, err
}

func (c *policyDiffCommand) print(out io.Writer, tenant string, t *reconcile.Tried) error {
	if c.JSON {
		return json.NewEncoder(out).Encode(struct {
			Tenant string `json:"tenant"`
			*reconcile.Tried
		}{tenant, t})
	}
	fmt.Fprintf(out, "%s %s\n", tenant, t.Key)
	if t.Fault != "" {
		fmt.Fprintf(out, "  %s\n", t.Fault)
	}
	if t.Was != t.Status {
		fmt.Fprintf(out, "  status %s -> %s\n", t.Was, t.Status)
	}
	if t.Fields != "" {
		fmt.Fprintf(out, "  state: %s\n", t.Fields)
	}
	for _, p := range t.Postings {
		fmt.Fprintf(out, "  %s posting %s %s to %s%s%s\n", p.Change, p.Kind, p.Key, p.Target, before(" (now ", string(p.State), ")"), before(": ", p.Text, ""))
	}
	for _, e := range t.Exceptions {
		fmt.Fprintf(out, "  %s exception %s [%s] of team %s%s\n", e.Change, e.Code, e.Subject, e.Team, before(": ", e.Text, ""))
	}
	return nil
}

// before puts text between others, where there is any.
func before(head, text, tail string) string {
	if text == "" {
		return ""
	}
	return head + text + tail
}

func printCounts(out io.Writer, d *collector.Diffed) {
	fmt.Fprintf(out, "%d keys folded, %d would differ, %d states would be others\n", d.Keys, d.Differing, d.States)
	if d.Pending > 0 {
		fmt.Fprintf(out, "%d keys were not judged: something that was told of them is not folded yet\n", d.Pending)
	}
	if d.Failed > 0 {
		fmt.Fprintf(out, "%d keys cannot be folded\n", d.Failed)
	}
	for _, list := range []struct {
		name   string
		counts map[string]int64
	}{{"postings", d.Postings}, {"exceptions", d.Exceptions}} {
		var texts []string
		for _, what := range slices.Sorted(maps.Keys(list.counts)) {
			texts = append(texts, fmt.Sprintf("%d %s", list.counts[what], what))
		}
		if len(texts) > 0 {
			fmt.Fprintf(out, "%s: %s\n", list.name, strings.Join(texts, ", "))
		}
	}
}
