package tryton

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/dockline/dockline/collector/connector"
)

var _ connector.RecordLister = (*Connector)(nil)

// Records: sales orders and customers; a user of Tryton's CRM sees customers.
func (c *Connector) Records() []connector.Kind {
	if c.settings.Opportunities {
		return []connector.Kind{connector.CustomerRecord}
	}
	return []connector.Kind{connector.OrderRecord, connector.CustomerRecord}
}

// ListRecords goes over the records by id, as List does.
func (c *Connector) ListRecords(ctx context.Context, l connector.Listing) (page connector.ListedPage, err error) {
	after, domain, err := listed(l)
	if err != nil {
		return page, err
	}
	domain = append(domain, []any{"id", ">", after})
	var ids []int64
	switch l.Kind {
	case connector.OrderRecord:
		ids, page.Documents, err = c.listOrders(ctx, l, domain)
	case connector.CustomerRecord:
		ids, page.Documents, err = c.listCustomers(ctx, domain)
	default:
		return page, dataFault("unknown_kind", "take it out of the sweep", "Tryton lists no records of kind %s", l.Kind)
	}
	if err != nil || len(ids) == 0 {
		return connector.ListedPage{}, err
	}
	page.Next, page.More = strconv.FormatInt(slices.Max(ids), 10), len(ids) == pageSize
	return page, nil
}

// listed is where a page begins, and what limits it to what was changed.
func listed(l connector.Listing) (after int64, domain []any, err error) {
	if l.Page != "" {
		if after, err = strconv.ParseInt(l.Page, 10, 64); err != nil {
			return 0, nil, technical("bad_cursor", "the page is not one of this connector's", "begin the sweep anew", err)
		}
	}
	if !l.Since.IsZero() {
		t := datetime(l.Since)
		domain = append(domain, []any{"OR", []any{"write_date", ">=", t}, []any{[]any{"write_date", "=", nil}, []any{"create_date", ">=", t}}})
	}
	return after, domain, nil
}

// listOrders lists sales of goods; a sale of what comes back is an RMA, and no order.
func (c *Connector) listOrders(ctx context.Context, l connector.Listing, domain []any) (ids []int64, out []connector.Listed, err error) {
	sites, err := c.sites(ctx)
	if err != nil {
		return nil, nil, err
	}
	domain = append(domain, []any{"number", "!=", nil})
	if at := slices.IndexFunc(sites, func(s site) bool { return s.name == l.Site }); at >= 0 {
		domain = append(domain, []any{"warehouse", "=", sites[at].warehouse})
	}
	sales, err := c.client.searchRead(ctx, modelSale, nil, domain, pageSize, "number", "state", "shipment_state", "reference", "party", "party.code", "party.name", "currency.code", "warehouse",
		"sale_date", "create_date", "write_date", "lines", "shipment_address.full_address")
	if err != nil {
		return nil, nil, err
	}
	lines, err := c.saleLines(ctx, sales)
	if err != nil {
		return nil, nil, err
	}
	for _, s := range sales {
		ids = append(ids, s.id("id"))
		o := c.order(s, lines[s.id("id")], sites)
		if len(o.Lines) == 0 {
			continue // services, or an RMA: the centre is told of no such order
		}
		d := connector.Listed{Reference: o.Number, Number: o.Number, Order: o.Number, Site: o.Site, At: s.time("create_date"), Whole: true, Reversed: s.text("state") == "cancelled",
			Draft:  s.text("state") == "draft" || s.text("state") == "quotation" || s.text("state") == "confirmed",
			Fields: map[string]string{"status": "in force", "customer": o.Customer, "customer_reference": o.CustomerReference, "currency": o.Currency}}
		if closed(s) { // one that was over before Dockline began was never told: it is nobody's extra, however young
			d.At = time.Time{}
		}
		if d.Reversed {
			d.Fields["status"], d.Whole = "cancelled", false
		}
		for _, line := range o.Lines {
			d.Fields[connector.PriceOf(line.OrderLine)] = line.UnitPrice
			d.Whole = d.Whole && line.OriginalItem == "" // what stands for something else is counted otherwise by others
		}
		if d.Whole {
			d.Lines = orderedLines(lines[s.id("id")])
		}
		out = append(out, d)
	}
	return ids, out, nil
}

// orderedLines are the goods of a sale in the product's default unit, as stock is kept.
func orderedLines(lines []row) (out []connector.Line) {
	for _, l := range goodsOf(lines) {
		if n := billedInBase(l); n > 0 {
			out = append(out, connector.Line{OrderLine: lineNumber(l.id("id")), Item: l.sub("product").text("code"), Quantity: n})
		}
	}
	return out
}

// listCustomers lists parties with the credit limit that they have in Tryton; one without a limit has none to compare.
func (c *Connector) listCustomers(ctx context.Context, domain []any) (ids []int64, out []connector.Listed, err error) {
	fields := []string{"code", "name", "create_date", "write_date"}
	if !c.settings.Opportunities { // what a customer may owe is not for sales people to see
		fields = append(fields, "credit_limit_amount")
	}
	found, err := c.client.searchRead(ctx, modelParty, nil, domain, pageSize, fields...)
	for _, r := range found {
		ids = append(ids, r.id("id"))
		if r.text("code") == "" {
			continue
		}
		d := connector.Listed{Reference: r.text("code"), Number: r.text("code"), At: changedAt(r), Fields: map[string]string{"name": r.text("name")}}
		if limit := r.text("credit_limit_amount"); limit != "" {
			d.Fields["credit_limit"] = limit
		}
		out = append(out, d)
	}
	return ids, out, err
}
