package tryton

import (
	"context"
	"slices"
	"strings"

	"github.com/dockline/dockline/collector/connector"
)

// sale is an order with what a goods issue needs to know of it.
type sale struct {
	id        int64
	number    string
	state     string
	shipments []int64
	// sent: nothing of it is left to ship. byShipment: its invoices are made of what was shipped.
	sent, byShipment bool
	invoices         []int64
}

func (c *Connector) sale(ctx context.Context, number string) (sale, error) {
	found, err := c.client.searchRead(ctx, modelSale, nil, []any{[]any{"number", "=", number}}, 2,
		"number", "state", "shipments", "shipment_state", "invoice_method", "invoices")
	if err != nil {
		return sale{}, err
	}
	if len(found) != 1 {
		return sale{}, dataFault("unknown_order", "see where the order's number comes from", "Tryton has %d orders with the number %q", len(found), number)
	}
	r := found[0]
	return sale{id: r.id("id"), number: number, state: r.text("state"), shipments: r.ids("shipments"), sent: r.text("shipment_state") == "sent",
		byShipment: r.text("invoice_method") == "shipment", invoices: r.ids("invoices")}, nil
}

// move is one movement of a shipment. Quantity is in millionths of the product's default unit.
type move struct {
	id, product, unit, from, to, lot, line, origin int64
	item, lotNumber, state                         string
	quantity                                       int64
	price                                          string
	currency                                       int64
	invoiced                                       bool
}

// shipment is a customer shipment with its two kinds of movements: picks go to the output zone, outgoing ones leave.
type shipment struct {
	id              int64
	number          string
	reference       string
	state           string
	stamp           string
	warehouse       int64
	picks, outgoing []move
}

var shipmentFields = []string{"number", "reference", "state", "_timestamp", "warehouse", "inventory_moves", "outgoing_moves"}

// shipments reads shipments with their movements, by id.
func (c *Connector) shipments(ctx context.Context, found []row) ([]shipment, error) {
	var ids []int64
	for _, r := range found {
		ids = append(append(ids, r.ids("inventory_moves")...), r.ids("outgoing_moves")...)
	}
	moves, err := c.moves(ctx, ids)
	if err != nil {
		return nil, err
	}
	pick := func(ids []int64) []move {
		var out []move
		for _, id := range ids {
			if m, there := moves[id]; there && m.state != "cancelled" {
				out = append(out, m)
			}
		}
		return out
	}
	var out []shipment
	for _, r := range found {
		out = append(out, shipment{id: r.id("id"), number: r.text("number"), reference: r.text("reference"), state: r.text("state"),
			stamp: r.text("_timestamp"), warehouse: r.id("warehouse"), picks: pick(r.ids("inventory_moves")), outgoing: pick(r.ids("outgoing_moves"))})
	}
	slices.SortFunc(out, func(a, b shipment) int { return int(a.id - b.id) })
	return out, nil
}

func (c *Connector) shipmentsByID(ctx context.Context, ids []int64) ([]shipment, error) {
	found, err := c.client.read(ctx, modelShipment, nil, ids, shipmentFields...)
	if err != nil {
		return nil, err
	}
	return c.shipments(ctx, found)
}

// bound returns the shipments that carry our key, alone or before the tracking number. A cancelled one has no effect.
func (c *Connector) bound(ctx context.Context, key string) ([]shipment, error) {
	found, err := c.client.searchRead(ctx, modelShipment, nil, []any{"OR", []any{"reference", "=", key}, []any{"reference", "like", like(key) + "|%"}}, 0,
		shipmentFields...)
	if err != nil {
		return nil, err
	}
	found = slices.DeleteFunc(found, func(r row) bool { return keyOf(r.text("reference")) != key || r.text("state") == "cancelled" })
	return c.shipments(ctx, found)
}

// keyOf is our part of a reference; tracking is appended after a bar.
func keyOf(reference string) string {
	key, _, _ := strings.Cut(reference, "|")
	return key
}

func (c *Connector) moves(ctx context.Context, ids []int64) (map[int64]move, error) {
	found, err := c.client.read(ctx, modelMove, nil, ids, "product", "product.code", "product.default_uom", "product.default_uom.factor", "uom",
		"uom.factor", "quantity", "from_location", "to_location", "lot", "lot.number", "state", "origin", "invoice_lines",
		"unit_price", "currency")
	if err != nil {
		return nil, err
	}
	out := map[int64]move{}
	for _, r := range found {
		m := move{id: r.id("id"), product: r.id("product"), item: r.sub("product").text("code"), unit: r.sub("product").id("default_uom"),
			from: r.id("from_location"), to: r.id("to_location"), lot: r.id("lot"), lotNumber: r.sub("lot").text("number"), state: r.text("state"),
			invoiced: len(r.ids("invoice_lines")) > 0, quantity: inBase(r), price: r.text("unit_price"), currency: r.id("currency")}
		if model, id := r.pointed("origin"); model == modelSaleLine {
			m.line = id
		} else if model == modelMove {
			m.origin = id
		}
		out[m.id] = m
	}
	return out, nil
}

// inBase is a movement's quantity in the product's default unit.
func inBase(r row) int64 {
	n := r.quantity("quantity")
	base := r.sub("product").sub("default_uom").float("factor")
	if own := r.sub("uom").float("factor"); r.id("uom") != r.sub("product").id("default_uom") && base > 0 {
		return int64(float64(n)*own/base + 0.5)
	}
	return n
}

// followed tells whether the order has taken up what was shipped: it does so in a second transaction, which may fail unseen.
func (c *Connector) followed(ctx context.Context, order sale, s shipment) (bool, error) {
	if order.byShipment && slices.ContainsFunc(s.outgoing, func(m move) bool { return m.line != 0 && !m.invoiced }) {
		return false, nil
	}
	if order.sent {
		return true, nil
	}
	others, err := c.client.read(ctx, modelShipment, nil, order.shipments, "state")
	return slices.ContainsFunc(others, func(r row) bool { return r.text("state") != "done" && r.text("state") != "cancelled" }), err
}

func (c *Connector) findIssue(ctx context.Context, p *connector.Posting) ([]connector.Found, error) {
	bound, err := c.bound(ctx, p.Key)
	if err != nil || len(bound) == 0 {
		return nil, err
	}
	order, err := c.sale(ctx, p.Document.GetGoodsIssue().GetOrder())
	if err != nil {
		return nil, err
	}
	wanted, err := totals(p.Document.GetGoodsIssue())
	if err != nil {
		return nil, err
	}
	gone, err := c.reversed(ctx, modelReturn, []string{p.Key})
	if err != nil {
		return nil, err
	}
	var out []connector.Found
	for _, s := range bound {
		f := connector.Found{Document: c.document(documentShipment, s.number)}
		switch {
		case gone[p.Key]:
			f.Reversed, f.Difference = true, "its goods were taken back"
		case s.state != "done":
			f.Difference = "the shipment is still " + s.state
		case wanted.differ(s.outgoing) != "":
			f.Difference = wanted.differ(s.outgoing)
		default:
			if f.Complete, err = c.followed(ctx, order, s); err != nil {
				return nil, err
			}
			if !f.Complete {
				f.Difference = "the shipment is done, but the order could not follow"
			}
		}
		out = append(out, f)
	}
	return out, nil
}
