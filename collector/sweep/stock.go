package sweep

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/proto/event"
)

// Position is where stock is compared: an item, and its lot, at a site.
type Position struct{ Site, Item, Lot string }

// String names it as findings do.
func (p Position) String() string {
	text := p.Site + " " + p.Item
	if p.Lot != "" {
		text += " lot " + p.Lot
	}
	return text
}

// Moving is what postings under way still change of a position in the system's book: Certain what is not booked yet, and Low and High what
// may or may not be. A document that was found missing there counts as one that may or may not be booked.
type Moving struct {
	Certain, Low, High int64
	Postings           []string
}

// StockComparison is one site, three ways: what the site counted, the own ledger, the system's book. Quantities are millionths.
type StockComparison struct {
	System, Site string
	// Before and After are the ledger by status, as it was when the book was asked for and when the answer had come.
	Before, After map[Position]map[string]int64
	// Counted is by how much a count that does not stand yet differs from the ledger.
	Counted map[Position]int64
	// Book is what the system holds.
	Book   map[Position]int64
	Moving map[Position]Moving
	// Unfolded is how many keys have facts that are not folded yet; Gap says what of the site's streams is missing.
	Unfolded int
	Gap      string
}

// Compare looks at every position that either side has.
func (c StockComparison) Compare() Compared {
	var out Compared
	positions := map[Position]bool{}
	for p := range c.After {
		positions[p] = true
	}
	for p := range c.Book {
		positions[p] = true
	}
	var sorted []Position
	for p := range positions {
		sorted = append(sorted, p)
	}
	slices.SortFunc(sorted, func(a, b Position) int { return cmp.Or(cmp.Compare(a.Item, b.Item), cmp.Compare(a.Lot, b.Lot)) })
	for _, p := range sorted {
		if f, ok := c.position(p); ok {
			out.Findings = append(out.Findings, f)
		} else {
			out.Matched++
		}
	}
	return out
}

func total(statuses map[string]int64) (n int64) {
	for _, quantity := range statuses {
		n += quantity
	}
	return n
}

// position compares one; ok is false where both sides agree and nothing is under way that should part them.
func (c StockComparison) position(p Position) (f Finding, ok bool) {
	ledger, book, moving := total(c.After[p]), c.Book[p], c.Moving[p]
	differs := book - ledger
	explained := min(max(differs, moving.Certain+moving.Low), moving.Certain+moving.High)
	rest := differs - explained
	if differs == 0 && rest == 0 {
		return f, false
	}
	f = Finding{Subject: "stock " + p.String(), Kind: KindStock, Site: p.Site, Result: Different, Quantity: max(rest, -rest), Because: moving.Postings,
		Details: []Detail{{"quantity", amount(ledger), amount(book)}}, Lines: []connector.Line{{Item: p.Item, Lot: p.Lot, Quantity: max(differs, -differs)}}}
	f.Text = fmt.Sprintf("At %s the ledger has %s of %s%s, %s has %s", p.Site, amount(ledger), p.named(), byStatus(c.After[p]), c.System, amount(book))
	if by := c.Counted[p]; by != 0 {
		f.Details = append(f.Details, Detail{"counted by the site", amount(ledger), amount(ledger + by)})
		f.Text += fmt.Sprintf(", and the site counted %s in a count that is not final yet", amount(ledger+by))
	}
	f.Text += "."
	if explained != 0 {
		f.Text += fmt.Sprintf(" Postings under way, or missing there, explain %s of the difference.", amount(explained))
	}
	switch {
	case rest == 0:
		f.Cause = Pending
	case total(c.Before[p]) != ledger:
		f.Cause, f.moving = Pending, true
		f.Text += " The ledger changed while the sweep was reading; the next sweep will tell."
	case c.Unfolded > 0:
		f.Cause, f.moving = Pending, true
		f.Text += fmt.Sprintf(" Events of %s are not in the ledger yet; the next sweep will tell.", event.Several(int64(c.Unfolded), "key"))
	case c.Gap != "":
		f.Cause = Gap
		f.Text += " This may explain it: " + c.Gap + "."
	case explained != 0 || rest != differs:
		f.Text += fmt.Sprintf(" %s is not explained.", amount(rest))
	default:
		f.Text += " Nothing explains that."
	}
	return f, true
}

func (p Position) named() string {
	if p.Lot == "" {
		return p.Item
	}
	return p.Item + " lot " + p.Lot
}

// byStatus says how a quantity is made up, where that is more than what is available.
func byStatus(statuses map[string]int64) string {
	var names []string
	for name, n := range statuses {
		if n != 0 {
			names = append(names, name)
		}
	}
	if len(names) == 0 || len(names) == 1 && names[0] == event.Available {
		return ""
	}
	slices.Sort(names)
	for i, name := range names {
		names[i] = amount(statuses[name]) + " " + name
	}
	return " (" + strings.Join(names, ", ") + ")"
}

// movingOf is what postings that are not settled come to, by position. Goods that left are gone from the ledger and in the book until their issue is
// booked; of counts and returns it is the other way round.
func movingOf(system string, pending []Expected) map[Position]Moving {
	out := map[Position]Moving{}
	for _, e := range pending {
		sign := map[connector.Kind]int64{connector.GoodsIssue: 1, connector.StockAdjustment: -1, connector.ReturnReceipt: -1, connector.GoodsIssueReversal: -1}[e.Kind]
		if sign == 0 {
			continue
		}
		for _, l := range e.Content.Lines {
			at := Position{e.Content.Site, l.Item, l.Lot}
			m := out[at]
			n := sign * l.Quantity
			switch {
			case !e.Perhaps:
				m.Certain += n
			case n < 0:
				m.Low += n
			default:
				m.High += n
			}
			m.Postings = append(m.Postings, e.posting(system))
			out[at] = m
		}
	}
	return out
}
