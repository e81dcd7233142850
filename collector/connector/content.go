package connector

import (
	"cmp"
	"slices"
	"strings"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// Line is a quantity of one line of a document, in millionths of the base unit.
type Line struct {
	OrderLine string `json:"order_line,omitempty"`
	Item      string `json:"item"`
	Lot       string `json:"lot,omitempty"`
	Quantity  int64  `json:"quantity"`
}

// Content is what a document says, in the form in which what was posted and what a system lists are compared.
type Content struct {
	// Lines are summed by order line, item and lot, sorted; ByLot says that the lots count.
	Lines []Line
	ByLot bool
	// Fields are what it says beside its lines, by name.
	Fields map[string]string
	Order  string
	Site   string
}

// ContentOf is what a document says. An invoice trigger without lines bills all that left: it says none.
func ContentOf(d *docklinev1.Document) Content {
	c := Content{Fields: map[string]string{}}
	switch {
	case d.GetGoodsIssue() != nil:
		g := d.GetGoodsIssue()
		c.Order, c.Site, c.Lines, c.ByLot = g.GetOrder(), g.GetSite(), linesOf(g.GetLines()), true
	case d.GetInvoiceTrigger() != nil:
		c.Order, c.Lines = d.GetInvoiceTrigger().GetOrder(), linesOf(d.GetInvoiceTrigger().GetLines())
	case d.GetStockAdjustment() != nil:
		a := d.GetStockAdjustment()
		c.Site, c.ByLot = a.GetSite(), true
		c.Lines = []Line{{Item: a.GetItem(), Lot: a.GetLot(), Quantity: millionths(a.GetDelta())}}
	case d.GetOrderStatus() != nil:
		s := d.GetOrderStatus()
		c.Order = s.GetOrder()
		c.Fields = map[string]string{"status": s.GetStatus(), "customer": s.GetCustomer(), "customer reference": s.GetCustomerReference(),
			"tracking": Joined(s.GetTracking()), "invoices": Joined(s.GetInvoices())}
		for _, l := range s.GetLines() {
			c.Lines = append(c.Lines, Line{OrderLine: l.GetOrderLine(), Item: l.GetItem(), Quantity: millionths(l.GetShipped())})
		}
	case d.GetServiceCase() != nil:
		s := d.GetServiceCase()
		c.Order = s.GetOrder()
		c.Fields = map[string]string{"status": "open", "missing": s.GetMissing(), "customer": s.GetCustomer(), "text": s.GetText()}
		if s.GetClosed() {
			c.Fields["status"] = "closed"
		}
	case d.GetOrderAmendment() != nil:
		a := d.GetOrderAmendment()
		c.Order, c.Site = a.GetOrder(), a.GetSite()
		c.Fields["action"] = a.GetAction()
		for _, l := range a.GetLines() {
			c.Lines = append(c.Lines, Line{OrderLine: l.GetOrderLine(), Item: l.GetItem(), Quantity: millionths(l.GetQuantity())})
		}
	case returned(d) != nil:
		g := returned(d)
		c.Order, c.Site, c.Lines = g.GetOrder(), g.GetSite(), linesOf(g.GetLines())
	case reversal(d) != nil:
		v := reversal(d)
		c.Order, c.Site = v.GetOrder(), v.GetSite()
		c.Fields["document"] = v.GetReverses().GetNumber()
	}
	c.Lines = SumLines(c.Lines, c.ByLot)
	return c
}

func returned(d *docklinev1.Document) *docklinev1.GoodsReturned {
	return cmp.Or(d.GetReturnReceipt(), d.GetCreditRequest())
}

func reversal(d *docklinev1.Document) *docklinev1.Reversal {
	return cmp.Or(d.GetGoodsIssueReversal(), d.GetInvoiceReversal(), d.GetReturnReceiptReversal(), d.GetCreditReversal())
}

func linesOf(lines []*docklinev1.DocumentLine) []Line {
	var out []Line
	for _, l := range lines {
		out = append(out, Line{OrderLine: l.GetOrderLine(), Item: l.GetItem(), Lot: l.GetLot(), Quantity: millionths(l.GetQuantity())})
	}
	return out
}

// millionths is 0 for what is no quantity: nothing of that kind is ever posted.
func millionths(text string) int64 {
	n, err := event.ParseQuantity(text)
	if err != nil {
		return 0
	}
	return n
}

// Joined is a list as one field: sorted, so that its order does not matter.
func Joined(list []string) string { return strings.Join(slices.Sorted(slices.Values(list)), ", ") }

// SumLines adds lines of the same order line, item and, where lots count, lot, sorts them, and drops those that come to nothing.
func SumLines(lines []Line, byLot bool) []Line {
	sums := map[Line]int64{}
	for _, l := range lines {
		key := Line{OrderLine: l.OrderLine, Item: l.Item}
		if byLot {
			key.Lot = l.Lot
		}
		sums[key] += l.Quantity
	}
	var out []Line
	for key, n := range sums {
		if n != 0 {
			key.Quantity = n
			out = append(out, key)
		}
	}
	slices.SortFunc(out, CompareLines)
	return out
}

// CompareLines orders lines by order line, item and lot.
func CompareLines(a, b Line) int {
	return cmp.Or(cmp.Compare(len(a.OrderLine), len(b.OrderLine)), cmp.Compare(a.OrderLine, b.OrderLine), cmp.Compare(a.Item, b.Item), cmp.Compare(a.Lot, b.Lot))
}
