package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/dockline/dockline/collector"
	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/ownership"
	"github.com/dockline/dockline/collector/policy"
	"github.com/dockline/dockline/collector/reconcile"
	"github.com/dockline/dockline/proto/event"
)

type policyExplainCommand struct {
	Policy    string `help:"A version, the beginning of its name, or a folder; by default the version in force, and for an order its own."`
	Tenant    string `help:"Name of the tenant."`
	Site      string `help:"For this site, and its region."`
	Customer  string `help:"For this customer."`
	Item      string `help:"For this item, as the site calls it."`
	Kind      string `help:"Only this kind of posting: goods_issue, invoice_trigger, ..."`
	Code      string `help:"Also whose exceptions of this code are."`
	EventKind string `help:"Also who may state an event of this kind: pick.short."`
	About     string `xor:"what" help:"Only who owns a field, a change of status, a kind of event or an object, and who must act on what goes wrong with it: order.promised_at, order.submitted>accepted, pick.short, customer."`
	Order     string `xor:"what" help:"What is decided about this order; needs --tenant."`
	Event     string `xor:"what" help:"What is decided about what this event says something of; needs --tenant."`
	JSON      bool   `name:"json" help:"Print everything, for scripts."`
}

// explained is one part of the answer.
type explained struct {
	About   string               `json:"about,omitempty"`
	Key     *reconcile.Explained `json:"decided,omitempty"`
	Version string               `json:"version"`
	Holds   []policy.Answer      `json:"holds"`
}

// Run answers for a scope, or for each key that is asked about.
func (c *policyExplainCommand) Run(all *commands) error {
	if (c.Order != "" || c.Event != "") && c.Tenant == "" {
		return wrong("--order and --event need --tenant")
	}
	if c.Kind != "" && !slices.Contains(policy.Kinds(), connector.Kind(c.Kind)) {
		return wrong("--kind %q: one of %v", c.Kind, policy.Kinds())
	}
	if c.About != "" && !ownership.Known(c.About) {
		return wrong("%q: no such field, change of status, kind of event or object; `dockline-collector ownership list` names them", c.About)
	}
	return withPolicyDesk(all, func(ctx context.Context, desk *collector.PolicyDesk) error {
		if err := c.known(ctx, desk.DB); err != nil {
			return err
		}
		list, err := c.explain(ctx, desk)
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(list)
		}
		for i, e := range list {
			if i > 0 {
				fmt.Println()
			}
			if err := printExplained(os.Stdout, e, desk.Adapters(c.Tenant)); err != nil {
				return err
			}
		}
		return nil
	})
}

// known refuses a tenant that nobody knows, and says of a site that it is not known: its folder may name it already.
func (c *policyExplainCommand) known(ctx context.Context, d *db.DB) error {
	if err := knownTenant(ctx, d, c.Tenant); err != nil || c.Site == "" {
		return err
	}
	return d.Read(ctx, func(tx *db.Tx) error {
		sites, err := tx.Texts(ctx, `SELECT DISTINCT id FROM site WHERE tenant = ? OR ? = '' ORDER BY id`, c.Tenant, c.Tenant)
		if err == nil && !slices.Contains(sites, c.Site) {
			fmt.Fprintf(os.Stderr, "Note: no site %q is known; there is %s. What follows would hold for it.\n", c.Site, orElse(strings.Join(sites, ", "), "none"))
		}
		return err
	})
}

func (c *policyExplainCommand) explain(ctx context.Context, desk *collector.PolicyDesk) ([]explained, error) {
	var p *policy.Policy
	keys := []string{event.OrderKey(c.Order)}
	if c.Policy != "" || c.Order == "" && c.Event == "" {
		var err error
		if p, err = desk.Load(ctx, c.Policy); err != nil {
			return nil, err
		}
	}
	q := policy.Question{Scope: policy.Scope{Tenant: c.Tenant, Site: c.Site, Customer: c.Customer}, Item: c.Item, Kind: connector.Kind(c.Kind), Code: c.Code, EventKind: c.EventKind, About: c.About}
	switch {
	case c.Event != "":
		var err error
		if keys, err = desk.KeysOf(ctx, c.Tenant, c.Event); err != nil {
			return nil, err
		}
		if len(keys) == 0 {
			return nil, wrong("event %s of tenant %s says nothing of an order, shipment, return or count", c.Event, c.Tenant)
		}
	case c.Order == "":
		return []explained{{Version: p.Version, Holds: p.Explain(q)}}, nil
	}
	var list []explained
	for _, key := range keys {
		found, err := desk.Explain(ctx, c.Tenant, key, p)
		if err != nil {
			return nil, err
		}
		list = append(list, c.holds(found, q))
	}
	return list, nil
}

// holds is what holds for the site, customer and items of a key.
func (c *policyExplainCommand) holds(found *reconcile.Explained, q policy.Question) explained {
	if q.Site == "" {
		q.Site = found.Site
	}
	if q.Customer == "" {
		q.Customer = found.Customer
	}
	if q.Item == "" && len(found.Items) > 0 {
		q.Item = found.Items[0]
	}
	e := explained{About: found.Key, Key: found, Version: found.Policy}
	for _, a := range found.Under.Explain(q) {
		if a.File != "routing.yaml" { // the routes that were looked at say more
			e.Holds = append(e.Holds, a)
		}
	}
	codes := slices.Compact(slices.Sorted(slices.Values(found.Codes)))
	for _, code := range codes {
		for _, a := range found.Under.Explain(policy.Question{Scope: q.Scope, Code: code, Kind: "none"}) {
			if a.File == "owners.yaml" {
				e.Holds = append(e.Holds, a)
			}
		}
	}
	return e
}

// adapted are the targets of a route, each with the adapter that speaks to it.
func adapted(r reconcile.RouteAsked, adapters map[string]string) (names []string) {
	for _, name := range r.Targets {
		if adapter := adapters[name]; adapter != "" {
			name += " by adapter " + adapter
		}
		names = append(names, name)
	}
	return names
}

func printExplained(out io.Writer, e explained, adapters map[string]string) error {
	if k := e.Key; k != nil {
		fmt.Fprintf(out, "%s is %s, folded under version %s\n", e.About, plain(k.Status), e.Version)
		if len(k.Items) > 1 {
			fmt.Fprintf(out, "What holds for an item is shown for the first of %s; --item asks for another.\n", strings.Join(k.Items, ", "))
		}
	} else {
		fmt.Fprintf(out, "version %s\n", e.Version)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, a := range e.Holds {
		about := a.About
		if about == "" {
			about = strings.TrimSuffix(a.File, ".yaml")
		}
		for _, s := range a.Said {
			fmt.Fprintf(w, "%s\t%s\t%v\t%s\n", about, s.Key, s.Value, s.Rule)
		}
	}
	if e.Key != nil {
		for _, r := range e.Key.Routes {
			took := "taken"
			if !r.Holds {
				took = "not taken, since this does not hold: " + r.When
			} else if r.When != "" {
				took = "taken, since this holds: " + r.When
			}
			fmt.Fprintf(w, "route of %s\tto %s, priority %s\t%s\t%s\n", r.Kind, strings.Join(adapted(r, adapters), ", "), r.Priority, took, r.Rule)
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if e.Key != nil && len(e.Key.Decided) > 0 {
		fmt.Fprintln(out, "Decided by rules:")
		return printDecisions(out, e.Key.Decided)
	}
	return nil
}
