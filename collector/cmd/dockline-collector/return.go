package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/dockline/dockline/collector"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/giveback"
	"github.com/dockline/dockline/collector/policy"
	"github.com/dockline/dockline/collector/retention"
	"github.com/dockline/dockline/proto/event"
)

type returnCommand struct {
	Credit returnCreditCommand `cmd:"" help:"Say how much of a line is to be credited altogether; beyond what was disposed of only with --override."`
	Accept returnAcceptCommand `cmd:"" help:"Take goods that came without an RMA for an order."`
}

// whichReturn is what every command about a return has.
type whichReturn struct {
	Tenant string `required:"" help:"Name of the tenant."`
	JSON   bool   `name:"json" help:"Print what was decided as JSON."`
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
	return decide(all, &c.whichReturn, c.name(), c.Reason, func(ctx context.Context, tx *db.Tx, centre *collector.Centre, d giveback.Decision) (*giveback.Decided, error) {
		return d.Credit(ctx, tx, []giveback.Line{{OrderLine: c.Line, Item: c.Item, Quantity: c.Quantity}}, c.Override, centre.Now())
	})
}

type returnAcceptCommand struct {
	whichReturn
	person
	Order     string   `required:"" help:"The order that the goods had left for."`
	Line      []string `sep:"none" placeholder:"[ITEM=]LINE" help:"The order's line that an item is of, where the site has not told; once for each item, which may be left out where only one came back."`
	InsteadOf string   `help:"The order that they were taken for by mistake: what is posted for it is taken back."`
	Customer  string   `help:"Who sent them, where the site has not told."`
	Reason    string   `required:"" help:"Why, for those who ask later."`
}

// Help is shown below the usage.
func (returnAcceptCommand) Help() string {
	return `Goods without an RMA are posted when an RMA names their receipt, or when somebody takes them for an order with this command. The order must have such items. Where the site
has not told the order's line, it is the one by which the item had left; where it had left by several, say --line. Said again it takes the place of what was said before; for
another order only with --instead-of. Where an RMA names the receipt later, it takes over what was posted.`
}

// Run takes goods without an RMA.
func (c *returnAcceptCommand) Run(all *commands) error {
	a := giveback.Accepting{Order: c.Order, Customer: c.Customer, InsteadOf: c.InsteadOf}
	for _, said := range c.Line {
		item, line, both := strings.Cut(said, "=")
		if !both {
			item, line = "", said
		}
		if line == "" || both && item == "" {
			return wrong("--line %q: give the order's line, or ITEM=LINE", said)
		}
		a.Lines = append(a.Lines, giveback.Line{Item: item, OrderLine: line})
	}
	return decide(all, &c.whichReturn, c.name(), c.Reason, func(ctx context.Context, tx *db.Tx, centre *collector.Centre, d giveback.Decision) (*giveback.Decided, error) {
		return d.Accept(ctx, tx, a, centre.Now())
	})
}

func decide(all *commands, w *whichReturn, by, reason string, act func(context.Context, *db.Tx, *collector.Centre, giveback.Decision) (*giveback.Decided, error)) error {
	return withCentre(all, func(ctx context.Context, centre *collector.Centre) error {
		d := giveback.Decision{Tenant: w.Tenant, Key: w.key(), By: by, Reason: reason, Source: policy.Self, Append: centre.Append, Note: retention.Note}
		var done *giveback.Decided
		if err := centre.DB.Write(ctx, func(tx *db.Tx) (err error) {
			done, err = act(ctx, tx, centre, d)
			return err
		}); err != nil {
			return err
		}
		if w.JSON {
			return printJSON(done)
		}
		fmt.Printf("decided about %s; the collector works out the rest\n", d.Key)
		return nil
	})
}
