package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/dockline/dockline/collector/api"
	"github.com/dockline/dockline/collector/api/view"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/posting"
	"github.com/dockline/dockline/proto/event"
)

type findCommand struct {
	Value  string `arg:"" help:"Number of an order, shipment, return, invoice, credit memo, purchase order, advice or quote; a customer's reference; a tracking number, bill of lading, trailer, seal, claim, receipt, SSCC, with or without its identifier 00, or licence plate. Case does not matter, and from four characters on its beginning is enough."`
	Tenant string `default:"" help:"Only this tenant's."`
	Limit  int    `default:"100" help:"At most so many."`
	JSON   bool   `name:"json" help:"Print everything, for scripts; the fields are those of GET /api/v1/search."`
}

// Run prints what the name leads to; where that is nothing it fails.
func (c *findCommand) Run(all *commands) error {
	return withTenant(all, c.Tenant, func(ctx context.Context, d *db.DB) error {
		byTenant, several, err := c.find(ctx, d)
		if err != nil {
			return err
		}
		var hits []view.Hit
		for _, list := range byTenant {
			hits = append(hits, list.hits...)
		}
		if c.JSON {
			err = printJSON(api.FoundOf(hits))
		} else if len(hits) > 0 {
			w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "TYPE\tNAME\tLEADS TO\tSTATUS\tCUSTOMER\tSITE\tCORRELATION ID")
			for _, list := range byTenant {
				for _, h := range list.hits {
					key, name := h.Key, h.Name
					if several {
						key = list.tenant + " " + key
					}
					if h.Former {
						name += " (former)"
					}
					fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", h.Type, name, key, cmp.Or(h.Status, "-"), cmp.Or(h.Customer, "-"), cmp.Or(h.Site, "-"), cmp.Or(h.CorrelationID, "-"))
				}
			}
			if err = w.Flush(); err == nil {
				err = printSubmissions(ctx, os.Stdout, d, byTenant)
			}
		}
		if err == nil && len(hits) == 0 {
			err = fmt.Errorf("nothing is called %q, or begins so", c.Value)
		}
		return err
	})
}

// printSubmissions says of each order that was handed in under a name what the system of record makes of it: until that has a number for it, it is no
// order yet, and has no status of its own.
func printSubmissions(ctx context.Context, out io.Writer, d *db.DB, byTenant []ofTenant) error {
	for _, list := range byTenant {
		asked := make(map[string]bool)
		for _, h := range list.hits {
			if asked[h.Key] || h.Key != event.SubmissionKey(h.Name) {
				continue
			}
			asked[h.Key] = true
			found, err := view.Submissions(ctx, d, list.tenant, h.Name)
			if err != nil {
				return err
			}
			for _, s := range found {
				fmt.Fprintf(out, "Order %s of customer %s, handed in by %s: %s\n", s.Event.GetOrder().GetNumber(), s.Event.GetOrder().GetCustomer(), s.Event.GetSource(), submissionText(s))
			}
		}
	}
	return nil
}

// submissionText is what the system of record says of an order that was handed in, and what to do.
func submissionText(s view.Submission) string {
	if len(s.Orders) > 0 {
		return "accepted as " + strings.Join(s.Orders, ", ")
	}
	if len(s.Refusals) > 0 {
		return "rejected: " + strings.Join(s.Refusals, "; ") + "; correct it and hand it in again"
	}
	waits := "no answer yet"
	for _, p := range s.Postings {
		switch p.State {
		case posting.Rejected:
			return "refused by " + p.Target + ": " + p.Fault.Text + "; correct what is wrong, and hand it in again, or `dockline-collector posting retry` it"
		case posting.Confirmed:
			var numbers []string
			for _, d := range p.Documents {
				numbers = append(numbers, d.GetNumber())
			}
			waits += fmt.Sprintf("; %s has made %s of it, and has not told yet of an order with that customer and customer's reference", p.Target, strings.Join(numbers, ", "))
		case posting.Superseded:
			waits += fmt.Sprintf("; %s is not told of it any more", p.Target)
		default:
			waits += fmt.Sprintf("; %s is %s", p.String(), plain(string(p.State)))
		}
	}
	return waits
}

// ofTenant is what a name leads to with one tenant.
type ofTenant struct {
	tenant string
	hits   []view.Hit
}

func (c *findCommand) find(ctx context.Context, d *db.DB) (found []ofTenant, several bool, err error) {
	err = d.Read(ctx, func(tx *db.Tx) error {
		found = nil
		tenants, err := view.Tenants(ctx, tx)
		if err != nil {
			return err
		}
		several = len(tenants) > 1
		for _, tenant := range tenants {
			if c.Tenant != "" && c.Tenant != tenant {
				continue
			}
			hits, err := view.Find(ctx, tx, tenant, c.Value, c.Limit)
			if err != nil {
				return err
			}
			found = append(found, ofTenant{tenant, hits})
		}
		return nil
	})
	return found, several, err
}
