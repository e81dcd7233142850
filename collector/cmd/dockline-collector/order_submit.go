package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/dockline/dockline/collector"
	"github.com/dockline/dockline/collector/submission"
)

type orderSubmitCommand struct {
	Tenant string `required:"" help:"Name of the tenant."`
	person
	JSON bool   `name:"json" help:"Print what became of it, for scripts; the fields are those of the answer to POST /api/v1/orders."`
	File string `arg:"" help:"The order in JSON, as POST /api/v1/orders takes it; - for standard input."`
}

// Help is shown below the usage.
func (orderSubmitCommand) Help() string {
	return `An order is one JSON object:

    {"number": "PO-4711", "customer": "C-1001", "channel": "shop", "site": "dc-east", "lines": [{"item": "SKU-1001", "quantity": 2}]}

number is the customer's own, or the shop's. Needed are number, customer and lines with item (or gtin) and quantity; there may be currency, ordered_at,
promised_at, ship_to (lines of text), and of each line its number (line), unit and unit_price. Systems of record are told as routing.yaml says
(order_create), and decide whether they accept it: order list shows it then, and find leads from its number to theirs.

The same order handed in again, with the same number, customer and channel, changes nothing and says so. Another one under these corrects an
order that the system of record has refused; any other is refused here.

The collector may be at work or stopped. Whoever does this needs the scope order.act where the tenant has users.

Exit code 0: it is taken in, or was before. 2: it cannot be taken; the text says which field is wrong, and what would be right.`
}

// Run takes one order in.
func (c *orderSubmitCommand) Run(all *commands) error {
	text, err := c.read()
	if err != nil {
		return err
	}
	order, err := submission.Parse(text)
	if err != nil {
		return fmt.Errorf("%s: %w", c.File, err)
	}
	if c.By != "" || order.By == "" {
		order.By = c.name()
	}
	return withCentre(all, func(ctx context.Context, centre *collector.Centre) error {
		if err := knownTenant(ctx, centre.DB, c.Tenant); err != nil {
			return err
		}
		taken, err := centre.Submit(ctx, c.Tenant, order)
		switch {
		case err != nil:
			return err
		case c.JSON:
			return printJSON(taken)
		case taken.Known:
			fmt.Printf("order %s of customer %s was handed in before, and nothing has changed (event %s)\n", taken.Number, taken.Customer, shortID(taken.Event))
			return nil
		case taken.Version > 1:
			fmt.Printf("order %s of customer %s is taken in as version %d, which corrects what the system of record refused (event %s); `dockline-collector find %s` says what it makes of it\n", taken.Number, taken.Customer, taken.Version, shortID(taken.Event), taken.Number)
			return nil
		}
		fmt.Printf("order %s of customer %s is taken in (event %s); `dockline-collector find %s` says what the system of record makes of it\n", taken.Number, taken.Customer, shortID(taken.Event), taken.Number)
		return nil
	})
}

func (c *orderSubmitCommand) read() ([]byte, error) {
	from, name := io.Reader(os.Stdin), cmp.Or(c.File, "-")
	if name != "-" {
		file, err := os.Open(name)
		if errors.Is(err, os.ErrNotExist) {
			return nil, wrong("there is no file %s", name)
		}
		if err != nil {
			return nil, err
		}
		defer file.Close()
		from = file
	}
	return io.ReadAll(io.LimitReader(from, 16<<20))
}
