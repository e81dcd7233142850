package orderfile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/shopspring/decimal"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv/erp"
	"github.com/dockline/dockline/testenv/world"
)

// Desk is the order desk: it reads what was handed in from the collector's API and hands it to the ERP, once, for the sites in turn.
type Desk struct {
	World *world.World
	// Pause is how long it rests after each order.
	Pause time.Duration
	// Log hears what keeps it from working; default nobody.
	Log io.Writer

	after uint64
	turn  int
	queue []*docklinev1.Event
}

// Book is an ERP that orders can be handed in to: it confirms them, or keeps them with its reason for not doing so. The sandbox is one.
type Book interface {
	OrdersOf(ctx context.Context, reference string) ([]erp.Order, error)
	ImportOrder(ctx context.Context, in erp.NewOrder) (erp.Order, error)
}

// Run works until ctx ends. A collector or an ERP that cannot be reached is asked again.
func (d *Desk) Run(ctx context.Context) {
	said := ""
	for {
		worked, err := d.Step(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil && d.Log != nil && err.Error() != said {
			said = err.Error()
			fmt.Fprintln(d.Log, "order desk: "+said)
		}
		pause := d.Pause
		if err != nil || !worked {
			pause = max(pause, 200*time.Millisecond)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// Step hands in the next order; false where there is none.
func (d *Desk) Step(ctx context.Context) (bool, error) {
	if len(d.queue) == 0 {
		if err := d.read(ctx); err != nil || len(d.queue) == 0 {
			return false, err
		}
	}
	if err := d.enter(ctx, d.queue[0].GetOrder()); err != nil {
		return false, fmt.Errorf("order %s: %w", d.queue[0].GetOrder().GetNumber(), err)
	}
	d.queue = d.queue[1:]
	return true, nil
}

// read takes the events that came since.
func (d *Desk) read(ctx context.Context) error {
	events, next, err := d.World.Events(ctx, d.after)
	if err != nil {
		return err
	}
	for _, e := range events {
		if e.GetKind() == docklinev1.EventKind_EVENT_KIND_ORDER_SUBMITTED {
			d.queue = append(d.queue, e)
		}
	}
	d.after = next
	return nil
}

// enter hands one order to the ERP, unless the ERP has it.
func (d *Desk) enter(ctx context.Context, o *docklinev1.Order) error {
	book, ok := d.World.ERP.(Book)
	if !ok {
		return errors.New("no order can be handed in to this ERP; use the sandbox")
	}
	there, err := book.OrdersOf(ctx, o.GetNumber())
	if err != nil {
		return err
	}
	if slices.ContainsFunc(there, func(x erp.Order) bool { return x.Customer == o.GetCustomer() }) {
		return nil
	}
	in, err := newOrder(o)
	if err != nil {
		return err
	}
	sites := d.World.Config.Sites
	in.Site = sites[(d.turn+int(d.World.Config.Seed))%len(sites)]
	if _, err := book.ImportOrder(ctx, in); err != nil {
		return err
	}
	d.turn++
	return nil
}

func newOrder(o *docklinev1.Order) (erp.NewOrder, error) {
	in := erp.NewOrder{Customer: o.GetCustomer(), CustomerReference: o.GetNumber(), ShipTo: o.GetShipTo()}
	if o.GetOrderedAt() != nil {
		at := o.GetOrderedAt().AsTime()
		in.OrderedAt = &at
	}
	if o.GetPromisedAt() != nil {
		at := o.GetPromisedAt().AsTime()
		in.PromisedAt = &at
	}
	var faults []error
	for _, l := range o.GetLines() {
		quantity, err := decimal.NewFromString(l.GetQuantity().GetValue())
		faults = append(faults, err)
		line := erp.NewOrderLine{Item: l.GetItem(), Quantity: quantity}
		if line.Item == "" {
			line.Item = l.GetGtin()
		}
		if l.GetUnitPrice() != "" {
			price, err := decimal.NewFromString(l.GetUnitPrice())
			faults = append(faults, err)
			line.UnitPrice = &price
		}
		in.Lines = append(in.Lines, line)
	}
	return in, errors.Join(faults...)
}
