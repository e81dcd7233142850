package erp

import (
	"fmt"
	"net/http"
	"time"

	"github.com/shopspring/decimal"

	"github.com/dockline/dockline/testenv/sandbox"
)

// NewOrder is what POST /api/sales-orders takes. UnitPrice is the item's price where it is absent; ShipTo that of the customer.
type NewOrder struct {
	ExternalReference string         `json:"external_reference,omitempty"`
	Customer          string         `json:"customer"`
	CustomerReference string         `json:"customer_reference,omitempty"`
	Site              string         `json:"site"`
	ShipTo            []string       `json:"ship_to,omitempty"`
	OrderedAt         *time.Time     `json:"ordered_at,omitempty"`
	PromisedAt        *time.Time     `json:"promised_at,omitempty"`
	Lines             []NewOrderLine `json:"lines"`
}

// NewOrderLine is one line of a NewOrder.
type NewOrderLine struct {
	Item      string           `json:"item"`
	Quantity  decimal.Decimal  `json:"quantity"`
	UnitPrice *decimal.Decimal `json:"unit_price,omitempty"`
}

func createOrder(w *work) (any, error) {
	var in NewOrder
	if err := w.read(&in); err != nil {
		return nil, err
	}
	order, err := w.newOrder(in)
	if err != nil {
		return nil, err
	}
	return order, w.put(KindOrder, order.Number, "created", order.Revision, order)
}

// nextOrder is the number of the next sales order.
func (w *work) nextOrder() string { return fmt.Sprintf("SO%d", 100001+len(w.orders.numbers)) }

// newOrder makes a draft, or says why it cannot be one; nothing is stored yet.
func (w *work) newOrder(in NewOrder) (Order, error) {
	customer, known := w.customers[in.Customer]
	switch {
	case in.Customer == "":
		return Order{}, sandbox.Refuse(http.StatusUnprocessableEntity, "no_customer", "the order names no customer")
	case !known:
		return Order{}, sandbox.Refuse(http.StatusUnprocessableEntity, "unknown_customer", "there is no customer %q", in.Customer)
	case w.bins[in.Site] == nil:
		return Order{}, sandbox.Refuse(http.StatusUnprocessableEntity, "unknown_site", "there is no site %q", in.Site)
	case len(in.Lines) == 0:
		return Order{}, sandbox.Refuse(http.StatusUnprocessableEntity, "no_lines", "the order has no lines")
	}
	order := Order{Number: w.nextOrder(), ExternalReference: in.ExternalReference, Status: Draft, Customer: customer.Code, CustomerName: customer.Name,
		CustomerReference: in.CustomerReference, Currency: customer.Currency, Site: in.Site, ShipTo: in.ShipTo, OrderedAt: w.at,
		PromisedAt: in.PromisedAt, Revision: 1, PriceList: customer.PriceList, PriceListVersion: customer.PriceListVersion}
	if in.OrderedAt != nil {
		order.OrderedAt = *in.OrderedAt
	}
	if len(order.ShipTo) == 0 {
		order.ShipTo = append([]string{customer.Name}, customer.ShipTo...)
	}
	for i, l := range in.Lines {
		item, err := w.quantityOf(l.Item, "", l.Quantity)
		if err != nil {
			return Order{}, err
		}
		price := item.Price
		if l.UnitPrice != nil {
			price = *l.UnitPrice
		}
		order.Lines = append(order.Lines, OrderLine{Line: fmt.Sprint(10 * (i + 1)), Item: item.Code, Description: item.Description,
			Unit: item.Unit, UnitPrice: price, Quantity: l.Quantity, Wanted: l.Quantity, Open: l.Quantity})
	}
	return order, nil
}

// quantityOf checks that the item is there, that the unit, where one is named, is its own, and that the quantity is possible.
func (w *work) quantityOf(code, unit string, quantity decimal.Decimal) (Item, error) {
	item, known := w.items[code]
	switch {
	case !known:
		return item, sandbox.Refuse(http.StatusUnprocessableEntity, "unknown_item", "there is no item %q", code)
	case unit != "" && unit != item.Unit:
		return item, sandbox.Refuse(http.StatusUnprocessableEntity, "wrong_unit", "item %s is kept in %s, not %s", code, item.Unit, unit)
	case !quantity.IsPositive():
		return item, sandbox.Refuse(http.StatusUnprocessableEntity, "bad_quantity", "quantity %s of item %s is not above zero", quantity, code)
	}
	return item, wholePieces(item, quantity)
}

func wholePieces(item Item, quantity decimal.Decimal) error {
	if item.Unit == Each && !quantity.IsInteger() {
		return sandbox.Refuse(http.StatusUnprocessableEntity, "bad_quantity", "item %s is kept in pieces, not in %s of them", item.Code, quantity)
	}
	return nil
}

func (w *work) order(number string) (Order, error) {
	order, known := w.orders.byNumber[number]
	if !known {
		return order, sandbox.Refuse(http.StatusNotFound, "unknown_order", "there is no order %q", number)
	}
	// The lines of the stored order must not change before the ledger has the call.
	order.Lines = append([]OrderLine(nil), order.Lines...)
	order.Revision++
	return order, nil
}

func confirmOrder(w *work) (any, error) {
	order, err := w.order(w.request.PathValue("number"))
	if err != nil {
		return nil, err
	}
	if order.Status != Draft {
		return nil, sandbox.Refuse(http.StatusConflict, "order_"+order.Status, "order %s is %s", order.Number, order.Status)
	}
	if w.customers[order.Customer].Blocked {
		order.Status, order.Reason = Cancelled, "customer blocked"
		return order, w.put(KindOrder, order.Number, "rejected", order.Revision, order)
	}
	order.Status = Confirmed
	order.Verdicts = w.verdicts(order)
	return order, w.put(KindOrder, order.Number, "confirmed", order.Revision, order)
}

// verdicts are what the ERP finds when it confirms an order of a customer with a credit limit.
func (w *work) verdicts(order Order) []Verdict {
	limit := w.customers[order.Customer].CreditLimit
	if limit == nil {
		return nil
	}
	total := decimal.Zero
	for _, l := range order.Lines {
		total = total.Add(l.Quantity.Mul(l.UnitPrice))
	}
	v := Verdict{Check: "credit", Outcome: "pass", Reason: fmt.Sprintf("%s of a limit of %s", total, limit)}
	if total.GreaterThan(*limit) {
		v.Outcome = "hold"
	}
	return []Verdict{v, {Check: "structure", Outcome: "pass", Reason: fmt.Sprintf("%d lines", len(order.Lines))}}
}

// cancelOrder cancels what is still open; what was issued stays.
func cancelOrder(w *work) (any, error) {
	order, err := w.order(w.request.PathValue("number"))
	if err != nil {
		return nil, err
	}
	if order.Status != Draft && order.Status != Confirmed {
		return nil, sandbox.Refuse(http.StatusConflict, "order_"+order.Status, "order %s is %s", order.Number, order.Status)
	}
	var in struct {
		Reason string `json:"reason"`
	}
	if len(w.body) > 0 {
		if err := w.read(&in); err != nil {
			return nil, err
		}
	}
	order.Status, order.Reason = Cancelled, in.Reason
	for i := range order.Lines {
		order.Lines[i].Cancelled, order.Lines[i].Open = order.Lines[i].Open, decimal.Zero
	}
	return order, w.put(KindOrder, order.Number, "cancelled", order.Revision, order)
}
