package tryton

import (
	"cmp"
	"context"
	"slices"

	"github.com/dockline/dockline/collector/connector"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// arrival is one line of goods that came back, in Tryton's terms. Quantity is in millionths of the product's default unit; place 0 is the storage zone.
type arrival struct {
	goods
	item, orderLine string
	unit, place     int64
	quantity        int64
}

// move is the movement that brings so much of it in.
func (a arrival) move(n int64) map[string]any {
	m := map[string]any{"product": a.product, "uom": a.unit, "quantity": number(n)}
	if a.lot != 0 {
		m["lot"] = a.lot
	}
	return m
}

// arrivals looks up what a return names, before anything is written: products, lots and bins. Lines of the same goods and bin are one.
func (c *Connector) arrivals(ctx context.Context, doc *docklinev1.GoodsReturned, at site) ([]arrival, error) {
	products, err := c.products(ctx, itemsOf(doc.GetLines()))
	if err != nil {
		return nil, err
	}
	places, err := c.places(ctx, at.storage)
	if err != nil {
		return nil, err
	}
	var out []arrival
	for _, l := range doc.GetLines() {
		product := products[l.GetItem()]
		if product.byLot && l.GetLot() == "" {
			return nil, dataFault("lot_required", "see why the site reported no lot, then requeue", "%s is kept by lot, and what came back of it has none", l.GetItem())
		}
		a := arrival{goods: goods{product: product.id}, item: l.GetItem(), orderLine: l.GetOrderLine(), unit: product.unit}
		if a.quantity, err = event.ParseQuantity(l.GetQuantity()); err != nil {
			return nil, dataFault("bad_quantity", "correct the quantity, then requeue", "a return of %q of %s cannot be booked", l.GetQuantity(), l.GetItem())
		}
		if a.lot, err = c.lot(ctx, product, l.GetLot()); err != nil {
			return nil, err
		}
		if l.GetBin() != "" {
			found := slices.IndexFunc(places, func(p place) bool { return p.code == l.GetBin() })
			if found < 0 {
				return nil, dataFault("unknown_bin", "add the location below the warehouse's storage zone, then requeue", "Tryton has no location %q at %s", l.GetBin(), at.name)
			}
			a.place = places[found].id
		}
		if same := slices.IndexFunc(out, func(o arrival) bool { return o.goods == a.goods && o.place == a.place }); same >= 0 {
			out[same].quantity += a.quantity
			continue
		}
		out = append(out, a)
	}
	return out, nil
}

// returnSale is the sale of negative quantities that an RMA is in Tryton, nil where there is none of this number.
func (c *Connector) returnSale(ctx context.Context, number string) (row, error) {
	if number == "" {
		return nil, nil
	}
	found, err := c.client.searchRead(ctx, modelSale, nil, []any{[]any{"number", "=", number}, []any{"state", "in", []string{"confirmed", "processing", "done"}}}, 1,
		"number", "state", "shipment_returns", "origin")
	if err != nil || len(found) == 0 {
		return nil, err
	}
	if found[0].text("state") == "confirmed" { // its processing has failed or was not yet
		if err := c.client.button(ctx, modelSale, "process", found[0].id("id")); err != nil {
			return nil, err
		}
		found, err = c.client.read(ctx, modelSale, nil, []int64{found[0].id("id")}, "number", "state", "shipment_returns", "origin")
		if err != nil || len(found) == 0 {
			return nil, err
		}
	}
	if len(found[0].ids("shipment_returns")) == 0 {
		return nil, nil
	}
	return found[0], nil
}

// makeReturn makes a return shipment of goods that came without an RMA of Tryton's. Tryton asks whether it may be without an origin; the goods are there.
func (c *Connector) makeReturn(ctx context.Context, p *connector.Posting, at site, arrivals []arrival) (back, error) {
	doc := p.Document.GetReturnReceipt()
	customer, err := c.customerOf(ctx, doc)
	if err != nil {
		return back{}, err
	}
	zones, err := c.client.read(ctx, modelLocation, nil, []int64{at.warehouse}, "input_location")
	if err != nil {
		return back{}, err
	}
	if len(zones) != 1 {
		return back{}, technical("unknown_warehouse", "Tryton no longer has the warehouse of "+at.name, "correct sites in the connector's settings", nil)
	}
	prices, currency, err := c.soldAt(ctx, doc, arrivals)
	if err != nil {
		return back{}, err
	}
	var moves []any
	for _, a := range arrivals {
		m := a.move(a.quantity)
		m["from_location"], m["to_location"], m["unit_price"], m["currency"] = customer.location, zones[0].id("input_location"), money(prices[a.product]), currency
		moves = append(moves, m)
	}
	made, err := c.client.call(ctx, "model."+modelReturn+".create", nil, []any{map[string]any{"customer": customer.id, "delivery_address": customer.address,
		"warehouse": at.warehouse, "reference": p.Key, "incoming_moves": []any{[]any{"create", moves}}}})
	if err != nil {
		return back{}, err
	}
	ids := integers(made)
	if len(ids) != 1 {
		return back{}, technical("bad_answer", "Tryton made a return shipment and does not name it", "it will be looked for", nil)
	}
	return c.backByID(ctx, ids[0])
}

// soldAt are the prices, by product, at which goods come back into the books: those of the order, or else the list prices.
func (c *Connector) soldAt(ctx context.Context, doc *docklinev1.GoodsReturned, arrivals []arrival) (prices map[int64]string, currency int64, err error) {
	ids := map[int64]bool{}
	for _, a := range arrivals {
		ids[a.product] = true
	}
	listed, err := c.named(ctx, modelProduct, ids, "list_price")
	if err != nil {
		return nil, 0, err
	}
	prices = map[int64]string{}
	for id := range ids {
		prices[id] = cmp.Or(listed[id].text("list_price"), "0")
	}
	if doc.GetOrder() != "" {
		sold, err := c.client.searchRead(ctx, modelSaleLine, nil, []any{[]any{"sale.number", "=", doc.GetOrder()}, []any{"quantity", ">", 0}}, 0, "product", "unit_price", "sale.currency")
		if err != nil {
			return nil, 0, err
		}
		for _, l := range sold {
			if ids[l.id("product")] {
				prices[l.id("product")], currency = l.text("unit_price"), l.sub("sale").id("currency")
			}
		}
	}
	if currency == 0 {
		currency, err = c.currency(ctx)
	}
	return prices, currency, err
}

// currency is the company's own.
func (c *Connector) currency(ctx context.Context) (int64, error) {
	s, err := c.client.current(ctx)
	if err != nil {
		return 0, err
	}
	found, err := c.client.read(ctx, "company.company", nil, []int64{integer(s.context["company"])}, "currency")
	if err != nil {
		return 0, err
	}
	if len(found) != 1 {
		return 0, technical("no_company", "the company of the user "+c.settings.Login+" cannot be read in Tryton", "give the user a company", nil)
	}
	return found[0].id("currency"), nil
}

// customer is a party that goods go to and come back from.
type customer struct {
	id, address, location int64
	paymentTerm           int64
	addresses             []int64
	name                  string
}

func (c *Connector) customer(ctx context.Context, code string) (customer, error) {
	found, err := c.client.searchRead(ctx, modelParty, nil, []any{[]any{"code", "=", code}}, 2, "name", "addresses", "customer_location", "customer_payment_term")
	if err != nil {
		return customer{}, err
	}
	if len(found) != 1 {
		return customer{}, dataFault("unknown_customer", "add the party to Tryton, or correct the customer's code, then requeue", "Tryton has no party with the code %q", code)
	}
	r := found[0]
	out := customer{id: r.id("id"), location: r.id("customer_location"), paymentTerm: r.id("customer_payment_term"), addresses: r.ids("addresses"), name: r.text("name")}
	if len(out.addresses) == 0 {
		return out, dataFault("no_address", "give the party an address in Tryton, then requeue", "party %s has no address in Tryton", code)
	}
	out.address = out.addresses[0]
	return out, nil
}

// customerOf is who sends goods back: by the order where it is known, else by the customer's code.
func (c *Connector) customerOf(ctx context.Context, doc *docklinev1.GoodsReturned) (customer, error) {
	code := doc.GetCustomer()
	if doc.GetOrder() != "" {
		found, err := c.client.searchRead(ctx, modelSale, nil, []any{[]any{"number", "=", doc.GetOrder()}}, 1, "party.code")
		if err != nil {
			return customer{}, err
		}
		if len(found) == 1 {
			code = found[0].sub("party").text("code")
		}
	}
	if code == "" {
		return customer{}, dataFault("unknown_customer", "say whose goods they are: match the return to an RMA or an order, then requeue", "return %s names neither an order nor a customer", doc.GetNumber())
	}
	return c.customer(ctx, code)
}
