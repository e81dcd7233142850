package tryton

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// An RMA in Tryton is a sale of which every line has a negative quantity; its origin is the sale that the goods left by, where it was made from that.

// returnsOf are the RMAs among sales, by the id of the sale.
func (c *Connector) returnsOf(ctx context.Context, sales []row, lines map[int64][]row, sites []site) (map[int64]*docklinev1.ReturnAuthorisation, error) {
	out := map[int64]*docklinev1.ReturnAuthorisation{}
	var origins []int64
	for _, s := range sales {
		if back := goodsBack(lines[s.id("id")]); len(back) == 0 || len(back) < len(goodsOf(lines[s.id("id")])) {
			continue
		}
		a := &docklinev1.ReturnAuthorisation{Number: s.text("number"), Customer: s.sub("party").text("code"), Reason: s.text("comment")}
		if i := slices.IndexFunc(sites, func(at site) bool { return at.warehouse == s.id("warehouse") }); i >= 0 {
			a.Site = sites[i].name
		}
		out[s.id("id")] = a
		if model, id := s.pointed("origin"); model == modelSale {
			origins = append(origins, id)
		}
	}
	if len(out) == 0 {
		return nil, nil
	}
	numbers, byProduct, err := c.originals(ctx, origins)
	if err != nil {
		return nil, err
	}
	for _, s := range sales {
		a := out[s.id("id")]
		if a == nil {
			continue
		}
		model, origin := s.pointed("origin")
		if model == modelSale {
			a.Order = numbers[origin]
		}
		for _, l := range goodsBack(lines[s.id("id")]) {
			line := &docklinev1.Line{Order: a.Order, Item: l.sub("product").text("code"),
				Quantity: &docklinev1.Quantity{Value: event.FormatQuantity(-l.quantity("quantity")), Unit: c.unit(l.sub("unit").text("symbol"))}}
			if id := byProduct[saleProduct{origin, l.id("product")}]; id != 0 && model == modelSale {
				line.OrderLine = lineNumber(id)
			}
			a.Lines = append(a.Lines, line)
		}
	}
	return out, nil
}

// goodsOf are the lines of a sale that goods move by, goodsBack those by which they come back.
func goodsOf(lines []row) []row {
	return slices.DeleteFunc(slices.Clone(lines), func(l row) bool {
		return l.text("type") != "line" || l.id("product") == 0 || l.sub("product").text("type") == "service" || l.quantity("quantity") == 0
	})
}

func goodsBack(lines []row) []row {
	return slices.DeleteFunc(goodsOf(lines), func(l row) bool { return l.quantity("quantity") > 0 })
}

type saleProduct struct{ sale, product int64 }

// originals are the numbers of sales, and the line of each of their products: the first where a product has several.
func (c *Connector) originals(ctx context.Context, ids []int64) (numbers map[int64]string, lines map[saleProduct]int64, err error) {
	numbers, lines = map[int64]string{}, map[saleProduct]int64{}
	found, err := c.client.read(ctx, modelSale, nil, ids, "number", "lines")
	if err != nil {
		return nil, nil, err
	}
	var of []int64
	for _, s := range found {
		numbers[s.id("id")] = s.text("number")
		of = append(of, s.ids("lines")...)
	}
	read, err := c.client.read(ctx, modelSaleLine, nil, of, "sale", "product", "quantity")
	for _, l := range read {
		key := saleProduct{l.id("sale"), l.id("product")}
		if before := lines[key]; l.quantity("quantity") > 0 && (before == 0 || l.id("id") < before) {
			lines[key] = l.id("id")
		}
	}
	return numbers, lines, err
}

// returnEvent tells what became of an RMA; nil for a sale that is none, and for one of which nothing is to be told.
func returnEvent(s row, a *docklinev1.ReturnAuthorisation, at time.Time, born string) *docklinev1.Event {
	if a == nil {
		return nil
	}
	e := &docklinev1.Event{Subject: a.GetNumber(), Payload: &docklinev1.Event_ReturnAuthorisation{ReturnAuthorisation: a}}
	switch s.text("state") {
	case "processing", "done":
		if closed(s) && at.Format(stampFormat) <= born {
			return nil
		}
		e.Kind = docklinev1.EventKind_EVENT_KIND_RETURN_AUTHORISED
	case "cancelled":
		if at = s.time("write_date"); at.IsZero() || at.Format(stampFormat) <= born {
			return nil
		}
		e.Kind = docklinev1.EventKind_EVENT_KIND_RETURN_CANCELLED
	default:
		return nil
	}
	return revise(e, fmt.Sprintf("sale/%d", s.id("id")), at)
}

// creditEvents report posted credit notes: which order and return they credit, and by which request.
func (c *Connector) creditEvents(ctx context.Context, invoices []row, born string) ([]*docklinev1.Event, error) {
	if len(invoices) == 0 {
		return nil, nil
	}
	var ids []int64
	for _, i := range invoices {
		ids = append(ids, i.ids("lines")...)
	}
	lines, err := c.client.read(ctx, modelBillLine, nil, ids, "invoice", "type", "product", "product.code", "quantity", "unit.symbol", "origin")
	if err != nil {
		return nil, err
	}
	slices.SortFunc(lines, func(a, b row) int { return cmp.Compare(a.id("id"), b.id("id")) })
	of, err := c.creditOrigins(ctx, lines)
	if err != nil {
		return nil, err
	}
	var out []*docklinev1.Event
	for _, i := range invoices {
		at := i.sub("move").time("create_date")
		if at.IsZero() {
			at = i.time("create_date")
		}
		if at.Format(stampFormat) <= born {
			continue
		}
		m := &docklinev1.CreditMemo{Number: i.text("number"), Total: strings.TrimPrefix(i.text("total_amount"), "-"), Currency: i.sub("currency").text("code"), Request: i.text("reference")}
		for _, l := range lines {
			if l.id("invoice") != i.id("id") || l.text("type") != "line" || l.id("product") == 0 {
				continue
			}
			from := of[l.id("id")]
			m.Order = cmp.Or(m.Order, from.order)
			if from.rma != "" && !slices.Contains(m.Returns, from.rma) {
				m.Returns = append(m.Returns, from.rma)
			}
			m.Lines = append(m.Lines, &docklinev1.Line{Order: from.order, OrderLine: from.line, Item: l.sub("product").text("code"),
				Quantity: &docklinev1.Quantity{Value: event.FormatQuantity(-l.quantity("quantity")), Unit: c.unit(l.sub("unit").text("symbol"))}})
		}
		if number, ours := requested(m.GetRequest()); ours && len(m.Returns) == 0 {
			m.Returns = []string{number}
		}
		e := &docklinev1.Event{Kind: docklinev1.EventKind_EVENT_KIND_CREDIT_MEMO_POSTED, Subject: m.GetNumber(),
			Documents: []*docklinev1.DocumentReference{c.document(documentCredit, m.GetNumber())}, Payload: &docklinev1.Event_CreditMemo{CreditMemo: m}}
		out = append(out, revise(e, fmt.Sprintf("invoice/%d", i.id("id")), at))
	}
	return out, nil
}

// requested is the RMA whose number our key begins with.
func requested(key string) (number string, ours bool) {
	first, _, ours := strings.Cut(key, "/credit/")
	if !ours || strings.Contains(first, "/") {
		return "", false
	}
	number, err := url.PathUnescape(first)
	return number, err == nil
}

// creditOrigin is where credited goods came from.
type creditOrigin struct{ order, line, rma string }

// creditOrigins looks up of which order and RMA lines of credit notes are: lines of an RMA, or of an invoice that they take back.
func (c *Connector) creditOrigins(ctx context.Context, lines []row) (map[int64]creditOrigin, error) {
	sold, bills := map[int64]bool{}, map[int64]bool{}
	for _, l := range lines {
		switch model, id := l.pointed("origin"); model {
		case modelSaleLine:
			sold[id] = true
		case modelBillLine:
			bills[id] = true
		}
	}
	billed, err := c.named(ctx, modelBillLine, bills, "origin")
	if err != nil {
		return nil, err
	}
	for _, b := range billed {
		if model, id := b.pointed("origin"); model == modelSaleLine {
			sold[id] = true
		}
	}
	saleLines, err := c.named(ctx, modelSaleLine, sold, "sale", "sale.number", "sale.origin", "product", "quantity")
	if err != nil {
		return nil, err
	}
	var origins []int64
	for _, l := range saleLines {
		if model, id := l.sub("sale").pointed("origin"); model == modelSale && !slices.Contains(origins, id) {
			origins = append(origins, id)
		}
	}
	numbers, byProduct, err := c.originals(ctx, origins)
	if err != nil {
		return nil, err
	}
	out := map[int64]creditOrigin{}
	for _, l := range lines {
		model, id := l.pointed("origin")
		if model == modelBillLine {
			_, id = billed[id].pointed("origin")
		}
		of, known := saleLines[id]
		switch {
		case !known:
		case of.quantity("quantity") > 0:
			out[l.id("id")] = creditOrigin{order: of.sub("sale").text("number"), line: lineNumber(id)}
		default:
			from := creditOrigin{rma: of.sub("sale").text("number")}
			if model, origin := of.sub("sale").pointed("origin"); model == modelSale {
				from.order = numbers[origin]
				if line := byProduct[saleProduct{origin, of.id("product")}]; line != 0 {
					from.line = lineNumber(line)
				}
			}
			out[l.id("id")] = from
		}
	}
	return out, nil
}
