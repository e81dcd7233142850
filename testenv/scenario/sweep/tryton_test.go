package sweep_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/collector"
	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/connector/tryton"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/exception"
	"github.com/dockline/dockline/collector/ownership"
	"github.com/dockline/dockline/collector/policy"
	"github.com/dockline/dockline/collector/posting"
	core "github.com/dockline/dockline/collector/sweep"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/wire"
	"github.com/dockline/dockline/testenv"
	"github.com/dockline/dockline/testenv/erp"
	office "github.com/dockline/dockline/testenv/tryton"
	"github.com/dockline/dockline/testenv/world/worldtest"
)

const (
	shop = "acme"
	site = "dc-east"
)

type object = office.Object

// desk is a collector's stages on a real Tryton, and a person at Tryton's own screen.
type desk struct {
	*office.Client
	t      *testing.T
	db     *db.DB
	stages *collector.Stages
}

func openDesk(t *testing.T) *desk {
	t.Helper()
	database := testenv.TrytonPostgres(t)
	person, err := office.Open(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("DOCKLINE_TEST_TRYTON", database.Password)
	system, err := tryton.New(tryton.Settings{URL: database.URL, Login: database.Login, PasswordEnv: "DOCKLINE_TEST_TRYTON", Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	d := &desk{Client: person, t: t, db: testenv.SQLite(t)}
	d.stages, err = collector.NewStages(t.Context(), collector.Surroundings{DB: d.db, Tenant: shop, Policy: policy.Default(), SweepHeals: true,
		Systems: []collector.SurroundingSystem{{Name: "erp", Role: ownership.SystemOfRecord, Connector: system}}, Up: func() bool { return false },
		Publish: func(context.Context, wire.Message) error { return nil }})
	if err != nil {
		t.Fatal(err)
	}
	d.write(func(tx *db.Tx) error {
		_, err := tx.Exec(t.Context(), `INSERT INTO site (tenant, id, created_at) VALUES (?, ?, 1)`, shop, site)
		return err
	})
	return d
}

func (d *desk) write(f func(tx *db.Tx) error) {
	d.t.Helper()
	if err := d.db.Write(d.t.Context(), f); err != nil {
		d.t.Fatal(err)
	}
}

// press is a person at a button, or writing into a record.
func (d *desk) press(method string, params ...any) any {
	d.t.Helper()
	result, err := d.Do(d.t.Context(), method, nil, params...)
	if err != nil {
		d.t.Fatal(err)
	}
	return result
}

func (d *desk) list(model string, domain []any, fields ...string) []object {
	d.t.Helper()
	found, err := d.List(d.t.Context(), model, domain, nil, fields...)
	if err != nil {
		d.t.Fatal(err)
	}
	return found
}

func (d *desk) order(item string, quantity int64) erp.Order {
	d.t.Helper()
	o, err := d.Order(d.t.Context(), erp.NewOrder{Customer: "C-1001", CustomerReference: "PO-7", Site: site, Lines: []erp.NewOrderLine{{Item: item, Quantity: decimal.NewFromInt(quantity)}}})
	if err != nil {
		d.t.Fatal(err)
	}
	return o
}

// tell has a posting wanted, and waits until Tryton has confirmed it.
func (d *desk) tell(want posting.Desired) {
	d.t.Helper()
	d.write(func(tx *db.Tx) error {
		return posting.Put(d.t.Context(), tx, shop, "test/"+string(want.Kind)+"/"+want.Key, "v1", []posting.Desired{want}, time.Now())
	})
	worldtest.Until(d.t, want.Ref().String()+" is confirmed", patience, func() (confirmed bool, err error) {
		if _, err := d.stages.Senders[0].Step(d.t.Context()); err != nil {
			return false, err
		}
		err = d.db.Read(d.t.Context(), func(tx *db.Tx) error {
			list, err := posting.List(d.t.Context(), tx, posting.Filter{Tenant: shop, Kind: want.Kind, States: []posting.State{posting.Confirmed}})
			confirmed = slices.ContainsFunc(list, func(e posting.Entry) bool { return e.Key == want.Key })
			return err
		})
		return confirmed, err
	})
}

func (d *desk) issue(o erp.Order, item, quantity string) posting.Desired {
	return posting.Desired{Target: "erp", Kind: connector.GoodsIssue, Key: o.Number + "/S1", Site: site, Style: connector.Advance, SourceVersion: 1,
		Document: &docklinev1.Document{Document: &docklinev1.Document_GoodsIssue{GoodsIssue: &docklinev1.GoodsIssue{Order: o.Number, Shipment: "S1", Site: site, DepartedAt: timestamppb.Now(),
			Lines: []*docklinev1.DocumentLine{{OrderLine: o.Lines[0].Line, Item: item, Quantity: quantity, Unit: "each"}}}}}}
}

// openBook has the ledger opened by what Tryton's book holds now.
func (d *desk) openBook() {
	d.t.Helper()
	worldtest.Until(d.t, "the ledger is opened", patience, func() (bool, error) {
		if _, err := d.stages.Intakes[0].Step(d.t.Context()); err != nil {
			return false, err
		}
		for n := 1; n > 0; {
			var err error
			if n, err = d.stages.Worker.Step(d.t.Context()); err != nil {
				return false, err
			}
		}
		var n int
		err := d.db.Read(d.t.Context(), func(tx *db.Tx) error {
			return tx.QueryRow(d.t.Context(), `SELECT COUNT(*) FROM ledger_account WHERE site = ? AND balance > 0`, site).Scan(&n)
		})
		return n > 0, err
	})
}

// sweep compares everything, and returns what nothing explains by subject.
func (d *desk) sweep() map[string]core.Finding {
	d.t.Helper()
	target := d.stages.SweepTargets()[0]
	target.Timeout = patience // a busy machine
	r, err := d.stages.Sweep.Through(d.t.Context(), target, "", core.Asked)
	if err != nil {
		d.t.Fatal(err)
	}
	out := map[string]core.Finding{}
	d.write(func(tx *db.Tx) error {
		found, err := core.Findings(d.t.Context(), tx, r.Number, false)
		for _, f := range found {
			d.t.Logf("run %d: %s, %s%s: %s", r.Number, f.Subject, f.Result, f.Cause, f.Text)
			if f.Cause == core.Unexplained {
				out[f.Subject] = f
			}
		}
		return err
	})
	d.t.Logf("run %d: %d matched, %d requests", r.Number, r.Matched, r.Calls)
	return out
}

// TestHandChangesFound changes a shipment, an invoice and stock in Tryton as people do: an invoice's quantity before it was posted, the reference of a
// shipment that Dockline brought to its end, a shipment that no dock made, and an inventory. Each is named, with what it differs in, and nothing else; each
// is one case, which closes once a person has put it right: Tryton is the record of its documents, and nothing of them is written over.
//
// Shows: S43, S3
func TestHandChangesFound(t *testing.T) {
	d := openDesk(t)
	const item, other = "SKU-1001", "SKU-1002"
	billed, shipped, byHand := d.order(item, 3), d.order(item, 2), d.order(other, 4)
	issue := d.issue(billed, item, "3")
	d.tell(issue)
	sale := d.list("sale.sale", []any{[]any{"number", "=", billed.Number}}, "invoices")[0]
	draft := d.list("account.invoice", []any{[]any{"id", "in", sale["invoices"]}}, "lines")[0]
	d.press("account.invoice.line.write", office.IDs(draft["lines"])[:1], object{"quantity": 2.0})
	d.tell(posting.Desired{Target: "erp", Kind: connector.InvoiceTrigger, Key: issue.Key, Site: site, Style: connector.Advance, SourceVersion: 1, Needs: []posting.Ref{issue.Ref()},
		Document: &docklinev1.Document{Document: &docklinev1.Document_InvoiceTrigger{InvoiceTrigger: &docklinev1.InvoiceTrigger{Order: billed.Number, Shipment: "S1"}}}})
	d.tell(d.issue(shipped, item, "2"))
	want := map[string]seeded{"invoice_trigger " + billed.Number + "/S1": {"", "different", item + " is 3 in Dockline and 2 in erp"}}
	holds(t, d.sweep(), want)
	d.openBook()

	done := d.list("stock.shipment.out", []any{[]any{"reference", "=", shipped.Number + "/S1"}}, "id")[0]
	d.press("stock.shipment.out.write", []any{done["id"]}, object{"reference": "by hand"})
	want["goods_issue "+shipped.Number+"/S1"] = seeded{"", "different", "reference is " + shipped.Number + "/S1 in Dockline and by hand in erp"}

	sale = d.list("sale.sale", []any{[]any{"number", "=", byHand.Number}}, "shipments")[0]
	for _, button := range []string{"assign_force", "pick", "pack", "done"} {
		d.press("stock.shipment.out."+button, sale["shipments"])
	}
	left := d.list("stock.shipment.out", []any{[]any{"id", "in", sale["shipments"]}}, "number", "state")[0]
	if left["state"] != "done" {
		t.Fatalf("the shipment of order %s is %v", byHand.Number, left["state"])
	}
	want["goods_issue "+office.Text(left["number"])] = seeded{"", "extra", "order " + byHand.Number}
	want["stock dc-east "+other] = seeded{"", "different", "Nothing explains that"}

	var bin string
	for name := range d.Bins[site] {
		bin = max(bin, name)
	}
	made := office.IDs(d.press("stock.inventory.create", []object{{"location": d.Bins[site][bin], "lines": []any{[]any{"create", []object{{"product": d.Products["SKU-1003"]["id"], "quantity": 17.0}}}}}}))
	d.press("stock.inventory.confirm", made)
	count := d.list("stock.inventory", []any{[]any{"id", "in", made}}, "number")[0]
	want["stock_adjust "+office.Text(count["number"])] = seeded{"", "extra", "SKU-1003"}
	want["stock dc-east SKU-1003"] = seeded{"", "different", "Nothing explains that"}
	holds(t, d.sweep(), want)
	d.cased(want)
	last, err := d.List(t.Context(), "stock.shipment.out", []any{[]any{"id", "=", done["id"]}}, nil, "reference")
	if err != nil || last[0]["reference"] != "by hand" {
		t.Errorf("the shipment is %v, %v: what Tryton itself is the record of is for a person to put right", last, err)
	}
	d.press("stock.shipment.out.write", []any{done["id"]}, object{"reference": shipped.Number + "/S1"}) // a person puts it right
	delete(want, "goods_issue "+shipped.Number+"/S1")
	holds(t, d.sweep(), want)
	d.cased(want)
}

// cased compares the cases that are open with what was changed: one for each, of a class that somebody owns, and no other.
func (d *desk) cased(want map[string]seeded) {
	d.t.Helper()
	var open []exception.Exception
	d.write(func(tx *db.Tx) (err error) {
		open, err = exception.List(d.t.Context(), tx, shop, exception.Filter{Unresolved: true, Target: "erp"})
		return err
	})
	seen := map[string]bool{}
	for _, e := range open {
		s, ok := want[e.Subject]
		code := "sweep_" + s.result
		if strings.HasPrefix(e.Subject, "stock ") {
			code = "sweep_stock"
		}
		if !ok || seen[e.Subject] || e.Code != code || e.Team == "" || !strings.Contains(e.Text, s.says) {
			d.t.Errorf("case %s about %s of team %q: %q; expected one %s that says %q", e.Code, e.Subject, e.Team, e.Text, code, s.says)
		}
		seen[e.Subject] = true
	}
	for subject := range want {
		if !seen[subject] {
			d.t.Errorf("nobody is told of %s", subject)
		}
	}
}

// holds compares what was found with what was changed.
func holds(t *testing.T, got map[string]core.Finding, want map[string]seeded) {
	t.Helper()
	for subject, s := range want {
		if f, ok := got[subject]; !ok || string(f.Result) != s.result || !strings.Contains(f.Text, s.says) {
			t.Errorf("%s is %s: %q; want %s, and %q", subject, f.Result, f.Text, s.result, s.says)
		}
	}
	for subject, f := range got {
		if _, ok := want[subject]; !ok {
			t.Errorf("found although nobody changed it: %s: %s", subject, f.Text)
		}
	}
}
