package state

import (
	"maps"
	"slices"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// authorisation is one return as a system of record has it, by line of this order.
type authorisation struct {
	lines map[int]int64
	ended bool // denied or cancelled
}

// returns counts what was allowed to come back, what came, what became of it and what was credited. What a fact does not say by line is what
// the return was authorised for, and what that does not say is all that left. A line that this order does not have says nothing here: the
// return's own state shows it.
func (f *orderFold) returns() {
	known := make(map[string]*authorisation)
	f.each(func(e *docklinev1.Event) {
		if a := e.GetReturnAuthorisation(); a != nil {
			f.authorise(known, e, a)
		}
	})
	for number, a := range known {
		if a.ended {
			delete(known, number)
		}
	}
	came := make(map[string]map[int]int64)
	f.each(func(e *docklinev1.Event) {
		if r := e.GetReturn(); r != nil {
			f.comeBack(known, came, e, r)
		}
	})
	f.each(func(e *docklinev1.Event) {
		if c := e.GetCreditMemo(); c != nil {
			f.credit(known, came, e, c)
		}
	})
	f.out.State.Returns = slices.Sorted(maps.Keys(known))
	f.out.State.CreditMemos = sortedSet(f.out.State.CreditMemos)
}

func (f *orderFold) authorise(known map[string]*authorisation, e *docklinev1.Event, a *docklinev1.ReturnAuthorisation) {
	have := known[a.GetNumber()]
	if have == nil {
		have = &authorisation{lines: make(map[int]int64)}
		known[a.GetNumber()] = have
	}
	switch e.GetKind() {
	case docklinev1.EventKind_EVENT_KIND_RETURN_DENIED, docklinev1.EventKind_EVENT_KIND_RETURN_CANCELLED:
		have.ended = true
		for at, base := range have.lines {
			*authorised.sum(f.out.State.Lines[at]) -= base
		}
		clear(have.lines)
	case docklinev1.EventKind_EVENT_KIND_RETURN_AUTHORISED:
		if have.ended {
			return
		}
		lines := f.quietly(e, a.GetLines(), a.GetOrder())
		if len(a.GetLines()) == 0 {
			lines = f.left(a.GetShipments())
		}
		for _, at := range slices.Sorted(maps.Keys(lines)) {
			have.lines[at] += lines[at]
			f.add(at, authorised, lines[at])
		}
	}
}

// comeBack counts what one fact says of goods that came back.
func (f *orderFold) comeBack(known map[string]*authorisation, came map[string]map[int]int64, e *docklinev1.Event, r *docklinev1.Return) {
	a := known[r.GetNumber()]
	if a == nil && r.GetOrder() != f.out.State.Number && !f.namesUs(r.GetLines()) {
		return
	}
	if e.GetKind() == docklinev1.EventKind_EVENT_KIND_RETURN_DISPOSED {
		for _, line := range r.GetLines() {
			s := none
			switch line.GetDisposition() {
			case "restock", "refurbish":
				s = restocked
			case "scrap":
				s = scrapped
			}
			if s == none {
				continue
			}
			for at, base := range f.quietly(e, []*docklinev1.Line{line}, r.GetOrder()) {
				f.add(at, s, base)
			}
		}
		return
	}
	if e.GetKind() != docklinev1.EventKind_EVENT_KIND_RETURN_RECEIVED {
		return
	}
	lines := f.quietly(e, r.GetLines(), r.GetOrder())
	if len(r.GetLines()) == 0 && a != nil {
		lines = a.lines
	}
	if came[r.GetNumber()] == nil {
		came[r.GetNumber()] = make(map[int]int64)
	}
	for _, at := range slices.Sorted(maps.Keys(lines)) {
		came[r.GetNumber()][at] += lines[at]
		f.add(at, returned, lines[at])
	}
}

// credit counts a credit memo by its lines, else by what came back, or was to, on the returns that it names.
func (f *orderFold) credit(known map[string]*authorisation, came map[string]map[int]int64, e *docklinev1.Event, c *docklinev1.CreditMemo) {
	returns := slices.DeleteFunc(slices.Clone(c.GetReturns()), func(number string) bool { return known[number] == nil && came[number] == nil })
	if c.GetOrder() != f.out.State.Number && len(returns) == 0 && f.invoices[c.GetInvoice()] == nil && !f.namesUs(c.GetLines()) {
		return
	}
	f.out.State.CreditMemos = append(f.out.State.CreditMemos, c.GetNumber())
	if c.GetReversedBy() != "" {
		return
	}
	lines := f.quietly(e, c.GetLines(), c.GetOrder())
	if len(c.GetLines()) == 0 {
		for _, number := range returns {
			from := came[number]
			if len(from) == 0 && known[number] != nil {
				from = known[number].lines
			}
			for at, base := range from {
				lines[at] += base
			}
		}
	}
	for _, at := range slices.Sorted(maps.Keys(lines)) {
		f.add(at, credited, lines[at])
	}
}

// namesUs tells whether any line names this order.
func (f *orderFold) namesUs(lines []*docklinev1.Line) bool {
	return slices.ContainsFunc(lines, func(l *docklinev1.Line) bool { return l.GetOrder() == f.out.State.Number })
}

// quietly is lines by place in the order, without a finding where one is not there.
func (f *orderFold) quietly(e *docklinev1.Event, lines []*docklinev1.Line, order string) map[int]int64 {
	sums := make(map[int]int64)
	for _, line := range f.ours(lines, order) {
		item, base, fault := quantity(f.mapping, e, line, line.GetQuantity())
		if fault != nil {
			continue
		}
		places, _ := f.candidates(line, item)
		for i, at := range places {
			part := base
			if i < len(places)-1 {
				l := f.out.State.Lines[at]
				part = max(0, min(base, l.Shipped-l.Voided-sums[at]))
			}
			sums[at] += part
			base -= part
		}
	}
	maps.DeleteFunc(sums, func(_ int, base int64) bool { return base == 0 })
	return sums
}

// left is what is out by line, of some shipments, or of all.
func (f *orderFold) left(shipments []string) map[int]int64 {
	sums := make(map[int]int64)
	for _, issue := range f.out.Issues {
		if len(shipments) > 0 && !slices.Contains(shipments, issue.Shipment.GetNumber()) {
			continue
		}
		for _, w := range f.carried[issue.key] {
			sums[w.at] += w.base
		}
	}
	return sums
}
