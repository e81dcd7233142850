package tryton

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// part is what of a document's content must agree: order line, item and lot.
type part struct{ line, item, lot string }

// content is how much of each part, in millionths.
type content map[part]int64

// lineNumber is how Dockline names a line of an order: by its id, since Tryton numbers none.
func lineNumber(id int64) string { return strconv.FormatInt(id, 10) }

// totals adds a document's lines up.
func totals(doc *docklinev1.GoodsIssue) (content, error) {
	out := content{}
	for _, l := range doc.GetLines() {
		n, err := event.ParseQuantity(l.GetQuantity())
		if err != nil || n < 0 {
			return nil, dataFault("bad_quantity", "correct the quantity, then requeue", "line %s: quantity %q of %s cannot be shipped", l.GetOrderLine(), l.GetQuantity(), l.GetItem())
		}
		if n > 0 {
			out[part{l.GetOrderLine(), l.GetItem(), l.GetLot()}] += n
		}
	}
	if len(out) == 0 {
		return nil, dataFault("no_lines", "see why the shipment has no goods", "the goods issue has nothing to ship")
	}
	return out, nil
}

// differ says in words how movements differ from what is wanted; "" is not at all. A line that names no order line stands for the
// item wherever it is.
func (c content) differ(moves []move) string {
	got := content{}
	for _, m := range moves {
		p := part{lineNumber(m.line), m.item, m.lotNumber}
		if _, named := c[p]; !named {
			if _, open := c[part{"", m.item, m.lotNumber}]; open {
				p.line = ""
			}
		}
		got[p] += m.quantity
	}
	var texts []string
	for p, n := range c {
		if got[p] != n {
			texts = append(texts, fmt.Sprintf("has %s of %s where %s were shipped", event.FormatQuantity(got[p]), p.item, event.FormatQuantity(n)))
		}
	}
	for p, n := range got {
		if _, named := c[p]; !named && n != 0 {
			texts = append(texts, fmt.Sprintf("has %s of %s where none were shipped", event.FormatQuantity(n), p.item))
		}
	}
	slices.Sort(texts)
	if len(texts) == 0 {
		return ""
	}
	return texts[0]
}

// plan makes the picks of a shipment as they were made at the site: one for each line, lot and bin that the books can take it from.
// An outgoing movement without a pick leaves with nothing, and Tryton keeps it as a back-order.
func (c *Connector) plan(ctx context.Context, doc *docklinev1.GoodsIssue, at site, s shipment) ([]any, error) {
	items := itemsOf(doc.GetLines())
	products, err := c.products(ctx, items)
	if err != nil {
		return nil, err
	}
	if err := s.covers(doc); err != nil {
		return nil, err
	}
	for _, l := range doc.GetLines() {
		if products[l.GetItem()].byLot && l.GetLot() == "" {
			return nil, dataFault("lot_required", "see why the site reported no lot, then requeue", "%s leaves only with a lot, and line %s has none", l.GetItem(), l.GetOrderLine())
		}
	}
	places, err := c.places(ctx, at.storage)
	if err != nil {
		return nil, err
	}
	stock := map[goods]map[int64]int64{}
	var picks []any
	for _, l := range doc.GetLines() {
		n, err := event.ParseQuantity(l.GetQuantity())
		if err != nil || n == 0 {
			continue // totals has looked at them
		}
		g := goods{product: products[l.GetItem()].id}
		if g.lot, err = c.lot(ctx, products[l.GetItem()], l.GetLot()); err != nil {
			return nil, err
		}
		if stock[g] == nil {
			if stock[g], err = c.stockOf(ctx, places, g); err != nil {
				return nil, err
			}
		}
		m := s.find(l)
		for _, t := range takes(places, stock[g], at.storage, l.GetBin(), n) {
			pick := map[string]any{"product": g.product, "uom": products[l.GetItem()].unit, "quantity": number(t.quantity), "from_location": t.place,
				"to_location": m.from, "origin": reference(modelMove, m.id)}
			if g.lot != 0 {
				pick["lot"] = g.lot
			}
			picks = append(picks, pick)
		}
	}
	return picks, nil
}

// covers looks whether the shipment has what left: the same item and no more than is open.
func (s shipment) covers(doc *docklinev1.GoodsIssue) error {
	left := map[int64]int64{}
	for _, m := range s.outgoing {
		left[m.id] = m.quantity
	}
	for _, l := range doc.GetLines() {
		n, _ := event.ParseQuantity(l.GetQuantity()) // totals has looked at it
		m := s.find(l)
		switch {
		case m == nil:
			return processFault("line_not_open", "see whether the line was shipped or cancelled in Tryton", "shipment %s has nothing open for line %s of order %s (%s)",
				s.number, l.GetOrderLine(), doc.GetOrder(), l.GetItem())
		case m.item != l.GetItem():
			return processFault("other_item", "approve the substitution and change the line in Tryton, then requeue", "line %s of order %s is %s in Tryton, %s was shipped",
				l.GetOrderLine(), doc.GetOrder(), m.item, l.GetItem())
		case n > left[m.id]:
			return processFault("over_issue", "raise the order's quantity in Tryton, or see to it that the surplus comes back", "line %s of order %s has %s of %s open, more was shipped",
				l.GetOrderLine(), doc.GetOrder(), event.FormatQuantity(m.quantity), m.item)
		}
		left[m.id] -= n
	}
	return nil
}

type take struct{ place, quantity int64 }

// takes says where a quantity is taken from: the bin told as far as the books have it there, then the other bins that have some. The
// goods have left, whatever the books say, so what is missing everywhere makes the bin told negative, or else the zone.
func takes(places []place, stock map[int64]int64, zone int64, bin string, n int64) []take {
	order, last := slices.Clone(places), zone
	if at := slices.IndexFunc(order, func(p place) bool { return p.code == bin && bin != "" }); at >= 0 {
		last = order[at].id
		told := order[at]
		order = slices.Insert(slices.Delete(order, at, at+1), 0, told)
	}
	var out []take
	from := func(place, quantity int64) {
		stock[place] -= quantity
		n -= quantity
		if at := slices.IndexFunc(out, func(t take) bool { return t.place == place }); at >= 0 {
			out[at].quantity += quantity
			return
		}
		out = append(out, take{place, quantity})
	}
	for _, p := range order {
		if some := min(n, stock[p.id]); some > 0 {
			from(p.id, some)
		}
	}
	if n > 0 {
		from(last, n)
	}
	return out
}

func itemsOf(lines []*docklinev1.DocumentLine) []string {
	var items []string
	for _, l := range lines {
		if !slices.Contains(items, l.GetItem()) {
			items = append(items, l.GetItem())
		}
	}
	return items
}

func (c *Connector) knownItems(ctx context.Context, lines []*docklinev1.DocumentLine) error {
	_, err := c.products(ctx, itemsOf(lines))
	return err
}
