package state

import (
	"cmp"
	"slices"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Statuses of a return, and of its lines from received on. A step that some of the goods have still to take is partial.
const (
	ReturnRequested  = "requested"
	ReturnAuthorised = "authorised"
	ReturnDenied     = "denied"
	ReturnCancelled  = "cancelled"
	ReturnInTransit  = "in_transit"
	ReturnReceived   = "received"
	ReturnInspected  = "inspected"
	ReturnDisposed   = "disposed"
	ReturnCredited   = "credited"
	ReturnClosed     = "closed"
	// ReturnMatched: goods that came unannounced, and an RMA has named their receipt since.
	ReturnMatched     = "matched"
	ReturnQuarantined = "quarantined"
	// ReturnUnknown: nothing is known but facts of others, such as its carrier's.
	ReturnUnknown   = "unknown"
	ReturnCorrected = "corrected"
)

// Kinds of discrepancies of returns and receipts.
const (
	DiscrepancyOver      = "over"
	DiscrepancyShort     = "short"
	DiscrepancyDamaged   = "damaged"
	DiscrepancyWrongItem = "wrong_item"
	DiscrepancyExpired   = "expired"
	// DiscrepancyUnauthorised: goods came of a return that was denied or cancelled.
	DiscrepancyUnauthorised = "unauthorised"
)

// ReturnFold is one return folded from all its facts.
type ReturnFold struct {
	State *docklinev1.ReturnState
	// Known: a system of record has told of it, or, of a blind return, the site.
	Known bool
	// Arrived are the carriers' facts that say that the goods are at the site; Received what the site received.
	Arrived, Received []*docklinev1.Event
	// Matched is the RMA that has named a blind return.
	Matched string
	// Authorised: a system of record lets it come back. Ended: it was denied, or cancelled. Whole: whoever let it come back has named no lines, and so
	// lets come what had left by the order, or by the shipments that are named.
	Authorised, Ended, Whole bool
	// Receipts are what the site received, by record, and Dispositions what was done with it and what people allowed to be credited; both in the
	// order in which they happened.
	Receipts, Dispositions []ReturnDeed
	// ByHand is what was credited that Dockline did not ask for, by line.
	ByHand   map[*docklinev1.ReturnLineState]int64
	Facts    []*docklinev1.Event
	Former   []*docklinev1.Event
	Findings []Finding
}

var returnSteps = []string{ReturnRequested, ReturnAuthorised, ReturnDenied, ReturnInTransit, ReturnReceived, ReturnMatched, ReturnInspected, ReturnQuarantined, ReturnDisposed,
	ReturnCredited, ReturnCancelled, ReturnClosed}

// FoldReturn folds the facts of a return under an RMA.
func FoldReturn(number string, facts []Fact, m Mapping) ReturnFold {
	return foldReturn(&docklinev1.ReturnState{Number: number}, facts, m)
}

// FoldBlindReturn folds the facts of goods that came back without an RMA, by the site's own receipt.
func FoldBlindReturn(site, receipt string, facts []Fact, m Mapping) ReturnFold {
	return foldReturn(&docklinev1.ReturnState{Site: site, Receipts: []string{receipt}, Blind: true}, facts, m)
}

func foldReturn(s *docklinev1.ReturnState, facts []Fact, m Mapping) ReturnFold {
	force := inForce(facts)
	f := &returnFold{mapping: m, found: force.found, steps: newSteps(returnSteps...)}
	f.out = ReturnFold{State: s, Former: force.former()}
	if s.Blind {
		f.match(force.Facts)
	} else {
		f.authorisation(append(slices.Clone(force.Former), force.Facts...))
		force.Facts = slices.DeleteFunc(force.Facts, f.ofAnother(force.Facts))
	}
	for _, fact := range force.Facts {
		f.out.Facts = append(f.out.Facts, fact.Event)
		f.take(fact.Event)
	}
	f.transport = carriers(force.Facts, f.trackings, nil, nil, nil, "")
	f.carried()
	f.quantities()
	f.creditable()
	f.discrepancies()
	f.status()
	s.Steps = f.steps.list()
	f.out.Findings = f.found.sorted()
	return f.out
}

// returnFold is the work of one return.
type returnFold struct {
	mapping   Mapping
	out       ReturnFold
	found     findings
	steps     *steps
	transport *transport
	trackings []string
	// authority is what the systems of record, or who asked for it, say now; nil where nobody has.
	authority *docklinev1.Event
	lines     []*returnLine
	credits   []*docklinev1.Event
	deeds     []*docklinev1.Event // what the site did: received, inspected, disposed
	decisions []*docklinev1.Event // what people decided
	// orderLines are, by item, the lines of the order that a person has taken a blind return for.
	orderLines map[string]string
}

// authorisation settles what holds of the return: of one source the highest revision, of several sources what was said last; who only asks has
// no say beside who decides.
func (f *returnFold) authorisation(facts []Fact) {
	bySource := make(map[string]Fact)
	for _, fact := range facts {
		if fact.Event.GetReturnAuthorisation() == nil || fact.Via != "" {
			continue
		}
		have, ok := bySource[fact.Event.GetSource()]
		if !ok || compareAuthorities(have, fact) < 0 {
			bySource[fact.Event.GetSource()] = fact
		}
	}
	var last *Fact
	for _, source := range sortedKeys(bySource) {
		fact := bySource[source]
		if last == nil || cmp.Or(cmp.Compare(decides(last.Event), decides(fact.Event)), byHappening(*last, fact)) < 0 {
			last = &fact
		}
	}
	if last == nil {
		return
	}
	f.authority = last.Event
	f.out.Known = true
	f.out.Authorised = f.authority.GetKind() == docklinev1.EventKind_EVENT_KIND_RETURN_AUTHORISED
	f.out.Ended = !f.out.Authorised && decides(f.authority) > 0
	a, s := last.Event.GetReturnAuthorisation(), f.out.State
	s.Order, s.Customer, s.Reason, s.Policy, s.ExpiresAt = a.GetOrder(), a.GetCustomer(), a.GetReason(), a.GetPolicy(), a.GetExpiresAt()
	s.Site, s.Shipments = a.GetSite(), sortedSet(slices.Clone(a.GetShipments()))
	told := a
	if len(told.GetLines()) == 0 { // a cancellation carries no lines: those come from the newest fact that does
		told = f.newestWithLines(facts, told)
	}
	f.out.Whole = len(told.GetLines()) == 0
	for _, line := range told.GetLines() {
		f.authorise(last.Event, line, told.GetOrder())
	}
}

func (f *returnFold) newestWithLines(facts []Fact, otherwise *docklinev1.ReturnAuthorisation) *docklinev1.ReturnAuthorisation {
	var last *Fact
	for i := range facts {
		a := facts[i].Event.GetReturnAuthorisation()
		if a == nil || len(a.GetLines()) == 0 || facts[i].Via != "" {
			continue
		}
		if last == nil || cmp.Or(cmp.Compare(decides(last.Event), decides(facts[i].Event)), byHappening(*last, facts[i])) < 0 {
			last = &facts[i]
		}
	}
	if last == nil {
		return otherwise
	}
	return last.Event.GetReturnAuthorisation()
}

// decides: who asks, asks; the others decide.
func decides(e *docklinev1.Event) int {
	if e.GetKind() == docklinev1.EventKind_EVENT_KIND_RETURN_REQUESTED {
		return 0
	}
	return 1
}

// compareAuthorities orders what one source said of a return.
func compareAuthorities(a, b Fact) int {
	return cmp.Or(
		compareRevisions(a.Event.GetSourceRevision(), b.Event.GetSourceRevision()),
		cmp.Compare(decides(a.Event), decides(b.Event)),
		byHappening(a, b),
	)
}

// take notes what one fact says.
func (f *returnFold) take(e *docklinev1.Event) {
	s := f.out.State
	switch p := e.GetPayload().(type) {
	case *docklinev1.Event_ReturnAuthorisation:
		f.authorised(e, p.ReturnAuthorisation)
	case *docklinev1.Event_Return:
		f.deeds = append(f.deeds, e)
		s.Site = cmp.Or(e.GetSite(), s.Site)
		s.Order, s.Customer = cmp.Or(s.Order, p.Return.GetOrder()), cmp.Or(s.Customer, p.Return.GetCustomer())
		f.trackings = append(f.trackings, p.Return.GetTracking())
		s.Evidence = sortedSet(append(s.Evidence, p.Return.GetEvidence()...))
		if receipt := p.Return.GetReceipt(); receipt != "" {
			s.Receipts = sortedSet(append(s.Receipts, receipt))
		}
		switch e.GetKind() {
		case docklinev1.EventKind_EVENT_KIND_RETURN_RECEIVED:
			f.out.Received = append(f.out.Received, e)
			f.steps.note(ReturnReceived, e)
		case docklinev1.EventKind_EVENT_KIND_RETURN_INSPECTED:
			f.steps.note(ReturnInspected, e)
		case docklinev1.EventKind_EVENT_KIND_RETURN_DISPOSED:
			f.steps.note(ReturnDisposed, e)
		}
		f.out.Known = f.out.Known || s.Blind
	case *docklinev1.Event_ReturnDecision:
		f.decided(e, p.ReturnDecision)
	case *docklinev1.Event_CreditMemo:
		s.CreditMemos = append(s.CreditMemos, p.CreditMemo)
		if p.CreditMemo.GetReversedBy() != "" {
			return // it stands there still, and credits nothing
		}
		f.credits = append(f.credits, e)
		f.steps.note(ReturnCredited, e)
	}
}

func (f *returnFold) authorised(e *docklinev1.Event, a *docklinev1.ReturnAuthorisation) {
	f.trackings = append(f.trackings, a.GetTracking())
	if f.out.State.Blind {
		f.steps.note(ReturnMatched, e)
		return
	}
	if a.GetReceipt() != "" {
		f.out.State.Receipts = sortedSet(append(f.out.State.Receipts, a.GetReceipt()))
		f.steps.note(ReturnMatched, e)
	}
	switch e.GetKind() {
	case docklinev1.EventKind_EVENT_KIND_RETURN_REQUESTED:
		f.steps.note(ReturnRequested, e)
	case docklinev1.EventKind_EVENT_KIND_RETURN_AUTHORISED:
		f.steps.note(ReturnAuthorised, e)
	case docklinev1.EventKind_EVENT_KIND_RETURN_DENIED:
		f.steps.note(ReturnDenied, e)
	case docklinev1.EventKind_EVENT_KIND_RETURN_CANCELLED:
		f.steps.note(ReturnCancelled, e)
	}
}

// carried takes what carriers say of the goods on their way back.
func (f *returnFold) carried() {
	s, t := f.out.State, f.transport
	s.Milestones = t.milestones()
	s.Etas, s.Eta = t.etas()
	for _, p := range t.parcels {
		if p.Status != "" && (p.Tracking != "" || p.HandlingUnit != "") {
			s.Parcels = append(s.Parcels, p)
		}
	}
	for _, e := range t.facts {
		switch nextStatus("", e) {
		case ShipmentInTransit, ShipmentOut, ShipmentReturning:
			f.steps.note(ReturnInTransit, e)
		case ShipmentDelivered, ShipmentReturned:
			f.steps.note(ReturnInTransit, e)
			f.out.Arrived = append(f.out.Arrived, e)
		}
	}
}

// sums adds up the lines.
func (f *returnFold) sums() *docklinev1.ReturnLineState {
	sum := &docklinev1.ReturnLineState{}
	for _, l := range f.lines {
		sum.Authorised, sum.Received, sum.Inspected = sum.Authorised+l.Authorised, sum.Received+l.Received, sum.Inspected+l.Inspected
		sum.Disposed, sum.Credited, sum.Quarantined = sum.Disposed+l.Disposed, sum.Credited+l.Credited, sum.Quarantined+l.Quarantined
	}
	return sum
}

// every tells whether a quantity of each line has reached what the line waits for.
func (f *returnFold) every(of func(*returnLine) int64) bool {
	return !slices.ContainsFunc(f.lines, func(l *returnLine) bool { return of(l) < max(l.Received, l.Authorised) })
}

// status is the first of these that holds.
func (f *returnFold) status() {
	s := f.out.State
	set := func(status string, steps ...string) {
		s.Status, s.StatusEventIds = status, f.steps.ids(steps...)
	}
	sum := f.sums()
	kind := f.authority.GetKind()
	credited, disposed := f.every(func(l *returnLine) int64 { return l.Credited }), f.every(func(l *returnLine) int64 { return l.Disposed })
	partly := func(all bool, status string) string {
		if all {
			return status
		}
		return partially + status
	}
	switch {
	case len(f.out.Facts) == 0:
		s.Status = ReturnCorrected
	case s.Blind && f.authority != nil:
		set(ReturnMatched, ReturnMatched)
	case s.Blind && sum.Quarantined > 0 && sum.Quarantined == sum.Disposed:
		set(ReturnQuarantined, ReturnDisposed)
	case kind == docklinev1.EventKind_EVENT_KIND_RETURN_DENIED && sum.Received == 0:
		set(ReturnDenied, ReturnDenied)
	case kind == docklinev1.EventKind_EVENT_KIND_RETURN_CANCELLED && sum.Received == 0:
		set(ReturnCancelled, ReturnCancelled)
	case sum.Received > 0 && credited && disposed:
		set(ReturnClosed)
		s.StatusEventIds = sortedSet(append(slices.Clone(f.steps.ids(ReturnCredited)), f.steps.ids(ReturnDisposed)...))
		f.closed()
	case len(f.credits) > 0:
		set(partly(credited && sum.Received > 0, ReturnCredited), ReturnCredited)
	case f.steps.has(ReturnDisposed):
		set(partly(disposed, ReturnDisposed), ReturnDisposed)
	case f.steps.has(ReturnInspected):
		set(partly(f.every(func(l *returnLine) int64 { return l.Inspected }), ReturnInspected), ReturnInspected)
	case f.steps.has(ReturnReceived):
		set(partly(f.every(func(l *returnLine) int64 { return l.Received }), ReturnReceived), ReturnReceived)
	case f.steps.has(ReturnInTransit):
		set(ReturnInTransit, ReturnInTransit)
	case kind == docklinev1.EventKind_EVENT_KIND_RETURN_REQUESTED:
		set(ReturnRequested, ReturnRequested)
	case f.authority != nil:
		set(ReturnAuthorised, ReturnAuthorised)
	default:
		set(ReturnUnknown)
	}
}

// closed notes the end of a return: the last of what it needed.
func (f *returnFold) closed() {
	var last *docklinev1.Event
	for _, e := range append(slices.Clone(f.deeds), f.credits...) {
		if last == nil || byHappening(Fact{Event: last}, Fact{Event: e}) < 0 {
			last = e
		}
	}
	f.steps.note(ReturnClosed, last)
}
