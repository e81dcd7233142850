package tryton

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/shopspring/decimal"

	"github.com/dockline/dockline/testenv/erp"
)

// statusUnprocessed is an order that was confirmed and has no shipment yet.
const statusUnprocessed = "unprocessed"

var statusOf = map[string]string{"draft": erp.Draft, "quotation": erp.Draft, "confirmed": statusUnprocessed, "processing": erp.Confirmed, "done": erp.Closed,
	"cancelled": erp.Cancelled}

// Orders lists the sales, oldest first. Issued is what left in shipments that are done; open what stands in those that are not.
func (c *Client) Orders(ctx context.Context) ([]erp.Order, error) { return c.orders(ctx, nil) }

func (c *Client) orders(ctx context.Context, domain []any) ([]erp.Order, error) {
	sales, err := c.List(ctx, "sale.sale", domain, nil, "number", "state", "party.code", "reference", "warehouse.code", "lines", "shipments")
	if err != nil {
		return nil, err
	}
	var lines, shipments []int64
	for _, s := range sales {
		lines, shipments = append(lines, IDs(s["lines"])...), append(shipments, IDs(s["shipments"])...)
	}
	ordered, err := c.byID(ctx, "sale.line", lines, "product.code", "quantity", "unit.symbol")
	if err != nil {
		return nil, err
	}
	moves, err := c.outgoing(ctx, shipments)
	if err != nil {
		return nil, err
	}
	issued, open := map[int64]decimal.Decimal{}, map[int64]decimal.Decimal{}
	for _, m := range moves {
		switch line := pointed(m["origin"], "sale.line"); Text(m["state"]) {
		case "done":
			issued[line] = issued[line].Add(Number(m["quantity"]))
		case "cancelled":
		default:
			open[line] = open[line].Add(Number(m["quantity"]))
		}
	}
	var out []erp.Order
	for _, s := range sales {
		o := erp.Order{Number: Text(s["number"]), Status: statusOf[Text(s["state"])], Customer: Text(sub(s, "party")["code"]), CustomerReference: Text(s["reference"]),
			Site: Text(sub(s, "warehouse")["code"])}
		for _, id := range IDs(s["lines"]) {
			l := ordered[id]
			o.Lines = append(o.Lines, erp.OrderLine{Line: fmt.Sprint(id), Item: Text(sub(l, "product")["code"]), Unit: unit(Text(sub(l, "unit")["symbol"])),
				Quantity: Number(l["quantity"]), Issued: issued[id], Open: open[id]})
		}
		out = append(out, o)
	}
	return out, nil
}

// outgoing are the movements by which shipments leave the house.
func (c *Client) outgoing(ctx context.Context, shipments []int64) (map[int64]Object, error) {
	found, err := c.byID(ctx, "stock.shipment.out", shipments, "outgoing_moves")
	if err != nil {
		return nil, err
	}
	var ids []int64
	for _, s := range found {
		ids = append(ids, IDs(s["outgoing_moves"])...)
	}
	return c.byID(ctx, "stock.move", ids, "origin", "state", "quantity", "product.code", "lot.number", "shipment")
}

// Issues lists the shipments that are done.
func (c *Client) Issues(ctx context.Context) ([]erp.GoodsIssue, error) {
	done, err := c.List(ctx, "stock.shipment.out", []any{[]any{"state", "=", "done"}}, nil, "number", "reference", "warehouse.code", "outgoing_moves")
	if err != nil {
		return nil, err
	}
	var ids []int64
	for _, s := range done {
		ids = append(ids, ID(s["id"]))
	}
	moves, err := c.outgoing(ctx, ids)
	if err != nil {
		return nil, err
	}
	var out []erp.GoodsIssue
	for _, s := range done {
		issue := erp.GoodsIssue{Number: Text(s["number"]), Site: Text(sub(s, "warehouse")["code"])}
		issue.ExternalReference, issue.Tracking, _ = strings.Cut(Text(s["reference"]), "|")
		issue.Order, issue.Shipment, _ = strings.Cut(issue.ExternalReference, "/")
		for _, id := range IDs(s["outgoing_moves"]) {
			m := moves[id]
			if Text(m["state"]) == "cancelled" || Number(m["quantity"]).IsZero() {
				continue
			}
			issue.Lines = append(issue.Lines, erp.IssueLine{OrderLine: fmt.Sprint(pointed(m["origin"], "sale.line")), Item: Text(sub(m, "product")["code"]),
				Lot: Text(sub(m, "lot")["number"]), Quantity: Number(m["quantity"])})
		}
		out = append(out, issue)
	}
	return out, nil
}

// Invoices lists those that are posted, each with the shipment that its lines stand for.
func (c *Client) Invoices(ctx context.Context) ([]erp.Invoice, error) {
	posted, err := c.List(ctx, "account.invoice", []any{[]any{"type", "=", "out"}, []any{"state", "in", []string{"posted", "paid"}}}, nil, "number", "reference", "lines")
	if err != nil {
		return nil, err
	}
	shipped, err := c.List(ctx, "account.invoice.line", []any{[]any{"invoice.type", "=", "out"}}, nil, "invoice", "stock_moves")
	if err != nil {
		return nil, err
	}
	var moves []int64
	for _, l := range shipped {
		moves = append(moves, IDs(l["stock_moves"])...)
	}
	moved, err := c.byID(ctx, "stock.move", moves, "shipment")
	if err != nil {
		return nil, err
	}
	var shipments []int64
	for _, m := range moved {
		shipments = append(shipments, pointed(m["shipment"], "stock.shipment.out"))
	}
	numbers, err := c.byID(ctx, "stock.shipment.out", shipments, "number")
	if err != nil {
		return nil, err
	}
	of := map[int64][]string{}
	for _, l := range shipped {
		for _, m := range IDs(l["stock_moves"]) {
			invoice, number := ID(l["invoice"]), Text(numbers[pointed(moved[m]["shipment"], "stock.shipment.out")]["number"])
			if !slices.Contains(of[invoice], number) {
				of[invoice] = append(of[invoice], number)
			}
		}
	}
	var out []erp.Invoice
	for _, i := range posted {
		invoice := erp.Invoice{Number: Text(i["number"]), ExternalReference: Text(i["reference"]), GoodsIssue: strings.Join(of[ID(i["id"])], " and ")}
		invoice.Order, invoice.Shipment, _ = strings.Cut(invoice.ExternalReference, "/")
		out = append(out, invoice)
	}
	return out, nil
}

// Adjustments lists what the counts of the day moved: not what they say, but the stock movements that Tryton made of them.
func (c *Client) Adjustments(ctx context.Context) ([]erp.Adjustment, error) {
	counts, err := c.List(ctx, "stock.inventory.line", []any{[]any{"inventory", ">", c.counted}}, nil, "inventory.number", "moves")
	if err != nil {
		return nil, err
	}
	var ids []int64
	for _, l := range counts {
		ids = append(ids, IDs(l["moves"])...)
	}
	moves, err := c.byID(ctx, "stock.move", ids, "state", "quantity", "product.code", "lot.number", "from_location.code", "from_location.type", "to_location.code")
	if err != nil {
		return nil, err
	}
	var out []erp.Adjustment
	for _, l := range counts {
		number := Text(sub(l, "inventory")["number"])
		for _, id := range IDs(l["moves"]) {
			m := moves[id]
			if Text(m["state"]) != "done" {
				continue
			}
			a := erp.Adjustment{Number: number, ExternalReference: number, Item: Text(sub(m, "product")["code"]), Lot: Text(sub(m, "lot")["number"]),
				Bin: Text(sub(m, "to_location")["code"]), Delta: Number(m["quantity"])}
			if from := sub(m, "from_location"); Text(from["type"]) == "storage" {
				a.Bin, a.Delta = Text(from["code"]), a.Delta.Neg()
			}
			a.Count, _, _ = strings.Cut(number, "/")
			out = append(out, a)
		}
	}
	return out, nil
}

// Unfinished names each document that was begun in the ERP and not brought to its end.
func (c *Client) Unfinished(ctx context.Context) ([]string, error) {
	var out []string
	for _, kind := range []struct {
		model, name, reference string
		domain                 []any
	}{
		{"stock.shipment.out", "shipment", "reference", []any{[]any{"state", "not in", []string{"done", "cancelled"}},
			[]any{"OR", []any{"reference", "!=", nil}, []any{"state", "not in", []string{"draft", "waiting"}}}}},
		{"account.invoice", "invoice", "reference", []any{[]any{"type", "=", "out"}, []any{"state", "not in", []string{"posted", "paid", "cancelled"}}}},
		{"stock.inventory", "inventory", "number", []any{[]any{"state", "=", "draft"}}},
		{"sale.sale", "order", "number", []any{[]any{"state", "=", "confirmed"}}},
	} {
		found, err := c.List(ctx, kind.model, kind.domain, nil, "rec_name", kind.reference, "state")
		if err != nil {
			return nil, err
		}
		for _, r := range found {
			out = append(out, fmt.Sprintf("%s %s (%s) is still %s", kind.name, Text(r["rec_name"]), Text(r[kind.reference]), Text(r["state"])))
		}
	}
	return out, nil
}

func unit(symbol string) string {
	if symbol == "u" {
		return erp.Each
	}
	return symbol
}
