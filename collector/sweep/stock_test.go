package sweep_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/dockline/dockline/collector/sweep"
)

var bolt = sweep.Position{Site: "dc-east", Item: "BOLT"}

func ledger(n int64) map[sweep.Position]map[string]int64 {
	return map[sweep.Position]map[string]int64{bolt: {"available": n}}
}

func books(has, book int64, change ...func(*sweep.StockComparison)) sweep.Compared {
	c := sweep.StockComparison{System: "erp", Site: "dc-east", Before: ledger(has), After: ledger(has), Book: map[sweep.Position]int64{bolt: book}}
	for _, f := range change {
		f(&c)
	}
	return c.Compare()
}

const each = 1_000_000

// Shows: S3
func TestStockIsComparedThreeWays(t *testing.T) {
	moving := func(certain, low, high int64) func(*sweep.StockComparison) {
		return func(c *sweep.StockComparison) {
			c.Moving = map[sweep.Position]sweep.Moving{bolt: {Certain: certain * each, Low: low * each, High: high * each, Postings: []string{"erp/goods_issue/SO1/S1 (events e1)"}}}
		}
	}
	for _, c := range []struct {
		name         string
		ledger, book int64
		change       func(*sweep.StockComparison)
		cause        sweep.Cause
		rest         int64
		says         string
		matched      bool
	}{
		{name: "agree", ledger: 10, book: 10, matched: true},
		{name: "by hand", ledger: 10, book: 12, rest: 2, says: "Nothing explains that"},
		{name: "goods left and are not booked", ledger: 6, book: 10, change: moving(4, 0, 0), cause: sweep.Pending, says: "explain 4 of the difference"},
		{name: "and one more is missing", ledger: 6, book: 9, change: moving(4, 0, 0), rest: 1, says: "-1 is not explained"},
		{name: "and somebody booked it by hand", ledger: 6, book: 6, change: moving(4, 0, 0), rest: 4, says: "-4 is not explained"},
		{name: "sent, and nobody knows", ledger: 6, book: 6, change: moving(0, 0, 4), matched: true},
		{name: "sent, and it was booked only in part", ledger: 6, book: 8, change: moving(0, 0, 4), cause: sweep.Pending},
		{name: "the ledger moved", ledger: 6, book: 8, change: func(c *sweep.StockComparison) { c.Before = ledger(8 * each) }, cause: sweep.Pending, rest: 2, says: "changed while the sweep was reading"},
		{name: "not folded", ledger: 6, book: 8, change: func(c *sweep.StockComparison) { c.Unfolded = 2 }, cause: sweep.Pending, rest: 2, says: "2 keys"},
		{name: "a gap", ledger: 6, book: 8, change: func(c *sweep.StockComparison) { c.Gap = "3 events are missing" }, cause: sweep.Gap, rest: 2, says: "3 events are missing"},
		{name: "the site counted otherwise", ledger: 6, book: 8, change: func(c *sweep.StockComparison) { c.Counted = map[sweep.Position]int64{bolt: 2 * each} }, rest: 2, says: "the site counted 8"},
	} {
		change := c.change
		if change == nil {
			change = func(*sweep.StockComparison) {}
		}
		got := books(c.ledger*each, c.book*each, change)
		if c.matched {
			if got.Matched != 1 || len(got.Findings) > 0 {
				t.Errorf("%s: %+v", c.name, got)
			}
			continue
		}
		if len(got.Findings) != 1 || got.Findings[0].Cause != c.cause || got.Findings[0].Quantity != c.rest*each || !strings.Contains(got.Findings[0].Text, c.says) {
			t.Errorf("%s: %+v; want cause %q, %d not explained, and %q", c.name, got.Findings, c.cause, c.rest, c.says)
		}
	}
}

// What is explained and what is not add up to the difference, whatever is under way, and no more is explained than there is.
func TestExplainedAndUnexplainedAddUp(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 43))
	for range 5000 {
		has, book := r.Int64N(50), r.Int64N(50)
		certain, low, high := r.Int64N(9)-4, -r.Int64N(5), r.Int64N(5)
		got := books(has, book, func(c *sweep.StockComparison) {
			c.Moving = map[sweep.Position]sweep.Moving{bolt: {Certain: certain, Low: low, High: high}}
		})
		differs := book - has
		within := differs >= certain+low && differs <= certain+high
		switch {
		case differs == 0 && within:
			if got.Matched != 1 {
				t.Fatalf("ledger %d, book %d, under way %d%+d%+d: %+v", has, book, certain, low, high, got)
			}
		case within != (got.Findings[0].Cause == sweep.Pending) || within != (got.Findings[0].Quantity == 0):
			t.Fatalf("ledger %d, book %d, under way %d%+d%+d: %+v", has, book, certain, low, high, got.Findings)
		case !within && got.Findings[0].Quantity != min(abs(differs-certain-low), abs(differs-certain-high)):
			t.Fatalf("ledger %d, book %d, under way %d%+d%+d: %d is not explained", has, book, certain, low, high, got.Findings[0].Quantity)
		}
	}
}

func abs(n int64) int64 { return max(n, -n) }
