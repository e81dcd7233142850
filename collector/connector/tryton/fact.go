package tryton

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// saleEvents reads orders and says what became of them. Each is reported again whenever Tryton touches it, which every shipment
// does: the event is the same as long as nothing of the order's content has changed.
func (c *Connector) saleEvents(ctx context.Context, ids []int64, born string) ([]*docklinev1.Event, error) {
	sales, err := c.client.read(ctx, modelSale, nil, ids, "number", "state", "shipment_state", "reference", "party", "party.code", "party.name",
		"currency.code", "warehouse", "sale_date", "create_date", "write_date", "shipments", "shipment_returns", "lines", "shipment_address.full_address", "origin", "comment")
	if err != nil || len(sales) == 0 {
		return nil, err
	}
	slices.SortFunc(sales, func(a, b row) int { return int(a.id("id") - b.id("id")) })
	accepted, err := c.acceptedAt(ctx, sales)
	if err != nil {
		return nil, err
	}
	lines, err := c.saleLines(ctx, sales)
	if err != nil {
		return nil, err
	}
	sites, err := c.sites(ctx)
	if err != nil {
		return nil, err
	}
	returns, err := c.returnsOf(ctx, sales, lines, sites)
	if err != nil {
		return nil, err
	}
	deals, err := c.dealsOf(ctx, sales)
	if err != nil {
		return nil, err
	}
	var out []*docklinev1.Event
	for _, s := range sales {
		if e := returnEvent(s, returns[s.id("id")], accepted[s.id("id")], born); e != nil {
			e.Documents = []*docklinev1.DocumentReference{c.document(documentSale, s.text("number"))}
			out = append(out, e)
			continue
		}
		at := changedSince(accepted[s.id("id")], lines[s.id("id")])
		e := &docklinev1.Event{Subject: s.text("number"), Documents: []*docklinev1.DocumentReference{c.document(documentSale, s.text("number"))}}
		switch s.text("state") {
		case "processing", "done": // a confirmed one is processed in a second transaction, which makes its shipment
			order := c.order(s, lines[s.id("id")], sites)
			if len(order.Lines) == 0 || closed(s) && accepted[s.id("id")].Format(stampFormat) <= born {
				continue // services, and what was over before Dockline began
			}
			e.Kind, e.Payload = docklinev1.EventKind_EVENT_KIND_ORDER_ACCEPTED, &docklinev1.Event_Order{Order: order}
			if model, deal := s.pointed("origin"); model == modelOpportunity && deals[deal] != "" {
				e.Documents = append(e.Documents, c.document(documentOpportunity, deals[deal]))
			}
		case "cancelled":
			if returns[s.id("id")] != nil {
				continue
			}
			if at = s.time("write_date"); at.IsZero() || at.Format(stampFormat) <= born {
				continue
			}
			e.Kind, e.Payload = docklinev1.EventKind_EVENT_KIND_ORDER_CANCELLED,
				&docklinev1.Event_OrderCancelled{OrderCancelled: &docklinev1.OrderCancelled{Number: s.text("number"), Reason: "cancelled in Tryton"}}
		default:
			continue
		}
		out = append(out, revise(e, fmt.Sprintf("sale/%d", s.id("id")), at))
	}
	return out, nil
}

// dealsOf are the numbers of the opportunities that sales came of, by id, where Tryton has such and the user may read them.
func (c *Connector) dealsOf(ctx context.Context, sales []row) (map[int64]string, error) {
	ids := map[int64]bool{}
	for _, s := range sales {
		if model, id := s.pointed("origin"); model == modelOpportunity {
			ids[id] = true
		}
	}
	found, err := c.named(ctx, modelOpportunity, ids, "number")
	if isCode(err, userError) {
		return nil, nil // the order counts without it too
	}
	out := map[int64]string{}
	for id, r := range found {
		out[id] = r.text("number")
	}
	return out, err
}

// changedSince is when the lines of an order became what they are, as far as they tell: when the youngest of them was made, and when it was last amended. A later
// revision of an order must tell of a later time.
func changedSince(at time.Time, lines []row) time.Time {
	for _, l := range lines {
		for _, m := range marks(l.text("note")) {
			if m.at.After(at) {
				at = m.at
			}
		}
		if made := l.time("create_date"); made.After(at) {
			at = made
		}
	}
	return at
}

// closed: nothing of the order is left to ship.
func closed(sale row) bool {
	return sale.text("state") == "done" || sale.text("shipment_state") == "sent"
}

// revise gives an event its key and a revision that changes when, and only when, its content does: the time that it tells, then a
// hash of all of it.
func revise(e *docklinev1.Event, key string, at time.Time) *docklinev1.Event {
	e.SourceKey, e.OccurredAt = key, timestamppb.New(at)
	e.SourceRevision = at.UTC().Format(stampFormat) + "/" + hex.EncodeToString(event.BodyHash(e)[:6])
	return e
}

// acceptedAt is when Tryton made an order's first shipment, which it does at the confirmation; else when the order was made.
func (c *Connector) acceptedAt(ctx context.Context, sales []row) (map[int64]time.Time, error) {
	var ids []int64
	owner := map[int64]int64{}
	out := map[int64]time.Time{}
	for _, s := range sales {
		out[s.id("id")] = s.time("create_date")
		shipments := s.ids("shipments")
		if len(shipments) > 0 {
			first := slices.Min(shipments)
			ids, owner[first] = append(ids, first), s.id("id")
		}
	}
	found, err := c.client.read(ctx, modelShipment, nil, ids, "create_date")
	for _, r := range found {
		out[owner[r.id("id")]] = r.time("create_date")
	}
	return out, err
}

func (c *Connector) saleLines(ctx context.Context, sales []row) (map[int64][]row, error) {
	var ids []int64
	for _, s := range sales {
		ids = append(ids, s.ids("lines")...)
	}
	found, err := c.client.read(ctx, modelSaleLine, nil, ids, "sale", "type", "product", "product.code", "product.name", "product.type", "product.default_uom",
		"product.default_uom.factor", "quantity", "unit", "unit.symbol", "unit.factor", "unit_price", "description", "note", "create_date")
	slices.SortFunc(found, func(a, b row) int { return int(a.id("id") - b.id("id")) })
	out := map[int64][]row{}
	for _, l := range found {
		out[l.id("sale")] = append(out[l.id("sale")], l)
	}
	return out, err
}

// order is the whole order as Tryton has it. Lines are named by their ids. Services and returns are nothing that a site picks.
func (c *Connector) order(s row, lines []row, sites []site) *docklinev1.Order {
	o := &docklinev1.Order{Number: s.text("number"), Customer: s.sub("party").text("code"), CustomerName: s.sub("party").text("name"),
		CustomerReference: s.text("reference"), Currency: s.sub("currency").text("code"), OrderedAt: timestamppb.New(s.time("create_date"))}
	if day := s.time("sale_date"); !day.IsZero() {
		o.OrderedAt = timestamppb.New(day)
	}
	if i := slices.IndexFunc(sites, func(at site) bool { return at.warehouse == s.id("warehouse") }); i >= 0 {
		o.Site = sites[i].name
	}
	for line := range strings.Lines(s.sub("shipment_address").text("full_address")) {
		if line = strings.TrimSpace(line); line != "" {
			o.ShipTo = append(o.ShipTo, line)
		}
	}
	for _, l := range lines {
		if l.text("type") != "line" || l.id("product") == 0 || l.sub("product").text("type") == "service" || l.quantity("quantity") < 0 ||
			l.quantity("quantity") == 0 && len(marks(l.text("note"))) == 0 { // a line that we emptied is still one of the order's
			continue
		}
		line := &docklinev1.Line{OrderLine: lineNumber(l.id("id")), Item: l.sub("product").text("code"), UnitPrice: l.text("unit_price"),
			Description: l.sub("product").text("name"), Quantity: &docklinev1.Quantity{Value: event.FormatQuantity(l.quantity("quantity")), Unit: c.unit(l.sub("unit").text("symbol"))}}
		if item, n := standsFor(l.text("note")); item != "" {
			line.OriginalItem, line.OriginalQuantity = item, &docklinev1.Quantity{Value: n}
		}
		o.Lines = append(o.Lines, line)
	}
	return o
}

// invoiceEvents reports posted invoices and credit notes, but for those of an order that was over before Dockline began.
func (c *Connector) invoiceEvents(ctx context.Context, ids []int64, born string) ([]*docklinev1.Event, error) {
	invoices, err := c.client.read(ctx, modelInvoice, nil, ids, "number", "state", "total_amount", "currency.code", "sales", "lines", "move", "move.create_date", "create_date", "write_date",
		"reference", "cancel_move")
	if err != nil {
		return nil, err
	}
	void := slices.DeleteFunc(slices.Clone(invoices), func(r row) bool { return r.text("state") != "cancelled" || r.id("cancel_move") == 0 })
	// What turns another round is no invoice and no credit note of its own: the centre knows that it has told it.
	invoices = slices.DeleteFunc(invoices, func(r row) bool {
		return r.text("state") != "posted" && r.text("state") != "paid" || strings.HasPrefix(r.text("reference"), reversalPrefix)
	})
	slices.SortFunc(invoices, func(a, b row) int { return int(a.id("id") - b.id("id")) })
	credits := func(r row) bool { return strings.HasPrefix(r.text("total_amount"), "-") }
	out, err := c.creditEvents(ctx, slices.DeleteFunc(slices.Clone(invoices), func(r row) bool { return !credits(r) }), born)
	if err != nil {
		return nil, err
	}
	invoices = slices.DeleteFunc(invoices, credits)
	voided, err := c.voidEvents(ctx, slices.DeleteFunc(void, credits), born)
	if err != nil {
		return nil, err
	}
	out = append(out, voided...)
	var sales, lines []int64
	for _, i := range invoices {
		sales, lines = append(sales, i.ids("sales")...), append(lines, i.ids("lines")...)
	}
	found, err := c.client.read(ctx, modelSale, nil, sales, "number", "state", "shipment_state")
	if err != nil {
		return nil, err
	}
	saleOf := map[int64]row{}
	for _, s := range found {
		saleOf[s.id("id")] = s
	}
	shipped, err := c.shippedBy(ctx, lines)
	if err != nil {
		return nil, err
	}
	for _, i := range invoices {
		of := i.ids("sales")
		if len(of) != 1 {
			continue // of no order, or of several at once, which nothing here asks for
		}
		order := saleOf[of[0]].text("number")
		at := i.sub("move").time("create_date")
		if at.IsZero() {
			at = i.time("create_date")
		}
		if closed(saleOf[of[0]]) && at.Format(stampFormat) <= born {
			continue
		}
		e := &docklinev1.Event{Kind: docklinev1.EventKind_EVENT_KIND_INVOICE_POSTED, Subject: i.text("number"),
			Documents: []*docklinev1.DocumentReference{c.document(documentInvoice, i.text("number"))},
			Payload: &docklinev1.Event_Invoice{Invoice: &docklinev1.Invoice{Number: i.text("number"), Order: order, Total: i.text("total_amount"),
				Currency: i.sub("currency").text("code"), Shipments: shipmentsOf(order, i.ids("lines"), shipped)}}}
		out = append(out, revise(e, fmt.Sprintf("invoice/%d", i.id("id")), at))
	}
	return out, nil
}

// voidEvents report invoices that were posted, and then cancelled by a credit note with refund.
func (c *Connector) voidEvents(ctx context.Context, invoices []row, born string) (out []*docklinev1.Event, err error) {
	sales := map[int64]bool{}
	for _, i := range invoices {
		for _, id := range i.ids("sales") {
			sales[id] = true
		}
	}
	numbers, err := c.named(ctx, modelSale, sales, "number")
	for _, i := range invoices {
		of, at := i.ids("sales"), changedAt(i)
		if len(of) != 1 || at.Format(stampFormat) <= born {
			continue
		}
		e := &docklinev1.Event{Kind: docklinev1.EventKind_EVENT_KIND_INVOICE_VOIDED, Subject: i.text("number"), Documents: []*docklinev1.DocumentReference{c.document(documentInvoice, i.text("number"))},
			Payload: &docklinev1.Event_InvoiceVoid{InvoiceVoid: &docklinev1.InvoiceVoid{Number: i.text("number"), Order: numbers[of[0]].text("number"), Reason: "cancelled in Tryton"}}}
		out = append(out, revise(e, fmt.Sprintf("invoice_void/%d", i.id("id")), at))
	}
	return out, err
}

// shippedBy is the reference of the shipment that each invoice line stands for, where it has one.
func (c *Connector) shippedBy(ctx context.Context, lines []int64) (map[int64]string, error) {
	found, err := c.client.read(ctx, "account.invoice.line", nil, lines, "stock_moves")
	if err != nil {
		return nil, err
	}
	var moves []int64
	for _, l := range found {
		moves = append(moves, l.ids("stock_moves")...)
	}
	moved, err := c.client.read(ctx, modelMove, nil, moves, "shipment")
	if err != nil {
		return nil, err
	}
	shipmentOf := map[int64]int64{}
	var shipments []int64
	for _, m := range moved {
		if model, id := m.pointed("shipment"); model == modelShipment {
			shipmentOf[m.id("id")] = id
			shipments = append(shipments, id)
		}
	}
	slices.Sort(shipments)
	read, err := c.client.read(ctx, modelShipment, nil, slices.Compact(shipments), "reference")
	references := map[int64]string{}
	for _, s := range read {
		references[s.id("id")] = keyOf(s.text("reference"))
	}
	out := map[int64]string{}
	for _, l := range found {
		for _, m := range l.ids("stock_moves") {
			out[l.id("id")] = references[shipmentOf[m]]
		}
	}
	return out, err
}

// shipmentsOf are the site's numbers of the shipments that an invoice is for: what stands in our key after the order's number.
func shipmentsOf(order string, lines []int64, shipped map[int64]string) []string {
	var out []string
	for _, l := range lines {
		number, ours := strings.CutPrefix(shipped[l], order+"/")
		number, _, _ = strings.Cut(number, "#") // which document it is of the shipment, where former ones were taken back
		if ours && !slices.Contains(out, number) {
			out = append(out, number)
		}
	}
	slices.Sort(out)
	return out
}
