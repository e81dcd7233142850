package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/dockline/dockline/collector"
)

type policyReleasesCommand struct {
	Policy string `arg:"" optional:"" help:"A version, the beginning of its name, or a folder; by default the version in force."`
	All    bool   `help:"Also those whose day is over."`
	JSON   bool   `name:"json" help:"Print everything, for scripts."`
}

// Run lists what others change in their systems, and what that touches.
func (c *policyReleasesCommand) Run(all *commands) error {
	return withPolicyDesk(all, func(ctx context.Context, desk *collector.PolicyDesk) error {
		p, err := desk.Load(ctx, c.Policy)
		if err != nil {
			return err
		}
		list, err := desk.Releases(ctx, p, c.All)
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(list)
		}
		if len(list) == 0 {
			fmt.Printf("releases.yaml of version %s names no release that is ahead.\n", p.Version)
			return nil
		}
		for i, r := range list {
			if i > 0 {
				fmt.Println()
			}
			if err := printRelease(os.Stdout, &r, desk.Adapters("")); err != nil {
				return err
			}
		}
		return nil
	})
}

func printRelease(out io.Writer, r *collector.ReleaseAhead, adapters map[string]string) error {
	told := "its owners are warned in time"
	if r.Warned {
		told = "its owners are warned"
	}
	system := r.System
	if adapter := adapters[system]; adapter != "" {
		system += " (adapter " + adapter + ")"
	}
	fmt.Fprintf(out, "%s  %s %s: %s\n", r.Date, system, r.Name, r.Changes)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, f := range r.Flows {
		when := ""
		if f.When != "" {
			when = "when " + f.When
		}
		fmt.Fprintf(w, "  posting\t%s\t%s\t%s\n", f.Kind, when, f.Rule)
	}
	for _, o := range r.Owned {
		fmt.Fprintf(w, "  field\t%s\towned by %s\t%s\n", o.About, o.Owner, o.Rule)
	}
	for _, m := range r.Mappings {
		fmt.Fprintf(w, "  mapping\t\t\t%s\n", m)
	}
	for _, tenant := range slices.Sorted(maps.Keys(r.SitesOf)) {
		fmt.Fprintf(w, "  sites\t%s\tof tenant %s\t\n", strings.Join(r.SitesOf[tenant], ", "), tenant)
	}
	fmt.Fprintf(w, "  open\t%d postings\t\t\n", r.Open)
	fmt.Fprintf(w, "  teams\t%s\t%s\t%s\n", strings.Join(r.Teams, ", "), told, r.Rule)
	return w.Flush()
}
