package giveback_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/giveback"
	"github.com/dockline/dockline/collector/people"
	"github.com/dockline/dockline/collector/state"
	. "github.com/dockline/dockline/collector/state/statetest"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
	"github.com/dockline/dockline/testenv/erp"
)

const (
	received = docklinev1.EventKind_EVENT_KIND_RETURN_RECEIVED
	disposed = docklinev1.EventKind_EVENT_KIND_RETURN_DISPOSED
	unit     = event.Scale
)

// ledger is what the ERP has of one order, and what took it back: the number of each document, with that of its reversal.
func (c *centre) ledger(order string) (all books) {
	c.t.Helper()
	all.t = c.t
	of := func(number string) bool { return number == order }
	for _, x := range fetch(c, c.books.Issues) {
		if of(x.Order) {
			all.issues = append(all.issues, x)
		}
	}
	for _, x := range fetch(c, c.books.Invoices) {
		if of(x.Order) {
			all.invoices = append(all.invoices, x)
		}
	}
	for _, x := range fetch(c, c.books.ReturnReceipts) {
		if of(x.Order) {
			all.receipts = append(all.receipts, x)
		}
	}
	for _, x := range fetch(c, c.books.Credits) {
		if of(x.Order) {
			all.credits = append(all.credits, x)
		}
	}
	for _, list := range []func(context.Context) ([]erp.Reversal, error){c.books.IssueReversals, c.books.InvoiceReversals, c.books.ReceiptReversals, c.books.CreditReversals} {
		for _, x := range fetch(c, list) {
			if of(x.Order) {
				all.reversals = append(all.reversals, x)
			}
		}
	}
	return all
}

type books struct {
	t         *testing.T
	issues    []erp.GoodsIssue
	invoices  []erp.Invoice
	receipts  []erp.ReturnReceipt
	credits   []erp.CreditMemo
	reversals []erp.Reversal
}

func fetch[T any](c *centre, list func(context.Context) ([]T, error)) []T {
	c.t.Helper()
	all, err := list(c.t.Context())
	if err != nil {
		c.t.Fatal(err)
	}
	return all
}

// linked wants each of these documents taken back by exactly one reversal that names it.
func (b books) linked(numbers ...string) {
	b.t.Helper()
	var names []string
	for _, v := range b.reversals {
		names = append(names, v.Document)
	}
	slices.Sort(names)
	slices.Sort(numbers)
	if !slices.Equal(names, numbers) {
		b.t.Errorf("taken back are %v, want %v", names, numbers)
	}
}

// TestWhatIsTakenBackIsReversed: a shipment of a cancelled order that comes back to the dock, goods that a customer returns, of which some come
// later, a shipment of which less had left, and one with the wrong item. Each makes documents of its own in the ERP, linked to the first ones, which
// stay as they were posted.
//
// Shows: S61
func TestWhatIsTakenBackIsReversed(t *testing.T) {
	t.Run("cancel", func(t *testing.T) {
		c := open(t)
		order, _ := c.order("S1", "6")
		before := c.ledger(order)
		if _, err := c.books.CancelOrder(t.Context(), order, "the customer went elsewhere"); err != nil {
			t.Fatal(err)
		}
		c.rest()
		c.tell(Voided(900, "S1")) // the truck was stopped at the gate
		b := c.ledger(order)
		b.linked(before.issues[0].Number, before.invoices[0].Number)
		b.same(before)
	})
	t.Run("return", func(t *testing.T) {
		c := open(t)
		order, _ := c.order("S1", "6")
		before := c.ledger(order)
		rma := c.rma(order, 2)
		back := Back(received, 5000, "r1", rma, "RC1", bolts(order, "2"))
		c.tell(back, Back(disposed, 5100, "d1", rma, "RC1", Disposed(bolts(order, "2"), "restock")))
		b := c.ledger(order)
		b.same(before)
		if len(b.receipts) != 1 || len(b.credits) != 1 || len(b.reversals) != 0 {
			t.Fatalf("%+v\n%s", b, c.postings())
		}
		receipt, memo := b.receipts[0], b.credits[0]
		if !slices.Equal(receipt.GoodsIssues, []string{before.issues[0].Number}) || !slices.Equal(memo.Receipts, []string{receipt.Number}) ||
			!slices.Equal(memo.Invoices, []string{before.invoices[0].Number}) || memo.Total.String() != "4" || memo.Lines[0].Disposition != "restock" {
			t.Errorf("receipt %+v, credit %+v", receipt, memo)
		}
		// It was one only: what stands in the books is taken back, and told anew.
		c.tell(Revised(Back(received, 5000, "r1", rma, "RC1", bolts(order, "1")), "2"), Revised(Back(disposed, 5100, "d1", rma, "RC1", Disposed(bolts(order, "1"), "restock")), "2"))
		b = c.ledger(order)
		b.linked(receipt.Number, memo.Number)
		s := c.returned(returnKey(rma))
		if len(b.receipts) != 2 || len(b.credits) != 2 || s.GetLines()[0].GetCredited() != unit || b.credits[1].Lines[0].Quantity.String() != "1" {
			t.Errorf("after the correction %+v\n%v\n%s", b, s, c.postings())
		}
		if receipt := b.receipts[0]; receipt.Lines[0].Quantity.String() != "2" {
			t.Errorf("the first receipt was changed: %+v", receipt)
		}
	})
	t.Run("partial", func(t *testing.T) {
		c := open(t)
		order, _ := c.order("S1", "6")
		before := c.ledger(order)
		c.tell(Revised(Shipment(20, "S1", L(order, "10", "BOLT", "4")), "2"))
		b := c.ledger(order)
		b.linked(before.issues[0].Number, before.invoices[0].Number)
		if len(b.issues) != 2 || b.issues[1].Lines[0].Quantity.String() != "4" || b.issues[1].ReversedBy != "" {
			t.Errorf("%+v\n%s", b, c.postings())
		}
		// Of what comes back one half comes later: each has a receipt and a credit of its own, and none is taken back.
		rma := c.rma(order, 4)
		for i, key := range []string{"a", "b"} {
			c.tell(Back(received, 6000+i, "r"+key, rma, "RC"+key, bolts(order, "2")), Back(disposed, 6100+i, "d"+key, rma, "RC"+key, Disposed(bolts(order, "2"), "scrap")))
		}
		b = c.ledger(order)
		b.linked(before.issues[0].Number, before.invoices[0].Number)
		if s := c.returned(returnKey(rma)); len(b.receipts) != 2 || len(b.credits) != 2 || s.GetStatus() != "closed" || !slices.Equal(b.receipts[0].GoodsIssues, []string{b.issues[1].Number}) {
			t.Errorf("%+v\n%v\n%s", b, s, c.postings())
		}
		// The departure was not right after all: what came back of it goes first.
		c.tell(Revised(Shipment(20, "S1", L(order, "10", "BOLT", "5")), "3"))
		again := c.ledger(order)
		again.linked(before.issues[0].Number, before.invoices[0].Number, b.issues[1].Number, b.invoices[1].Number, b.receipts[0].Number, b.receipts[1].Number, b.credits[0].Number, b.credits[1].Number)
		if len(again.receipts) != 4 || len(again.credits) != 4 || again.receipts[2].GoodsIssues[0] != again.issues[2].Number {
			t.Errorf("%+v\n%s", again, c.postings())
		}
	})
	t.Run("wrong shipment", func(t *testing.T) {
		c := open(t)
		order, _ := c.order("S1", "6")
		before := c.ledger(order)
		c.tell(Revised(Shipment(20, "S1", L(order, "20", "NUT", "6")), "2"), Pick(11, "P2", In(L(order, "20", "NUT", "6"), "B-01", "")))
		b := c.ledger(order)
		b.linked(before.issues[0].Number, before.invoices[0].Number)
		if len(b.issues) != 2 || b.issues[1].Lines[0].Item != "NUT" || b.issues[0].Lines[0].Item != "BOLT" || len(b.invoices) != 2 {
			t.Errorf("%+v\n%s", b, c.postings())
		}
	})
}

// same wants the goods issues and invoices of before as they were, but for the mark that they are taken back.
func (b books) same(before books) {
	b.t.Helper()
	for i, x := range before.issues {
		if got := b.issues[i]; got.Number != x.Number || got.Lines[0].Quantity.String() != x.Lines[0].Quantity.String() || got.PostedAt != x.PostedAt {
			b.t.Errorf("goods issue %s was %+v, and is %+v", x.Number, x, got)
		}
	}
	for i, x := range before.invoices {
		if got := b.invoices[i]; got.Number != x.Number || got.Total.String() != x.Total.String() || got.PostedAt != x.PostedAt {
			b.t.Errorf("invoice %s was %+v, and is %+v", x.Number, x, got)
		}
	}
}

// TestCreditFollowsDisposition: of five bolts that came back two are put into stock, one is scrapped and two wait in quarantine. Three are credited.
// More is refused, until a person says that it is meant and why; what he said is a fact, and can be taken back.
//
// Shows: S13
func TestCreditFollowsDisposition(t *testing.T) {
	c := open(t)
	order, _ := c.order("S1", "8")
	rma := c.rma(order, 5)
	key := returnKey(rma)
	c.tell(Back(received, 5000, "r1", rma, "RC1", bolts(order, "5")),
		Back(docklinev1.EventKind_EVENT_KIND_RETURN_INSPECTED, 5050, "i1", rma, "RC1", Seen(bolts(order, "4"), "opened", "")))
	if b := c.ledger(order); len(b.receipts) != 1 || len(b.credits) != 0 {
		t.Fatalf("before anything is disposed of: %+v", b)
	}
	c.tell(Back(disposed, 5100, "d1", rma, "RC1", Disposed(bolts(order, "2"), "restock"), Disposed(bolts(order, "1"), "scrap"), Disposed(bolts(order, "2"), "quarantine")))
	stands := func(creditable, credited int64, memos int) {
		t.Helper()
		l, b := c.returned(key).GetLines()[0], c.ledger(order)
		if l.GetAuthorised() != 5*unit || l.GetReceived() != 5*unit || l.GetInspected() != 4*unit || l.GetDisposed() != 5*unit || l.GetCreditable() != creditable*unit || l.GetCredited() != credited*unit || len(b.credits) != memos {
			t.Errorf("want %d of which %d are credited by %d memos: %v\n%+v\n%s", creditable, credited, memos, l, b.credits, c.postings())
		}
	}
	stands(3, 3, 1)
	credit := func(quantity string, override bool) error {
		return c.decide(key, func(ctx context.Context, tx *db.Tx, d giveback.Decision) (*giveback.Decided, error) {
			return d.Credit(ctx, tx, []giveback.Line{{OrderLine: "10", Quantity: quantity}}, override, c.clock)
		})
	}
	if err := credit("4", false); !errors.Is(err, giveback.ErrBeyondDisposition) || !strings.Contains(err.Error(), "--override") {
		t.Errorf("more than the dispositions allow: %v", err)
	}
	if err := credit("6", true); err == nil {
		t.Error("more than came back was allowed")
	}
	stands(3, 3, 1)
	c.users(map[string]string{"ines": "administrator", "otto": "clerk"})
	if err := c.decideBy("otto", key, func(ctx context.Context, tx *db.Tx, d giveback.Decision) (*giveback.Decided, error) {
		return d.Credit(ctx, tx, []giveback.Line{{OrderLine: "10", Quantity: "4"}}, true, c.clock)
	}); !errors.Is(err, people.ErrNotAllowed) || !strings.Contains(err.Error(), people.ExceptionApprove) {
		t.Errorf("by a clerk, who does not overrule the policy: %v", err)
	}
	stands(3, 3, 1)
	if err := credit("4", true); err != nil {
		t.Fatal(err)
	}
	stands(4, 4, 2)
	if memo := c.ledger(order).credits[1]; memo.Approval != "ines" || memo.Reason != "the customer was promised it" || memo.Lines[0].Quantity.String() != "1" {
		t.Errorf("the ERP was told %+v", memo)
	}
	if err := credit("3", false); err != nil { // taken back: its memo is reversed
		t.Fatal(err)
	}
	stands(3, 3, 2)
	c.ledger(order).linked(c.ledger(order).credits[1].Number)
	// A person at the ERP credits the rest by hand: that is for people to look at, and nothing is asked for on top of it.
	if _, err := c.books.CreditReturn(t.Context(), erp.NewCredit{Return: rma, Lines: []erp.ReturnLine{{OrderLine: "10", Item: "BOLT", Quantity: c.ledger(order).credits[1].Lines[0].Quantity}}}); err != nil {
		t.Fatal(err)
	}
	c.rest()
	c.clock = c.clock.Add(30 * time.Minute)
	c.rest()
	stands(3, 4, 3)
	if codes := c.exceptions(); !slices.Contains(codes, "return_over_credited") {
		t.Errorf("open are %v", codes)
	}
}

// TestGoodsWithoutAnRMA are posted when a person takes them for an order, and then what is done with them is credited.
//
// Shows: S13
func TestGoodsWithoutAnRMA(t *testing.T) {
	c := open(t)
	order, _ := c.order("S1", "8")
	key := event.BlindReturnKey(Site, "RC7")
	line := In(L("", "10", "BOLT", "2"), "B-01", "")
	c.tell(Back(received, 5000, "r1", "", "RC7", line), Back(disposed, 5100, "d1", "", "RC7", Disposed(In(L("", "10", "BOLT", "2"), "B-01", ""), "restock")))
	if b := c.ledger(order); len(b.receipts)+len(b.credits) != 0 {
		t.Fatalf("%+v", b)
	}
	accept := func(order string) error {
		return c.decide(key, func(ctx context.Context, tx *db.Tx, d giveback.Decision) (*giveback.Decided, error) {
			return d.Accept(ctx, tx, giveback.Accepting{Order: order, Customer: "C-1001"}, c.clock)
		})
	}
	c.tell(Back(received, 4000, "r0", "", "RC6", In(L("SO405", "10", "BOLT", "1"), "B-01", "")))
	for _, nothing := range []string{"SO404", "SO405"} { // the second one is named by a return alone
		if err := accept(nothing); !errors.Is(err, giveback.ErrAbsent) || !strings.Contains(err.Error(), nothing) {
			t.Errorf("for an order that nothing was told of: %v", err)
		}
	}
	if err := accept(order); err != nil {
		t.Fatal(err)
	}
	b := c.ledger(order)
	if len(b.receipts) != 1 || len(b.credits) != 1 || b.receipts[0].Receipt != "RC7" || b.receipts[0].Return != "" || !slices.Equal(b.credits[0].Receipts, []string{b.receipts[0].Number}) {
		t.Errorf("%+v\n%s", b, c.postings())
	}
	if s := c.returned(key); !s.GetAccepted() || s.GetOrder() != order || len(s.GetCreditMemos()) != 1 || s.GetLines()[0].GetCredited() != 2*unit || s.GetStatus() != state.ReturnCredited && s.GetStatus() != state.ReturnClosed {
		t.Errorf("%v", s)
	}
}
