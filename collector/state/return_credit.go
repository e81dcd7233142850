package state

import (
	"cmp"
	"slices"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// What a person decides about a return.
const (
	// DecidedCredit allows so much of each line to be credited beside what was disposed of.
	DecidedCredit = "credit"
	// DecidedAccept takes goods that came without an RMA for the order that is named; lines say by item which line of it is meant.
	DecidedAccept = "accept"
)

// CreditRules say which goods that came back are credited.
type CreditRules interface {
	// Credits tells whether goods with this disposition are.
	Credits(site, customer, item, disposition string) bool
}

// ReturnDeed is what one record says of a return.
type ReturnDeed struct {
	Event *docklinev1.Event
	Parts []ReturnPart
}

// ReturnPart is so much of a return's line, in millionths of the base unit.
type ReturnPart struct {
	Line     *docklinev1.ReturnLineState
	Told     *docklinev1.Line
	Quantity int64
	// Credited: of a disposition, the rules credit it; or a person did.
	Credited bool
	// May is how much of it may be credited: of what the rules credit, no more than was let come back.
	May int64
}

// part notes what a record says of a line.
func (f *returnFold) part(e *docklinev1.Event, told *docklinev1.Line, l *returnLine, base int64) {
	p := ReturnPart{Line: l.ReturnLineState, Told: told, Quantity: base}
	switch e.GetKind() {
	case docklinev1.EventKind_EVENT_KIND_RETURN_RECEIVED:
		f.out.Receipts = addPart(f.out.Receipts, e, p)
	case docklinev1.EventKind_EVENT_KIND_RETURN_DISPOSED:
		p.Credited = f.isCredited(l.Item, told.GetDisposition())
		f.out.Dispositions = addPart(f.out.Dispositions, e, p)
	}
}

func addPart(deeds []ReturnDeed, e *docklinev1.Event, p ReturnPart) []ReturnDeed {
	if len(deeds) == 0 || deeds[len(deeds)-1].Event != e {
		deeds = append(deeds, ReturnDeed{Event: e})
	}
	last := &deeds[len(deeds)-1]
	last.Parts = append(last.Parts, p)
	return deeds
}

// isCredited asks the rules; without any all is credited that has come to an end: what is in quarantine has not.
func (f *returnFold) isCredited(item, disposition string) bool {
	if rules, ok := f.mapping.(CreditRules); ok {
		return rules.Credits(f.out.State.Site, f.out.State.Customer, item, disposition)
	}
	return disposition != "quarantine"
}

// decided notes what a person decided.
func (f *returnFold) decided(e *docklinev1.Event, r *docklinev1.ReturnDecision) {
	s := f.out.State
	switch r.GetDecision() {
	case DecidedCredit:
		f.decisions = append(f.decisions, e)
	case DecidedAccept:
		if s.Blind {
			s.Accepted = true
			s.Order, s.Customer = r.GetOrder(), cmp.Or(r.GetCustomer(), s.Customer)
			f.orderLines = make(map[string]string)
			for _, l := range r.GetLines() {
				f.orderLines[l.GetItem()] = l.GetOrderLine()
			}
		}
	}
}

// allowances adds what people allowed to be credited, of lines that there are.
func (f *returnFold) allowances() {
	for _, e := range f.decisions {
		for _, line := range e.GetReturnDecision().GetLines() {
			item, base, fault := quantity(f.mapping, e, line, line.GetQuantity())
			if fault != nil {
				f.found.add(fault)
				continue
			}
			before := len(f.lines)
			lines := f.place(line, item)
			if len(f.lines) > before { // the return has no such line
				f.lines = f.lines[:before]
				continue
			}
			spread(base, lines, func(l *returnLine) int64 { return l.Received - l.Allowed }, func(l *returnLine, n int64) {
				l.Allowed += n
				l.events = append(l.events, e)
				f.out.Dispositions = addPart(f.out.Dispositions, e, ReturnPart{Line: l.ReturnLineState, Told: line, Quantity: n, Credited: true})
			})
		}
	}
}

// creditable works out what may be credited of each line: never more than came back. What was let come back bounds what the rules credit, as it
// bounds what is received into the books; for more a person has to say so.
func (f *returnFold) creditable() {
	slices.SortStableFunc(f.out.Dispositions, func(a, b ReturnDeed) int { return byHappening(Fact{Event: a.Event}, Fact{Event: b.Event}) })
	room := make(map[*docklinev1.ReturnLineState]int64, len(f.lines))
	for _, l := range f.lines {
		if room[l.ReturnLineState] = l.Received; f.out.Authorised && !f.out.State.Blind && !f.out.Whole {
			room[l.ReturnLineState] = min(l.Received, l.Authorised)
		}
	}
	for _, deed := range f.out.Dispositions {
		for i := range deed.Parts {
			p := &deed.Parts[i]
			switch {
			case !p.Credited:
				continue
			case deed.Event.GetReturnDecision() != nil:
				p.May = p.Quantity
			default:
				p.May = max(0, min(p.Quantity, room[p.Line]))
				room[p.Line] -= p.May
			}
			p.Line.Creditable += p.May
		}
	}
	for _, l := range f.lines {
		l.Creditable = min(l.Creditable, l.Received)
	}
}

// credited is what is credited so far, by line.
func (f *returnFold) credited() map[*returnLine]int64 {
	so := make(map[*returnLine]int64, len(f.lines))
	for _, l := range f.lines {
		so[l] = l.Credited
	}
	return so
}

// byHand notes what a memo has credited that answers no request.
func (f *returnFold) byHand(memo *docklinev1.CreditMemo, before map[*returnLine]int64) {
	if memo.GetRequest() != "" {
		return
	}
	if f.out.ByHand == nil {
		f.out.ByHand = make(map[*docklinev1.ReturnLineState]int64)
	}
	for _, l := range f.lines {
		f.out.ByHand[l.ReturnLineState] += l.Credited - before[l]
	}
}
