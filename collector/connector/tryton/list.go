package tryton

import (
	"context"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dockline/dockline/collector/connector"
)

// Lists: what the collector posts, Tryton also lists, whoever made it.
func (c *Connector) Lists() []connector.Kind {
	if c.settings.Opportunities {
		return nil
	}
	return []connector.Kind{connector.GoodsIssue, connector.InvoiceTrigger, connector.StockAdjustment, connector.ReturnReceipt, connector.CreditRequest}
}

// List goes over the records of a model by id; the page is the last id of the one before.
func (c *Connector) List(ctx context.Context, l connector.Listing) (page connector.ListedPage, err error) {
	after, domain, err := listed(l)
	if err != nil {
		return page, err
	}
	var list func(ctx context.Context, sites []site, domain []any) ([]int64, []connector.Listed, error)
	switch l.Kind {
	case connector.GoodsIssue:
		list = c.listShipments
	case connector.InvoiceTrigger:
		list = c.listInvoices
	case connector.StockAdjustment:
		list = c.listInventories
	case connector.ReturnReceipt:
		list = c.listReturns
	case connector.CreditRequest:
		list = c.listCredits
	default:
		return page, dataFault("unknown_kind", "it is read back posting by posting", "Tryton lists no %s", l.Kind)
	}
	sites, err := c.sites(ctx)
	if err != nil {
		return page, err
	}
	domain = append(domain, []any{"id", ">", after})
	if (l.Kind == connector.GoodsIssue || l.Kind == connector.ReturnReceipt) && l.Site != "" {
		if at := slices.IndexFunc(sites, func(s site) bool { return s.name == l.Site }); at >= 0 {
			domain = append(domain, []any{"warehouse", "=", sites[at].warehouse})
		}
	}
	ids, documents, err := list(ctx, sites, domain)
	if err != nil || len(ids) == 0 {
		return page, err
	}
	return connector.ListedPage{Documents: documents, Next: strconv.FormatInt(slices.Max(ids), 10), More: len(ids) == pageSize}, nil
}

func (c *Connector) listShipments(ctx context.Context, sites []site, domain []any) (ids []int64, out []connector.Listed, err error) {
	found, err := c.client.searchRead(ctx, modelShipment, nil, domain, pageSize, append(slices.Clone(shipmentFields), "create_date", "write_date")...)
	if err != nil {
		return nil, nil, err
	}
	all, err := c.shipments(ctx, found)
	if err != nil {
		return nil, nil, err
	}
	orders, err := c.ordersOfLines(ctx, saleLinesOf(all))
	if err != nil {
		return nil, nil, err
	}
	times := map[int64]time.Time{}
	for _, r := range found {
		ids, times[r.id("id")] = append(ids, r.id("id")), changedAt(r)
	}
	var keys []string
	for _, s := range all {
		keys = append(keys, keyOf(s.reference))
	}
	gone, err := c.reversed(ctx, modelReturn, keys)
	if err != nil {
		return nil, nil, err
	}
	for _, s := range all {
		d := connector.Listed{Reference: keyOf(s.reference), Number: s.number, At: times[s.id], Whole: true,
			Draft: s.state != "done" && s.state != "cancelled", Reversed: s.state == "cancelled" || gone[keyOf(s.reference)]}
		for _, at := range sites {
			if at.warehouse == s.warehouse {
				d.Site = at.name
			}
		}
		for _, m := range s.outgoing {
			l := connector.Line{Item: m.item, Lot: m.lotNumber, Quantity: m.quantity}
			if m.line != 0 {
				l.OrderLine, d.Order = lineNumber(m.line), orders[m.line]
			}
			d.Lines = append(d.Lines, l)
		}
		out = append(out, d)
	}
	return ids, out, nil
}

// changedAt is when a record was last changed.
func changedAt(r row) time.Time {
	if at := r.time("write_date"); !at.IsZero() {
		return at
	}
	return r.time("create_date")
}

func saleLinesOf(all []shipment) (lines []int64) {
	for _, s := range all {
		for _, m := range s.outgoing {
			if m.line != 0 && !slices.Contains(lines, m.line) {
				lines = append(lines, m.line)
			}
		}
	}
	return lines
}

// ordersOfLines are the numbers of the orders to which lines of sales belong.
func (c *Connector) ordersOfLines(ctx context.Context, lines []int64) (map[int64]string, error) {
	found, err := c.client.read(ctx, modelSaleLine, nil, lines, "sale.number")
	out := map[int64]string{}
	for _, r := range found {
		out[r.id("id")] = r.sub("sale").text("number")
	}
	return out, err
}

// listInvoices lists what customers are billed. A credit note is an invoice of what is not asked for: it stands for no goods issue.
func (c *Connector) listInvoices(ctx context.Context, _ []site, domain []any) (ids []int64, out []connector.Listed, err error) {
	domain = append(domain, []any{"type", "=", "out"})
	found, err := c.client.searchRead(ctx, modelInvoice, nil, domain, pageSize, "number", "reference", "state", "lines", "create_date", "write_date")
	if err != nil {
		return nil, nil, err
	}
	var lines []int64
	for _, r := range found {
		ids, lines = append(ids, r.id("id")), append(lines, r.ids("lines")...)
	}
	read, err := c.client.read(ctx, "account.invoice.line", nil, lines, "invoice", "type", "product", "product.code", "product.default_uom", "product.default_uom.factor",
		"unit", "unit.factor", "quantity", "origin")
	if err != nil {
		return nil, nil, err
	}
	slices.SortFunc(read, func(a, b row) int { return int(a.id("id") - b.id("id")) })
	orders, err := c.ordersOfLines(ctx, originsOf(read))
	if err != nil {
		return nil, nil, err
	}
	for _, r := range found {
		if strings.HasPrefix(r.text("reference"), reversalPrefix) {
			continue // of a credit note: what it turns round is cancelled
		}
		d := connector.Listed{Reference: r.text("reference"), Number: r.text("number"), At: changedAt(r), Whole: true,
			Draft: r.text("state") == "draft" || r.text("state") == "validated", Reversed: r.text("state") == "cancelled"}
		credit := false
		for _, l := range read {
			if l.id("invoice") != r.id("id") || l.text("type") != "line" || l.id("product") == 0 {
				continue
			}
			line := connector.Line{Item: l.sub("product").text("code"), Quantity: billedInBase(l)}
			if model, id := l.pointed("origin"); model == modelSaleLine {
				line.OrderLine, d.Order = lineNumber(id), orders[id]
			}
			credit = credit || line.Quantity < 0
			d.Lines = append(d.Lines, line)
		}
		if !credit {
			out = append(out, d)
		}
	}
	return ids, out, nil
}

func originsOf(lines []row) (ids []int64) {
	for _, l := range lines {
		if model, id := l.pointed("origin"); model == modelSaleLine && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// billedInBase is a bill's quantity in the product's default unit.
func billedInBase(line row) int64 {
	n := line.quantity("quantity")
	base := line.sub("product").sub("default_uom").float("factor")
	if own := line.sub("unit").float("factor"); line.id("unit") != line.sub("product").id("default_uom") && base > 0 {
		return int64(math.Round(float64(n) * own / base))
	}
	return n
}

func (c *Connector) listInventories(ctx context.Context, sites []site, domain []any) (ids []int64, out []connector.Listed, err error) {
	found, err := c.client.searchRead(ctx, modelInventory, nil, domain, pageSize, "number", "state", "location", "lines", "create_date", "write_date")
	if err != nil || len(found) == 0 {
		return nil, nil, err
	}
	var lines []int64
	for _, r := range found {
		ids, lines = append(ids, r.id("id")), append(lines, r.ids("lines")...)
	}
	read, err := c.client.read(ctx, "stock.inventory.line", nil, lines, "inventory", "product", "product.code", "lot", "lot.number", "quantity", "expected_quantity")
	if err != nil {
		return nil, nil, err
	}
	siteOf := map[int64]string{}
	for _, at := range sites {
		places, err := c.places(ctx, at.storage)
		if err != nil {
			return nil, nil, err
		}
		for _, p := range places {
			siteOf[p.id] = at.name
		}
	}
	for _, r := range found {
		d := connector.Listed{Reference: r.text("number"), Number: r.text("number"), At: changedAt(r), Whole: true,
			Site: siteOf[r.id("location")], Draft: r.text("state") == "draft", Reversed: r.text("state") == "cancelled"}
		for _, l := range read {
			if l.id("inventory") == r.id("id") {
				d.Lines = append(d.Lines, connector.Line{Item: l.sub("product").text("code"), Lot: l.sub("lot").text("number"),
					Quantity: l.quantity("quantity") - l.quantity("expected_quantity")})
			}
		}
		out = append(out, d)
	}
	return ids, out, nil
}
