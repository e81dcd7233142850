package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/dockline/dockline/collector"
	"github.com/dockline/dockline/collector/ownership"
	"github.com/dockline/dockline/collector/policy"
)

type ownershipCommand struct {
	List    ownershipListCommand    `cmd:"" help:"List fields, changes of status and kinds of events with their owners, and the line that says so."`
	Explain ownershipExplainCommand `cmd:"" help:"Say who owns one of them, who else may state it, and who must act on what goes wrong with it."`
}

// ownershipScope is whose registry is asked for.
type ownershipScope struct {
	Policy string `help:"A version, the beginning of its name, or a folder; by default the version in force."`
	Tenant string `help:"Name of the tenant."`
	Site   string `help:"At this site."`
	JSON   bool   `name:"json" help:"Print everything, for scripts."`
}

type ownershipListCommand struct {
	ownershipScope
	Object string `help:"Only of this object: order, shipment, customer, ..."`
}

type ownershipExplainCommand struct {
	ownershipScope
	About string `arg:"" help:"A field (order.promised_at), a change of status (order.submitted>accepted), a kind of event (pick.short) or an object (customer)."`
}

// owned is one line of the list.
type owned struct {
	About string           `json:"about"`
	Owner ownership.Role   `json:"owner"`
	Also  []ownership.Role `json:"also,omitempty"`
	By    string           `json:"decided_by"`
	Team  string           `json:"team"`
	Rule  policy.Rule      `json:"rule"`
}

// Run lists what has an owner.
func (c *ownershipListCommand) Run(all *commands) error {
	return withPolicyDesk(all, func(ctx context.Context, desk *collector.PolicyDesk) error {
		p, err := desk.Load(ctx, c.Policy)
		if err != nil {
			return err
		}
		list := ownedBy(p, p.Scope(c.Tenant, c.Site, ""), c.Object)
		if len(list) == 0 {
			return wrong("--object %q: nothing of it has an owner; objects are %s", c.Object, strings.Join(ownership.Objects(), ", "))
		}
		if c.JSON {
			return printJSON(list)
		}
		return printOwned(os.Stdout, list)
	})
}

// ownedBy is everything of an object, or of all, that has an owner.
func ownedBy(p *policy.Policy, of policy.Scope, object string) (list []owned) {
	registry := p.OwnershipIn(of)
	rules := make(map[string]policy.Rule) // a line is looked up once
	for _, about := range ownership.All() {
		answer, ok := registry.About(about)
		if !ok || object != "" && !strings.HasPrefix(about, object+".") {
			continue
		}
		rule, known := rules[answer.Key]
		if !known {
			rule = p.WhyOwner(of, about)
			rules[answer.Key] = rule
		}
		team, _ := p.TeamOf(of, about)
		list = append(list, owned{About: about, Owner: answer.Owner(), Also: answer.Owners[1:], By: answer.By, Team: team, Rule: rule})
	}
	return list
}

func printOwned(out io.Writer, list []owned) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ABOUT\tOWNER\tALSO\tTEAM\tRULE")
	for _, o := range list {
		also := "-"
		if len(o.Also) > 0 {
			also = strings.Trim(fmt.Sprint(o.Also), "[]")
		}
		team := o.Team
		if team == "" {
			team = "-"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", o.About, o.Owner, also, team, o.Rule)
	}
	return w.Flush()
}

// Run says who owns one thing.
func (c *ownershipExplainCommand) Run(all *commands) error {
	return (&policyExplainCommand{Policy: c.Policy, Tenant: c.Tenant, Site: c.Site, About: c.About, JSON: c.JSON}).Run(all)
}
