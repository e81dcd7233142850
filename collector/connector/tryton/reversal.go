package tryton

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/dockline/dockline/collector/connector"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// A shipment that is done, and a bill that is posted, stay as they are in Tryton. A shipment is taken back by a return shipment that brings its goods to the
// bins from which they were picked, on the order's own lines, so that nothing of it is billed and the order is open again for what is to leave instead. A
// bill is taken back by one with all amounts turned round, with which it is cancelled, as Tryton's own "credit with refund" does.

// reversalPrefix begins the references of documents that take others back: our keys have no blank.
const reversalPrefix = "reversal of "

func reversalReference(p *connector.Posting) string { return reversalPrefix + p.Key }

// reversed are the keys, of those given, whose documents of a model were taken back.
func (c *Connector) reversed(ctx context.Context, model string, keys []string) (map[string]bool, error) {
	out := map[string]bool{}
	var references []string
	for _, key := range keys {
		if key != "" {
			references = append(references, reversalPrefix+key)
		}
	}
	if len(references) == 0 {
		return out, nil
	}
	found, err := c.client.searchRead(ctx, model, nil, []any{[]any{"reference", "in", references}, []any{"state", "=", "done"}}, 0, "reference")
	for _, r := range found {
		out[strings.TrimPrefix(r.text("reference"), reversalPrefix)] = true
	}
	return out, err
}

// takenBack is a goods issue with what is needed to take it back.
type takenBack struct {
	shipment shipment
	order    int64
	arrivals []arrival
	lines    []int64 // of the sale
}

// issueToReverse reads the shipment that a reversal names.
func (c *Connector) issueToReverse(ctx context.Context, v *docklinev1.Reversal) (out takenBack, err error) {
	number := v.GetReverses().GetNumber()
	found, err := c.client.searchRead(ctx, modelShipment, nil, []any{[]any{"number", "=", number}}, 2, shipmentFields...)
	if err != nil {
		return out, err
	}
	all, err := c.shipments(ctx, found)
	if err != nil {
		return out, err
	}
	if len(all) != 1 {
		return out, dataFault("unknown_goods_issue", "see where the shipment's number comes from", "Tryton has no shipment %q to take back", number)
	}
	out.shipment = all[0]
	if out.shipment.state != "done" {
		return out, processFault("shipment_"+out.shipment.state, "see in Tryton who did that, then waive it", "shipment %s is %s in Tryton: nothing of it has left that could be taken back", number, out.shipment.state)
	}
	lineOf := map[int64]int64{}
	for _, m := range out.shipment.outgoing {
		if lineOf[m.id] = m.line; m.line != 0 && !slices.Contains(out.lines, m.line) {
			out.lines = append(out.lines, m.line)
		}
	}
	for _, m := range out.shipment.picks {
		line := lineOf[m.origin]
		if line == 0 || m.quantity == 0 {
			continue
		}
		a := arrival{goods: goods{m.product, m.lot}, item: m.item, orderLine: lineNumber(line), unit: m.unit, place: m.from, quantity: m.quantity}
		out.arrivals = append(out.arrivals, a)
	}
	sold, err := c.client.read(ctx, modelSaleLine, nil, out.lines, "sale")
	if err != nil {
		return out, err
	}
	if len(sold) == 0 || len(out.arrivals) == 0 {
		return out, processFault("no_lines", "take it back in Tryton by hand, then waive it", "shipment %s stands for no order", number)
	}
	out.order = sold[0].id("sale")
	return out, nil
}

// wanted is what has to come back, by item and lot.
func (b takenBack) wanted() content {
	out := content{}
	for _, m := range b.shipment.outgoing {
		out[part{"", m.item, m.lotNumber}] += m.quantity
	}
	return out
}

func (c *Connector) reversingReturns(ctx context.Context, p *connector.Posting) ([]back, error) {
	return c.boundReturns(ctx, reversalReference(p))
}

func (c *Connector) findIssueReversal(ctx context.Context, p *connector.Posting) ([]connector.Found, error) {
	bound, err := c.reversingReturns(ctx, p)
	if err != nil || len(bound) == 0 {
		return nil, err
	}
	of, err := c.issueToReverse(ctx, p.Document.GetGoodsIssueReversal())
	if err != nil {
		return nil, err
	}
	var out []connector.Found
	for _, b := range bound {
		f := connector.Found{Document: c.document(documentReturn, b.number), Difference: of.wanted().differ(b.incoming)}
		switch {
		case b.state == "draft":
			f.Draft, f.Difference = true, "the return shipment is a draft"
		case f.Difference == "":
			left, err := c.unsettled(ctx, of, b)
			if err != nil {
				return nil, err
			}
			f.Draft, f.Difference = left != "", left
			f.Complete = left == ""
		}
		out = append(out, f)
	}
	return out, nil
}

// unsettled says in words what of a reversal is still to be done; "" is nothing.
func (c *Connector) unsettled(ctx context.Context, of takenBack, b back) (string, error) {
	if b.state != "done" {
		return "the return shipment is still " + b.state, nil
	}
	again, err := c.toShipAgain(ctx, of, b)
	if err != nil {
		return "", err
	}
	drafts, err := c.draftBills(ctx, of, b)
	switch {
	case err != nil:
		return "", err
	case len(again) > 0:
		return "the order is not open again for what came back", nil
	case len(drafts) > 0:
		return "the order still has draft invoices of what came back", nil
	}
	return "", nil
}

func (c *Connector) oneIssueReversal(ctx context.Context, p *connector.Posting, all []back) ([]back, error) {
	return one(p, "return shipment", all, func(b back) bool { return b.state == "draft" }, func(b back) string { return b.number }, func(b back) error {
		return c.client.button(ctx, modelReturn, "cancel", b.id)
	})
}

// applyIssueReversal brings the goods of a shipment back to their bins.
func (c *Connector) applyIssueReversal(ctx context.Context, p *connector.Posting) (connector.Result, error) {
	v := p.Document.GetGoodsIssueReversal()
	of, err := c.issueToReverse(ctx, v)
	if err != nil {
		return connector.Result{}, err
	}
	bound, err := c.reversingReturns(ctx, p)
	if err == nil {
		bound, err = c.oneIssueReversal(ctx, p, bound)
	}
	if err == nil && len(bound) == 0 {
		if err = c.makeIssueReversal(ctx, p, of); err == nil {
			bound, err = c.reversingReturns(ctx, p) // whoever else looked when there was none has made one too
		}
		if err == nil {
			bound, err = c.oneIssueReversal(ctx, p, bound)
		}
	}
	switch {
	case err != nil:
		return connector.Result{}, err
	case len(bound) != 1:
		return connector.Result{}, duplicate(p, "return shipment")
	}
	b := bound[0]
	if text := of.wanted().differ(b.incoming); text != "" {
		return connector.Result{}, processFault("content_differs", "correct it in Tryton, then requeue or waive", "return shipment %s takes shipment %s back, but %s", b.number, of.shipment.number, text)
	}
	if b.state == "draft" {
		// What is open again must be known before the order is processed, which receiving does.
		if err := c.shipAgain(ctx, of, b); err != nil {
			return connector.Result{}, err
		}
		if b, err = c.returnStep(ctx, b, "receive", "received"); err != nil {
			return connector.Result{}, err
		}
	}
	if b.state == "received" {
		if err := c.put(ctx, b, of.arrivals); err != nil {
			return connector.Result{}, err
		}
		if b, err = c.returnStep(ctx, b, "done", "done"); err != nil {
			return connector.Result{}, err
		}
	}
	if err := c.shipAgain(ctx, of, b); err != nil {
		return connector.Result{}, err
	}
	if err := c.dropDraftBills(ctx, of, b); err != nil {
		return connector.Result{}, err
	}
	return c.result(documentReturn, b.number), nil
}

// makeIssueReversal makes the return shipment as a draft, once nothing speaks against it.
func (c *Connector) makeIssueReversal(ctx context.Context, p *connector.Posting, of takenBack) error {
	if err := c.mayComeBack(ctx, of); err != nil {
		return err
	}
	found, err := c.client.read(ctx, modelShipment, nil, []int64{of.shipment.id}, "customer", "delivery_address", "warehouse", "warehouse.input_location")
	if err != nil || len(found) != 1 {
		return err
	}
	sold, err := c.client.read(ctx, modelMove, nil, idsOf(of.shipment.outgoing), "unit_price", "currency", "from_location", "to_location", "origin", "product.default_uom", "uom", "uom.factor",
		"product.default_uom.factor")
	if err != nil {
		return err
	}
	byLine := map[string]row{}
	for _, m := range sold {
		if _, line := m.pointed("origin"); line != 0 {
			byLine[lineNumber(line)] = m
		}
	}
	var moves []any
	for _, a := range of.arrivals {
		was := byLine[a.orderLine]
		if was.id("uom") != was.sub("product").id("default_uom") {
			return processFault("unit_differs", "take it back in Tryton by hand, then waive it", "shipment %s left in another unit than %s is kept in", of.shipment.number, a.item)
		}
		m := a.move(a.quantity)
		m["from_location"], m["to_location"], m["unit_price"], m["currency"] = was.id("to_location"), found[0].sub("warehouse").id("input_location"), money(was.text("unit_price")), was.id("currency")
		m["origin"] = modelSaleLine + "," + a.orderLine
		moves = append(moves, m)
	}
	_, err = c.client.call(ctx, "model."+modelReturn+".create", nil, []any{map[string]any{"customer": found[0].id("customer"), "delivery_address": found[0].id("delivery_address"),
		"warehouse": found[0].id("warehouse"), "reference": reversalReference(p), "incoming_moves": []any{[]any{"create", moves}}}})
	return err
}

func idsOf(moves []move) (ids []int64) {
	for _, m := range moves {
		ids = append(ids, m.id)
	}
	return ids
}

// mayComeBack: what is billed, and what came back already, must be taken back first.
func (c *Connector) mayComeBack(ctx context.Context, of takenBack) error {
	moves, err := c.client.read(ctx, modelMove, nil, idsOf(of.shipment.outgoing), "invoice_lines")
	if err != nil {
		return err
	}
	var lines []int64
	for _, m := range moves {
		lines = append(lines, m.ids("invoice_lines")...)
	}
	billed, err := c.client.read(ctx, modelBillLine, nil, lines, "invoice.number", "invoice.state", "quantity")
	if err != nil {
		return err
	}
	for _, l := range billed {
		if state := l.sub("invoice").text("state"); (state == "posted" || state == "paid") && l.quantity("quantity") > 0 {
			return processFault("is_invoiced", "reverse the invoice first, in Tryton by a credit note with refund, then requeue", "shipment %s is billed by invoice %s", of.shipment.number, l.sub("invoice").text("number"))
		}
	}
	rmas, err := c.client.searchRead(ctx, modelSale, nil, []any{[]any{"origin", "=", reference(modelSale, of.order)}, []any{"state", "in", []string{"processing", "done"}}}, 0, "number", "shipment_returns")
	if err != nil {
		return err
	}
	for _, r := range rmas {
		received, err := c.client.searchRead(ctx, modelReturn, nil, []any{[]any{"id", "in", r.ids("shipment_returns")}, []any{"state", "in", []string{"received", "done"}}}, 1, "number")
		if err != nil {
			return err
		}
		if len(received) > 0 {
			return processFault("is_returned", "see which goods of the order are back already; take the shipment back in Tryton by hand where that is right, then waive it",
				"goods of the order of shipment %s came back by %s of return %s", of.shipment.number, received[0].text("number"), r.text("number"))
		}
	}
	return nil
}

// toShipAgain are the movements, by line of the sale, that the order does not take for open again yet: those that left, and those by which they came back.
func (c *Connector) toShipAgain(ctx context.Context, of takenBack, b back) (map[int64][]int64, error) {
	lines, err := c.client.read(ctx, modelSaleLine, nil, of.lines, "moves_recreated")
	if err != nil {
		return nil, err
	}
	again := map[int64][]int64{}
	for _, l := range lines {
		known := l.ids("moves_recreated")
		for _, m := range slices.Concat(of.shipment.outgoing, b.incoming) {
			if m.line == l.id("id") && !slices.Contains(known, m.id) {
				again[m.line] = append(again[m.line], m.id)
			}
		}
	}
	return again, nil
}

// shipAgain has the order ship again what comes back: Tryton makes a new shipment of it when it next processes the order.
func (c *Connector) shipAgain(ctx context.Context, of takenBack, b back) error {
	again, err := c.toShipAgain(ctx, of, b)
	if err != nil || len(again) == 0 {
		return err
	}
	var change []any
	for _, line := range of.lines {
		if moves := again[line]; len(moves) > 0 {
			change = append(change, []any{"write", []int64{line}, map[string]any{"moves_recreated": []any{[]any{"add", moves}}}})
		}
	}
	if _, err := c.client.call(ctx, "model."+modelSale+".write", nil, []int64{of.order}, map[string]any{"lines": change}); err != nil {
		return err
	}
	if b.state == "draft" {
		return nil
	}
	return c.client.button(ctx, modelSale, "process", of.order)
}

// draftBills are the invoices, by id, that Tryton drafted of what left and of what came back, which nobody needs.
func (c *Connector) draftBills(ctx context.Context, of takenBack, b back) ([]int64, error) {
	moves, err := c.client.read(ctx, modelMove, nil, append(idsOf(of.shipment.outgoing), idsOf(b.incoming)...), "invoice_lines")
	if err != nil {
		return nil, err
	}
	lines := map[int64]bool{}
	for _, m := range moves {
		for _, id := range m.ids("invoice_lines") {
			lines[id] = true
		}
	}
	read, err := c.named(ctx, modelBillLine, lines, "invoice", "invoice.state", "invoice.reference", "invoice.lines", "product", "quantity")
	if err != nil {
		return nil, err
	}
	var ids []int64
	sums := map[int64]int64{}
	for _, l := range read {
		i := l.sub("invoice")
		if i.text("state") != "draft" && i.text("state") != "validated" {
			continue
		}
		sums[l.id("product")] += l.quantity("quantity")
		if id := l.id("invoice"); !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
		for _, other := range i.ids("lines") {
			if !lines[other] {
				return nil, processFault("mixed_invoice", "take the lines of what came back out of it by hand, then requeue", "a draft invoice of shipment %s bills other goods too", of.shipment.number)
			}
		}
	}
	for _, n := range sums {
		if n != 0 {
			return nil, nil // they bill what was shipped again: nothing is superfluous
		}
	}
	slices.Sort(ids)
	return ids, nil
}

// dropDraftBills deletes them, at once: of one alone Tryton would make another.
func (c *Connector) dropDraftBills(ctx context.Context, of takenBack, b back) error {
	ids, err := c.draftBills(ctx, of, b)
	if err != nil || len(ids) == 0 {
		return err
	}
	if _, err := c.client.call(ctx, "model."+modelInvoice+".delete", nil, ids); err != nil {
		return err
	}
	if left, err := c.draftBills(ctx, of, b); err != nil || len(left) == 0 {
		return err
	}
	return technical("step_ignored", fmt.Sprintf("the draft invoices of shipment %s are there again", of.shipment.number), "it will be tried again; see them if it stays", nil)
}
