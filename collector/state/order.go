package state

import (
	"cmp"
	"slices"
	"strconv"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// Statuses of an order and of its lines; the first that applies, in this order (an order that nobody has told us of is unknown). The
// partial ones, but for PartiallyShipped, are an order's only.
const (
	Unknown            = "unknown"
	Rejected           = "rejected"
	Cancelled          = "cancelled"
	Held               = "held"
	Closed             = "closed"
	Delivered          = "delivered"
	PartiallyDelivered = "partially_delivered"
	Shipped            = "shipped"
	PartiallyShipped   = "partially_shipped"
	Packed             = "packed"
	PartiallyPacked    = "partially_packed"
	Picking            = "picking"
	Allocated          = "allocated"
	Backordered        = "backordered"
	Released           = "released"
	Accepted           = "accepted"
	Submitted          = "submitted"
	Quoted             = "quoted"
	// TooLarge: more lines were told of it than are folded; nothing follows from it until there are fewer, or more are let in.
	TooLarge = "too_large"
)

// Statuses are all of them, from an order's beginning to its end.
func Statuses() []string {
	return []string{Unknown, Quoted, Submitted, Accepted, Released, Backordered, Allocated, Picking, PartiallyPacked, Packed, PartiallyShipped, Shipped,
		PartiallyDelivered, Delivered, Closed, Held, Cancelled, Rejected, TooLarge}
}

// Flags of an order.
const (
	FlagOrphan           = "orphan_facts"
	FlagOverShipped      = "over_shipped"
	FlagCancelAfterShip  = "cancel_after_ship"
	FlagUnresolvedLines  = "unresolved_lines"
	FlagCommandRefused   = "command_refused"
	FlagCancelBeforeSeen = "cancelled_before_order"
	// FlagCancelRequested: somebody has asked to take it back, and nobody has answered; FlagCancelRefused: the answer was no.
	FlagCancelRequested = "cancel_requested"
	FlagCancelRefused   = "cancel_refused"
	// FlagPendingVoid: a fact takes something back that nobody has told of yet.
	FlagPendingVoid = "pending_void"
	// FlagReopened: it was complete, and a later fact made it open again.
	FlagReopened = "reopened"
	// FlagSubstitutionRefused: a site picked another item that the rules do not let stand for the one ordered.
	FlagSubstitutionRefused = "substitution_refused"
)

// OrderFold is an order folded from all its facts, and what a decision about it needs beside the state.
type OrderFold struct {
	State *docklinev1.OrderState
	// Known: a system of record has told of the order itself. Until then everything else is an orphan.
	Known bool
	// Order is what the system of record says now, nil where it has only told of the end of the order. Its codes are its own.
	Order *docklinev1.Order
	// Rank is how many facts about the order itself there are: it grows with each.
	Rank uint64
	// Cancelled: the system of record took it back.
	Cancelled bool
	// Issues has one entry for each shipment, in the order in which they left.
	Issues []Issue
	// Shorts has one entry for each line with a short pick.
	Shorts []Short
	// Substitutions has one entry for each line of a pick of another item.
	Substitutions []Substitution
	// Amended is how much of another item the order itself lets a line stand for, in millionths, by place of the line.
	Amended map[int]int64
	// Refused are results of commands that a site refused and that no later version has overtaken.
	Refused []*docklinev1.Event
	// Reached are the points that it came to, each once.
	Reached []Reached
	// Facts are the events that count, as they happened; Former those that a revision of their record has replaced.
	Facts    []*docklinev1.Event
	Former   []*docklinev1.Event
	Findings []Finding
	// Whole: some of the facts stand for many, and what follows asks for each of these. Nothing else here counts then.
	Whole bool
}

// Short is a line of which a task found less than it asked for.
type Short struct {
	// Line is the line's place in State.Lines.
	Line int
	// Open, in millionths, is what is still missing: 0 once the line is complete, shipped or no longer wanted.
	Open     int64
	Site     string
	Reason   string
	EventIDs []string
}

// FoldOrder folds the facts of one order. A mapping that has Rules too is asked what sites may do. Facts may have departures of others that had
// names of its shipments (OtherDeparture).
func FoldOrder(number string, facts []Fact, m Mapping) OrderFold {
	facts, others := withoutOthers(facts)
	force := inForce(facts)
	f := &orderFold{mapping: m, found: force.found, invoices: make(map[string]*docklinev1.Invoice), unresolved: make(map[string]bool),
		places: make(map[placeKey][]int), items: make(map[string]string), carried: make(map[string][]*want),
		departed: make(map[string][]*docklinev1.Event), numbered: make(map[string][]string), invoiceAt: make(map[string]int32), backorders: make(map[string]*owing)}
	f.rules, _ = m.(Rules)
	f.others = others
	f.out = OrderFold{State: &docklinev1.OrderState{Number: number, Status: Unknown}, Former: force.former()}
	for _, fact := range force.Facts {
		f.out.Facts = append(f.out.Facts, fact.Event)
	}
	f.group(force.Facts)
	f.header(append(slices.Clone(force.Former), force.Facts...))
	f.cancelRequests()
	f.substitutions()
	f.each(f.take)
	f.takeAway()
	f.reopen()
	f.issue()
	f.missing()
	f.deliveries()
	f.bills()
	f.returns()
	f.finish()
	f.reach()
	f.out.Whole = f.out.Whole || f.needsEach()
	f.out.Findings = f.found.sorted()
	return f.out
}

// orderFold is the work of one FoldOrder.
type orderFold struct {
	mapping   Mapping
	rules     Rules
	out       OrderFold
	found     findings
	picks     []movement
	packs     []movement
	shipments []movement
	shorts    []movement
	results   []*docklinev1.Event
	invoices  map[string]*docklinev1.Invoice
	invoiceAt map[string]int32 // the place of the fact
	rejected  bool
	// about are the facts about the order itself, by revision.
	about []Fact
	// releases, quotes and submissions are facts that give an order without lines of its own its status.
	releases, quotes, submissions []int32
	// ordered is what the first revision of the order asked for, by line.
	ordered map[string]int64
	// unresolved are the shipments, by key, with a line that belongs to no line of the order.
	unresolved map[string]bool
	// places are where the order's lines are, by item and by item and number: an order may have very many.
	places map[placeKey][]int
	items  map[string]string
	// at is the place in out.Facts of the fact that is looked at; marks are, by line, which fact counted for which of its sums.
	at    int32
	marks [][]mark
	// children are lines that stand for others; refusedPicks the lines of picks, by fact and line, that the rules do not allow.
	children     []child
	refusedPicks map[[2]int32]bool
	// reopened are facts that take packs back, voids those that take shipments back; pending: one of them takes back more than is there.
	reopened, voids []int32
	pending         bool
	// carried is what each shipment, by key, still has after voids; departed are its events, numbered the keys of a shipment's number.
	carried  map[string][]*want
	departed map[string][]*docklinev1.Event
	numbered map[string][]string
	// minus are lines of facts that take from a sum, by stage; backorders what of each document is open.
	minus      []movementOf
	backorders map[string]*owing
	// others are departures of other orders' goods, holders these and its own, once they are asked for.
	others, holders holders
	refused         bool // somebody asked to cancel and was told no, after the last request
	owed            []owed
	// groups are those of the facts, by place, that stand for many.
	groups map[int32]*Group
}

// each looks at every fact in force as it happened.
func (f *orderFold) each(look func(*docklinev1.Event)) {
	for i, e := range f.out.Facts {
		f.at = int32(i)
		look(e)
	}
}

// header settles what the system of record says of the order itself: the fact with the highest revision; where revisions do not
// tell, one that ends the order, so that a cancellation seen before its order still counts. A cancellation carries no lines, so
// those come from the newest fact that does.
func (f *orderFold) header(facts []Fact) {
	for _, fact := range facts {
		switch fact.Event.GetKind() {
		case docklinev1.EventKind_EVENT_KIND_ORDER_ACCEPTED, docklinev1.EventKind_EVENT_KIND_ORDER_CHANGED,
			docklinev1.EventKind_EVENT_KIND_ORDER_REJECTED, docklinev1.EventKind_EVENT_KIND_ORDER_CANCELLED:
			f.about = append(f.about, fact)
		}
	}
	if len(f.about) == 0 {
		f.offered()
		return
	}
	slices.SortFunc(f.about, byRevision)
	last := f.about[len(f.about)-1].Event
	f.out.Known, f.out.Rank = true, uint64(len(f.about))
	f.out.Cancelled = last.GetKind() == docklinev1.EventKind_EVENT_KIND_ORDER_CANCELLED
	f.rejected = last.GetKind() == docklinev1.EventKind_EVENT_KIND_ORDER_REJECTED
	told, first := last, (*docklinev1.Event)(nil)
	for _, fact := range f.about {
		if fact.Event.GetOrder() != nil {
			told = fact.Event
			if first == nil {
				first = told
			}
		}
	}
	f.out.Order = told.GetOrder()
	f.describe(told.GetTenant(), f.out.Order)
	for i, line := range f.out.Order.GetLines() {
		f.orderLine(told, i, line)
	}
	if first != nil && first != told {
		f.firstOrdered(first)
	}
}

// offered is an order of which there is only what a customer agreed to, or handed in.
func (f *orderFold) offered() {
	f.each(func(e *docklinev1.Event) {
		switch {
		case e.GetQuote() != nil:
			q := e.GetQuote()
			s := f.out.State
			s.Customer, s.CustomerName, s.Currency = q.GetCustomer(), q.GetCustomerName(), q.GetCurrency()
			f.quoteLines(e)
		case e.GetKind() == docklinev1.EventKind_EVENT_KIND_ORDER_SUBMITTED:
			f.describe(e.GetTenant(), e.GetOrder())
		}
	})
}

// quoteLines are shown until there is an order; of several quotes those of the last.
func (f *orderFold) quoteLines(e *docklinev1.Event) {
	f.out.State.Lines, f.marks = nil, nil
	clear(f.places)
	clear(f.items)
	for i, line := range e.GetQuote().GetLines() {
		f.orderLine(e, i, line)
	}
}

func (f *orderFold) describe(tenant string, o *docklinev1.Order) {
	s := f.out.State
	s.CorrelationId = event.CorrelationID(tenant, s.Number)
	s.Customer, s.CustomerName, s.CustomerReference, s.Currency = o.GetCustomer(), o.GetCustomerName(), o.GetCustomerReference(), o.GetCurrency()
	s.Site, s.OrderedAt, s.PromisedAt, s.ShipTo = o.GetSite(), o.GetOrderedAt(), o.GetPromisedAt(), o.GetShipTo()
	s.PriceList, s.PriceListVersion = o.GetPriceList(), o.GetPriceListVersion()
}

// lineNumber is the number of an order's line, by its place where the source gives none.
func lineNumber(i int, line *docklinev1.Line) string {
	if line.GetOrderLine() != "" {
		return line.GetOrderLine()
	}
	return strconv.Itoa(i + 1)
}

func (f *orderFold) orderLine(e *docklinev1.Event, i int, line *docklinev1.Line) {
	item, ordered, fault := quantity(f.mapping, e, line, line.GetQuantity())
	if fault != nil {
		f.found.add(fault)
		ordered = 0
	}
	if item == "" {
		item = UnmappedPrefix + rawCode(line)
	}
	at := f.addLine(&docklinev1.OrderLineState{OrderLine: lineNumber(i, line), Item: item, Description: line.GetDescription(),
		Unit: line.GetQuantity().GetUnit(), Ordered: ordered, UnitPrice: line.GetUnitPrice(), InOrder: true})
	if line.GetOriginalItem() != "" {
		f.orderedChild(e, line, at)
	}
}

// firstOrdered notes what the order asked for at first, so that what was taken out of it since can be told apart.
func (f *orderFold) firstOrdered(e *docklinev1.Event) {
	f.ordered = make(map[string]int64)
	for i, line := range e.GetOrder().GetLines() {
		if _, base, fault := quantity(f.mapping, e, line, line.GetQuantity()); fault == nil {
			f.ordered[lineNumber(i, line)] += base
		}
	}
}

// take notes what one fact says.
func (f *orderFold) take(e *docklinev1.Event) {
	switch p := e.GetPayload().(type) {
	case *docklinev1.Event_Pick:
		f.pick(e, p.Pick)
	case *docklinev1.Event_Pack:
		if e.GetKind() == docklinev1.EventKind_EVENT_KIND_PACK_REOPENED {
			f.reopened = append(f.reopened, f.at)
			return
		}
		for _, line := range p.Pack.GetLines() {
			if line.GetHandlingUnit() == "" {
				line = withHandlingUnit(line, p.Pack.GetHandlingUnit())
			}
			moved, _ := f.place(e, line, packed)
			f.packs = append(f.packs, moved...)
		}
	case *docklinev1.Event_Shipment:
		key := event.ShipmentKey(e.GetSite(), p.Shipment.GetNumber())
		f.departed[key] = append(f.departed[key], e)
		for _, line := range p.Shipment.GetLines() {
			moved, ok := f.place(e, line, shipped)
			f.shipments = append(f.shipments, moved...)
			if !ok {
				f.unresolved[key] = true
			}
		}
	case *docklinev1.Event_ShipmentVoid:
		f.voids = append(f.voids, f.at)
	case *docklinev1.Event_OrderReleased:
		f.releases, f.out.State.ReleasedTo = append(f.releases, f.at), p.OrderReleased.GetSite()
	case *docklinev1.Event_Quote:
		f.quotes, f.out.State.Quote = append(f.quotes, f.at), p.Quote.GetNumber()
	case *docklinev1.Event_Order:
		if e.GetKind() == docklinev1.EventKind_EVENT_KIND_ORDER_SUBMITTED {
			f.submissions = append(f.submissions, f.at)
		}
	case *docklinev1.Event_Allocation:
		f.reserve(e, p.Allocation)
	case *docklinev1.Event_Backorder:
		f.backorder(e, p.Backorder)
	case *docklinev1.Event_Invoice:
		f.invoices[p.Invoice.GetNumber()], f.invoiceAt[p.Invoice.GetNumber()] = p.Invoice, f.at
	case *docklinev1.Event_CommandResult:
		f.results = append(f.results, e)
	}
}

func (f *orderFold) pick(e *docklinev1.Event, p *docklinev1.Pick) {
	if g := f.groups[f.at]; g != nil {
		f.pickGroup(g, e)
		return
	}
	for i, line := range p.GetLines() {
		if f.refusedPicks[[2]int32{f.at, int32(i)}] {
			continue
		}
		moved, _ := f.place(e, line, picked)
		f.picks = append(f.picks, moved...)
		if e.GetKind() == docklinev1.EventKind_EVENT_KIND_PICK_SHORT {
			f.short(e, line, moved)
		}
	}
}

// short notes what a short pick did not find, on the line that it was picked for.
func (f *orderFold) short(e *docklinev1.Event, line *docklinev1.Line, moved []movement) {
	if len(moved) == 0 || line.GetOrdered() == nil {
		return
	}
	_, asked, fault := quantity(f.mapping, e, line, line.GetOrdered())
	if fault != nil {
		f.found.add(fault)
		return
	}
	missing := asked
	for _, m := range moved {
		missing -= m.base
	}
	if missing > 0 {
		f.shorts = append(f.shorts, movement{event: e, line: line, at: moved[0].at, base: missing})
		f.mark(moved[0].at, missed)
	}
}

// missing works out what is still short: later picks, a shipment or a smaller order make it less.
func (f *orderFold) missing() {
	byLine := make(map[int]*Short)
	for _, m := range f.shorts {
		s := byLine[m.at]
		if s == nil {
			s = &Short{Line: m.at}
			byLine[m.at] = s
		}
		s.Open += m.base
		s.Site, s.Reason = m.event.GetSite(), cmp.Or(m.line.GetReason(), s.Reason)
		s.EventIDs = append(s.EventIDs, m.event.GetId())
	}
	for i, line := range f.out.State.Lines {
		s := byLine[i]
		if s == nil {
			continue
		}
		s.EventIDs = sortedSet(s.EventIDs)
		left := line.Shipped - line.Voided
		target := wanted(line)
		if f.out.Cancelled {
			target = left
		}
		done := max(line.Picked, line.Packed, left)
		if f.out.Known {
			s.Open = max(0, min(s.Open, target-done))
		}
		line.Short = s.Open
		f.out.Shorts = append(f.out.Shorts, *s)
	}
}
