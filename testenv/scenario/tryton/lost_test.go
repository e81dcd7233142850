package tryton_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/posting"
	. "github.com/dockline/dockline/collector/state/statetest"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv"
	"github.com/dockline/dockline/testenv/tryton"
	"github.com/dockline/dockline/testenv/world/worldtest"
)

// lostAt is one loss: of the nth call of a posting, before Tryton has heard of it or after it has done what was asked.
type lostAt struct {
	how    string
	strike tryton.Strike
}

var losses = []lostAt{{"before", tryton.LoseCall}, {"after", tryton.LoseAnswer}}

// TestAnswerLostAtEveryCall loses, for each kind of posting that a real Tryton takes, the nth call or its answer, for every n (in a commit for one n of
// each kind): in the end each document is there once, as a person reads it in Tryton.
//
// Shows: S47, A19
func TestAnswerLostAtEveryCall(t *testing.T) {
	d := openDesk(t)
	most := testenv.Count("once.tryton-answers")
	kinds := d.postings()
	lost := 0
	for i, kind := range kinds {
		t.Run(string(kind.kind), func(t *testing.T) {
			defer d.under(t)()
			if !testenv.Full() {
				// One call somewhere in the middle; with the other kinds' it comes to reading and writing ones, before and after.
				if !d.lose(kind, 3+2*i, losses[i%2]) {
					t.Errorf("a posting of %s takes less than %d calls", kind.kind, 3+2*i)
				}
				lost++
				return
			}
			for n := 1; n <= most; n++ {
				for _, how := range losses {
					if !d.lose(kind, n, how) {
						return
					}
					lost++
				}
			}
		})
	}
	t.Logf("%d calls or answers of %d kinds of posting were lost", lost, len(kinds))
}

// lose has one posting told while its nth call is lost, and counts its documents. It returns whether there was an nth call.
func (d *desk) lose(k postingKind, n int, how lostAt) (struck bool) {
	d.t.Helper()
	want := k.make()
	d.way.Arm(tryton.AnyCall, n, how.strike)
	d.send(want)
	struck = len(d.way.Armed()) == 0
	d.way.Arm(tryton.AnyCall, 0, nil)
	if got := k.count(want.Key); got != 1 {
		d.t.Errorf("call %d of %s %s was lost %s its effect, and %d documents are there, expected 1", n, want.Kind, want.Key, how.how, got)
	}
	return struck
}

// send has a posting wanted, and waits until Tryton has confirmed it.
func (d *desk) send(want posting.Desired) {
	d.t.Helper()
	want.Target, want.Site, want.SourceVersion = ERP, Site, 1
	if err := d.db.Write(d.t.Context(), func(tx *db.Tx) error {
		return posting.Put(d.t.Context(), tx, Tenant, "test/"+string(want.Kind)+"/"+want.Key, "v1", []posting.Desired{want}, d.now())
	}); err != nil {
		d.t.Fatal(err)
	}
	var last posting.Entry
	worldtest.Until(d.t, want.Ref().String()+" is confirmed", patience, func() (bool, error) {
		if _, err := d.stages.Senders[0].Step(d.t.Context()); err != nil {
			return false, err
		}
		d.pass(5 * time.Second)
		err := d.db.Read(d.t.Context(), func(tx *db.Tx) error {
			list, err := posting.List(d.t.Context(), tx, posting.Filter{Tenant: Tenant, Kind: want.Kind})
			for _, e := range list {
				if e.Key == want.Key {
					last = e
				}
			}
			return err
		})
		if err == nil && last.State == posting.Rejected {
			err = fmt.Errorf("it is rejected: %+v", last)
		}
		return last.State == posting.Confirmed, err
	})
}

// postingKind makes postings of a kind that have never been told, with all that they need, and counts the documents in force with a key.
type postingKind struct {
	kind  connector.Kind
	make  func() posting.Desired
	count func(key string) int
}

func (d *desk) postings() []postingKind {
	item, bin := d.take()
	made := 0
	count := func(model, field string, states ...string) func(string) int {
		return func(key string) int {
			return len(d.list(model, []any{[]any{field, "=", key}, []any{"state", "in", states}}, "id"))
		}
	}
	issue := func() posting.Desired {
		order, line := d.order(item, 2)
		return posting.Desired{Kind: connector.GoodsIssue, Key: order + "/S1", Style: connector.Advance, Document: &docklinev1.Document{Document: &docklinev1.Document_GoodsIssue{
			GoodsIssue: &docklinev1.GoodsIssue{Order: order, Shipment: "S1", Site: Site, DepartedAt: timestamppb.Now(), Lines: d.lines(line, item, bin)}}}}
	}
	invoice := func() posting.Desired {
		of := issue()
		d.send(of)
		return posting.Desired{Kind: connector.InvoiceTrigger, Key: of.Key, Style: connector.Advance, Needs: []posting.Ref{{Target: ERP, Kind: of.Kind, Key: of.Key}},
			Document: &docklinev1.Document{Document: &docklinev1.Document_InvoiceTrigger{InvoiceTrigger: &docklinev1.InvoiceTrigger{Order: of.Document.GetGoodsIssue().GetOrder(), Shipment: "S1"}}}}
	}
	receipt := func() posting.Desired {
		of := invoice()
		d.send(of)
		order := of.Document.GetInvoiceTrigger().GetOrder()
		sale := d.list("sale.sale", []any{[]any{"number", "=", order}}, "lines")[0]
		return posting.Desired{Kind: connector.ReturnReceipt, Key: "R-" + order + "/RC1", Style: connector.CreateOnce, Document: &docklinev1.Document{Document: &docklinev1.Document_ReturnReceipt{
			ReturnReceipt: &docklinev1.GoodsReturned{Number: "R-" + order, Order: order, Site: Site, Receipt: "RC1", Lines: d.lines(fmt.Sprint(tryton.IDs(sale["lines"])[0]), item, bin)}}}}
	}
	return []postingKind{
		{connector.GoodsIssue, issue, count("stock.shipment.out", "reference", "done")},
		{connector.InvoiceTrigger, invoice, count("account.invoice", "reference", "posted", "paid")},
		{connector.StockAdjustment, func() posting.Desired {
			made++
			return posting.Desired{Kind: connector.StockAdjustment, Key: fmt.Sprintf("CC-LOST-%d", made), Style: connector.CreateOnce, Document: &docklinev1.Document{
				Document: &docklinev1.Document_StockAdjustment{StockAdjustment: &docklinev1.StockAdjustment{Count: fmt.Sprint("CC-LOST-", made), Site: Site, Bin: bin, Item: item, Delta: "1"}}}}
		}, count("stock.inventory", "number", "done")},
		{connector.ReturnReceipt, receipt, count("stock.shipment.out.return", "reference", "done")},
		{connector.CreditRequest, func() posting.Desired {
			of := receipt()
			d.send(of)
			r := of.Document.GetReturnReceipt()
			return posting.Desired{Kind: connector.CreditRequest, Key: r.GetNumber() + "/credit/1", Style: connector.CreateOnce, Needs: []posting.Ref{{Target: ERP, Kind: of.Kind, Key: of.Key}},
				Document: &docklinev1.Document{Document: &docklinev1.Document_CreditRequest{CreditRequest: &docklinev1.GoodsReturned{Number: r.GetNumber(), Order: r.GetOrder(), Site: Site, Lines: r.GetLines()}}}}
		}, count("account.invoice", "reference", "posted", "paid")},
		{connector.OrderCreate, func() posting.Desired {
			made++
			number := fmt.Sprintf("PO-LOST-%d", made)
			return posting.Desired{Kind: connector.OrderCreate, Key: "shop/C-1002/" + number, Style: connector.CreateOnce, Document: &docklinev1.Document{Document: &docklinev1.Document_OrderCreate{
				OrderCreate: &docklinev1.Order{Number: number, Customer: "C-1002", Site: Site, Lines: []*docklinev1.Line{{Item: item, Quantity: &docklinev1.Quantity{Value: "2"}}}}}}}
		}, func(key string) int {
			return len(slices.DeleteFunc(d.list("sale.sale", []any{[]any{"description", "=", key}}, "state"), func(o tryton.Object) bool { return o["state"] != "processing" }))
		}},
	}
}

// lines are two pieces of an item.
func (d *desk) lines(line, item, bin string) []*docklinev1.DocumentLine {
	return []*docklinev1.DocumentLine{{OrderLine: line, Item: item, Quantity: "2", Bin: bin, Unit: "each"}}
}
