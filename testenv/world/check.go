package world

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"github.com/dockline/dockline/plugins/sim/day"
	"github.com/dockline/dockline/testenv/crm"
	"github.com/dockline/dockline/testenv/erp"
)

// Report is what a day came to. OK means that event log, ERP and CRM agree with what the docks wrote down themselves.
type Report struct {
	Orders            int            `json:"orders"`
	EventsProduced    int            `json:"events_produced"`
	EventsLogged      int            `json:"events_logged"`
	DuplicatesRefused int64          `json:"duplicates_refused"`
	Postings          map[string]int `json:"postings"`
	Exceptions        int            `json:"exceptions"`
	// Rows are those of the order file, where there is one.
	Rows *Rows `json:"rows,omitempty"`
	// Mismatches name what differs, one sentence each.
	Mismatches []string `json:"mismatches"`
	OK         bool     `json:"ok"`
}

// Rows says what became of the lines of an order file.
type Rows struct {
	Read         int `json:"read"`
	InOrders     int `json:"in_orders"`
	InExceptions int `json:"in_exceptions"`
}

// RefusedOrder is one that the ERP keeps only to say that it did not take it.
func RefusedOrder(o erp.Order) bool { return o.Status == erp.Cancelled && len(o.Lines) == 0 }

// Truth is what ERP and CRM hold, read through their own interfaces.
type Truth struct {
	Orders      []erp.Order
	Issues      []erp.GoodsIssue
	Invoices    []erp.Invoice
	Adjustments []erp.Adjustment
	// Unfinished documents were begun in the ERP and not brought to their end; of each its name and state.
	Unfinished []string
	Stock      map[string][]erp.StockLine
	CRMOrders  []crm.Order
	CRMCases   []crm.Case
}

// Read asks ERP and CRM.
func (w *World) Read(ctx context.Context) (t Truth, err error) {
	if t.Orders, err = w.ERP.Orders(ctx); err != nil {
		return t, err
	}
	if t.Issues, err = w.ERP.Issues(ctx); err != nil {
		return t, err
	}
	if t.Invoices, err = w.ERP.Invoices(ctx); err != nil {
		return t, err
	}
	if t.Adjustments, err = w.ERP.Adjustments(ctx); err != nil {
		return t, err
	}
	if t.Unfinished, err = w.ERP.Unfinished(ctx); err != nil {
		return t, err
	}
	stock, err := w.ERP.Stock(ctx, "")
	if err != nil {
		return t, err
	}
	t.Stock = map[string][]erp.StockLine{}
	for _, l := range stock {
		if w.Sites[l.Site] != nil {
			t.Stock[l.Site] = append(t.Stock[l.Site], l)
		}
	}
	cases := crm.NewClient(w.CRMHTTP.URL(), "")
	if t.CRMOrders, err = cases.Orders(ctx); err != nil {
		return t, err
	}
	t.CRMCases, err = cases.Cases(ctx)
	return t, err
}

// Ledgers reads what the docks wrote down.
func (w *World) Ledgers() (map[string][]day.Record, error) {
	ledgers := map[string][]day.Record{}
	for name, s := range w.Sites {
		records, err := s.Ledger()
		if err != nil {
			return nil, fmt.Errorf("ledger of %s: %w", name, err)
		}
		ledgers[name] = records
	}
	return ledgers, nil
}

// Check compares everything now.
func (w *World) Check(ctx context.Context) (*Report, error) {
	ledgers, err := w.Ledgers()
	if err != nil {
		return nil, err
	}
	truth, err := w.Read(ctx)
	if err != nil {
		return nil, err
	}
	r := &Report{Postings: map[string]int{"confirmed": 0, "unknown": 0, "rejected": 0}}
	for _, o := range truth.Orders {
		if !RefusedOrder(o) {
			r.Orders++
		}
	}
	r.Mismatches = append([]string{}, Compare(ledgers, truth, w.OpeningStock())...) // a script finds a list where nothing differs too
	if err := w.checkLog(ctx, ledgers, r); err != nil {
		return nil, err
	}
	if w.Config.Also != nil {
		if err := w.Config.Also(ctx, w, r); err != nil {
			return nil, err
		}
	}
	r.OK = len(r.Mismatches) == 0
	return r, nil
}

// tellDisagreement says why a day is not over yet.
func (w *World) tellDisagreement(r *Report, failed error) {
	if failed != nil {
		fmt.Fprintf(w.Config.Log, "the check cannot be made yet: %v\n", failed)
		return
	}
	fmt.Fprintf(w.Config.Log, "%d things do not agree yet, such as: %s\n", len(r.Mismatches), r.Mismatches[0])
}

// Settle waits until everything agrees, and returns the last report in any case.
func (w *World) Settle(ctx context.Context, limit time.Duration) (*Report, error) {
	var report *Report
	var failed error
	var next time.Time
	told := time.Now()
	_ = w.waitFor(ctx, "agreement", limit, func() bool { // the report says what does not agree
		began := time.Now()
		if began.Before(next) || w.Config.ERP == Tryton && w.UnderWay(ctx) { // to read its books costs a real one seconds
			return false
		}
		report, failed = w.Check(ctx)
		next = time.Now().Add(time.Since(began)) // at most half of what the systems can do goes into being asked
		if failed == nil && report.OK {
			return true
		}
		if time.Since(told) > 20*time.Second {
			told = time.Now()
			w.tellDisagreement(report, failed)
		}
		return false
	})
	if failed == nil && (report == nil || !report.OK) && ctx.Err() == nil {
		report, failed = w.Check(ctx)
	}
	return report, failed
}

// UnderWay says whether the collector itself still waits for a system to take something, or cannot say.
func (w *World) UnderWay(ctx context.Context) bool {
	for _, state := range []string{"planned", "ready", "sending", "unknown"} {
		if n, err := w.count(ctx, "postings", state); err != nil || n > 0 {
			return true
		}
	}
	return false
}

// OpeningStock is what lay in the bins on the first day, by site.
func (w *World) OpeningStock() map[string][]day.StockRow {
	opening := map[string][]day.StockRow{}
	for name, s := range w.Sites {
		opening[name] = s.opening
	}
	return opening
}

// Compare names everything in which ERP and CRM differ from the docks' ledgers: by document, line, lot, quantity and stock.
func Compare(ledgers map[string][]day.Record, t Truth, opening map[string][]day.StockRow) []string {
	c := comparison{truth: t, shipped: map[string]day.Micro{}, released: map[string]bool{}, billed: map[string]bool{}, issues: map[string][]erp.GoodsIssue{}, adjusted: map[string]decimal.Decimal{}}
	for _, i := range t.Issues {
		c.issues[i.ExternalReference] = append(c.issues[i.ExternalReference], i)
	}
	for _, a := range t.Adjustments {
		key := fmt.Sprint(a.Count, "/", a.Item, "/", a.Lot, "/", a.Bin)
		c.adjusted[key] = c.adjusted[key].Add(a.Delta)
	}
	for site, records := range ledgers {
		c.site(site, records, opening[site])
	}
	for reference := range c.issues {
		c.bad("ERP: goods issue %s of no shipment that any dock made", reference)
	}
	for key, delta := range c.adjusted {
		if !delta.IsZero() {
			c.bad("ERP: stock adjustment %s by %s that no count gave", key, delta)
		}
	}
	for _, i := range t.Invoices {
		if !c.billed[i.Number] {
			c.bad("ERP: invoice %s (%s) is for %q, which is no shipment that any dock made", i.Number, i.ExternalReference, i.GoodsIssue)
		}
	}
	for _, text := range t.Unfinished {
		c.bad("ERP: %s", text)
	}
	c.orders()
	sort.Strings(c.mismatches)
	return slices.Compact(c.mismatches)
}

type comparison struct {
	truth      Truth
	issues     map[string][]erp.GoodsIssue
	adjusted   map[string]decimal.Decimal
	shipped    map[string]day.Micro // by order/line
	released   map[string]bool
	billed     map[string]bool
	mismatches []string
}

func (c *comparison) bad(format string, args ...any) {
	c.mismatches = append(c.mismatches, fmt.Sprintf(format, args...))
}

// site takes what a ledger explains out of the documents.
func (c *comparison) site(site string, records []day.Record, opening []day.StockRow) {
	book := map[string]day.Micro{}
	for _, row := range opening {
		book[row.Bin+"/"+row.Item+"/"+row.Lot] += row.Quantity
	}
	for _, r := range records {
		if r.Command != nil && r.Command.Release != nil {
			c.released[r.Command.Release.Number] = true
		}
		if r.Movement == nil {
			continue
		}
		switch m := *r.Movement; m.Kind {
		case day.Pick:
			for _, l := range m.Lines {
				book[l.Bin+"/"+l.Item+"/"+l.Lot] -= l.Quantity
			}
		case day.Ship:
			c.shipment(m)
		case day.Count:
			for _, l := range m.Lines {
				book[l.Bin+"/"+l.Item+"/"+l.Lot] = l.Quantity
				key := fmt.Sprint(m.ID, "/", l.Item, "/", l.Lot, "/", l.Bin)
				if got := c.adjusted[key]; !got.Equal(number(l.Variance)) {
					c.bad("ERP: stock adjustment %s is %s, the count found %s", key, got, l.Variance)
				}
				delete(c.adjusted, key)
			}
		}
	}
	for _, l := range c.truth.Stock[site] {
		key := l.Bin + "/" + l.Item + "/" + l.Lot
		if !l.Quantity.Equal(number(book[key])) {
			c.bad("ERP: stock %s/%s is %s, the dock has %s", site, key, l.Quantity, book[key])
		}
		delete(book, key)
	}
	for key, quantity := range book {
		if quantity != 0 {
			c.bad("ERP: no stock %s/%s, the dock has %s", site, key, quantity)
		}
	}
}

func number(q day.Micro) decimal.Decimal { return decimal.New(int64(q), -6) }

func (c *comparison) shipment(m day.Movement) {
	reference := m.Order + "/" + m.ID
	found := c.issues[reference]
	delete(c.issues, reference)
	if len(found) != 1 {
		c.bad("ERP: %d goods issues for shipment %s", len(found), reference)
	}
	want := map[string]day.Micro{}
	for _, l := range m.Lines {
		want[l.OrderLine+" lot "+l.Lot] += l.Quantity
		c.shipped[m.Order+"/"+l.OrderLine] += l.Quantity
	}
	for _, issue := range found {
		got := map[string]decimal.Decimal{}
		for _, l := range issue.Lines {
			got[l.OrderLine+" lot "+l.Lot] = got[l.OrderLine+" lot "+l.Lot].Add(l.Quantity)
		}
		for line, quantity := range want {
			if !got[line].Equal(number(quantity)) {
				c.bad("ERP: goods issue %s (%s) line %s has %s, %s left", issue.Number, reference, line, got[line], quantity)
			}
			delete(got, line)
		}
		for line, quantity := range got {
			c.bad("ERP: goods issue %s (%s) line %s has %s, nothing of it left", issue.Number, reference, line, quantity)
		}
		invoices := 0
		for _, i := range c.truth.Invoices {
			if i.GoodsIssue == issue.Number {
				invoices++
				c.billed[i.Number] = true
				if i.ExternalReference != reference {
					c.bad("ERP: invoice %s has the reference %q, its goods issue %q", i.Number, i.ExternalReference, reference)
				}
			}
		}
		if invoices != 1 {
			c.bad("ERP: %d invoices for goods issue %s (%s)", invoices, issue.Number, reference)
		}
	}
}

// orders compares what the CRM shows with what was shipped.
func (c *comparison) orders() {
	shown := map[string]crm.Order{}
	for _, o := range c.truth.CRMOrders {
		shown[o.Number] = o
	}
	for _, o := range c.truth.Orders {
		if o.Status == "draft" {
			continue
		}
		if RefusedOrder(o) {
			if got := shown[o.Number].Status; got != "cancelled" || c.released[o.Number] {
				c.bad("order %s was refused by the ERP; CRM: it is shown as %q, released to a site: %t", o.Number, got, c.released[o.Number])
			}
			continue
		}
		if !c.released[o.Number] {
			c.bad("order %s has not reached its site", o.Number)
		}
		all, any := true, false
		for _, l := range o.Lines {
			shipped := number(c.shipped[o.Number+"/"+l.Line])
			all, any = all && shipped.Equal(l.Quantity), any || shipped.IsPositive()
			if !l.Issued.Equal(shipped) {
				c.bad("ERP: order %s line %s has %s issued, %s left", o.Number, l.Line, l.Issued, shipped)
			}
			if rest := l.Quantity.Sub(shipped).Sub(l.Cancelled); !l.Open.Equal(rest) {
				c.bad("ERP: order %s line %s has %s open, %s are left to ship", o.Number, l.Line, l.Open, rest)
			}
		}
		want := []string{"released", "backordered", "allocated", "in_preparation"}
		switch {
		case all:
			want = []string{"invoiced"}
		case any:
			want = []string{"partly_shipped"}
		}
		if got := shown[o.Number].Status; !slices.Contains(want, got) {
			c.bad("CRM: order %s is shown as %q, it is %s", o.Number, got, strings.Join(want, " or "))
		}
		if opened, closed := c.cases(o.Number); all && opened != closed {
			c.bad("CRM: order %s is whole and has %d cases open", o.Number, opened-closed)
		}
	}
}

func (c *comparison) cases(order string) (opened, closed int) {
	for _, k := range c.truth.CRMCases {
		if k.Order == order {
			opened++
			if k.ClosedAt != nil {
				closed++
			}
		}
	}
	return opened, closed
}
