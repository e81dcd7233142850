package orderfile

import (
	"context"
	"fmt"

	"github.com/shopspring/decimal"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv/erp"
	"github.com/dockline/dockline/testenv/world"
)

// Fate is what the world says became of the lines of the file, read through its interfaces.
type Fate struct {
	// Orders are those that the ERP has accepted.
	Orders []erp.Order
	// Refused are the lines with an open exception of their own, by number.
	Refused map[int]bool
	// Unaccepted are orders with an open exception, as they were handed in.
	Unaccepted []*docklinev1.Order
}

// Fate asks the ERP for its orders, and the collector for its exceptions.
func (f *File) Fate(ctx context.Context, w *world.World) (Fate, error) {
	fate := Fate{Refused: map[int]bool{}}
	orders, err := w.ERP.Orders(ctx)
	if err != nil {
		return fate, err
	}
	for _, o := range orders {
		if !world.RefusedOrder(o) {
			fate.Orders = append(fate.Orders, o)
		}
	}
	open := map[string]bool{}
	exceptions, err := w.Exceptions(ctx)
	if err != nil {
		return fate, err
	}
	for _, e := range exceptions {
		for _, id := range e.EventIDs {
			open[id] = true
		}
	}
	for after := uint64(0); ; {
		events, next, err := w.Events(ctx, after)
		if err != nil || next == after {
			return fate, err
		}
		after = next
		for _, e := range events {
			letter := e.GetDeadLetter()
			switch {
			case e.GetSource() != PluginID || !open[e.GetId()]:
			case letter != nil && letter.GetFile() == f.Name && letter.GetLine() > 0:
				fate.Refused[int(letter.GetLine())] = true
			case e.GetKind() == docklinev1.EventKind_EVENT_KIND_ORDER_SUBMITTED:
				fate.Unaccepted = append(fate.Unaccepted, e.GetOrder())
			}
		}
	}
}

// cell is what makes two lines of an order alike.
type cell struct{ order, customer, item, quantity, price string }

func (r Row) cell() cell {
	c := cell{order: r.Order, customer: r.Customer, item: r.Item}
	if r.Quantity != nil {
		c.quantity = r.Quantity.String()
	}
	if r.Price != nil {
		c.price = r.Price.String()
	}
	return c
}

// Account holds the fate of the lines against the file: each must be in exactly one order or one exception, and no order may have a
// line that the file does not have. What is not so is named, one sentence each.
func (f *File) Account(fate Fate) (world.Rows, []string) {
	rows := world.Rows{Read: len(f.Rows)}
	var bad []string
	ordered, handed := map[cell]int{}, map[cell]int{}
	for _, o := range fate.Orders {
		for _, l := range o.Lines {
			ordered[cell{o.CustomerReference, o.Customer, l.Item, l.Quantity.String(), l.UnitPrice.String()}]++
		}
	}
	for _, o := range fate.Unaccepted {
		for _, l := range o.GetLines() {
			c := handedIn(o, l)
			handed[c]++
		}
	}
	for _, r := range f.Rows {
		c := r.cell()
		switch {
		case fate.Refused[r.Line]:
			rows.InExceptions++
		case take(ordered, c):
			rows.InOrders++
		case take(handed, c):
			rows.InExceptions++
		default:
			bad = append(bad, fmt.Sprintf("%s, line %d: order %s, item %s, quantity %s is in no order and no exception", f.Name, r.Line, c.order, c.item, c.quantity))
		}
	}
	for c, n := range ordered {
		if n > 0 {
			bad = append(bad, fmt.Sprintf("ERP: order of %s has %d times item %s, quantity %s, price %s more than %s", c.order, n, c.item, c.quantity, c.price, f.Name))
		}
	}
	for c, n := range handed {
		if n > 0 {
			bad = append(bad, fmt.Sprintf("order %s is an exception with %d times item %s, quantity %s more than %s leaves over", c.order, n, c.item, c.quantity, f.Name))
		}
	}
	return rows, bad
}

// take uses up one of the lines that are left. A line of the file without a price is any of them: the ERP has put in its own.
func take(left map[cell]int, c cell) bool {
	if left[c] == 0 && c.price == "" {
		c = anyPrice(left, c)
	}
	if left[c] == 0 {
		return false
	}
	left[c]--
	return true
}

func handedIn(o *docklinev1.Order, l *docklinev1.Line) cell {
	r := Row{Order: o.GetNumber(), Customer: o.GetCustomer(), Item: l.GetItem(), Quantity: plain(l.GetQuantity().GetValue()), Price: plain(l.GetUnitPrice())}
	return r.cell()
}

// Also is the further check of a world that works on the file.
func (f *File) Also(ctx context.Context, w *world.World, r *world.Report) error {
	fate, err := f.Fate(ctx, w)
	if err != nil {
		return err
	}
	rows, bad := f.Account(fate)
	r.Rows, r.Mismatches = &rows, append(r.Mismatches, bad...)
	return nil
}

// anyPrice is a line that is left and like c but for its price, or c.
func anyPrice(left map[cell]int, c cell) cell {
	for other, n := range left {
		if priceless := (cell{other.order, other.customer, other.item, other.quantity, ""}); n > 0 && priceless == c {
			return other
		}
	}
	return c
}

// plain reads a number as the protocol writes it.
func plain(text string) *decimal.Decimal {
	n, err := decimal.NewFromString(text)
	if err != nil {
		return nil
	}
	return &n
}
