package state

import (
	"cmp"
	"slices"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Statuses of what a supplier sends.
const (
	InboundAdvised  = "advised"
	InboundArrived  = "arrived"
	InboundPartly   = "partially_received"
	InboundReceived = "received"
	// InboundClosed: all of it is there, and whatever is wrong with it has a claim.
	InboundClosed    = "closed"
	InboundUnknown   = "unknown"
	InboundCorrected = "corrected"
	// inboundInTransit is a step only: its carrier has it.
	inboundInTransit = "in_transit"
)

// InboundFold is what a supplier sends, folded from all its facts.
type InboundFold struct {
	State *docklinev1.InboundState
	// Received are the receipts, Told the discrepancies that the site itself has told of.
	Received, Told []*docklinev1.Event
	Facts          []*docklinev1.Event
	Former         []*docklinev1.Event
	Findings       []Finding
}

var inboundSteps = []string{InboundAdvised, inboundInTransit, InboundArrived, InboundReceived, InboundClosed}

// FoldInbound folds the facts of what a supplier sends to a site under one reference.
func FoldInbound(site, reference string, facts []Fact, m Mapping) InboundFold {
	force := inForce(facts)
	f := &inboundFold{mapping: m, found: force.found, steps: newSteps(inboundSteps...), lines: make(map[goodsKey]*inboundLine), told: make(map[toldKey]*docklinev1.Discrepancy)}
	f.out = InboundFold{State: &docklinev1.InboundState{Site: site, Reference: reference}, Former: force.former()}
	for _, fact := range force.Facts {
		f.out.Facts = append(f.out.Facts, fact.Event)
		f.describe(fact.Event)
	}
	// What was announced first, whenever it was told: a receipt that names no line finds the lines that there are.
	for _, kind := range []docklinev1.EventKind{docklinev1.EventKind_EVENT_KIND_INBOUND_ADVISED, docklinev1.EventKind_EVENT_KIND_RECEIPT_ARRIVED,
		docklinev1.EventKind_EVENT_KIND_RECEIPT_RECEIVED, docklinev1.EventKind_EVENT_KIND_RECEIPT_DISCREPANCY} {
		for _, e := range f.out.Facts {
			if e.GetKind() == kind && e.GetInbound() != nil {
				f.take(e)
			}
		}
	}
	t := carriers(force.Facts, nil, f.out.State.HandlingUnits, nil, nil, "")
	f.out.State.Milestones = t.milestones()
	for _, e := range t.facts {
		if nextStatus("", e) != "" {
			f.steps.note(inboundInTransit, e)
		}
	}
	f.finish()
	f.out.Findings = f.found.sorted()
	return f.out
}

// inboundFold is the work of one FoldInbound.
type inboundFold struct {
	mapping Mapping
	out     InboundFold
	found   findings
	steps   *steps
	lines   map[goodsKey]*inboundLine
	// told are the discrepancies that the site tells of.
	told map[toldKey]*docklinev1.Discrepancy
}

type toldKey struct {
	goodsKey
	kind, claim string
}

type inboundLine struct {
	*docklinev1.InboundLineState
	// advised is what advices say was to come, named what receipts say was expected where no advice has.
	advised, named int64
	known          bool
	events         []*docklinev1.Event
}

// place are the lines that a fact's line may mean; one that means none has a line of its own from now on.
func (f *inboundFold) place(e *docklinev1.Event, line *docklinev1.Line, item string) []*inboundLine {
	order := cmp.Or(line.GetOrder(), e.GetInbound().GetPurchaseOrder())
	if exact := f.lines[goodsKey{order, line.GetOrderLine(), item}]; exact != nil {
		return []*inboundLine{exact}
	}
	var alike []*inboundLine
	for _, key := range slices.SortedFunc(keysOf(f.lines), compareGoods) {
		sameOrder := key.order == order || key.order == "" || order == ""
		if key.item == item && sameOrder && (line.GetOrderLine() == "" || key.line == "" || key.line == line.GetOrderLine()) {
			alike = append(alike, f.lines[key])
		}
	}
	if len(alike) > 0 {
		return alike
	}
	l := &inboundLine{InboundLineState: &docklinev1.InboundLineState{Order: order, OrderLine: line.GetOrderLine(), Item: item}}
	f.lines[goodsKey{order, l.OrderLine, item}] = l
	return []*inboundLine{l}
}

// describe notes what a fact says beside its lines.
func (f *inboundFold) describe(e *docklinev1.Event) {
	p, s := e.GetInbound(), f.out.State
	if p == nil {
		return
	}
	s.PurchaseOrder, s.Supplier = cmp.Or(p.GetPurchaseOrder(), s.PurchaseOrder), cmp.Or(p.GetSupplier(), s.Supplier)
	s.Carrier, s.Trailer = cmp.Or(p.GetCarrier(), s.Carrier), cmp.Or(p.GetTrailer(), s.Trailer)
	if p.GetAdvice() != "" {
		s.Advices = sortedSet(append(s.Advices, p.GetAdvice()))
	}
	if p.GetNumber() != "" {
		s.Receipts = sortedSet(append(s.Receipts, p.GetNumber()))
	}
	s.HandlingUnits = sortedSet(append(s.HandlingUnits, p.GetHandlingUnits()...))
	if p.GetExpectedAt() != nil {
		s.ExpectedAt = p.GetExpectedAt()
	}
}

// take notes what one fact says of its lines.
func (f *inboundFold) take(e *docklinev1.Event) {
	s := f.out.State
	switch e.GetKind() {
	case docklinev1.EventKind_EVENT_KIND_INBOUND_ADVISED:
		f.steps.note(InboundAdvised, e)
		f.each(e, func(line *docklinev1.Line, l *inboundLine, base int64) { l.advised, l.known = l.advised+base, true })
	case docklinev1.EventKind_EVENT_KIND_RECEIPT_ARRIVED:
		f.steps.note(InboundArrived, e)
	case docklinev1.EventKind_EVENT_KIND_RECEIPT_RECEIVED:
		f.out.Received = append(f.out.Received, e)
		f.steps.note(InboundReceived, e)
		s.LastReceivedAt = laterOf(s.LastReceivedAt, e.GetOccurredAt())
		f.each(e, f.received(e))
	case docklinev1.EventKind_EVENT_KIND_RECEIPT_DISCREPANCY:
		f.out.Told = append(f.out.Told, e)
		f.each(e, f.discrepancy(e))
	}
}

// each calls take with every line that the mapping knows.
func (f *inboundFold) each(e *docklinev1.Event, take func(line *docklinev1.Line, l *inboundLine, base int64)) {
	for _, line := range e.GetInbound().GetLines() {
		item, base, fault := quantity(f.mapping, e, line, line.GetQuantity())
		if fault != nil {
			f.found.add(fault)
			continue
		}
		lines := f.place(e, line, item)
		for i, l := range lines {
			n := base
			if i < len(lines)-1 {
				n = min(base, max(0, l.advised-l.Received))
			}
			base -= n
			if n == 0 && len(lines) > 1 {
				continue
			}
			l.Description = cmp.Or(line.GetDescription(), l.Description)
			l.events = append(l.events, e)
			take(line, l, n)
		}
	}
}

func (f *inboundFold) received(e *docklinev1.Event) func(*docklinev1.Line, *inboundLine, int64) {
	return func(line *docklinev1.Line, l *inboundLine, base int64) {
		l.Received += base
		if line.GetCondition() == DiscrepancyDamaged || line.GetStockStatus() == DiscrepancyDamaged {
			f.tell(e, DiscrepancyDamaged, line, l, base)
		}
		if line.GetExpected() == nil {
			return
		}
		_, expected, fault := quantity(f.mapping, e, line, line.GetExpected())
		if fault == nil { // of several receipts of a line each says what was to come in all
			l.named, l.known = max(l.named, expected), true
		}
	}
}

// discrepancy takes what the site itself says is not as announced: the line's condition or reason says which way.
func (f *inboundFold) discrepancy(e *docklinev1.Event) func(*docklinev1.Line, *inboundLine, int64) {
	return func(line *docklinev1.Line, l *inboundLine, base int64) {
		kind := cmp.Or(line.GetCondition(), line.GetReason())
		switch kind {
		case DiscrepancyOver, DiscrepancyShort, DiscrepancyDamaged, DiscrepancyWrongItem:
		default:
			kind = f.guess(e, line, base)
		}
		f.tell(e, kind, line, l, base)
	}
}

// guess is the way of a discrepancy that names none: by what was expected, where the line says so.
func (f *inboundFold) guess(e *docklinev1.Event, line *docklinev1.Line, base int64) string {
	_, expected, fault := quantity(f.mapping, e, line, line.GetExpected())
	switch {
	case fault != nil || expected == base:
		return DiscrepancyDamaged
	case base > expected:
		return DiscrepancyOver
	}
	return DiscrepancyShort
}

// tell adds what the site says is wrong. What is damaged on receipt and told again as a discrepancy of the same claim is one thing: the larger
// of the two.
func (f *inboundFold) tell(e *docklinev1.Event, kind string, line *docklinev1.Line, l *inboundLine, base int64) {
	key := toldKey{goodsKey{l.Order, l.OrderLine, l.Item}, kind, line.GetClaim()}
	d := f.told[key]
	if d == nil {
		d = &docklinev1.Discrepancy{Kind: kind, Order: l.Order, OrderLine: l.OrderLine, Item: l.Item, Claim: line.GetClaim(), Told: true}
		f.told[key] = d
	}
	d.Quantity, d.Reason = d.Quantity+base, cmp.Or(line.GetReason(), d.Reason)
	d.EventIds = sortedSet(append(d.EventIds, e.GetId()))
	if kind == DiscrepancyDamaged {
		l.Damaged += base
	}
}

// finish works out what is open, what is wrong and how far it has come.
func (f *inboundFold) finish() {
	s := f.out.State
	for _, key := range slices.SortedFunc(keysOf(f.lines), compareGoods) {
		l := f.lines[key]
		f.expect(l)
		l.EventIds = idsOf(l.events...)
		l.Status = InboundAdvised
		switch {
		case l.Received > 0 && l.Open > 0:
			l.Status = InboundPartly
		case l.Received > 0:
			l.Status = InboundReceived
		}
		s.Lines = append(s.Lines, l.InboundLineState)
		f.compare(l)
	}
	f.status()
	s.Steps = f.steps.list()
}

// expect settles what was to come of a line: what advices say, else what receipts name. Where anything was announced at all, an item that was
// not is unexpected.
func (f *inboundFold) expect(l *inboundLine) {
	l.Expected = l.named
	if l.advised > 0 {
		l.Expected = l.advised
	}
	l.Open = max(0, l.Expected-l.Received)
	l.Unexpected = !l.known && l.Received > 0 && f.announced()
}

// announced tells whether anything says what was to come.
func (f *inboundFold) announced() bool {
	for _, l := range f.lines {
		if l.known {
			return true
		}
	}
	return false
}

// compare adds the discrepancies of a line: those that the site told, and those that its quantities show and nobody told.
func (f *inboundFold) compare(l *inboundLine) {
	s := f.out.State
	told := make(map[string]int64)
	for _, key := range slices.SortedFunc(keysOf(f.told), func(a, b toldKey) int {
		return cmp.Or(compareGoods(a.goodsKey, b.goodsKey), cmp.Compare(a.kind, b.kind), cmp.Compare(a.claim, b.claim))
	}) {
		if key.goodsKey == (goodsKey{l.Order, l.OrderLine, l.Item}) {
			s.Discrepancies = append(s.Discrepancies, f.told[key])
			told[key.kind] += f.told[key].Quantity
		}
	}
	derived := func(kind string, quantity int64) {
		if quantity > 0 && told[kind] == 0 {
			s.Discrepancies = append(s.Discrepancies, &docklinev1.Discrepancy{Kind: kind, Order: l.Order, OrderLine: l.OrderLine, Item: l.Item, Quantity: quantity, EventIds: l.EventIds})
		}
	}
	switch {
	case l.Unexpected:
		derived(DiscrepancyWrongItem, l.Received)
	case l.known:
		derived(DiscrepancyOver, l.Received-l.Expected)
	}
}

func (f *inboundFold) status() {
	s := f.out.State
	set := func(status string, steps ...string) { s.Status, s.StatusEventIds = status, f.steps.ids(steps...) }
	open := slices.ContainsFunc(s.Lines, func(l *docklinev1.InboundLineState) bool { return l.Open > f.toldShort(l) })
	unclaimed := slices.ContainsFunc(s.Discrepancies, func(d *docklinev1.Discrepancy) bool { return d.Claim == "" })
	switch {
	case len(f.out.Facts) == 0:
		s.Status = InboundCorrected
	case f.steps.has(InboundReceived) && open:
		set(InboundPartly, InboundReceived)
	case f.steps.has(InboundReceived) && unclaimed:
		set(InboundReceived, InboundReceived)
	case f.steps.has(InboundReceived):
		set(InboundClosed, InboundReceived)
		s.StatusEventIds = sortedSet(append(slices.Clone(s.StatusEventIds), idsOf(f.out.Told...)...))
		f.steps.note(InboundClosed, f.last())
	case f.steps.has(InboundArrived):
		set(InboundArrived, InboundArrived)
	case f.steps.has(InboundAdvised):
		set(InboundAdvised, InboundAdvised)
	default:
		set(InboundUnknown)
	}
}

// toldShort is how much of a line the site says will not come.
func (f *inboundFold) toldShort(l *docklinev1.InboundLineState) (sum int64) {
	for _, d := range f.out.State.Discrepancies {
		if d.Kind == DiscrepancyShort && d.Order == l.Order && d.OrderLine == l.OrderLine && d.Item == l.Item {
			sum += d.Quantity
		}
	}
	return sum
}

func (f *inboundFold) last() *docklinev1.Event {
	list := append(slices.Clone(f.out.Received), f.out.Told...)
	return slices.MaxFunc(list, func(a, b *docklinev1.Event) int { return byHappening(Fact{Event: a}, Fact{Event: b}) })
}

func compareGoods(a, b goodsKey) int {
	return cmp.Or(cmp.Compare(a.order, b.order), cmp.Compare(a.line, b.line), cmp.Compare(a.item, b.item))
}
