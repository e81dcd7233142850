package tryton

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dockline/dockline/collector/connector"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// An amendment has no document of its own in Tryton. What it changes in a sale is written in one transaction with a mark in the notes of the lines that it
// touches: the time, our key and what was done. So it was done if its marks are there, and not if they are not. What follows from it, movements that are no
// longer needed and picks that have become too many, is put right afterwards, from whatever state it was left in.

// Ways to amend an order.
const (
	amendSubstitute = "substitute"
	amendCancel     = "cancel"
	amendBackorder  = "backorder"
	amendMove       = "move"
)

const markPrefix = "Dockline "

// noted is one line of the notes of a sale's line.
type noted struct {
	at        time.Time
	key, text string
}

func (m noted) String() string {
	return markPrefix + m.at.UTC().Format(stampFormat) + " " + m.key + ": " + m.text
}

// marks are those in the notes of a line; what people wrote there is not among them. Keys have no blank, and so end at the first ": ".
func marks(note string) (out []noted) {
	for line := range strings.Lines(note) {
		rest, ours := strings.CutPrefix(strings.TrimRight(line, "\r\n"), markPrefix)
		stamp, rest, split := strings.Cut(rest, " ")
		at, err := time.Parse(stampFormat, stamp)
		if !ours || !split || err != nil {
			continue
		}
		if key, text, split := strings.Cut(rest, ": "); split {
			out = append(out, noted{at, key, text})
		}
	}
	return out
}

// amended is a line of a sale as an amendment finds it. Quantities are in millionths of the product's default unit.
type amended struct {
	id, product, unit  int64
	item, note, stamp  string
	quantity           int64
	price              string
	factor, unitFactor float64
	moves, skipped     []int64
}

// standsForText is the mark of a line that an amendment made.
const standsForText = "stands for %s of %s on line %s"

// standsFor reads what a line stands for: so much of an item.
func standsFor(note string) (item, quantity string) {
	for _, m := range marks(note) {
		var n, of, line string
		if _, err := fmt.Sscanf(m.text, standsForText, &n, &of, &line); err == nil {
			return of, n
		}
	}
	return "", ""
}

func (c *Connector) amendedLines(ctx context.Context, order int64) ([]amended, error) {
	found, err := c.client.searchRead(ctx, modelSaleLine, nil, []any{[]any{"sale", "=", order}, []any{"type", "=", "line"}, []any{"product", "!=", nil}}, 0, "product", "product.code",
		"product.type", "product.default_uom", "product.default_uom.factor", "unit", "unit.factor", "quantity", "unit_price", "note", "_timestamp", "moves", "moves_ignored", "moves_recreated")
	var out []amended
	for _, r := range found {
		if r.sub("product").text("type") == "service" {
			continue
		}
		out = append(out, amended{id: r.id("id"), product: r.id("product"), unit: r.id("unit"), item: r.sub("product").text("code"), note: r.text("note"), stamp: r.text("_timestamp"),
			quantity: billedInBase(r), price: r.text("unit_price"), factor: r.sub("product").sub("default_uom").float("factor"), unitFactor: r.sub("unit").float("factor"),
			moves: r.ids("moves"), skipped: append(r.ids("moves_ignored"), r.ids("moves_recreated")...)})
	}
	return out, err
}

// wantedMarks are the texts that an amendment leaves on the lines that it touches, by line, and on those that it makes.
func wantedMarks(a *docklinev1.OrderAmendment) (touched map[string][]string, made []string, err error) {
	touched = map[string][]string{}
	for _, l := range a.GetLines() {
		n, err := positive(l.GetQuantity(), l.GetItem())
		if err != nil {
			return nil, nil, err
		}
		much := event.FormatQuantity(n) + " of " + l.GetItem()
		switch a.GetAction() {
		case amendCancel:
			touched[l.GetOrderLine()] = append(touched[l.GetOrderLine()], much+" cancelled")
		case amendBackorder:
			touched[l.GetOrderLine()] = append(touched[l.GetOrderLine()], much+" still owed")
		case amendSubstitute:
			other, err := positive(l.GetSubstituteQuantity(), l.GetSubstitute())
			if err != nil {
				return nil, nil, err
			}
			touched[l.GetOrderLine()] = append(touched[l.GetOrderLine()], much+" replaced by "+event.FormatQuantity(other)+" of "+l.GetSubstitute())
			made = append(made, fmt.Sprintf(standsForText, event.FormatQuantity(n), l.GetItem(), l.GetOrderLine()))
		}
	}
	return touched, made, nil
}

func positive(quantity, item string) (int64, error) {
	n, err := event.ParseQuantity(quantity)
	if err != nil || n <= 0 {
		return 0, dataFault("bad_quantity", "correct the quantity, then requeue", "%q of %s cannot be amended", quantity, item)
	}
	return n, nil
}

// markedBy tells what an amendment with this key has done in an order, and how that differs from what is wanted.
func markedBy(p *connector.Posting, lines []amended) (there bool, difference string, err error) {
	a := p.Document.GetOrderAmendment()
	touched, made, err := wantedMarks(a)
	if err != nil {
		return false, "", err
	}
	got, want := []string{}, slices.Clone(made)
	for line, texts := range touched {
		for _, text := range texts {
			want = append(want, line+" "+text)
		}
	}
	for _, l := range lines {
		for _, m := range marks(l.note) {
			if m.key != p.Key {
				continue
			}
			there = true
			if slices.Contains(made, m.text) {
				got = append(got, m.text)
			} else {
				got = append(got, lineNumber(l.id)+" "+m.text)
			}
		}
	}
	if a.GetAction() == amendMove {
		return there, "", nil
	}
	slices.Sort(got)
	slices.Sort(want)
	if there && !slices.Equal(got, want) {
		difference = fmt.Sprintf("the order's lines say %s, and not %s", strings.Join(got, "; "), strings.Join(want, "; "))
	}
	return there, difference, nil
}

func (c *Connector) findAmendment(ctx context.Context, p *connector.Posting) ([]connector.Found, error) {
	order, err := c.sale(ctx, p.Document.GetOrderAmendment().GetOrder())
	if err != nil {
		return nil, err
	}
	lines, err := c.amendedLines(ctx, order.id)
	if err != nil {
		return nil, err
	}
	there, difference, err := markedBy(p, lines)
	if err != nil || !there {
		return nil, err
	}
	f := connector.Found{Document: c.document(documentSale, order.number), Complete: difference == "", Difference: difference}
	if f.Complete {
		left, err := c.leftOver(ctx, order, lines)
		if err != nil {
			return nil, err
		}
		if !left.none() {
			f.Complete, f.Draft, f.Difference = false, true, "the order is amended, and its shipments do not follow yet"
		}
	}
	return []connector.Found{f}, nil
}

// applyAmendment changes the order in one transaction, once, and has its shipments follow.
func (c *Connector) applyAmendment(ctx context.Context, p *connector.Posting) (connector.Result, error) {
	a := p.Document.GetOrderAmendment()
	order, err := c.sale(ctx, a.GetOrder())
	if err != nil {
		return connector.Result{}, err
	}
	lines, err := c.amendedLines(ctx, order.id)
	if err != nil {
		return connector.Result{}, err
	}
	there, difference, err := markedBy(p, lines)
	switch {
	case err != nil:
		return connector.Result{}, err
	case difference != "":
		return connector.Result{}, processFault("content_differs", "see in Tryton who changed it, then requeue or waive", "order %s was amended already: %s", order.number, difference)
	case !there:
		if err := c.amend(ctx, p, order, lines); err != nil {
			return connector.Result{}, err
		}
	}
	if err := c.settle(ctx, order.number); err != nil {
		return connector.Result{}, err
	}
	return c.result(documentSale, order.number), nil
}

// amend writes what an amendment changes into the sale, its lines and their open movements.
func (c *Connector) amend(ctx context.Context, p *connector.Posting, order sale, lines []amended) error {
	a := p.Document.GetOrderAmendment()
	if order.state != "processing" && order.state != "confirmed" {
		return processFault("order_not_open", "enter it in Tryton by hand where it can still be done, then waive it", "order %s is %s in Tryton: it can no longer be amended", order.number, order.state)
	}
	w, err := c.beginAmendment(ctx, p, order, lines)
	if err != nil {
		return err
	}
	switch a.GetAction() {
	case amendMove:
		err = w.move(ctx, a)
	case amendSubstitute, amendCancel, amendBackorder:
		if len(a.GetLines()) == 0 {
			return dataFault("no_lines", "see why the amendment has no lines", "the amendment of order %s has no lines", order.number)
		}
		for _, l := range a.GetLines() {
			if err = w.amend(ctx, a.GetAction(), l); err != nil {
				break
			}
		}
	default:
		err = processFault("amendment_not_taken", "enter it in Tryton by hand, then waive it; or let fulfilment.yaml decide otherwise", "Tryton has no way to %s an order by itself: order %s", a.GetAction(), order.number)
	}
	if err != nil {
		return err
	}
	return w.write(ctx)
}
