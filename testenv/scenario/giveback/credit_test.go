package giveback_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/giveback"
	. "github.com/dockline/dockline/collector/state/statetest"
	"github.com/dockline/dockline/proto/event"
	"github.com/dockline/dockline/testenv/erp"
)

// inForce is how much stands in the memos that nothing has taken back.
func (b books) inForce() (sum decimal.Decimal) {
	for _, memo := range b.credits {
		for _, l := range memo.Lines {
			if memo.ReversedBy == "" {
				sum = sum.Add(l.Quantity)
			}
		}
	}
	return sum
}

// TestCreditBesideOneByHand: three of five bolts were credited by hand before their disposition was told. The other two are asked for, once, and
// what was asked for stays as it was posted.
//
// Shows: S13
func TestCreditBesideOneByHand(t *testing.T) {
	c := open(t)
	order, _ := c.order("S1", "8")
	rma := c.rma(order, 5)
	c.tell(Back(received, 5000, "r1", rma, "RC1", bolts(order, "5")))
	if _, err := c.books.CreditReturn(t.Context(), erp.NewCredit{Return: rma, Lines: []erp.ReturnLine{{OrderLine: "10", Item: "BOLT", Quantity: decimal.NewFromInt(3)}}}); err != nil {
		t.Fatal(err)
	}
	c.rest()
	c.tell(Back(disposed, 5100, "d1", rma, "RC1", Disposed(bolts(order, "5"), "restock")))
	c.clock = c.clock.Add(30 * time.Minute)
	c.tell(Back(disposed, 5200, "d2", rma, "RC1", Disposed(bolts(order, "1"), "restock"))) // folded again
	if b := c.ledger(order); len(b.credits) != 2 || b.inForce().String() != "5" || len(b.reversals) != 0 {
		t.Errorf("%+v\n%s", b, c.postings())
	}
	// Less was disposed of than was told: people look at what is credited beyond it.
	c.tell(Revised(Back(disposed, 5100, "d1", rma, "RC1", Disposed(bolts(order, "2"), "restock")), "2"))
	c.clock = c.clock.Add(30 * time.Minute)
	c.rest()
	if codes := c.exceptions(); !slices.Contains(codes, "return_over_credited") {
		t.Errorf("open are %v\n%s", codes, c.postings())
	}
}

// TestCreditOfMoreThanWasLetComeBack: five bolts and a nut came of a return of two bolts. Two are received and credited; for the others people have
// to say something.
//
// Shows: S13
func TestCreditOfMoreThanWasLetComeBack(t *testing.T) {
	c := open(t)
	order, _ := c.order("S1", "8")
	rma := c.rma(order, 2)
	nut := In(L(order, "20", "NUT", "1"), "B-01", "")
	c.tell(Back(received, 5000, "r1", rma, "RC1", bolts(order, "5"), nut),
		Back(disposed, 5100, "d1", rma, "RC1", Disposed(nut, "restock"), Disposed(bolts(order, "1"), "restock")),
		Back(disposed, 5200, "d2", rma, "RC1", Disposed(bolts(order, "4"), "restock")))
	if b := c.ledger(order); len(b.receipts) != 1 || len(b.credits) != 2 || b.inForce().String() != "2" || c.returned(returnKey(rma)).GetLines()[0].GetCredited() != 2*unit {
		t.Errorf("%+v\n%v\n%s", b, c.returned(returnKey(rma)), c.postings())
	}
	credit := func(override bool) error {
		return c.decide(returnKey(rma), func(ctx context.Context, tx *db.Tx, d giveback.Decision) (*giveback.Decided, error) {
			return d.Credit(ctx, tx, []giveback.Line{{OrderLine: "10", Quantity: "3"}}, override, c.clock)
		})
	}
	if err := credit(false); err == nil {
		t.Error("more than was let come back was allowed without a word")
	}
	if err := credit(true); err != nil {
		t.Fatal(err)
	}
	if l := c.returned(returnKey(rma)).GetLines()[0]; l.GetCreditable() != 3*unit {
		t.Errorf("after a person's word %v", l)
	}
	c.ledger(order).linked() // what was posted before stays
}

// TestTwoReturnsAreNotCreditedBeyondWhatLeft: six of eight bolts come back under an RMA and six without one, of which the site must have counted some
// twice. Each could be credited by a person's word; both together are more than the order had.
//
// Shows: S13
func TestTwoReturnsAreNotCreditedBeyondWhatLeft(t *testing.T) {
	c := open(t)
	order, _ := c.order("S1", "8")
	rma := c.rma(order, 6)
	c.tell(Back(received, 5000, "r1", rma, "RC1", bolts(order, "6")), Back(received, 5100, "r2", "", "RC2", In(L("", "10", "BOLT", "6"), "B-01", "")))
	if err := c.accept("RC2", order); err != nil {
		t.Fatal(err)
	}
	credit := func(key, quantity string) error {
		return c.decide(key, func(ctx context.Context, tx *db.Tx, d giveback.Decision) (*giveback.Decided, error) {
			return d.Credit(ctx, tx, []giveback.Line{{OrderLine: "10", Quantity: quantity}}, true, c.clock)
		})
	}
	if err := credit(returnKey(rma), "6"); err != nil {
		t.Fatal(err)
	}
	blind := event.BlindReturnKey(Site, "RC2")
	if err := credit(blind, "3"); err == nil || !strings.Contains(err.Error(), "8 of it left with order "+order+", and 6 of it may be credited by "+returnKey(rma)) {
		t.Errorf("nine of eight: %v", err)
	}
	if err := credit(blind, "2"); err != nil {
		t.Errorf("the last two: %v", err)
	}
	if b := c.ledger(order); b.inForce().String() != "8" {
		t.Errorf("credited %s\n%s", b.inForce(), c.postings())
	}
}
