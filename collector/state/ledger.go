package state

import (
	"cmp"
	"slices"

	"google.golang.org/protobuf/types/known/timestamppb"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// Statuses of stock that movements lead to where a source names none.
const (
	StatusPicked     = "picked"
	StatusDamaged    = "damaged"
	StatusReturned   = "quarantine_return"
	StatusRefurbish  = "refurbish"
	StatusQuarantine = "quarantine"
)

// Kinds of accounts that are no stock of a site.
const (
	AccountSupplier   = "supplier"
	AccountCustomer   = "customer"
	AccountTransit    = "transit"
	AccountAdjustment = "adjustment"
	AccountProduction = "production"
	AccountScrap      = "scrap"
	// AccountDamaged is goods that a carrier damaged and that nobody has taken back yet.
	AccountDamaged = "damaged_in_transit"
)

// AccountKey names an account that is no bucket: where goods of an item are for a site that has them no longer, or not yet.
func AccountKey(kind, site, item string) string { return event.Key(KindAccount, kind, site, item) }

// MovementFold is what the facts of one movement key move.
type MovementFold struct {
	State *docklinev1.LedgerRecord
	// Facts are the events in force; Former those that a revision replaced, and second scans.
	Facts    []*docklinev1.Event
	Former   []*docklinev1.Event
	Findings []Finding
}

// FoldMovement folds the facts of one movement key. firstThere says, of a key of second scans, that the event log has the first: then
// none of them counts.
func FoldMovement(key string, facts []Fact, m Mapping, firstThere bool) MovementFold {
	return foldMovement(key, facts, m, firstThere, nil)
}

// FoldShipmentMovement folds the movement key of a shipment. What its carriers say comes from its own fold: there it is known by which names they
// call it, and what a later word ended.
func FoldShipmentMovement(key string, facts []Fact, m Mapping, c Carried) MovementFold {
	return foldMovement(key, facts, m, false, &c)
}

func foldMovement(key string, facts []Fact, m Mapping, firstThere bool, c *Carried) MovementFold {
	if first := FirstScan(key); first != "" && firstThere {
		facts = slices.DeleteFunc(slices.Clone(facts), func(f Fact) bool { return f.Event.GetDoubleOf() == first })
	}
	force := inForce(facts)
	l := &ledger{mapping: m, found: force.found}
	var shipped []gone
	fold := MovementFold{State: &docklinev1.LedgerRecord{}, Former: force.former()}
	for _, fact := range force.Facts {
		e := fact.Event
		fold.Facts = append(fold.Facts, e)
		switch e.GetPayload().(type) {
		case *docklinev1.Event_ShipmentVoid, *docklinev1.Event_Transport:
			// when all that left is known
		case *docklinev1.Event_Shipment:
			rows := l.of(e)
			for _, row := range rows {
				rest := row.GetQuantity()
				shipped = append(shipped, gone{row, e, &rest})
			}
			fold.State.Rows = append(fold.State.Rows, rows...)
		default:
			fold.State.Rows = append(fold.State.Rows, l.of(e)...)
		}
	}
	fold.State.Rows = append(fold.State.Rows, l.after(shipped, c.with(fold.Facts))...)
	sortRows(fold.State.Rows)
	for _, e := range fold.Former {
		fold.State.Former = append(fold.State.Former, e.GetId())
	}
	fold.State.Former = sortedSet(fold.State.Former)
	fold.Findings = force.found.sorted()
	return fold
}

// ledger turns events into rows.
type ledger struct {
	mapping Mapping
	found   findings
}

// of is the rows of one event, one for each pair of accounts and item.
func (l *ledger) of(e *docklinev1.Event) []*docklinev1.LedgerRow {
	var rows []*docklinev1.LedgerRow
	for _, line := range event.Lines(e) {
		b, base := l.line(e, line)
		from, to := accounts(e, line, b)
		rows = add(rows, e, b.Item, base, from, to)
	}
	for _, line := range e.GetTransformation().GetOutputs() {
		b, base := l.line(e, line)
		rows = add(rows, e, b.Item, base, AccountKey(AccountProduction, b.Site, b.Item), b.Key())
	}
	return slices.DeleteFunc(rows, func(r *docklinev1.LedgerRow) bool { return r.Quantity == 0 })
}

// line is the bucket that a line names, and how much of it. An item or unit that the mapping does not know stands under the raw code, in the
// line's own unit.
func (l *ledger) line(e *docklinev1.Event, line *docklinev1.Line) (Bucket, int64) {
	b := bucketOf(e, e.GetSite(), line, l.mapping)
	item, base, fault := quantity(l.mapping, e, line, line.GetQuantity())
	if fault == nil {
		b.Item = item
		return b, base
	}
	if movesStockOnly(e.GetKind()) {
		l.found.add(fault)
	}
	b.Item = UnmappedPrefix + rawCode(line)
	base, _ = event.ParseQuantity(line.GetQuantity().GetValue())
	return b, base
}

func add(rows []*docklinev1.LedgerRow, e *docklinev1.Event, item string, quantity int64, from, to string) []*docklinev1.LedgerRow {
	if from == to || from == "" || to == "" {
		return rows
	}
	if quantity < 0 { // an adjustment that takes away
		from, to, quantity = to, from, -quantity
	}
	i := slices.IndexFunc(rows, func(r *docklinev1.LedgerRow) bool { return r.Item == item && r.From == from && r.To == to })
	if i < 0 {
		rows = append(rows, rowOf(e, item, from, to))
		i = len(rows) - 1
	}
	rows[i].Quantity += quantity
	return rows
}

func rowOf(e *docklinev1.Event, item, from, to string) *docklinev1.LedgerRow {
	at := MomentOf(e)
	return &docklinev1.LedgerRow{EventId: e.GetId(), Item: item, From: from, To: to, OccurredAt: timestamppb.New(at.At), Source: at.Source, Movement: at.Movement}
}

// accounts are where a line's goods were, and where they are then; "" where the event does not move them.
func accounts(e *docklinev1.Event, line *docklinev1.Line, b Bucket) (from, to string) {
	virtual := func(kind string) string { return AccountKey(kind, b.Site, b.Item) }
	switch p := e.GetPayload().(type) {
	case *docklinev1.Event_Pick:
		return b.Key(), b.pickedKey()
	case *docklinev1.Event_Shipment:
		if site := p.Shipment.GetToSite(); site != "" {
			return b.pickedKey(), AccountKey(AccountTransit, site, b.Item)
		}
		return b.pickedKey(), virtual(AccountCustomer)
	case *docklinev1.Event_Inbound:
		if b.Status == event.Available && line.GetStockStatus() == "" && line.GetCondition() == StatusDamaged {
			b.Status = StatusDamaged
		}
		if from, ok := fromSite(p.Inbound.GetSupplier()); ok && from != b.Site {
			return virtual(AccountTransit), b.Key()
		}
		return virtual(AccountSupplier), b.Key()
	case *docklinev1.Event_StockMove:
		return b.Key(), b.then(line).Key()
	case *docklinev1.Event_StockStatusChange:
		return statusAccounts(e, line, b)
	case *docklinev1.Event_Adjustment:
		if e.GetKind() == docklinev1.EventKind_EVENT_KIND_STOCK_SCRAPPED {
			return b.Key(), virtual(AccountScrap)
		}
		return virtual(AccountAdjustment), b.Key()
	case *docklinev1.Event_Transformation:
		if to := b.then(line); to != b && len(p.Transformation.GetOutputs()) == 0 {
			return b.Key(), to.Key()
		}
		return b.Key(), virtual(AccountProduction)
	case *docklinev1.Event_Return:
		return returnAccounts(e, line, b)
	}
	return "", ""
}

// statusAccounts: goods that are damaged while they are packed were picked; everywhere else they lie where the line says.
func statusAccounts(e *docklinev1.Event, line *docklinev1.Line, b Bucket) (from, to string) {
	then := b.then(line)
	if e.GetKind() == docklinev1.EventKind_EVENT_KIND_STOCK_DAMAGED {
		if line.GetToStatus() == "" {
			then.Status = StatusDamaged
		}
		if e.GetStockStatusChange().GetStage() == "pack" && line.GetStockStatus() == "" {
			return b.pickedKey(), then.Key()
		}
	}
	return b.Key(), then.Key()
}

func returnAccounts(e *docklinev1.Event, line *docklinev1.Line, b Bucket) (from, to string) {
	if line.GetStockStatus() == "" {
		b.Status = StatusReturned
	}
	if e.GetKind() == docklinev1.EventKind_EVENT_KIND_RETURN_RECEIVED {
		return AccountKey(AccountCustomer, b.Site, b.Item), b.Key()
	}
	then := b.then(line)
	switch {
	case line.GetDisposition() == "scrap":
		return b.Key(), AccountKey(AccountScrap, b.Site, b.Item)
	case line.GetDisposition() == "to_vendor":
		return b.Key(), AccountKey(AccountSupplier, b.Site, b.Item)
	case line.GetToStatus() != "":
	case line.GetDisposition() == "restock":
		then.Status = event.Available
	case line.GetDisposition() == "refurbish":
		then.Status = StatusRefurbish
	case line.GetDisposition() == "quarantine":
		then.Status = StatusQuarantine
	}
	return b.Key(), then.Key()
}

// after is what takes back, or loses, what left under one number. Neither can concern more than had left: where a void is told of goods
// whose departure is not known yet, it waits for it. A void reaches what had left by then, so that the same number may leave once more.
func (l *ledger) after(shipped []gone, facts []*docklinev1.Event) []*docklinev1.LedgerRow {
	var all []*docklinev1.LedgerRow
	for _, e := range facts {
		if e.GetShipmentVoid() == nil && e.GetTransport() == nil {
			continue
		}
		reached := shipped
		if e.GetShipmentVoid() != nil {
			reached = leftBefore(shipped, e)
		}
		var rows []*docklinev1.LedgerRow
		take := func(most int64, fits func(*docklinev1.LedgerRow) bool) {
			for _, g := range slices.Backward(reached) {
				if n := min(*g.rest, most); n > 0 && fits(g.LedgerRow) {
					*g.rest -= n
					most -= n
					rows = add(rows, e, g.GetItem(), n, g.GetTo(), backTo(e.GetKind(), g.LedgerRow))
				}
			}
		}
		lines := event.Lines(e)
		if len(lines) == 0 {
			take(1<<62, func(*docklinev1.LedgerRow) bool { return true })
		}
		for _, line := range lines {
			if item, base, fault := quantity(l.mapping, e, line, line.GetQuantity()); fault == nil {
				take(base, lineOf(line, item))
			} else if raw, err := event.ParseQuantity(line.GetQuantity().GetValue()); err == nil {
				take(raw, lineOf(line, UnmappedPrefix+rawCode(line)))
			}
		}
		all = append(all, rows...)
	}
	return all
}

// gone is a row of a departure, and what of it is still away.
type gone struct {
	*docklinev1.LedgerRow
	event *docklinev1.Event
	rest  *int64
}

// leftBefore is what did not leave after a void; all where nothing else is there, since then the clocks are wrong.
func leftBefore(shipped []gone, void *docklinev1.Event) []gone {
	earlier := slices.DeleteFunc(slices.Clone(shipped), func(g gone) bool { return after(g.event, void) })
	if len(earlier) == 0 {
		return shipped
	}
	return earlier
}

// lineOf tells the rows that a line may mean: one that names no lot, or no owner, may mean any.
func lineOf(line *docklinev1.Line, item string) func(*docklinev1.LedgerRow) bool {
	return func(row *docklinev1.LedgerRow) bool {
		b, err := ParseBucket(row.GetFrom())
		return row.GetItem() == item && (err != nil || (line.GetLot() == "" || b.Lot == "" || line.GetLot() == b.Lot) && (line.GetOwner() == "" || line.GetOwner() == b.Owner))
	}
}

// backTo is where goods are after they left: back among what is picked, or with the carrier's loss.
func backTo(kind docklinev1.EventKind, row *docklinev1.LedgerRow) string {
	_, parts, err := event.ParseKey(row.GetTo())
	if err != nil || kind == docklinev1.EventKind_EVENT_KIND_SHIPMENT_VOIDED {
		return row.GetFrom()
	}
	if kind == docklinev1.EventKind_EVENT_KIND_TRANSPORT_DAMAGED {
		return AccountKey(AccountDamaged, parts[1], row.GetItem())
	}
	return AccountKey(AccountScrap, parts[1], row.GetItem())
}

func sortRows(rows []*docklinev1.LedgerRow) {
	slices.SortFunc(rows, func(a, b *docklinev1.LedgerRow) int {
		return cmp.Or(a.GetOccurredAt().AsTime().Compare(b.GetOccurredAt().AsTime()), cmp.Compare(a.EventId, b.EventId), cmp.Compare(a.Item, b.Item),
			cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To), cmp.Compare(a.Quantity, b.Quantity))
	})
}

// movesStockOnly tells kinds that no order, shipment, return or receipt tells of: what is wrong with them is told where they are folded here.
func movesStockOnly(k docklinev1.EventKind) bool {
	switch k {
	case docklinev1.EventKind_EVENT_KIND_PUTAWAY_CONFIRMED, docklinev1.EventKind_EVENT_KIND_STOCK_MOVED, docklinev1.EventKind_EVENT_KIND_STOCK_STATUS_CHANGED,
		docklinev1.EventKind_EVENT_KIND_STOCK_DAMAGED, docklinev1.EventKind_EVENT_KIND_STOCK_ADJUSTED, docklinev1.EventKind_EVENT_KIND_STOCK_SCRAPPED,
		docklinev1.EventKind_EVENT_KIND_LOT_RELABELLED, docklinev1.EventKind_EVENT_KIND_KIT_BUILT, docklinev1.EventKind_EVENT_KIND_STOCK_REPACKED:
		return true
	}
	return false
}

// MovesStockOnly tells whether an event is folded nowhere but in the ledger.
func MovesStockOnly(e *docklinev1.Event) bool { return movesStockOnly(e.GetKind()) }

// RowsMinus are the rows that lead from one set to another: what is only in had turned round, and what is only in want.
func RowsMinus(want, had []*docklinev1.LedgerRow) []*docklinev1.LedgerRow {
	type name struct {
		event, item, from, to, source, count string
		at                                   int64
		movement                             uint64
	}
	nameOf := func(r *docklinev1.LedgerRow) name {
		return name{r.GetEventId(), r.GetItem(), r.GetFrom(), r.GetTo(), r.GetSource(), r.GetCount(), r.GetOccurredAt().AsTime().UnixMicro(), r.GetMovement()}
	}
	net := make(map[name]int64, len(want)+len(had))
	for _, r := range want {
		net[nameOf(r)] += r.GetQuantity()
	}
	for _, r := range had {
		net[nameOf(r)] -= r.GetQuantity()
	}
	var list []*docklinev1.LedgerRow
	for n, quantity := range net {
		if quantity != 0 {
			list = append(list, &docklinev1.LedgerRow{EventId: n.event, Item: n.item, From: n.from, To: n.to, Quantity: quantity,
				OccurredAt: timestamppb.New(microTime(n.at)), Source: n.source, Movement: n.movement, Count: n.count})
		}
	}
	sortRows(list)
	return list
}

// InAccount is what a row brings into an account, below zero where it takes away.
func InAccount(row *docklinev1.LedgerRow, account string) int64 {
	switch account {
	case row.GetTo():
		return row.GetQuantity()
	case row.GetFrom():
		return -row.GetQuantity()
	}
	return 0
}
