package giveback_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/giveback"
	. "github.com/dockline/dockline/collector/state/statetest"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
	"github.com/dockline/dockline/testenv/erp"
)

// without is a target that does not take some kinds.
type without struct {
	connector.Connector
	kinds []connector.Kind
}

func (w without) Kinds() map[connector.Kind]connector.Style {
	kinds := w.Connector.Kinds()
	for _, kind := range w.kinds {
		delete(kinds, kind)
	}
	return kinds
}

// noReversals has the ERP take nothing back.
func (c *centre) noReversals() {
	var kinds []connector.Kind
	for _, by := range connector.Reversals {
		kinds = append(kinds, by)
	}
	target := without{c.sender.Connector, kinds}
	c.sender.Connector = target
	c.worker.Styles = func(_, name string, kind connector.Kind) (connector.Style, bool) {
		style, ok := target.Kinds()[kind]
		return style, ok && name == "erp"
	}
}

// standing is how many of an item stand in the books as come back, and as credited.
func (b books) standing(item string) (back, credited decimal.Decimal) {
	for _, r := range b.receipts {
		for _, l := range r.Lines {
			if r.ReversedBy == "" && l.Item == item {
				back = back.Add(l.Quantity)
			}
		}
	}
	for _, m := range b.credits {
		for _, l := range m.Lines {
			if m.ReversedBy == "" && l.Item == item {
				credited = credited.Add(l.Quantity)
			}
		}
	}
	return back, credited
}

// accept takes a receipt for an order.
func (c *centre) accept(receipt, order string, lines ...giveback.Line) error {
	return c.decide(event.BlindReturnKey(Site, receipt), func(ctx context.Context, tx *db.Tx, d giveback.Decision) (*giveback.Decided, error) {
		return d.Accept(ctx, tx, giveback.Accepting{Order: order, Customer: "C-1001", Lines: lines}, c.clock)
	})
}

// matched is an RMA that names a receipt.
func (c *centre) matched(order, receipt string, quantity int64) string {
	c.t.Helper()
	r, err := c.books.AuthoriseReturn(c.t.Context(), erp.NewReturn{Order: order, Reason: "too many", Receipt: receipt,
		Lines: []erp.ReturnLine{{OrderLine: "10", Item: "BOLT", Quantity: decimal.NewFromInt(quantity)}}})
	if err != nil {
		c.t.Fatal(err)
	}
	c.rest()
	return r.Number
}

// TestAnAcceptedReturnThatIsMatchedStandsOnce: goods without an RMA were taken for an order and posted; then an RMA names their receipt. They stand
// once in the books, at an ERP that takes documents back and at one that does not, whoever is folded first.
//
// Shows: S13
func TestAnAcceptedReturnThatIsMatchedStandsOnce(t *testing.T) {
	blind := func(c *centre) string {
		order, _ := c.order("S1", "8")
		c.tell(Back(received, 5000, "r1", "", "RC7", In(L("", "10", "BOLT", "2"), "B-01", "")), Back(disposed, 5100, "d1", "", "RC7", Disposed(In(L("", "10", "BOLT", "2"), "B-01", ""), "restock")))
		if err := c.accept("RC7", order); err != nil {
			t.Fatal(err)
		}
		return order
	}
	stands := func(t *testing.T, c *centre, order string, want int64) {
		t.Helper()
		back, credited := c.ledger(order).standing("BOLT")
		if n := decimal.NewFromInt(want); !back.Equal(n) || !credited.Equal(n) {
			t.Errorf("%s stand as come back, %s as credited\n%s", back, credited, c.postings())
		}
	}
	t.Run("an ERP that takes back", func(t *testing.T) {
		c := open(t)
		order := blind(c)
		stands(t, c, order, 2)
		rma := c.matched(order, "RC7", 2)
		stands(t, c, order, 2)
		b := c.ledger(order)
		if len(b.receipts) != 2 || b.receipts[1].Return != rma || len(b.credits) != 2 || b.credits[1].Return != rma {
			t.Errorf("they are not posted under the RMA: %+v\n%s", b, c.postings())
		}
		b.linked(b.receipts[0].Number, b.credits[0].Number)
		if codes := c.exceptions(); slices.Contains(codes, "no_longer_wanted") || slices.Contains(codes, "document_changed") {
			t.Errorf("open are %v", codes)
		}
	})
	t.Run("one that does not", func(t *testing.T) {
		c := open(t)
		c.noReversals()
		order := blind(c)
		stands(t, c, order, 2)
		c.matched(order, "RC7", 2)
		c.clock = c.clock.Add(30 * time.Minute)
		c.rest()
		stands(t, c, order, 2)
		if b := c.ledger(order); len(b.receipts) != 1 || len(b.credits) != 1 {
			t.Errorf("%+v", b)
		}
		if codes := c.exceptions(); !slices.Contains(codes, "document_changed") { // people are told that the ERP has it without its RMA
			t.Errorf("open are %v\n%s", codes, c.postings())
		}
		// More is told of the receipt: nothing is booked twice by that either.
		c.tell(Back(docklinev1.EventKind_EVENT_KIND_RETURN_INSPECTED, 5050, "i1", "", "RC7", Seen(In(L("", "10", "BOLT", "2"), "B-01", ""), "opened", "")))
		stands(t, c, order, 2)
	})
	t.Run("the site gives it its number later", func(t *testing.T) {
		c := open(t)
		c.noReversals()
		order := blind(c)
		rma := c.rma(order, 2)
		c.tell(Revised(Back(received, 5000, "r1", rma, "RC7", In(L("", "10", "BOLT", "2"), "B-01", "")), "2"),
			Revised(Back(disposed, 5100, "d1", rma, "RC7", Disposed(In(L("", "10", "BOLT", "2"), "B-01", ""), "restock")), "2"))
		stands(t, c, order, 2)
	})
	t.Run("two RMAs name it", func(t *testing.T) {
		c := open(t)
		order := blind(c)
		c.matched(order, "RC7", 2)
		c.clock = c.clock.Add(time.Minute)
		second := c.matched(order, "RC7", 2)
		stands(t, c, order, 2)
		b := c.ledger(order)
		if last := b.receipts[len(b.receipts)-1]; last.Return != second || last.ReversedBy != "" {
			t.Errorf("%+v\n%s", b, c.postings())
		}
	})
	t.Run("nothing was sent yet", func(t *testing.T) {
		c := open(t)
		order, _ := c.order("S1", "8")
		send := c.sender
		c.tell(Back(received, 5000, "r1", "", "RC7", In(L("", "10", "BOLT", "2"), "B-01", "")), Back(disposed, 5100, "d1", "", "RC7", Disposed(In(L("", "10", "BOLT", "2"), "B-01", ""), "restock")))
		c.held = true
		if err := c.accept("RC7", order); err != nil {
			t.Fatal(err)
		}
		c.matched(order, "RC7", 2)
		c.held = false
		c.rest()
		stands(t, c, order, 2)
		if b := c.ledger(order); len(b.receipts) != 1 || len(b.credits) != 1 || send.Target != "erp" {
			t.Errorf("%+v\n%s", b, c.postings())
		}
	})
}

// TestGoodsOfWhichNobodyKnowsTheLine: the site does not know the order's line of what came back without an RMA. Where the item had left by one line it is
// that; else a person says which, and is asked to.
//
// Shows: S13
func TestGoodsOfWhichNobodyKnowsTheLine(t *testing.T) {
	came := func(c *centre) {
		line := In(L("", "", "BOLT", "2"), "B-01", "")
		c.tell(Back(received, 5000, "r1", "", "RC7", line), Back(disposed, 5100, "d1", "", "RC7", Disposed(In(L("", "", "BOLT", "2"), "B-01", ""), "restock")))
	}
	stands := func(t *testing.T, c *centre, order, line string) {
		t.Helper()
		b := c.ledger(order)
		if len(b.receipts) != 1 || len(b.credits) != 1 || b.receipts[0].Lines[0].OrderLine != line || b.credits[0].Lines[0].OrderLine != line {
			t.Errorf("%+v\n%s", b, c.postings())
		}
	}
	t.Run("one line", func(t *testing.T) {
		c := open(t)
		order, _ := c.order("S1", "8")
		came(c)
		if err := c.accept("RC7", order); err != nil {
			t.Fatal(err)
		}
		stands(t, c, order, "10")
	})
	t.Run("two lines", func(t *testing.T) {
		c := open(t)
		order := c.twoLines()
		came(c)
		if err := c.accept("RC7", order); err != nil {
			t.Fatal(err)
		}
		if b := c.ledger(order); len(b.receipts)+len(b.credits) != 0 || !slices.Contains(c.exceptions(), "return_line_unclear") {
			t.Errorf("%+v\n%v", b, c.exceptions())
		}
		if err := c.accept("RC7", order, giveback.Line{OrderLine: "30"}); err == nil {
			t.Error("a line that the order does not have was taken")
		}
		if err := c.accept("RC7", order, giveback.Line{OrderLine: "20"}); err != nil {
			t.Fatal(err)
		}
		stands(t, c, order, "20")
		if codes := c.exceptions(); slices.Contains(codes, "return_line_unclear") {
			t.Errorf("open are %v", codes)
		}
	})
	t.Run("another line leaves later", func(t *testing.T) {
		c := open(t)
		o, err := c.books.ImportOrder(c.t.Context(), erp.NewOrder{Customer: "C-1001", Site: Site, Lines: []erp.NewOrderLine{{Item: "BOLT", Quantity: decimal.NewFromInt(10)}, {Item: "BOLT", Quantity: decimal.NewFromInt(10)}}})
		if err != nil {
			t.Fatal(err)
		}
		c.rest()
		c.tell(Pick(10, "P1", In(L(o.Number, "10", "BOLT", "8"), "B-01", "")), Shipment(20, "S1", L(o.Number, "10", "BOLT", "8")))
		came(c)
		if err := c.accept("RC7", o.Number); err != nil {
			t.Fatal(err)
		}
		stands(t, c, o.Number, "10")
		c.tell(Pick(11, "P2", In(L(o.Number, "20", "BOLT", "8"), "B-01", "")), Shipment(6000, "S2", L(o.Number, "20", "BOLT", "8")))
		stands(t, c, o.Number, "10") // what was posted stays
		if codes := c.exceptions(); slices.Contains(codes, "return_line_unclear") {
			t.Errorf("open are %v\n%s", codes, c.postings())
		}
	})
}

// twoLines is an order of which bolts have left by two of its lines.
func (c *centre) twoLines() string {
	c.t.Helper()
	o, err := c.books.ImportOrder(c.t.Context(), erp.NewOrder{Customer: "C-1001", Site: Site, Lines: []erp.NewOrderLine{{Item: "BOLT", Quantity: decimal.NewFromInt(10)}, {Item: "BOLT", Quantity: decimal.NewFromInt(10)}}})
	if err != nil {
		c.t.Fatal(err)
	}
	c.rest()
	c.tell(Pick(10, "P1", In(L(o.Number, "10", "BOLT", "8"), "B-01", ""), In(L(o.Number, "20", "BOLT", "8"), "B-01", "")), Shipment(20, "S1", L(o.Number, "10", "BOLT", "8"), L(o.Number, "20", "BOLT", "8")))
	return o.Number
}

// TestAnRMAWithoutLines lets come back what had left by its order: each item by its line, and no more of it.
//
// Shows: S13
func TestAnRMAWithoutLines(t *testing.T) {
	c := open(t)
	order, _ := c.order("S1", "3")
	r, err := c.books.AuthoriseReturn(t.Context(), erp.NewReturn{Order: order, Reason: "all of it"})
	if err != nil {
		t.Fatal(err)
	}
	c.rest()
	line := func(quantity string) *docklinev1.Line { return In(L("", "", "BOLT", quantity), "B-01", "") }
	c.tell(Back(received, 5000, "r1", r.Number, "RC1", line("2")), Back(disposed, 5100, "d1", r.Number, "RC1", Disposed(line("2"), "restock")))
	b := c.ledger(order)
	if len(b.receipts) != 1 || len(b.credits) != 1 || b.receipts[0].Lines[0].OrderLine != "10" || b.receipts[0].Return != r.Number {
		t.Errorf("%+v\n%s", b, c.postings())
	}
	if codes := c.exceptions(); len(codes) != 0 {
		t.Errorf("open are %v", codes)
	}
	c.tell(Back(received, 5200, "r2", r.Number, "RC2", line("4")), Back(disposed, 5300, "d2", r.Number, "RC2", Disposed(line("4"), "restock")))
	c.clock = c.clock.Add(30 * time.Minute)
	c.rest()
	if back, credited := c.ledger(order).standing("BOLT"); !back.Equal(decimal.NewFromInt(3)) || !credited.Equal(decimal.NewFromInt(3)) {
		t.Errorf("of three that had left %s stand as come back, %s as credited\n%s", back, credited, c.postings())
	}
	if codes := c.exceptions(); !slices.Equal(codes, []string{"return_over_received"}) {
		t.Errorf("open are %v", codes)
	}
	// The site tells of the departure of more: it may come back too.
	c.tell(Pick(12, "P9", In(L(order, "10", "BOLT", "5"), "B-01", "")), Shipment(30, "S9", L(order, "10", "BOLT", "5")))
	if back, credited := c.ledger(order).standing("BOLT"); !back.Equal(decimal.NewFromInt(6)) || !credited.Equal(decimal.NewFromInt(6)) {
		t.Errorf("%s stand as come back, %s as credited\n%s", back, credited, c.postings())
	}
	if codes := c.exceptions(); len(codes) != 0 {
		t.Errorf("open are %v", codes)
	}
}

// TestGoodsAreTakenForOneOrderThatHadThem: nobody takes goods for an order that never had such an item, nor for another one when they were taken.
//
// Shows: S13
func TestGoodsAreTakenForOneOrderThatHadThem(t *testing.T) {
	c := open(t)
	order, _ := c.order("S1", "8")
	o, err := c.books.ImportOrder(t.Context(), erp.NewOrder{Customer: "C-1001", Site: Site, Lines: []erp.NewOrderLine{{Item: "NUT", Quantity: decimal.NewFromInt(10)}}})
	if err != nil {
		t.Fatal(err)
	}
	other, _ := c.order("S2", "4")
	c.tell(Back(received, 5000, "r1", "", "RC7", In(L("", "", "BOLT", "2"), "B-01", "")), Back(disposed, 5100, "d1", "", "RC7", Disposed(In(L("", "", "BOLT", "2"), "B-01", ""), "restock")))
	refused := func(err error, words ...string) {
		t.Helper()
		for _, word := range words {
			if err == nil || !strings.Contains(err.Error(), word) {
				t.Errorf("it says %v, not %q", err, word)
			}
		}
	}
	refused(c.accept("RC7", o.Number), "never had item BOLT", "NUT on line 10")
	if err := c.accept("RC7", order); err != nil {
		t.Fatal(err)
	}
	refused(c.accept("RC7", other), "was taken for order "+order, "by ines", "--instead-of "+order)
	instead := func(order, of string) error {
		return c.decide(event.BlindReturnKey(Site, "RC7"), func(ctx context.Context, tx *db.Tx, d giveback.Decision) (*giveback.Decided, error) {
			return d.Accept(ctx, tx, giveback.Accepting{Order: order, InsteadOf: of}, c.clock)
		})
	}
	refused(instead(other, o.Number), "it is order "+order)
	if err := instead(other, order); err != nil {
		t.Fatal(err)
	}
	if back, credited := c.ledger(order).standing("BOLT"); !back.IsZero() || !credited.IsZero() {
		t.Errorf("order %s has %s, and %s credited\n%s", order, back, credited, c.postings())
	}
	if back, credited := c.ledger(other).standing("BOLT"); back.String() != "2" || credited.String() != "2" {
		t.Errorf("order %s has %s, and %s credited\n%s", other, back, credited, c.postings())
	}
	// What an RMA has nobody takes.
	c.matched(other, "RC7", 2)
	refused(instead(order, other), "is matched to")
}
