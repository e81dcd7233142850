package giveback

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/audit"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/state"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// Accepting is for what goods that came without an RMA are taken.
type Accepting struct {
	Order    string
	Customer string
	// Lines say, by item, which line of the order is meant, where the site has not told; with one item of the return the item may be left out.
	Lines []Line
	// InsteadOf is the order that they were taken for before, and are not to be any longer.
	InsteadOf string
}

// Accept takes goods that came without an RMA for an order: their receipt is posted, and their credit follows what is done with them. They are taken
// for one order only, and for one that has such items.
func (d Decision) Accept(ctx context.Context, tx *db.Tx, a Accepting, now time.Time) (*Decided, error) {
	s, err := d.load(ctx, tx)
	switch {
	case err != nil:
		return nil, err
	case !s.GetBlind():
		return nil, fmt.Errorf("%w: %s has an RMA: the system of record says whether it may come back", ErrIncorrect, d.Key)
	case a.Order == "":
		return nil, fmt.Errorf("%w: say for which order the goods are taken", ErrIncorrect)
	}
	for _, check := range []func(context.Context, *db.Tx, *docklinev1.ReturnState, Accepting) error{d.free, d.taken} {
		if err := check(ctx, tx, s, a); err != nil {
			return nil, err
		}
	}
	order, err := d.order(ctx, tx, a.Order)
	if err != nil {
		return nil, err
	}
	told := &docklinev1.ReturnDecision{Decision: state.DecidedAccept, Order: a.Order, Customer: a.Customer}
	if told.Lines, err = d.linesOf(s, order, a.Lines); err != nil {
		return nil, err
	}
	return d.tell(ctx, tx, s, told, now)
}

// free refuses a receipt that an RMA has.
func (d Decision) free(ctx context.Context, tx *db.Tx, s *docklinev1.ReturnState, _ Accepting) error {
	returns, err := tx.Texts(ctx, `SELECT DISTINCT part_of FROM link WHERE tenant = ? AND link_key = ? AND part_of LIKE 'return/%' AND in_force = 1 ORDER BY part_of`, d.Tenant, d.Key)
	switch {
	case err != nil:
		return err
	case len(returns) > 0:
		return fmt.Errorf("%s is matched to %s already: it is received and credited there", d.Key, strings.Join(returns, " and "))
	case s.GetStatus() == state.ReturnMatched:
		return fmt.Errorf("%s is matched to an RMA already: it is received and credited there", d.Key)
	}
	return nil
}

// taken refuses goods that another order has, unless that is said.
func (d Decision) taken(ctx context.Context, tx *db.Tx, s *docklinev1.ReturnState, a Accepting) error {
	switch has := s.GetOrder(); {
	case !s.GetAccepted() && a.InsteadOf != "":
		return fmt.Errorf("%w: --instead-of %s: %s was taken for no order yet", ErrIncorrect, a.InsteadOf, d.Key)
	case !s.GetAccepted(), has == a.Order, has == a.InsteadOf:
		return nil
	case a.InsteadOf != "":
		return fmt.Errorf("%w: --instead-of %s: it is order %s that has %s", ErrIncorrect, a.InsteadOf, has, d.Key)
	}
	acts, err := audit.List(ctx, tx, d.Tenant, audit.Filter{Action: "return." + state.DecidedAccept, Object: d.Key, Limit: 1})
	if err != nil {
		return err
	}
	by := ""
	if len(acts) > 0 {
		by = fmt.Sprintf(" by %s on %s UTC (%s)", acts[0].By, acts[0].At.UTC().Format("2006-01-02 15:04"), acts[0].Reason)
	}
	return fmt.Errorf("%s was taken for order %s%s, and goods come back for one order only. Where that was a mistake, say --instead-of %s: what is posted for it is taken back",
		d.Key, s.GetOrder(), by, s.GetOrder())
}

// order is the order that goods are taken for. One that nothing was told of but what names it, such as a return or a word like this, is refused: the ERP could take
// nothing back from it, and the goods would wait for ever.
func (d Decision) order(ctx context.Context, tx *db.Tx, number string) (*docklinev1.OrderState, error) {
	found, err := tx.Lookup(ctx, db.Lookup{Table: "state", Columns: []string{"status", "body"}, Key: []string{"tenant", "fold_key"}, Rows: [][]any{{d.Tenant, event.OrderKey(number)}}})
	switch {
	case err != nil:
		return nil, err
	case len(found) == 0 || fmt.Sprint(found[0][0]) == state.Unknown:
		if d.Note != nil && len(found) == 0 {
			if note := d.Note(ctx, tx, d.Tenant, event.OrderKey(number)); note != "" {
				return nil, fmt.Errorf("order %s of tenant %s: %w%s; then take the goods for it", number, d.Tenant, ErrAbsent, note)
			}
		}
		return nil, fmt.Errorf("order %s of tenant %s: %w; `dockline-collector find` finds it by any of its numbers", number, d.Tenant, ErrAbsent)
	}
	s := &docklinev1.OrderState{}
	return s, proto.Unmarshal(found[0][1].([]byte), s)
}

// linesOf holds what came back against the order, and returns the lines of it that are meant.
func (d Decision) linesOf(s *docklinev1.ReturnState, order *docklinev1.OrderState, asked []Line) (told []*docklinev1.Line, err error) {
	var strange, items []string
	came := make(map[string]int64)
	for _, l := range s.GetLines() {
		came[l.GetItem()] += l.GetReceived()
		if !slices.Contains(items, l.GetItem()) {
			items = append(items, l.GetItem())
		}
		if !ofOrder(order, "", l.GetItem()) && !slices.Contains(strange, l.GetItem()) {
			strange = append(strange, l.GetItem())
		}
	}
	if len(strange) > 0 {
		return nil, fmt.Errorf("%w: order %s never had item %s, which came back as %s; it has %s. Take the goods for the order that they had left for: `dockline-collector find` finds it by any of its numbers",
			ErrIncorrect, order.GetNumber(), strings.Join(strange, ", "), d.Key, linesText(order))
	}
	said := make(map[string]string)
	for _, line := range asked {
		if line.Item == "" && len(items) == 1 {
			line.Item = items[0]
		}
		switch {
		case line.Item == "":
			return nil, fmt.Errorf("%w: --line %s: several items came back (%s): say which one is meant, as in --line %s=%s", ErrIncorrect, line.OrderLine, strings.Join(items, ", "), items[0], line.OrderLine)
		case !slices.Contains(items, line.Item):
			return nil, fmt.Errorf("%w: --line %s=%s: no item %s came back as %s, but %s", ErrIncorrect, line.Item, line.OrderLine, line.Item, d.Key, strings.Join(items, ", "))
		case !ofOrder(order, line.OrderLine, line.Item):
			return nil, fmt.Errorf("%w: --line %s=%s: order %s has no such line; it has %s", ErrIncorrect, line.Item, line.OrderLine, order.GetNumber(), linesText(order))
		case said[line.Item] != "":
			return nil, fmt.Errorf("%w: --line %s=%s: line %s was said of that item too; the goods of one receipt are taken for one line of each item", ErrIncorrect, line.Item, line.OrderLine, said[line.Item])
		}
		said[line.Item] = line.OrderLine
		told = append(told, &docklinev1.Line{Order: order.GetNumber(), OrderLine: line.OrderLine, Item: line.Item,
			Quantity: &docklinev1.Quantity{Value: event.FormatQuantity(came[line.Item])}})
	}
	return told, nil
}

// ofOrder tells whether an order has an item, or has it on a line.
func ofOrder(order *docklinev1.OrderState, line, item string) bool {
	return slices.ContainsFunc(order.GetLines(), func(l *docklinev1.OrderLineState) bool {
		return l.GetItem() == item && (line == "" || l.GetOrderLine() == line)
	})
}

func linesText(order *docklinev1.OrderState) string {
	var parts []string
	for _, l := range order.GetLines() {
		parts = append(parts, fmt.Sprintf("%s on line %s", l.GetItem(), l.GetOrderLine()))
	}
	switch n := len(parts); {
	case n == 0:
		return "no lines"
	case n > 10:
		return fmt.Sprintf("%s and %d more", strings.Join(parts[:10], ", "), n-10)
	}
	return strings.Join(parts, ", ")
}
