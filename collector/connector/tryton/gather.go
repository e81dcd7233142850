package tryton

import (
	"context"
	"slices"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// short is how much of a document a shipment does not have.
func (s shipment) short(lines []*docklinev1.DocumentLine) (sum int64) {
	left := map[int64]int64{}
	for _, m := range s.outgoing {
		left[m.id] = m.quantity
	}
	for _, l := range lines {
		n, _ := event.ParseQuantity(l.GetQuantity()) // totals has looked at it
		if m := s.find(l); m != nil {
			some := min(n, left[m.id])
			left[m.id], n = left[m.id]-some, n-some
		}
		sum += n
	}
	return sum
}

// gather brings what left together into one open shipment where it stands in several: what is open of an order does where some of it came back, or was
// added. In one transaction the lines stand in the one, and Tryton is told that those in the others are replaced; then these are cancelled.
func (c *Connector) gather(ctx context.Context, order sale, into shipment, others []shipment, lines []*docklinev1.DocumentLine) (shipment, error) {
	values := map[int64]map[string]any{}
	for _, l := range lines {
		for _, o := range others {
			m := o.find(l)
			if m == nil || m.line == 0 || m.state != "draft" || o.state == "assigned" || values[m.line] != nil {
				continue
			}
			values[m.line] = into.takeOver(*m, others)
		}
	}
	if len(values) == 0 {
		return into, nil
	}
	var change []any
	for line, v := range values {
		change = append(change, []any{"write", []int64{line}, v})
	}
	if _, err := c.client.call(ctx, "model."+modelSale+".write", map[string]any{"_timestamp": map[string]string{reference(modelShipment, into.id): into.stamp}},
		[]int64{order.id}, map[string]any{"lines": change}); err != nil {
		return into, err
	}
	if err := c.settle(ctx, order.number); err != nil {
		return into, err
	}
	now, err := c.shipmentsByID(ctx, []int64{into.id})
	if err != nil || len(now) != 1 {
		return into, err
	}
	return now[0], nil
}

// takeOver is what is written into a line of the order so that all that is open of it stands in this shipment.
func (s shipment) takeOver(like move, others []shipment) map[string]any {
	own := slices.IndexFunc(s.outgoing, func(m move) bool { return m.line == like.line })
	sum := int64(0)
	var replaced []int64
	for _, o := range others {
		for _, m := range o.outgoing {
			if m.line == like.line && m.state == "draft" && o.state != "assigned" {
				sum += m.quantity
				replaced = append(replaced, m.id)
			}
		}
	}
	change := map[string]any{"moves_recreated": []any{[]any{"add", replaced}}}
	if own >= 0 {
		m := s.outgoing[own]
		change["moves"] = []any{[]any{"write", []int64{m.id}, map[string]any{"quantity": number(m.quantity + sum), "uom": m.unit}}}
		return change
	}
	change["moves"] = []any{[]any{"create", []any{map[string]any{"product": like.product, "quantity": number(sum), "uom": like.unit, "from_location": like.from, "to_location": like.to,
		"unit_price": money(like.price), "currency": like.currency, "shipment": reference(modelShipment, s.id)}}}}
	return change
}
