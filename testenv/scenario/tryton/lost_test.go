package tryton_test

import (
	"fmt"
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
// each kind): in the end each document is there once, as a person reads it in Tryton. Each loss is a subtest, so that a full run can be followed.
//
// Shows: S47, A19
func TestAnswerLostAtEveryCall(t *testing.T) {
	d := openDesk(t)
	most := testenv.Count("once.tryton-answers")
	kinds := (&yard{desk: d}).kinds()
	lost := 0
	for i, kind := range kinds {
		t.Run(kind.name, func(t *testing.T) {
			if !testenv.Full() {
				// One call somewhere in the middle; with the other kinds' it comes to reading and writing ones, before and after.
				n := 3 + 2*(i%6)
				defer d.under(t)()
				if !d.lose(kind, n, losses[i%2]) {
					t.Errorf("a posting of %s takes less than %d calls", kind.name, n)
				}
				lost++
				return
			}
			last := 0
			for n, struck := 1, true; struck && n <= most && !t.Failed(); n++ {
				for _, how := range losses {
					t.Run(fmt.Sprintf("call %d lost %s", n, how.how), func(t *testing.T) {
						defer d.under(t)()
						struck = d.lose(kind, n, how)
					})
					if struck {
						lost, last = lost+1, n
					}
				}
			}
			t.Logf("%s: each of %d calls was lost before and after its effect", kind.name, last)
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
	if k.after != nil {
		k.after(want)
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

// postingKind makes postings of a kind that have never been told, with all that they need, and counts the documents in force with a key. After may keep
// what was confirmed, for those that need such a one.
type postingKind struct {
	name  string
	make  func() posting.Desired
	count func(key string) int
	after func(posting.Desired)
}

// yard makes documents as cheaply as Tryton allows, which takes half a second to confirm an order: one is shipped in parts, and what was shipped is billed.
type yard struct {
	*desk
	item, bin string
	made      int

	order, line string // the one that is shipped in parts, and how much of it is left
	left        int

	rma     string // the one that comes back in parts
	rmaLeft int

	big, bigLine string // one that was shipped and billed at once, of which goods come back and are credited

	issued, received []posting.Desired
}

// bulk is how many pieces an order of several documents has; each takes two.
const bulk = 16

func (y *yard) kinds() []postingKind {
	y.item, y.bin = y.take()
	count := func(model, field string, states ...string) func(string) int {
		return func(key string) int {
			return len(y.list(model, []any{[]any{field, "=", key}, []any{"state", "in", states}}, "id"))
		}
	}
	keep := func(in *[]posting.Desired) func(posting.Desired) {
		return func(d posting.Desired) { *in = append(*in, d) }
	}
	received, billed := count("stock.shipment.out.return", "reference", "done"), count("account.invoice", "reference", "posted", "paid")
	return []postingKind{
		{"goods issue", y.issue, count("stock.shipment.out", "reference", "done"), keep(&y.issued)},
		{"invoice", y.invoice, billed, nil},
		{"stock adjustment", y.adjustment, count("stock.inventory", "number", "done"), nil},
		{"return receipt of goods that came blind", y.blind, received, nil},
		{"credit request for them", y.creditBlind, billed, nil},
		{"return receipt of an RMA", y.receipt, received, keep(&y.received)},
		{"credit request of an RMA", y.credit, billed, nil},
		{"order", y.create, count("sale.sale", "description", "processing"), nil},
	}
}

func (y *yard) number(prefix string) string {
	y.made++
	return fmt.Sprintf("%s-%d", prefix, y.made)
}

func (y *yard) issue() posting.Desired {
	if y.left == 0 {
		y.order, y.line = y.desk.order(y.item, bulk)
		y.left = bulk
	}
	y.left -= 2
	return y.issueOf(y.order, y.line, "2")
}

func (y *yard) issueOf(order, line, quantity string) posting.Desired {
	shipment := y.number("S")
	return posting.Desired{Kind: connector.GoodsIssue, Key: order + "/" + shipment, Style: connector.Advance, Document: &docklinev1.Document{Document: &docklinev1.Document_GoodsIssue{
		GoodsIssue: &docklinev1.GoodsIssue{Order: order, Shipment: shipment, Site: Site, DepartedAt: timestamppb.Now(), Lines: y.goods(line, quantity)}}}}
}

// invoice is of a shipment that was posted before, where one is left.
func (y *yard) invoice() posting.Desired {
	if len(y.issued) == 0 {
		y.issued = append(y.issued, y.issue())
		y.send(y.issued[0])
	}
	of := y.issued[0]
	y.issued = y.issued[1:]
	return y.invoiceOf(of)
}

func (y *yard) invoiceOf(of posting.Desired) posting.Desired {
	issue := of.Document.GetGoodsIssue()
	return posting.Desired{Kind: connector.InvoiceTrigger, Key: of.Key, Style: connector.Advance, Needs: []posting.Ref{{Target: ERP, Kind: of.Kind, Key: of.Key}},
		Document: &docklinev1.Document{Document: &docklinev1.Document_InvoiceTrigger{InvoiceTrigger: &docklinev1.InvoiceTrigger{Order: issue.GetOrder(), Shipment: issue.GetShipment()}}}}
}

func (y *yard) adjustment() posting.Desired {
	count := y.number("CC-LOST")
	return posting.Desired{Kind: connector.StockAdjustment, Key: count, Style: connector.CreateOnce, Document: &docklinev1.Document{Document: &docklinev1.Document_StockAdjustment{
		StockAdjustment: &docklinev1.StockAdjustment{Count: count, Site: Site, Bin: y.bin, Item: y.item, Delta: "1"}}}}
}

// shippedAndBilled is one large order of which goods come back.
func (y *yard) shippedAndBilled() (order, line string) {
	if y.big == "" {
		y.big, y.bigLine = y.desk.order(y.item, 400)
		issue := y.issueOf(y.big, y.bigLine, "400")
		y.send(issue)
		y.send(y.invoiceOf(issue))
	}
	return y.big, y.bigLine
}

func (y *yard) returned(number, order, line string) *docklinev1.GoodsReturned {
	return &docklinev1.GoodsReturned{Number: number, Order: order, Site: Site, Receipt: y.number("RC"), Lines: y.goods(line, "2")}
}

func (y *yard) receiptOf(g *docklinev1.GoodsReturned) posting.Desired {
	return posting.Desired{Kind: connector.ReturnReceipt, Key: g.GetNumber() + "/" + g.GetReceipt(), Style: connector.CreateOnce,
		Document: &docklinev1.Document{Document: &docklinev1.Document_ReturnReceipt{ReturnReceipt: g}}}
}

func (y *yard) creditOf(g *docklinev1.GoodsReturned, needs ...posting.Ref) posting.Desired {
	return posting.Desired{Kind: connector.CreditRequest, Key: g.GetNumber() + "/credit/" + y.number("C"), Style: connector.CreateOnce, Needs: needs,
		Document: &docklinev1.Document{Document: &docklinev1.Document_CreditRequest{CreditRequest: g}}}
}

func (y *yard) blind() posting.Desired {
	order, line := y.shippedAndBilled()
	return y.receiptOf(y.returned(y.number("BLIND"), order, line))
}

// creditBlind is credited by the invoice of the order.
func (y *yard) creditBlind() posting.Desired {
	order, line := y.shippedAndBilled()
	return y.creditOf(y.returned(y.number("BLIND"), order, line))
}

func (y *yard) receipt() posting.Desired {
	order, line := y.shippedAndBilled()
	if y.rmaLeft == 0 {
		var err error
		if y.rma, err = y.Authorise(y.t.Context(), order, map[string]float64{y.item: -bulk}); err != nil {
			y.t.Fatal(err)
		}
		y.rmaLeft = bulk
	}
	y.rmaLeft -= 2
	return y.receiptOf(y.returned(y.rma, order, line))
}

// credit is of what came back by an RMA, whose credit note Tryton drafts.
func (y *yard) credit() posting.Desired {
	if len(y.received) == 0 {
		y.received = append(y.received, y.receipt())
		y.send(y.received[0])
	}
	of := y.received[0]
	y.received = y.received[1:]
	return y.creditOf(of.Document.GetReturnReceipt(), posting.Ref{Target: ERP, Kind: of.Kind, Key: of.Key})
}

func (y *yard) create() posting.Desired {
	number := y.number("PO-LOST")
	return posting.Desired{Kind: connector.OrderCreate, Key: "shop/C-1002/" + number, Style: connector.CreateOnce, Document: &docklinev1.Document{Document: &docklinev1.Document_OrderCreate{
		OrderCreate: &docklinev1.Order{Number: number, Customer: "C-1002", Site: Site, Lines: []*docklinev1.Line{{Item: y.item, Quantity: &docklinev1.Quantity{Value: "2"}}}}}}}
}

// goods are so much of the item.
func (y *yard) goods(line, quantity string) []*docklinev1.DocumentLine {
	return []*docklinev1.DocumentLine{{OrderLine: line, Item: y.item, Quantity: quantity, Bin: y.bin, Unit: "each"}}
}
