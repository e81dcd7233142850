package erp

import (
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/shopspring/decimal"

	"github.com/dockline/dockline/testenv/sandbox"
)

// NewIssue is what POST /api/goods-issues takes.
type NewIssue struct {
	ExternalReference string      `json:"external_reference"`
	Order             string      `json:"order"`
	Site              string      `json:"site"`
	Shipment          string      `json:"shipment"`
	DepartedAt        *time.Time  `json:"departed_at"`
	Carrier           string      `json:"carrier"`
	Tracking          string      `json:"tracking"`
	CorrelationID     string      `json:"correlation_id"`
	PostingDate       string      `json:"posting_date,omitempty"`
	Lines             []IssueLine `json:"lines"`
}

func createIssue(w *work) (any, error) {
	var in NewIssue
	if err := w.read(&in); err != nil {
		return nil, err
	}
	order, err := w.order(in.Order)
	if err != nil {
		return nil, err
	}
	if order.Status != Confirmed {
		return nil, sandbox.Refuse(http.StatusConflict, "order_"+order.Status, "order %s is %s: no goods issue can be posted", order.Number, order.Status)
	}
	day, err := w.day(in.PostingDate)
	if err != nil {
		return nil, err
	}
	site := in.Site
	if site == "" {
		site = order.Site
	}
	issue := GoodsIssue{Number: fmt.Sprintf("GI%d", 200001+len(w.issues.numbers)), ExternalReference: in.ExternalReference, Order: order.Number,
		Site: site, Shipment: in.Shipment, PostedAt: w.at, DepartedAt: in.DepartedAt, Carrier: in.Carrier, Tracking: in.Tracking,
		CorrelationID: in.CorrelationID, PostingDate: day, Lines: in.Lines, Revision: 1}
	if w.bins[site] == nil {
		return nil, sandbox.Refuse(http.StatusUnprocessableEntity, "unknown_site", "there is no site %q", site)
	}
	if len(in.Lines) == 0 {
		return nil, sandbox.Refuse(http.StatusUnprocessableEntity, "no_lines", "the goods issue has no lines")
	}
	for _, line := range in.Lines {
		if err := w.issueLine(&order, &issue, line); err != nil {
			return nil, err
		}
	}
	if !slices.ContainsFunc(order.Lines, func(l OrderLine) bool { return l.Open.IsPositive() }) {
		order.Status = Closed
	}
	if err := w.put(KindOrder, order.Number, "issued", order.Revision, order); err != nil {
		return nil, err
	}
	return issue, w.put(KindIssue, issue.Number, "posted", issue.Revision, issue)
}

func (w *work) issueLine(order *Order, issue *GoodsIssue, line IssueLine) error {
	item, err := w.quantityOf(line.Item, line.Unit, line.Quantity)
	if err != nil {
		return err
	}
	at := slices.IndexFunc(order.Lines, func(l OrderLine) bool { return l.Line == line.OrderLine })
	if at < 0 {
		return sandbox.Refuse(http.StatusUnprocessableEntity, "unknown_line", "order %s has no line %q", order.Number, line.OrderLine)
	}
	ordered := &order.Lines[at]
	switch {
	case ordered.Item != item.Code:
		return sandbox.Refuse(http.StatusUnprocessableEntity, "wrong_item", "line %s of order %s is item %s, not %s", ordered.Line, order.Number, ordered.Item, item.Code)
	case line.Quantity.GreaterThan(ordered.Open):
		return sandbox.Refuse(http.StatusUnprocessableEntity, "over_issue", "line %s of order %s has %s open, %s cannot be issued", ordered.Line,
			order.Number, ordered.Open, line.Quantity)
	}
	ordered.Issued, ordered.Open = ordered.Issued.Add(line.Quantity), ordered.Open.Sub(line.Quantity)
	if err := w.placeKnown(issue.Site, line.Bin, item, line.Lot); err != nil {
		return err
	}
	takes, err := w.take(issue.Site, line.Bin, item, line.Lot, line.Quantity)
	issue.Takes = append(issue.Takes, takes...)
	return err
}

// placeKnown checks bin, where one is named, and lot.
func (w *work) placeKnown(site, bin string, item Item, lot string) error {
	switch {
	case bin != "" && !w.bins[site][bin]:
		return sandbox.Refuse(http.StatusUnprocessableEntity, "unknown_bin", "site %s has no bin %q", site, bin)
	case item.LotTracked && lot == "":
		return sandbox.Refuse(http.StatusUnprocessableEntity, "lot_required", "item %s moves only with its lot", item.Code)
	case !item.LotTracked && lot != "":
		return sandbox.Refuse(http.StatusUnprocessableEntity, "unknown_lot", "item %s has no lots", item.Code)
	case lot == "":
		return nil
	}
	for k := range w.stock {
		if k.item == item.Code && k.lot == lot {
			return nil
		}
	}
	return sandbox.Refuse(http.StatusUnprocessableEntity, "unknown_lot", "there is no lot %q of item %s", lot, item.Code)
}

// take takes the quantity from the named bin, else from the bins that have some, in their order. What no bin has is taken from
// the named or first bin below zero: the goods have left, whatever the book says.
func (w *work) take(site, bin string, item Item, lot string, quantity decimal.Decimal) ([]StockLine, error) {
	var takes []StockLine
	move := func(bin string, quantity decimal.Decimal) {
		line := StockLine{Site: site, Bin: bin, Item: item.Code, Lot: lot, Quantity: quantity, Unit: item.Unit}
		takes = append(takes, line)
		line.Quantity = quantity.Neg()
		w.moves = append(w.moves, line)
	}
	places := w.stockLines(site, bin, item.Code, lot)
	for i := range places {
		for _, m := range w.moves {
			if m.key() == places[i].key() {
				places[i].Quantity = places[i].Quantity.Add(m.Quantity)
			}
		}
	}
	if bin == "" && len(places) > 0 {
		bin = places[0].Bin
	} else if bin == "" {
		bin = w.anyBin(site)
	}
	open := quantity
	for _, place := range places {
		if part := decimal.Min(open, place.Quantity); part.IsPositive() {
			move(place.Bin, part)
			open = open.Sub(part)
		}
	}
	if !open.IsPositive() {
		return takes, nil
	}
	if w.refuse {
		return nil, sandbox.Refuse(http.StatusUnprocessableEntity, "insufficient_stock", "%s %s of item %s are missing in the book of %s", open, item.Unit, item.Code, site)
	}
	move(bin, open)
	return takes, nil
}

func (w *work) anyBin(site string) string {
	for _, s := range w.master.Sites {
		if s.Code == site && len(s.Bins) > 0 {
			return s.Bins[0]
		}
	}
	return ""
}
