package state

import (
	"cmp"
	"slices"
	"strconv"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// Statuses of an order and of its lines; the first that applies, in this order (an order that nobody has told us of is unknown).
const (
	Unknown          = "unknown"
	Rejected         = "rejected"
	Cancelled        = "cancelled"
	Closed           = "closed"
	Shipped          = "shipped"
	PartiallyShipped = "partially_shipped"
	Packed           = "packed"
	Picking          = "picking"
	Released         = "released"
	Accepted         = "accepted"
)

// Flags of an order.
const (
	FlagOrphan           = "orphan_facts"
	FlagOverShipped      = "over_shipped"
	FlagCancelAfterShip  = "cancel_after_ship"
	FlagUnresolvedLines  = "unresolved_lines"
	FlagCommandRefused   = "command_refused"
	FlagCancelBeforeSeen = "cancelled_before_order"
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
	// Refused are results of commands that a site refused and that no later version has overtaken.
	Refused []*docklinev1.Event
	// Facts are the events that count, as they happened; Former those that a revision of their record has replaced.
	Facts    []*docklinev1.Event
	Former   []*docklinev1.Event
	Findings []Finding
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

// FoldOrder folds the facts of one order.
func FoldOrder(number string, facts []Fact, m Mapping) OrderFold {
	force := inForce(facts)
	f := &orderFold{mapping: m, found: force.found, invoices: make(map[string]*docklinev1.Invoice), unresolved: make(map[string]bool),
		places: make(map[placeKey][]int), items: make(map[string]string)}
	f.out = OrderFold{State: &docklinev1.OrderState{Number: number, Status: Unknown}, Former: force.former()}
	for _, fact := range force.Facts {
		f.out.Facts = append(f.out.Facts, fact.Event)
	}
	f.header(append(slices.Clone(force.Former), force.Facts...))
	for _, e := range f.out.Facts {
		f.take(e)
	}
	f.issue()
	f.missing()
	f.finish()
	f.out.Findings = f.found.sorted()
	return f.out
}

// orderFold is the work of one FoldOrder.
type orderFold struct {
	mapping   Mapping
	out       OrderFold
	found     findings
	picks     []movement
	packs     []movement
	shipments []movement
	shorts    []movement
	results   []*docklinev1.Event
	invoices  map[string]*docklinev1.Invoice
	released  bool
	rejected  bool
	// unresolved are the shipments, by key, with a line that belongs to no line of the order.
	unresolved map[string]bool
	// places are where the order's lines are, by item and by item and number: an order may have very many.
	places map[placeKey][]int
	items  map[string]string
}

// header settles what the system of record says of the order itself: the fact with the highest revision; where revisions do not
// tell, one that ends the order, so that a cancellation seen before its order still counts. A cancellation carries no lines, so
// those come from the newest fact that does.
func (f *orderFold) header(facts []Fact) {
	var about []Fact
	for _, fact := range facts {
		switch fact.Event.GetKind() {
		case docklinev1.EventKind_EVENT_KIND_ORDER_ACCEPTED, docklinev1.EventKind_EVENT_KIND_ORDER_CHANGED,
			docklinev1.EventKind_EVENT_KIND_ORDER_REJECTED, docklinev1.EventKind_EVENT_KIND_ORDER_CANCELLED:
			about = append(about, fact)
		}
	}
	if len(about) == 0 {
		return
	}
	slices.SortFunc(about, byRevision)
	last := about[len(about)-1].Event
	f.out.Known, f.out.Rank = true, uint64(len(about))
	f.out.Cancelled = last.GetKind() == docklinev1.EventKind_EVENT_KIND_ORDER_CANCELLED
	f.rejected = last.GetKind() == docklinev1.EventKind_EVENT_KIND_ORDER_REJECTED
	told := last
	for _, fact := range about {
		if fact.Event.GetOrder() != nil {
			told = fact.Event
		}
	}
	f.out.Order = told.GetOrder()
	s, o := f.out.State, f.out.Order
	s.CorrelationId = event.CorrelationID(last.GetTenant(), s.Number)
	s.Customer, s.CustomerName, s.CustomerReference, s.Currency = o.GetCustomer(), o.GetCustomerName(), o.GetCustomerReference(), o.GetCurrency()
	s.Site, s.OrderedAt, s.PromisedAt, s.ShipTo = o.GetSite(), o.GetOrderedAt(), o.GetPromisedAt(), o.GetShipTo()
	for i, line := range o.GetLines() {
		f.orderLine(told, i, line)
	}
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
	number := line.GetOrderLine()
	if number == "" {
		number = strconv.Itoa(i + 1)
	}
	f.addLine(&docklinev1.OrderLineState{OrderLine: number, Item: item, Description: line.GetDescription(),
		Unit: line.GetQuantity().GetUnit(), Ordered: ordered, UnitPrice: line.GetUnitPrice()})
}

// take notes what one fact says.
func (f *orderFold) take(e *docklinev1.Event) {
	switch p := e.GetPayload().(type) {
	case *docklinev1.Event_Pick:
		for _, line := range p.Pick.GetLines() {
			moved, _ := f.place(e, line, picked)
			f.picks = append(f.picks, moved...)
			if e.GetKind() == docklinev1.EventKind_EVENT_KIND_PICK_SHORT {
				f.short(e, line, moved)
			}
		}
	case *docklinev1.Event_Pack:
		for _, line := range p.Pack.GetLines() {
			if line.GetHandlingUnit() == "" {
				line = withHandlingUnit(line, p.Pack.GetHandlingUnit())
			}
			moved, _ := f.place(e, line, packed)
			f.packs = append(f.packs, moved...)
		}
	case *docklinev1.Event_Shipment:
		for _, line := range p.Shipment.GetLines() {
			moved, ok := f.place(e, line, shipped)
			f.shipments = append(f.shipments, moved...)
			if !ok {
				f.unresolved[event.ShipmentKey(e.GetSite(), p.Shipment.GetNumber())] = true
			}
		}
	case *docklinev1.Event_OrderReleased:
		f.released, f.out.State.ReleasedTo = true, p.OrderReleased.GetSite()
	case *docklinev1.Event_Invoice:
		f.invoices[p.Invoice.GetNumber()] = p.Invoice
	case *docklinev1.Event_CommandResult:
		f.results = append(f.results, e)
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
		wanted := line.Ordered
		if f.out.Cancelled {
			wanted = line.Shipped
		}
		done := max(line.Picked, line.Packed, line.Shipped)
		if f.out.Known {
			s.Open = max(0, min(s.Open, wanted-done))
		}
		line.Short = s.Open
		f.out.Shorts = append(f.out.Shorts, *s)
	}
}
