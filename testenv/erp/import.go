package erp

import (
	"github.com/dockline/dockline/testenv/sandbox"
)

// importOrder takes an order from outside as many systems do it: one that is right is confirmed at once, one that is not is kept as
// a cancelled order with the reason, so that whoever handed it in hears of it.
func importOrder(w *work) (any, error) {
	var in NewOrder
	if err := w.read(&in); err != nil {
		return nil, err
	}
	order, err := w.newOrder(in)
	if err != nil {
		order = w.refusedOrder(in, sandbox.AsRefusal(err).Message)
		return order, w.put(KindOrder, order.Number, "rejected", order.Revision, order)
	}
	if w.customers[order.Customer].Blocked {
		order = w.refusedOrder(in, "customer blocked")
		return order, w.put(KindOrder, order.Number, "rejected", order.Revision, order)
	}
	order.Status = Confirmed
	order.Verdicts = w.verdicts(order)
	return order, w.put(KindOrder, order.Number, "confirmed", order.Revision, order)
}

// refusedOrder keeps what was handed in, as far as it is understood.
func (w *work) refusedOrder(in NewOrder, reason string) Order {
	customer := w.customers[in.Customer]
	return Order{Number: w.nextOrder(), ExternalReference: in.ExternalReference, Status: Cancelled, Customer: in.Customer, CustomerName: customer.Name, CustomerReference: in.CustomerReference,
		Currency: customer.Currency, Site: in.Site, ShipTo: []string{}, OrderedAt: w.at, PromisedAt: in.PromisedAt, Lines: []OrderLine{}, Reason: reason, Revision: 1}
}
