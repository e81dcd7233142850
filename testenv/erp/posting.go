package erp

import (
	"fmt"
	"net/http"
	"time"

	"github.com/shopspring/decimal"

	"github.com/dockline/dockline/testenv/sandbox"
)

// NewInvoice is what POST /api/invoices takes.
type NewInvoice struct {
	ExternalReference string `json:"external_reference"`
	GoodsIssue        string `json:"goods_issue"`
	// Lines are what to bill where that is not all of the goods issue.
	Lines       []InvoiceLine `json:"lines,omitempty"`
	PostingDate string        `json:"posting_date,omitempty"`
}

func createInvoice(w *work) (any, error) {
	var in NewInvoice
	if err := w.read(&in); err != nil {
		return nil, err
	}
	issue, known := w.issues.byNumber[in.GoodsIssue]
	if !known {
		return nil, sandbox.Refuse(http.StatusNotFound, "unknown_goods_issue", "there is no goods issue %q", in.GoodsIssue)
	}
	if issue.ReversedBy != "" {
		return nil, sandbox.Refuse(http.StatusConflict, "already_reversed", "goods issue %s was reversed by %s: there is nothing to bill", issue.Number, issue.ReversedBy)
	}
	day, err := w.day(in.PostingDate)
	if err != nil {
		return nil, err
	}
	order := w.orders.byNumber[issue.Order]
	prices := map[string]decimal.Decimal{}
	for _, l := range order.Lines {
		prices[l.Line] = l.UnitPrice
	}
	invoice := Invoice{Number: fmt.Sprintf("IN%d", 300001+len(w.invoices.numbers)), ExternalReference: in.ExternalReference, Order: issue.Order,
		GoodsIssue: issue.Number, Shipment: issue.Shipment, PostedAt: w.at, Currency: order.Currency, Lines: in.Lines, PostingDate: day, Revision: 1}
	billed := in.Lines
	if len(billed) == 0 {
		for _, l := range issue.Lines {
			billed = append(billed, InvoiceLine{OrderLine: l.OrderLine, Item: l.Item, Quantity: l.Quantity})
		}
	}
	for _, l := range billed {
		if _, known := prices[l.OrderLine]; !known {
			return nil, sandbox.Refuse(http.StatusUnprocessableEntity, "unknown_line", "order %s has no line %q", issue.Order, l.OrderLine)
		}
		invoice.Total = invoice.Total.Add(l.Quantity.Mul(prices[l.OrderLine]).Round(2))
	}
	return invoice, w.put(KindInvoice, invoice.Number, "posted", invoice.Revision, invoice)
}

// NewAdjustment is what POST /api/stock-adjustments takes.
type NewAdjustment struct {
	ExternalReference string          `json:"external_reference"`
	Site              string          `json:"site"`
	Bin               string          `json:"bin"`
	Item              string          `json:"item"`
	Lot               string          `json:"lot"`
	Delta             decimal.Decimal `json:"delta"`
	Reason            string          `json:"reason"`
	Count             string          `json:"count"`
	AsOf              *time.Time      `json:"as_of"`
	PostingDate       string          `json:"posting_date,omitempty"`
}

func createAdjustment(w *work) (any, error) {
	var in NewAdjustment
	if err := w.read(&in); err != nil {
		return nil, err
	}
	item, known := w.items[in.Item]
	switch {
	case !known:
		return nil, sandbox.Refuse(http.StatusUnprocessableEntity, "unknown_item", "there is no item %q", in.Item)
	case w.bins[in.Site] == nil:
		return nil, sandbox.Refuse(http.StatusUnprocessableEntity, "unknown_site", "there is no site %q", in.Site)
	case in.Bin == "":
		return nil, sandbox.Refuse(http.StatusUnprocessableEntity, "unknown_bin", "the adjustment names no bin")
	case in.Delta.IsZero():
		return nil, sandbox.Refuse(http.StatusUnprocessableEntity, "bad_quantity", "an adjustment by zero is none")
	}
	if err := wholePieces(item, in.Delta); err != nil {
		return nil, err
	}
	if err := w.placeKnown(in.Site, in.Bin, item, in.Lot); err != nil {
		return nil, err
	}
	day, err := w.day(in.PostingDate)
	if err != nil {
		return nil, err
	}
	adjustment := Adjustment{PostingDate: day, Number: fmt.Sprintf("SA%d", 400001+len(w.adjustments.numbers)), ExternalReference: in.ExternalReference, Site: in.Site,
		Bin: in.Bin, Item: item.Code, Lot: in.Lot, Delta: in.Delta, Reason: in.Reason, AsOf: in.AsOf, Count: in.Count, PostedAt: w.at, Revision: 1}
	w.moves = append(w.moves, StockLine{Site: in.Site, Bin: in.Bin, Item: item.Code, Lot: in.Lot, Quantity: in.Delta, Unit: item.Unit})
	return adjustment, w.put(KindAdjustment, adjustment.Number, "posted", adjustment.Revision, adjustment)
}
