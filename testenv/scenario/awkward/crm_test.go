package awkward_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/shopspring/decimal"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/exception"
	. "github.com/dockline/dockline/collector/state/statetest"
	"github.com/dockline/dockline/collector/sweep"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv"
	"github.com/dockline/dockline/testenv/crm"
	"github.com/dockline/dockline/testenv/erp"
)

// TestCRM wins an opportunity in the sandbox CRM and follows it: the quote is approved, the order is made in the ERP, and the CRM sees how it stands, step by
// step, beside its own opportunity, with a case while goods are missing. Then people change what the CRM holds of customers and of the order: each is found,
// with its field, both values and who owns it, and is closed once it is put right.
//
// Shows: S10, S46, S47
func TestCRM(t *testing.T) {
	w := newWorld(t, testenv.SQLite(t), nil)
	number := w.win("C-1", 5)
	order := w.sell(number, 5)
	if got := w.state(order).GetQuote(); got != number {
		t.Errorf("order %s came of the quote %q, want %s", order, got, number)
	}
	w.tell(Allocated(10, order, line(order, "10", "BOLT", 5)))
	w.expectShown(order, number, "allocated", "0")
	short := Asked(line(order, "10", "BOLT", 3), "5")
	w.tell(ShortPick(60, "T1", short))
	w.expectShown(order, number, "in_preparation", "0")
	if seen := w.serviceCase(order); seen.Status != crm.Open || seen.Missing != "2" {
		t.Errorf("goods are missing, and customer service sees %+v", seen)
	}
	w.tell(Shipment(90, "S1", line(order, "10", "BOLT", 3)))
	w.expectShown(order, number, "partly_shipped", "3")
	w.tell(Pick(120, "T2", line(order, "10", "BOLT", 2)), Shipment(180, "S2", line(order, "10", "BOLT", 2)))
	w.expectIssued(order, "S1: 10 BOLT 3", "S2: 10 BOLT 2")
	w.expectShown(order, number, "invoiced", "5")
	if seen := w.serviceCase(order); seen.Status != crm.Closed {
		t.Errorf("all goods have left, and customer service sees %+v", seen)
	}
	// Each step forward, none back, whatever of them came together.
	way := []string{"accepted", "released", "allocated", "in_preparation", "partly_shipped", "shipped", "invoiced"}
	told := w.told(order)
	if !slices.IsSortedFunc(told, func(a, b string) int { return slices.Index(way, a) - slices.Index(way, b) }) || !slices.Contains(told, "released") || slices.Contains(told, "") {
		t.Errorf("the CRM was told %q, one after the other", told)
	}
	w.expectCases()
	w.disagree(order)
}

// win has an opportunity won: nothing is told of it while it is only offered, and then the quote, whose order nobody knows yet.
func (w *world) win(customer string, quantity int64) string {
	w.t.Helper()
	o, err := w.service.Offer(w.t.Context(), customer, crm.OpportunityLine{Item: "BOLT", Quantity: decimal.NewFromInt(quantity).String()})
	if err != nil {
		w.t.Fatal(err)
	}
	w.work()
	quotes := `SELECT CAST(COUNT(*) AS TEXT) FROM event WHERE subject = '` + o.Number + `'`
	if n := w.text(quotes); n != "0" {
		w.t.Errorf("%s events are told of what is only offered", n)
	}
	if err := w.service.ChangeOpportunity(w.t.Context(), o.Number, map[string]string{"status": crm.Won}); err != nil {
		w.t.Fatal(err)
	}
	w.work()
	if n := w.text(quotes); n != "1" {
		w.t.Errorf("the quote %s was told %s times, want once", o.Number, n)
	}
	return o.Number
}

// sell makes the order of a quote in the ERP, as sales people do, who then write its number down in the CRM.
func (w *world) sell(quote string, quantity int64) string {
	w.t.Helper()
	o, err := w.desk.CreateOrder(w.t.Context(), erp.NewOrder{Customer: "C-1", CustomerReference: "PO-77", Site: Site, Lines: []erp.NewOrderLine{{Item: "BOLT", Quantity: decimal.NewFromInt(quantity)}}})
	if err != nil {
		w.t.Fatal(err)
	}
	if err := w.service.ChangeOpportunity(w.t.Context(), quote, map[string]string{"order": o.Number}); err != nil {
		w.t.Fatal(err)
	}
	w.work()
	if _, err := w.desk.ConfirmOrder(w.t.Context(), o.Number); err != nil {
		w.t.Fatal(err)
	}
	w.work()
	w.expectShown(o.Number, quote, "released", "0")
	return o.Number
}

// shown is the CRM's record of an order.
func (w *world) shown(order string) (o crm.Order) {
	w.t.Helper()
	if err := w.service.Do(w.t.Context(), http.MethodGet, "/api/orders/"+order, nil, &o); err != nil {
		w.t.Fatal(err)
	}
	return o
}

// expectShown fails unless the CRM shows the order of an opportunity in a status, with so much shipped of its line.
func (w *world) expectShown(order, quote, status, shipped string) {
	w.t.Helper()
	o := w.shown(order)
	if o.Status != status || len(o.Lines) != 1 || o.Lines[0].Shipped != shipped || o.References["crm/quote"] != quote || o.CustomerReference != "PO-77" {
		w.t.Errorf("the CRM shows %+v; want %s, %s shipped, of the quote %s", o, status, shipped, quote)
	}
}

// told are the statuses that the CRM was told of an order.
func (w *world) told(order string) (list []string) {
	w.t.Helper()
	calls, err := w.service.Calls(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	for _, call := range calls {
		var body struct{ Status string }
		if call.Path == "/api/orders/"+order && !call.Operator && call.Code == "" {
			if err := json.Unmarshal(call.Body, &body); err != nil {
				w.t.Fatal(err)
			}
			list = append(list, body.Status)
		}
	}
	return list
}

// compare sweeps one system, to the end.
func (w *world) compare(system string) (out *sweep.Report) {
	w.t.Helper()
	for _, target := range w.stages.SweepTargets() {
		if target.Name != system {
			continue
		}
		r, err := w.stages.Sweep.Through(w.t.Context(), target, "", sweep.Asked)
		if err != nil {
			w.t.Fatal(err)
		}
		if err := w.d.Read(w.t.Context(), func(tx *db.Tx) (err error) { out, err = sweep.ReportOf(w.t.Context(), tx, r); return err }); err != nil {
			w.t.Fatal(err)
		}
	}
	return out
}

// disagreement is one field that people changed: who owns it, and what it is on each side.
type disagreement struct{ owner, erp, crm, says string }

// disagree changes what the CRM holds: two copies of what the ERP owns, one field that the CRM owns and the ERP copies, and the status of the order.
func (w *world) disagree(order string) {
	w.t.Helper()
	first := w.compare("crm")
	if len(first.NotCompared) != 1 || !strings.Contains(first.NotCompared[0], "customers of crm were compared with nothing") || !strings.Contains(first.NotCompared[0], "sweep --target erp") || first.Foreign != 0 {
		w.t.Errorf("the CRM's customers were compared before the ERP's were listed: %q, %d foreign", first.NotCompared, first.Foreign)
	}
	if first.Unexplained != 0 {
		w.t.Errorf("before anything was changed: %+v", first.Findings)
	}
	if r := w.compare("erp"); r.Unexplained != 0 {
		w.t.Errorf("the ERP before anything was changed: %+v", r.Findings)
	}
	was := map[string]crm.Customer{}
	customers, err := w.service.Customers(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	for _, c := range customers {
		was[c.Code] = c
	}
	w.customer("C-2", func(c *crm.Customer) { c.PriceList, c.CreditLimit = "trade", "5000" })
	w.customer("C-1", func(c *crm.Customer) { c.AccountTeam = "north" })
	o := w.shown(order)
	o.Status = "cancelled"
	if err := w.service.Do(w.t.Context(), http.MethodPut, "/api/orders/"+order, o, nil); err != nil {
		w.t.Fatal(err)
	}
	want := map[string]disagreement{
		"customer C-2 price_list":   {"system_of_record", "retail", "trade", "The price list of customer C-2 is retail in erp and trade in crm. It is owned by: system of record."},
		"customer C-2 credit_limit": {"system_of_record", "100", "5000", "The credit limit of customer C-2 is 100 in erp and 5000 in crm."},
		"customer C-1 account_team": {"crm", "", "north", "The account team of customer C-1 is nothing in erp and north in crm. It is owned by: crm."},
		"crm_status " + order:       {"system_of_record", "invoiced", "cancelled", "status is invoiced in Dockline and cancelled in crm"},
	}
	w.expectDisagreements(w.compare("crm"), want)
	w.work()
	if got := w.shown(order).Status; got != "invoiced" {
		w.t.Errorf("the CRM, which only holds a copy, shows %q: it was not told again", got)
	}
	delete(want, "crm_status "+order)
	for code, c := range was {
		if code == "C-2" {
			w.customer(code, func(to *crm.Customer) { *to = c })
		}
	}
	delete(want, "customer C-2 price_list")
	delete(want, "customer C-2 credit_limit")
	w.expectDisagreements(w.compare("crm"), want)
}

func (w *world) customer(code string, change func(*crm.Customer)) {
	w.t.Helper()
	if err := w.crm.HandCustomer(code, change); err != nil {
		w.t.Fatal(err)
	}
}

// expectDisagreements fails unless a sweep found exactly these, and exactly these are open: cases of the team that serves the owner, with both values and
// what to do.
func (w *world) expectDisagreements(r *sweep.Report, want map[string]disagreement) {
	w.t.Helper()
	found := map[string]bool{}
	for _, f := range r.Findings {
		d, ok := want[f.Subject]
		if found[f.Subject] = true; !ok || len(f.Details) != 1 || f.Details[0].Ours != d.erp || f.Details[0].Theirs != d.crm || f.Owner != d.owner {
			w.t.Errorf("found %+v, want %+v", f, d)
		}
	}
	var open []exception.Exception
	if err := w.d.Read(w.t.Context(), func(tx *db.Tx) (err error) {
		open, err = exception.List(w.t.Context(), tx, Tenant, exception.Filter{Unresolved: true})
		return err
	}); err != nil {
		w.t.Fatal(err)
	}
	for _, e := range open {
		d, ok := want[e.Subject]
		const team = "customer-service" // of both owners, as ships
		if !ok || e.Class != docklinev1.FaultClass_FAULT_CLASS_DATA || e.Team != team || !strings.Contains(e.Text, d.says) {
			w.t.Errorf("case %s about %s of team %q: %q; want one of %q that says %q", e.Code, e.Subject, e.Team, e.Text, team, d.says)
		}
	}
	if len(found) != len(want) || len(open) != len(want) {
		w.t.Errorf("%d are found and %d cases open, want %d of each: %v", len(found), len(open), len(want), found)
	}
}
