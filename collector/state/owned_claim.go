package state

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/dockline/dockline/collector/ownership"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// Word tells apart facts of one kind that change different statuses.
func Word(e *docklinev1.Event) string {
	if e.GetTransport() != nil || e.GetDelivery() != nil {
		return meaning(e)
	}
	return ownership.Word(e)
}

// claims are what others say, sorted by record. What came through a link is told where it came from.
func (o *settling) claims() []Claim {
	var list []Claim
	for _, fact := range o.force {
		if w := o.of(fact.Event); w.Tell && fact.Via == "" && len(w.Foreign) > 0 {
			list = appendClaim(list, Claim{Event: fact.Event, Differences: o.differences(fact.Event, w.Foreign, nil)})
		}
	}
	for _, fact := range inForce(o.others).Facts {
		if fact.Via != "" {
			continue
		}
		list = appendClaim(list, o.claim(fact.Event))
	}
	seen := make(map[string]bool)
	for _, fact := range o.declarations {
		if e := fact.Event; fact.Via == "" && !seen[e.GetId()] {
			seen[e.GetId()] = true
			list = append(list, Claim{Event: e, Record: e.GetId(), Whole: true, Denied: o.of(e).Denied})
		}
	}
	slices.SortFunc(list, func(a, b Claim) int {
		return cmp.Or(cmp.Compare(a.Record, b.Record), cmp.Compare(a.Event.GetId(), b.Event.GetId()))
	})
	// Of a record that several facts of a key stand for one is enough: it is one case, about the record.
	return slices.CompactFunc(list, func(a, b Claim) bool { return a.Record == b.Record })
}

// appendClaim leaves out a claim that comes to nothing.
func appendClaim(list []Claim, c Claim) []Claim {
	if !c.Whole && len(c.Differences) == 0 {
		return list
	}
	c.Record = recordName(c.Event)
	if c.Event.GetSourceKey() == "" {
		c.Record = c.Event.GetId()
	}
	return append(list, c)
}

// claim is what a fact that does not count comes to: nothing, where its owner says the same.
func (o *settling) claim(e *docklinev1.Event) Claim {
	c := Claim{Event: e, Denied: o.of(e).Denied}
	if !isOrder(e) {
		c.Whole = !o.saidToo(e)
		return c
	}
	switch {
	case o.order == nil:
		c.Whole = !o.gives(e) // what is his waits for the order, like what a site tells
	case e.GetKind() != docklinev1.EventKind_EVENT_KIND_ORDER_CHANGED && rejects(e) != rejects(o.order):
		c.Whole = true
	default:
		c.Differences = o.differences(e, nil, o.of(e).Own)
	}
	return c
}

func rejects(e *docklinev1.Event) bool {
	return e.GetKind() == docklinev1.EventKind_EVENT_KIND_ORDER_REJECTED
}

// saidToo tells whether who owns it says what a fact says: the same kind of fact of the same thing.
func (o *settling) saidToo(e *docklinev1.Event) bool {
	return slices.ContainsFunc(o.force, func(f Fact) bool { return o.of(f.Event).Tell && gist(f.Event) == gist(e) })
}

// gist is what a fact says happened, and to what, apart from details.
func gist(e *docklinev1.Event) string {
	number := ""
	if p, ok := event.Payload(e).(interface{ GetNumber() string }); ok {
		number = p.GetNumber()
	}
	return fmt.Sprintf("%d %q %q %q", e.GetKind(), Word(e), cmp.Or(number, e.GetSubject()), e.GetHold().GetCode())
}

// differences are fields that a fact says otherwise than those who own them: of some fields only, or of all but some and what names the thing.
func (o *settling) differences(e *docklinev1.Event, only, but map[string]bool) (list []Difference) {
	object := ownership.ObjectOf(e.GetKind())
	for _, name := range ownership.Fields(object) {
		if only != nil && !only[name] || but[name] || only == nil && (name == "number" || name == "reason" || name == "lines.order_line" || name == "lines.order") {
			continue
		}
		f := fieldOf(e, name)
		for _, line := range f.places() {
			said := f.text(line)
			held, known := o.holds(e, name, line)
			if said != "" && known && said != held {
				list = append(list, Difference{Field: object + "." + name, OrderLine: line, Said: said, Holds: held})
			}
		}
	}
	if only == nil && !ownsLines(but) {
		list = append(list, o.otherLines(e)...)
	}
	return list
}

// holds is what the owner of a field says. known is false for the field of a line that there is not: that is told of the line.
func (o *settling) holds(e *docklinev1.Event, name, line string) (text string, known bool) {
	if !isOrder(e) {
		for _, f := range o.force {
			if w := o.of(f.Event); w.Tell && !w.Foreign[name] && gist(f.Event) == gist(e) {
				if text := fieldOf(f.Event, name).text(line); text != "" {
					return text, true
				}
			}
		}
		return "", true
	}
	if o.order == nil {
		return "", true
	}
	if line != "" && orderedLine(o.order, line) == nil {
		return "", false
	}
	if w := o.of(e); w.Tell { // his own order: what holds is its owner's word
		v, _ := o.value(name, line)
		return v.text(), true
	}
	return fieldOf(o.order, name).text(line), true
}

// otherLines are the lines that only one of two has of an order.
func (o *settling) otherLines(e *docklinev1.Event) (list []Difference) {
	for i, line := range e.GetOrder().GetLines() {
		if number := lineNumber(i, line); orderedLine(o.order, number) == nil {
			list = append(list, Difference{Field: "order.lines", OrderLine: number, Said: lineText(line)})
		}
	}
	for i, line := range o.order.GetOrder().GetLines() {
		if number := lineNumber(i, line); orderedLine(e, number) == nil {
			list = append(list, Difference{Field: "order.lines", OrderLine: number, Holds: lineText(line)})
		}
	}
	return list
}

func orderedLine(e *docklinev1.Event, number string) *docklinev1.Line {
	for i, line := range e.GetOrder().GetLines() {
		if lineNumber(i, line) == number {
			return line
		}
	}
	return nil
}

func lineText(line *docklinev1.Line) string {
	return strings.TrimSpace(quantityText(line.GetQuantity()) + " of " + rawCode(line))
}

func ownsLines(own map[string]bool) bool { return own["lines.quantity"] && own["lines.item"] }
