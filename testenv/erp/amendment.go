package erp

import (
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/shopspring/decimal"

	"github.com/dockline/dockline/testenv/sandbox"
)

// What an amendment does with the quantities of its lines.
const (
	Substitute  = "substitute"
	CancelLines = "cancel"
	KeepOwing   = "backorder"
	Split       = "split"
	// Move gives the whole order to another site.
	Move = "move"
)

// NewAmendment is what POST /api/order-amendments takes.
type NewAmendment struct {
	ExternalReference string          `json:"external_reference"`
	Order             string          `json:"order"`
	Action            string          `json:"action"`
	Reason            string          `json:"reason"`
	Approval          string          `json:"approval"`
	ToSite            string          `json:"to_site,omitempty"`
	Lines             []AmendmentLine `json:"lines"`
}

// AmendmentLine takes a quantity out of a line, or notes it as owing; Substitute and SubstituteQuantity say what comes instead.
type AmendmentLine struct {
	OrderLine          string          `json:"order_line"`
	Item               string          `json:"item"`
	Quantity           decimal.Decimal `json:"quantity"`
	Substitute         string          `json:"substitute,omitempty"`
	SubstituteQuantity decimal.Decimal `json:"substitute_quantity"`
}

// Amendment changed an order because of what happened at a site.
type Amendment struct {
	Number            string          `json:"number"`
	ExternalReference string          `json:"external_reference"`
	Order             string          `json:"order"`
	Action            string          `json:"action"`
	Reason            string          `json:"reason"`
	Approval          string          `json:"approval"`
	ToSite            string          `json:"to_site,omitempty"`
	Lines             []AmendmentLine `json:"lines"`
	PostedAt          time.Time       `json:"posted_at"`
	// Remainder is the number of the backorder or of the new order that has what is still to come.
	Remainder string `json:"remainder,omitempty"`
	Revision  int64  `json:"revision"`
}

// Backorder holds what an order is still owed; Rule is the amendment's action. Of a split Number is that of the new order.
type Backorder struct {
	Number   string          `json:"number"`
	Order    string          `json:"order"`
	Rule     string          `json:"rule"`
	Lines    []AmendmentLine `json:"lines"`
	PostedAt time.Time       `json:"posted_at"`
	Revision int64           `json:"revision"`
}

func createAmendment(w *work) (any, error) {
	var in NewAmendment
	if err := w.read(&in); err != nil {
		return nil, err
	}
	order, err := w.order(in.Order)
	if err != nil {
		return nil, err
	}
	if order.Status != Confirmed {
		return nil, sandbox.Refuse(http.StatusConflict, "order_"+order.Status, "order %s is %s: it cannot be amended", order.Number, order.Status)
	}
	if in.Action == Move {
		return w.move(order, in)
	}
	if len(in.Lines) == 0 {
		return nil, sandbox.Refuse(http.StatusUnprocessableEntity, "no_lines", "the amendment has no lines")
	}
	a := Amendment{Number: fmt.Sprintf("AM%d", 500001+len(w.amendments.numbers)), ExternalReference: in.ExternalReference, Order: order.Number, Action: in.Action,
		Reason: in.Reason, Approval: in.Approval, Lines: in.Lines, PostedAt: w.at, Revision: 1}
	rest := Order{Number: w.nextOrder(), Status: Confirmed, Customer: order.Customer, CustomerName: order.CustomerName, CustomerReference: order.CustomerReference,
		Currency: order.Currency, Site: order.Site, ShipTo: order.ShipTo, OrderedAt: order.OrderedAt, PromisedAt: order.PromisedAt, Revision: 1}
	for _, l := range in.Lines {
		if err := w.amend(&order, &rest, in.Action, l); err != nil {
			return nil, err
		}
	}
	if err := w.remainder(&a, rest); err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(order.Lines, func(l OrderLine) bool { return l.Open.IsPositive() }) {
		order.Status = Closed
	}
	if err := w.put(KindOrder, order.Number, "amended", order.Revision, order); err != nil {
		return nil, err
	}
	return a, w.put(KindAmendment, a.Number, "posted", a.Revision, a)
}

// move has another site ship an order of which nothing has left.
func (w *work) move(order Order, in NewAmendment) (any, error) {
	switch {
	case w.bins[in.ToSite] == nil:
		return nil, sandbox.Refuse(http.StatusUnprocessableEntity, "unknown_site", "there is no site %q", in.ToSite)
	case slices.ContainsFunc(order.Lines, func(l OrderLine) bool { return l.Issued.IsPositive() }):
		return nil, sandbox.Refuse(http.StatusConflict, "order_issued", "goods of order %s have left site %s: it cannot be moved", order.Number, order.Site)
	}
	order.Site = in.ToSite
	if err := w.put(KindOrder, order.Number, "amended", order.Revision, order); err != nil {
		return nil, err
	}
	a := Amendment{Number: fmt.Sprintf("AM%d", 500001+len(w.amendments.numbers)), ExternalReference: in.ExternalReference, Order: order.Number, Action: in.Action, ToSite: in.ToSite,
		Reason: in.Reason, Approval: in.Approval, Lines: in.Lines, PostedAt: w.at, Revision: 1}
	return a, w.put(KindAmendment, a.Number, "posted", a.Revision, a)
}

// amend takes one line's quantity out of the order.
func (w *work) amend(order, rest *Order, action string, l AmendmentLine) error {
	if _, err := w.quantityOf(l.Item, "", l.Quantity); err != nil {
		return err
	}
	at := slices.IndexFunc(order.Lines, func(o OrderLine) bool { return o.Line == l.OrderLine })
	if at < 0 {
		return sandbox.Refuse(http.StatusUnprocessableEntity, "unknown_line", "order %s has no line %q", order.Number, l.OrderLine)
	}
	line := &order.Lines[at]
	switch {
	case line.Item != l.Item:
		return sandbox.Refuse(http.StatusUnprocessableEntity, "wrong_item", "line %s of order %s is item %s, not %s", line.Line, order.Number, line.Item, l.Item)
	case l.Quantity.GreaterThan(line.Open):
		return sandbox.Refuse(http.StatusUnprocessableEntity, "over_issue", "line %s of order %s has %s open, %s cannot be taken out of it", line.Line, order.Number, line.Open, l.Quantity)
	}
	taken := *line
	if action != KeepOwing {
		line.Wanted, line.Open = line.Wanted.Sub(l.Quantity), line.Open.Sub(l.Quantity)
	}
	switch action {
	case Substitute:
		return w.substitute(order, taken, l)
	case CancelLines:
		line.Cancelled = line.Cancelled.Add(l.Quantity)
	case Split:
		line.Cancelled = line.Cancelled.Add(l.Quantity)
		taken.Quantity, taken.Wanted, taken.Open, taken.Issued, taken.Cancelled = l.Quantity, l.Quantity, l.Quantity, decimal.Zero, decimal.Zero
		rest.Lines = append(rest.Lines, taken)
	case KeepOwing:
	default:
		return sandbox.Refuse(http.StatusUnprocessableEntity, "bad_action", "%q is no way to amend an order", action)
	}
	return nil
}

// substitute adds a line that stands for what was taken out of another, or makes the one that there is larger.
func (w *work) substitute(order *Order, from OrderLine, l AmendmentLine) error {
	item, err := w.quantityOf(l.Substitute, "", l.SubstituteQuantity)
	if err != nil {
		return err
	}
	at := slices.IndexFunc(order.Lines, func(o OrderLine) bool { return o.StandsForLine == from.Line && o.Item == item.Code })
	if at < 0 {
		at = len(order.Lines)
		order.Lines = append(order.Lines, OrderLine{Line: fmt.Sprint(10 * (at + 1)), Item: item.Code, Description: item.Description, Unit: item.Unit, UnitPrice: item.Price,
			StandsForLine: from.Line, StandsForItem: from.Item})
	}
	line := &order.Lines[at]
	line.Quantity, line.Wanted, line.Open = line.Quantity.Add(l.SubstituteQuantity), line.Wanted.Add(l.SubstituteQuantity), line.Open.Add(l.SubstituteQuantity)
	line.StandsForQuantity = line.StandsForQuantity.Add(l.Quantity)
	return nil
}

// remainder makes the document that holds what is still to come.
func (w *work) remainder(a *Amendment, rest Order) error {
	b := Backorder{Order: a.Order, Rule: a.Action, Lines: a.Lines, PostedAt: w.at, Revision: 1}
	switch a.Action {
	case Split:
		b.Number = rest.Number
		if err := w.put(KindOrder, rest.Number, "confirmed", rest.Revision, rest); err != nil {
			return err
		}
	case KeepOwing:
		b.Number = fmt.Sprintf("BO%d", 600001+len(w.backorders.numbers))
	default:
		return nil
	}
	a.Remainder = b.Number
	if err := w.put(KindBackorder, b.Number, "created", b.Revision, b); err != nil || a.Action != Split {
		return err
	}
	b.Revision++ // the new order has it
	return w.put(KindBackorder, b.Number, "released", b.Revision, b)
}

// releaseBackorder says that what a backorder holds can be delivered now.
func releaseBackorder(w *work) (any, error) {
	number := w.request.PathValue("number")
	b, known := w.backorders.byNumber[number]
	if !known {
		return nil, sandbox.Refuse(http.StatusNotFound, "unknown_backorder", "there is no backorder %q", number)
	}
	b.Revision++
	return b, w.put(KindBackorder, number, "released", b.Revision, b)
}
