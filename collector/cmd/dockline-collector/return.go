package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/dockline/dockline/collector"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/giveback"
	"github.com/dockline/dockline/collector/policy"
	"github.com/dockline/dockline/proto/event"
)

type returnCommand struct {
	Credit returnCreditCommand `cmd:"" help:"Say how much of a line is to be credited altogether; beyond what was disposed of only with --override."`
	Accept returnAcceptCommand `cmd:"" help:"Take goods that came without an RMA for an order."`
}

// whichReturn is what every command about a return has.
type whichReturn struct {
	Tenant string `required:"" help:"Name of the tenant."`
	Key    string `arg:"" help:"The RMA's number, or blind_return/SITE/RECEIPT of goods that came without one."`
}

func (w *whichReturn) key() string {
	if strings.HasPrefix(w.Key, "return/") || strings.HasPrefix(w.Key, "blind_return/") {
		return w.Key
	}
	return event.ReturnKey(w.Key)
}

type returnCreditCommand struct {
	whichReturn
	person
	Line     string `help:"The order's line."`
	Item     string `help:"The item, where the line alone does not tell."`
	Quantity string `required:"" help:"How much of the line is to be credited altogether, in the item's base unit."`
	Override bool   `help:"It is meant: more than the dispositions of the goods allow."`
	Reason   string `required:"" help:"Why, for those who ask later."`
}

// Help is shown below the usage.
func (returnCreditCommand) Help() string {
	return `What a site disposes of is credited as fulfilment.yaml says (key credit), and asked for by itself. This command is for what goes beyond: it is
refused without --override, and with it kept as a fact of the return, with name and reason; it needs the scope exception.approve. Said again for a line it takes the place of what was
said before, so --quantity with what the dispositions allow takes it back. Nothing beyond what came back can be credited. What it is worth the
system of record says.`
}

// Run allows a credit.
func (c *returnCreditCommand) Run(all *commands) error {
	return decide(all, &c.whichReturn, c.name(), c.Reason, func(ctx context.Context, tx *db.Tx, centre *collector.Centre, d giveback.Decision) error {
		return d.Credit(ctx, tx, []giveback.Line{{OrderLine: c.Line, Item: c.Item, Quantity: c.Quantity}}, c.Override, centre.Now())
	})
}

type returnAcceptCommand struct {
	whichReturn
	person
	Order    string `required:"" help:"The order that the goods had left for."`
	Customer string `help:"Who sent them, where the site has not told."`
	Reason   string `required:"" help:"Why, for those who ask later."`
}

// Run takes goods without an RMA.
func (c *returnAcceptCommand) Run(all *commands) error {
	return decide(all, &c.whichReturn, c.name(), c.Reason, func(ctx context.Context, tx *db.Tx, centre *collector.Centre, d giveback.Decision) error {
		return d.Accept(ctx, tx, c.Order, c.Customer, centre.Now())
	})
}

func decide(all *commands, w *whichReturn, by, reason string, act func(context.Context, *db.Tx, *collector.Centre, giveback.Decision) error) error {
	return withCentre(all, func(ctx context.Context, centre *collector.Centre) error {
		d := giveback.Decision{Tenant: w.Tenant, Key: w.key(), By: by, Reason: reason, Source: policy.Self, Append: centre.Append}
		if err := centre.DB.Write(ctx, func(tx *db.Tx) error { return act(ctx, tx, centre, d) }); err != nil {
			return err
		}
		fmt.Printf("decided about %s; the collector works out the rest\n", d.Key)
		return nil
	})
}
