package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"google.golang.org/protobuf/encoding/protojson"

	"github.com/dockline/dockline/collector/api/view"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/stock"
	"github.com/dockline/dockline/proto/event"
)

type stockCommand struct {
	Show stockShowCommand `cmd:"" help:"List what lies in the bins of a site, by item, lot and status."`
	ATP  stockATPCommand  `cmd:"" name:"atp" help:"Say what can still be promised of an item: on hand, less what is reserved, ordered or kept as safety stock, plus what is on its way in."`
}

type stockShowCommand struct {
	Tenant string `required:"" help:"Name of the tenant."`
	Site   string `help:"Only this site."`
	Item   string `help:"Only this item, by its code in the system of record."`
	Limit  int    `default:"1000" help:"How many at most."`
	JSON   bool   `name:"json" help:"Print everything, for scripts."`
}

// Run prints the buckets of the ledger.
func (c *stockShowCommand) Run(all *commands) error {
	return withTenant(all, c.Tenant, func(ctx context.Context, d *db.DB) error {
		var found []view.Stock
		err := d.Read(ctx, func(tx *db.Tx) error {
			found = nil
			for after := ""; len(found) < c.Limit; {
				page, err := view.StockAfter(ctx, tx, c.Tenant, c.Site, after, 1000)
				if err != nil || len(page) == 0 {
					return err
				}
				after = page[len(page)-1].Key
				for _, s := range page {
					if (c.Item == "" || s.State.GetItem() == c.Item) && len(found) < c.Limit {
						found = append(found, s)
					}
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		if c.JSON {
			return printStockJSON(found)
		}
		return printStock(os.Stdout, found)
	})
}

func printStockJSON(found []view.Stock) error {
	var out struct {
		Stock []json.RawMessage `json:"stock"`
	}
	for _, s := range found {
		body, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(s.State)
		if err != nil {
			return err
		}
		out.Stock = append(out.Stock, body)
	}
	return printJSON(out)
}

func printStock(out io.Writer, found []view.Stock) error {
	if len(found) == 0 {
		_, err := fmt.Fprintln(out, "no stock is known of that tenant, site and item; where none at all is known, a connector that is the system of record opens it by a snapshot of its book")
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "SITE\tBIN\tITEM\tLOT\tSTATUS\tOWNER\tON HAND")
	for _, s := range found {
		b := s.State
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", b.GetSite(), b.GetBin(), b.GetItem(), b.GetLot(), b.GetStockStatus(), b.GetOwner(), event.FormatQuantity(b.GetOnHand()))
	}
	return w.Flush()
}

type stockATPCommand struct {
	Tenant string   `required:"" help:"Name of the tenant."`
	Item   string   `required:"" help:"The item's code in the system of record."`
	Site   []string `help:"Only over this site; several with commas. Without it over all."`
	JSON   bool     `name:"json" help:"Print everything, for scripts."`
}

// Run prints what can be promised, by site and in all, and how old that is.
func (c *stockATPCommand) Run(all *commands) error {
	return withTenant(all, c.Tenant, func(ctx context.Context, d *db.DB) error {
		var p stock.Promise
		err := d.Read(ctx, func(tx *db.Tx) (err error) {
			p, err = stock.Promised(ctx, tx, c.Tenant, c.Item, c.Site, time.Now())
			return err
		})
		if err != nil {
			return err
		}
		if c.JSON {
			return json.NewEncoder(os.Stdout).Encode(p)
		}
		return printPromise(os.Stdout, p)
	})
}

func printPromise(out io.Writer, p stock.Promise) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "SITE\tON HAND\tON HOLD\tALLOCATED\tORDERED\tSAFETY\tINBOUND\tCAN BE PROMISED\tAS OF\t")
	for _, s := range p.Sites {
		asOf := "never told"
		if s.AsOf != nil {
			asOf = s.AsOf.Format(time.RFC3339)
		}
		if s.Stale {
			asOf += " (stale)"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t\n", s.Site, s.OnHand, s.Hold, s.Allocated, s.Open, s.Safety, s.Inbound, s.ATP, asOf)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if p.NowhereYet != "0" {
		fmt.Fprintf(out, "%s more are ordered, at no site yet\n", p.NowhereYet)
	}
	stale := ""
	if p.Stale {
		stale = ", by what may be out of date. " + p.StaleBecause
	}
	_, err := fmt.Fprintf(out, "%s of %s can be promised%s\n", p.ATP, p.Item, stale)
	return err
}
