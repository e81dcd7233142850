package tryton

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/dockline/dockline/collector/connector"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// amending collects what an amendment changes, to be written at once.
type amending struct {
	c     *Connector
	p     *connector.Posting
	order sale
	at    time.Time
	lines []amended
	// open are the movements of shipments on which nobody works yet, by line; stamps are the times of change of the records that are written.
	open   map[int64][]openMove
	stamps map[string]string
	values map[int64]map[string]any // by line
	head   map[string]any
	made   []any
	touch  map[int64]bool // lines whose movements change
}

// openMove is a movement that has not begun.
type openMove struct {
	move
	shipment int64
	taken    bool // it is no longer needed
}

func (c *Connector) beginAmendment(ctx context.Context, p *connector.Posting, order sale, lines []amended) (*amending, error) {
	w := &amending{c: c, p: p, order: order, at: time.Now(), lines: lines, open: map[int64][]openMove{}, stamps: map[string]string{}, values: map[int64]map[string]any{}, head: map[string]any{},
		touch: map[int64]bool{}}
	found, err := c.client.read(ctx, modelSale, nil, []int64{order.id}, "_timestamp", "party", "currency")
	if err != nil {
		return nil, err
	}
	if len(found) != 1 {
		return nil, technical("conflict", "somebody else changed the order at the same time", "it will be tried again", nil)
	}
	w.stamps[reference(modelSale, order.id)] = found[0].text("_timestamp")
	for _, l := range lines {
		w.stamps[reference(modelSaleLine, l.id)] = l.stamp
	}
	all, err := c.shipmentsByID(ctx, order.shipments)
	if err != nil {
		return nil, err
	}
	for _, s := range all {
		if s.reference != "" || s.state != "draft" && s.state != "waiting" {
			continue
		}
		for _, m := range s.outgoing {
			if m.line != 0 && m.state == "draft" {
				w.open[m.line] = append(w.open[m.line], openMove{move: m, shipment: s.id})
			}
		}
	}
	return w, nil
}

// line is the line that an amendment names, with what is open of it.
func (w *amending) line(number, item string) (*amended, error) {
	at := slices.IndexFunc(w.lines, func(l amended) bool { return lineNumber(l.id) == number })
	if at < 0 {
		return nil, dataFault("unknown_line", "see where the line's number comes from", "order %s has no line %q in Tryton", w.order.number, number)
	}
	if l := &w.lines[at]; l.item == item {
		return l, nil
	}
	return nil, processFault("other_item", "see who changed the line in Tryton, then requeue or waive", "line %s of order %s is %s in Tryton, and not %s", number, w.order.number, w.lines[at].item, item)
}

func (w *amending) note(l *amended, text string) {
	m := noted{w.at, w.p.Key, text}.String()
	if l.note != "" {
		m = strings.TrimRight(l.note, "\n") + "\n" + m
	}
	l.note = m
	w.set(l, "note", m)
}

func (w *amending) set(l *amended, field string, value any) {
	if w.values[l.id] == nil {
		w.values[l.id] = map[string]any{}
	}
	w.values[l.id][field] = value
}

func (w *amending) amend(ctx context.Context, action string, a *docklinev1.OrderAmendmentLine) error {
	l, err := w.line(a.GetOrderLine(), a.GetItem())
	if err != nil {
		return err
	}
	n, err := positive(a.GetQuantity(), a.GetItem())
	if err != nil {
		return err
	}
	open := int64(0)
	for _, m := range w.open[l.id] {
		open += m.quantity
	}
	if n > open {
		return processFault("line_not_open", "see what became of the line in Tryton; enter it there by hand where it can still be done, then waive it",
			"line %s of order %s has %s of %s open in Tryton, on which nobody works yet: %s cannot be amended", a.GetOrderLine(), w.order.number, event.FormatQuantity(open), l.item, event.FormatQuantity(n))
	}
	touched, _, err := wantedMarks(&docklinev1.OrderAmendment{Action: action, Lines: []*docklinev1.OrderAmendmentLine{a}})
	if err != nil {
		return err
	}
	w.note(l, touched[a.GetOrderLine()][0])
	if action == amendBackorder {
		return nil // Tryton keeps what is owed in a shipment by itself
	}
	shipment := w.take(l, n)
	if action == amendSubstitute {
		return w.substitute(ctx, l, a, shipment)
	}
	return nil
}

// take takes a quantity out of a line and of its open movements, the newest first, and says of which shipment the last was.
func (w *amending) take(l *amended, n int64) (shipment int64) {
	l.quantity -= n
	w.set(l, "quantity", number(l.inUnit(l.quantity)))
	w.touch[l.id] = true
	moves := w.open[l.id]
	for i := len(moves) - 1; i >= 0 && n > 0; i-- {
		m := &moves[i]
		if m.taken {
			continue
		}
		some := min(n, m.quantity)
		n, shipment = n-some, m.shipment
		if m.quantity -= some; m.quantity == 0 {
			m.taken = true
		}
	}
	return shipment
}

// inUnit is a quantity of the default unit in the line's own.
func (l amended) inUnit(n int64) int64 {
	if l.factor > 0 && l.unitFactor > 0 && l.factor != l.unitFactor {
		return int64(float64(n)*l.factor/l.unitFactor + 0.5)
	}
	return n
}

// substitute makes a line of the other item, at the price that Tryton asks of the customer, with its movement in the same shipment.
func (w *amending) substitute(ctx context.Context, l *amended, a *docklinev1.OrderAmendmentLine, shipment int64) error {
	products, err := w.c.products(ctx, []string{a.GetSubstitute()})
	if err != nil {
		return err
	}
	product := products[a.GetSubstitute()]
	n, err := positive(a.GetSubstituteQuantity(), a.GetSubstitute())
	if err != nil {
		return err
	}
	found, err := w.c.client.read(ctx, modelSale, nil, []int64{w.order.id}, "party", "currency")
	if err != nil || len(found) != 1 {
		return err
	}
	price, err := w.c.price(ctx, product, customer{id: found[0].id("party")}, n)
	if err != nil {
		return err
	}
	like := w.open[l.id][0]
	_, made, err := wantedMarks(&docklinev1.OrderAmendment{Action: amendSubstitute, Lines: []*docklinev1.OrderAmendmentLine{a}})
	if err != nil {
		return err
	}
	w.made = append(w.made, map[string]any{"product": product.id, "quantity": number(n), "unit": product.unit, "unit_price": money(price), "note": noted{w.at, w.p.Key, made[0]}.String(),
		"moves": []any{[]any{"create", []any{map[string]any{"product": product.id, "quantity": number(n), "uom": product.unit, "from_location": like.from, "to_location": like.to,
			"unit_price": money(price), "currency": found[0].id("currency"), "shipment": reference(modelShipment, shipment)}}}}})
	return nil
}

// move has another warehouse ship an order of which nothing has been picked.
func (w *amending) move(ctx context.Context, a *docklinev1.OrderAmendment) error {
	to, err := w.c.site(ctx, a.GetToSite())
	if err != nil {
		return err
	}
	all, err := w.c.shipmentsByID(ctx, w.order.shipments)
	if err != nil {
		return err
	}
	for _, s := range all {
		if len(s.outgoing) > 0 && (s.reference != "" || s.state != "draft" && s.state != "waiting") {
			return processFault("order_not_open", "have the goods come back, or enter the rest in Tryton as an order of its own, then waive it", "shipment %s of order %s is %s at %s: the order cannot be moved",
				s.number, w.order.number, s.state, a.GetSite())
		}
	}
	w.head["warehouse"] = to.warehouse
	for i := range w.lines {
		l := &w.lines[i]
		w.note(l, "moved to "+a.GetToSite())
		var old []int64
		for _, m := range w.open[l.id] {
			old = append(old, m.id)
		}
		if len(old) > 0 {
			w.set(l, "moves_recreated", []any{[]any{"add", old}})
		}
	}
	return nil
}

// write writes all at once; Tryton refuses it where somebody else has changed the order meanwhile.
func (w *amending) write(ctx context.Context) error {
	var change []any
	for _, id := range slices.Sorted(maps.Keys(w.values)) {
		values := w.values[id]
		if w.touch[id] {
			var moves []any
			var ignored []int64
			for _, m := range w.open[id] {
				if m.taken {
					ignored = append(ignored, m.id)
					continue
				}
				moves = append(moves, []any{"write", []int64{m.id}, map[string]any{"quantity": number(m.quantity), "uom": m.unit}})
			}
			if len(moves) > 0 {
				values["moves"] = moves
			}
			if len(ignored) > 0 {
				values["moves_ignored"] = []any{[]any{"add", ignored}}
			}
		}
		change = append(change, []any{"write", []int64{id}, values})
	}
	if len(w.made) > 0 {
		change = append(change, []any{"create", w.made})
	}
	w.head["lines"] = change
	_, err := w.c.client.call(ctx, "model."+modelSale+".write", map[string]any{"_timestamp": w.stamps}, []int64{w.order.id}, w.head)
	if isCode(err, userError) {
		f := err.(*connector.Fault)
		return processFault("amendment_refused", "do in Tryton what it says, then requeue", "Tryton does not take the amendment of order %s: %s", w.order.number, f.Text)
	}
	return err
}

// leftOver is what is still to be done for the shipments of an order to follow its amendments.
type leftOver struct {
	moves   []int64 // that are no longer needed, and not cancelled yet
	empty   []int64 // shipments of which nothing is left
	repick  []int64 // shipments whose picks are not those that their movements need
	process bool    // something of the order stands in no shipment
}

func (l leftOver) none() bool {
	return len(l.moves)+len(l.empty)+len(l.repick) == 0 && !l.process
}

func (c *Connector) leftOver(ctx context.Context, order sale, lines []amended) (out leftOver, err error) {
	var skipped []int64
	for _, l := range lines {
		skipped = append(skipped, l.skipped...)
	}
	all, err := c.shipmentsByID(ctx, order.shipments)
	if err != nil {
		return out, err
	}
	covered := map[int64]int64{}
	for _, s := range all {
		for _, m := range s.outgoing {
			switch {
			case !slices.Contains(skipped, m.id):
				covered[m.line] += m.quantity
			case m.state == "draft":
				out.moves = append(out.moves, m.id)
			}
		}
		if s.reference != "" || s.state != "waiting" && s.state != "draft" {
			continue
		}
		switch {
		case len(s.outgoing) == 0:
			out.empty = append(out.empty, s.id)
		case s.state == "waiting" && !s.picksFit():
			out.repick = append(out.repick, s.id)
		}
	}
	for _, l := range lines {
		out.process = out.process || len(l.skipped) > 0 && l.quantity > covered[l.id]
	}
	return out, nil
}

// picksFit tells whether the picks of a shipment are what its movements need, as Tryton plans them.
func (s shipment) picksFit() bool {
	need := map[string]int64{}
	for _, m := range s.outgoing {
		need[fmt.Sprint(m.id, " ", m.product)] += m.quantity
	}
	for _, m := range s.picks {
		need[fmt.Sprint(m.origin, " ", m.product)] -= m.quantity
	}
	for _, n := range need {
		if n != 0 {
			return false
		}
	}
	return true
}

// settle has the shipments of an order follow its amendments. Each step is one that Tryton ignores where it is done already.
func (c *Connector) settle(ctx context.Context, number string) error {
	for range 3 {
		order, err := c.sale(ctx, number)
		if err != nil {
			return err
		}
		lines, err := c.amendedLines(ctx, order.id)
		if err != nil {
			return err
		}
		left, err := c.leftOver(ctx, order, lines)
		if err != nil || left.none() {
			return err
		}
		switch {
		case len(left.moves) > 0:
			_, err = c.client.call(ctx, "model."+modelMove+".cancel", nil, left.moves)
		case len(left.empty) > 0 || len(left.repick) > 0:
			for _, id := range left.empty {
				if err == nil {
					err = c.client.button(ctx, modelShipment, "cancel", id)
				}
			}
			for _, id := range left.repick {
				if err == nil {
					err = c.client.button(ctx, modelShipment, "wait", id)
				}
			}
		default:
			err = c.client.button(ctx, modelSale, "process", order.id)
		}
		if err != nil {
			return err
		}
	}
	return technical("step_ignored", "order "+number+" is amended in Tryton, and its shipments do not follow", "it will be tried again; see the order if it stays", nil)
}
