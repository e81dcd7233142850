package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"text/tabwriter"

	"github.com/dockline/dockline/collector/api"
	"github.com/dockline/dockline/collector/api/view"
	"github.com/dockline/dockline/collector/db"
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
			err = w.Flush()
		}
		if err == nil && len(hits) == 0 {
			err = fmt.Errorf("nothing is called %q, or begins so", c.Value)
		}
		return err
	})
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
