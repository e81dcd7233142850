package tryton

import (
	"context"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/dockline/dockline/collector/connector"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// priceDigits is how many decimals a price has in Tryton, as it is installed.
const priceDigits = 4

// entered is an order that was made from what was handed in. Our key stands in its description: its reference is the customer's.
type entered struct {
	id                   int64
	number, state, party string
	reference            string
	goods                content
}

// enteredOrders are those with our key; a cancelled one has no effect.
func (c *Connector) enteredOrders(ctx context.Context, p *connector.Posting) ([]entered, error) {
	found, err := c.client.searchRead(ctx, modelSale, nil, []any{[]any{"reference", "=", p.Document.GetOrderCreate().GetNumber()}, []any{"description", "=", p.Key},
		[]any{"state", "!=", "cancelled"}}, 0, "number", "state", "reference", "party.code", "lines")
	if err != nil {
		return nil, err
	}
	lines, err := c.saleLines(ctx, found)
	if err != nil {
		return nil, err
	}
	var out []entered
	for _, r := range found {
		e := entered{id: r.id("id"), number: r.text("number"), state: r.text("state"), party: r.sub("party").text("code"), reference: r.text("reference"), goods: content{}}
		for _, l := range lines[r.id("id")] {
			e.goods[part{"", l.sub("product").text("code"), ""}] += l.quantity("quantity")
		}
		out = append(out, e)
	}
	return out, nil
}

// taken tells whether Tryton has accepted the order.
func (e entered) taken() bool { return e.state == "processing" || e.state == "done" }

// differ says in words what the order says other than what was handed in.
func (e entered) differ(o *docklinev1.Order) string {
	if e.party != o.GetCustomer() {
		return "it is an order of " + e.party
	}
	wanted := orderedGoods(o)
	var moves []move
	for p, n := range e.goods {
		moves = append(moves, move{item: p.item, quantity: n})
	}
	return wanted.differ(moves)
}

func orderedGoods(o *docklinev1.Order) content {
	out := content{}
	for _, l := range o.GetLines() {
		if n, err := event.ParseQuantity(l.GetQuantity().GetValue()); err == nil {
			out[part{"", l.GetItem(), ""}] += n
		}
	}
	return out
}

func (c *Connector) findOrder(ctx context.Context, p *connector.Posting) ([]connector.Found, error) {
	all, err := c.enteredOrders(ctx, p)
	if err != nil {
		return nil, err
	}
	var out []connector.Found
	for _, e := range all {
		f := connector.Found{Document: c.document(documentSale, e.number), Draft: !e.taken(), Difference: e.differ(p.Document.GetOrderCreate())}
		if f.Complete = e.taken() && f.Difference == ""; f.Draft {
			f.Difference = "the order is still " + e.state
		}
		out = append(out, f)
	}
	return out, nil
}

// applyOrder makes a sale with all that a person's client fills in, and has Tryton check and process it. What it refuses, by a credit limit for instance, stays a
// quotation until somebody has settled it there.
func (c *Connector) applyOrder(ctx context.Context, p *connector.Posting) (connector.Result, error) {
	o := p.Document.GetOrderCreate()
	all, err := c.enteredOrders(ctx, p)
	if err == nil {
		all, err = c.oneOrder(ctx, p, all)
	}
	if err == nil && len(all) == 0 {
		if err = c.makeOrder(ctx, p, o); err == nil {
			all, err = c.enteredOrders(ctx, p)
		}
	}
	switch {
	case err != nil:
		return connector.Result{}, err
	case len(all) != 1:
		return connector.Result{}, duplicate(p, "order")
	}
	e := all[0]
	if text := e.differ(o); text != "" {
		return connector.Result{}, processFault("content_differs", "see in Tryton who changed it, then requeue or waive", "order %s was made of what was handed in, but %s", e.number, text)
	}
	for _, step := range []struct{ from, button, to string }{{"draft", "quote", "quotation"}, {"quotation", "confirm", "confirmed"}, {"confirmed", "process", "processing"}} {
		if e.state != step.from {
			continue
		}
		if e, err = c.orderStep(ctx, p, e, step.button, step.from); err != nil {
			return connector.Result{}, err
		}
	}
	if !e.taken() {
		return connector.Result{}, technical("step_ignored", "Tryton leaves order "+e.number+" "+e.state, "it will be tried again; see the order if it stays", nil)
	}
	return c.result(documentSale, e.number), nil
}

// orderStep presses a button and reads the order back. A confirmed order is processed in a second transaction, mostly at once.
func (c *Connector) orderStep(ctx context.Context, p *connector.Posting, e entered, button, from string) (entered, error) {
	err := c.client.button(ctx, modelSale, button, e.id)
	if isCode(err, userError) {
		f := err.(*connector.Fault)
		return e, processFault("order_refused", "settle it in Tryton (a credit limit, a price), then requeue; or tell the customer", "Tryton does not take order %s of %s, which is %s there: %s",
			p.Document.GetOrderCreate().GetNumber(), e.party, e.numberOr("a draft"), f.Text)
	}
	if err != nil {
		return e, err
	}
	now, err := c.enteredOrders(ctx, p)
	if err != nil {
		return e, err
	}
	if len(now) != 1 || now[0].state == from {
		return e, technical("step_ignored", "Tryton took "+button+" of an order without doing it", "it will be tried again; see the order if it stays", nil)
	}
	return now[0], nil
}

func (e entered) numberOr(what string) string {
	if e.number == "" {
		return what
	}
	return e.number
}

func (c *Connector) makeOrder(ctx context.Context, p *connector.Posting, o *docklinev1.Order) error {
	at, err := c.site(ctx, o.GetSite())
	if err != nil {
		return err
	}
	who, err := c.customer(ctx, o.GetCustomer())
	if err != nil {
		return err
	}
	to, err := c.addressOf(ctx, who, o.GetShipTo())
	if err != nil {
		return err
	}
	lines, err := c.orderLines(ctx, o, who)
	if err != nil {
		return err
	}
	values := map[string]any{"reference": o.GetNumber(), "description": p.Key, "party": who.id, "invoice_address": who.address, "shipment_address": to,
		"warehouse": at.warehouse, "lines": []any{[]any{"create", lines}}}
	if who.paymentTerm != 0 {
		values["payment_term"] = who.paymentTerm
	}
	if o.GetPromisedAt() != nil {
		values["shipping_date"] = date(o.GetPromisedAt().AsTime())
	}
	_, err = c.client.call(ctx, "model."+modelSale+".create", nil, []any{values})
	return err
}

// orderLines are the lines of a sale, at the price that was agreed, or else at the one that Tryton itself asks of this customer.
func (c *Connector) orderLines(ctx context.Context, o *docklinev1.Order, who customer) ([]any, error) {
	var items []string
	for _, l := range o.GetLines() {
		if !slices.Contains(items, l.GetItem()) {
			items = append(items, l.GetItem())
		}
	}
	if len(items) == 0 {
		return nil, dataFault("no_lines", "see why the order has no lines", "the order has no lines")
	}
	products, err := c.products(ctx, items)
	if err != nil {
		return nil, err
	}
	var out []any
	for _, l := range o.GetLines() {
		product := products[l.GetItem()]
		n, err := event.ParseQuantity(l.GetQuantity().GetValue())
		if err != nil || n <= 0 {
			return nil, dataFault("bad_quantity", "correct the quantity, then requeue", "%q of %s cannot be ordered", l.GetQuantity().GetValue(), l.GetItem())
		}
		price := l.GetUnitPrice()
		if price == "" {
			if price, err = c.price(ctx, product, who, n); err != nil {
				return nil, err
			}
		}
		out = append(out, map[string]any{"product": product.id, "quantity": number(n), "unit": product.unit, "unit_price": money(price)})
	}
	return out, nil
}

// price is what Tryton asks of a customer for a product: by price list and quantity where it has such.
func (c *Connector) price(ctx context.Context, p product, who customer, n int64) (string, error) {
	about := map[string]any{"uom": p.unit, "customer": who.id, "quantity": number(n), "sale_date": date(time.Now().UTC())}
	found, err := c.client.read(ctx, modelProduct, about, []int64{p.id}, "sale_price_uom")
	if err != nil {
		return "", err
	}
	if len(found) != 1 || found[0].text("sale_price_uom") == "" {
		return "", dataFault("no_price", "give the product a price in Tryton, or the order one, then requeue", "Tryton has no price of %s", p.code)
	}
	exact, ok := new(big.Rat).SetString(found[0].text("sale_price_uom"))
	if !ok {
		return "", technical("bad_answer", "Tryton's price of "+p.code+" is no number", "report it with the version of Tryton", nil)
	}
	return exact.FloatString(priceDigits), nil
}

// addressOf is the party's address that goods are to go to: the first where none is told. One that Tryton does not have is nothing to guess at.
func (c *Connector) addressOf(ctx context.Context, who customer, shipTo []string) (int64, error) {
	if len(shipTo) == 0 {
		return who.address, nil
	}
	found, err := c.client.read(ctx, "party.address", nil, who.addresses, "full_address")
	if err != nil {
		return 0, err
	}
	plain := func(s string) string { return strings.ToLower(strings.Join(strings.Fields(s), " ")) }
	for _, id := range who.addresses {
		for _, r := range found {
			text := plain(r.text("full_address"))
			if r.id("id") == id && !slices.ContainsFunc(shipTo, func(l string) bool { return plain(l) != plain(who.name) && !strings.Contains(text, plain(l)) }) {
				return id, nil
			}
		}
	}
	return 0, dataFault("unknown_address", "add the address to the party in Tryton, then requeue", "Tryton has no address of %s that says %s", who.name, fmt.Sprintf("%q", strings.Join(shipTo, ", ")))
}
