package state

import (
	"cmp"
	"slices"

	"google.golang.org/protobuf/proto"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// returnLine is a line of a return with the facts behind it.
type returnLine struct {
	*docklinev1.ReturnLineState
	events []*docklinev1.Event
}

func (f *returnFold) authorise(e *docklinev1.Event, line *docklinev1.Line, order string) {
	item, base, fault := quantity(f.mapping, e, line, line.GetQuantity())
	if fault != nil {
		f.found.add(fault)
	}
	if item == "" {
		item, base = UnmappedPrefix+rawCode(line), 0
	}
	number := line.GetOrderLine()
	f.lines = append(f.lines, &returnLine{ReturnLineState: &docklinev1.ReturnLineState{Order: cmp.Or(line.GetOrder(), order), OrderLine: number, Item: item,
		Description: line.GetDescription(), Authorised: base}})
}

// place finds the lines that a fact's line may mean; one that nobody has authorised gets a line of its own.
func (f *returnFold) place(line *docklinev1.Line, item string) []*returnLine {
	var exact, alike []*returnLine
	if said := f.orderLines[item]; said != "" && line.GetOrderLine() == "" {
		line = proto.CloneOf(line)
		line.OrderLine = said
	}
	for _, l := range f.lines {
		if l.Item != item || line.GetOrder() != "" && l.Order != "" && line.GetOrder() != l.Order {
			continue
		}
		if line.GetOrderLine() != "" && line.GetOrderLine() == l.OrderLine {
			exact = append(exact, l)
		}
		if line.GetOrderLine() == "" || l.OrderLine == "" {
			alike = append(alike, l)
		}
	}
	if len(exact) > 0 {
		return exact[:1]
	}
	if len(alike) > 0 {
		return alike
	}
	l := &returnLine{ReturnLineState: &docklinev1.ReturnLineState{Order: line.GetOrder(), OrderLine: line.GetOrderLine(), Item: item, Description: line.GetDescription(),
		Unexpected: f.authority != nil && !f.out.State.Blind && !f.out.Whole}}
	f.lines = append(f.lines, l)
	return []*returnLine{l}
}

// spread divides a quantity among lines: each as much as it has room for, and the last the rest.
func spread(base int64, lines []*returnLine, room func(*returnLine) int64, add func(*returnLine, int64)) {
	for i, l := range lines {
		n := base
		if i < len(lines)-1 {
			n = min(base, max(0, room(l)))
		}
		if n != 0 || base == 0 && i == 0 {
			add(l, n)
		}
		base -= n
	}
}

// quantities fills the lines from what the site did and what was credited.
func (f *returnFold) quantities() {
	steps := []struct {
		kind docklinev1.EventKind
		room func(*returnLine) int64
		take func(*docklinev1.Line, *returnLine, int64)
	}{
		{docklinev1.EventKind_EVENT_KIND_RETURN_RECEIVED, func(l *returnLine) int64 { return l.Authorised - l.Received }, func(line *docklinev1.Line, l *returnLine, n int64) {
			l.Received += n
		}},
		{docklinev1.EventKind_EVENT_KIND_RETURN_INSPECTED, func(l *returnLine) int64 { return l.Received - l.Inspected }, func(line *docklinev1.Line, l *returnLine, n int64) {
			l.Inspected += n
			if line.GetCondition() == DiscrepancyDamaged {
				l.Damaged += n
			}
		}},
		{docklinev1.EventKind_EVENT_KIND_RETURN_DISPOSED, func(l *returnLine) int64 { return l.Received - l.Disposed }, dispose},
	}
	for _, step := range steps {
		for _, e := range f.deeds {
			if e.GetKind() != step.kind {
				continue
			}
			for _, line := range e.GetReturn().GetLines() {
				item, base, fault := quantity(f.mapping, e, line, line.GetQuantity())
				if fault != nil {
					f.found.add(fault)
					continue
				}
				spread(base, f.place(line, item), step.room, func(l *returnLine, n int64) {
					step.take(line, l, n)
					l.events = append(l.events, e)
					f.part(e, line, l, n)
				})
			}
		}
	}
	f.allowances()
	for _, e := range f.credits {
		f.credit(e)
	}
	slices.SortStableFunc(f.lines, func(a, b *returnLine) int {
		return cmp.Or(cmp.Compare(a.Order, b.Order), cmp.Compare(a.OrderLine, b.OrderLine), cmp.Compare(a.Item, b.Item))
	})
	for _, l := range f.lines {
		l.EventIds = idsOf(l.events...)
		l.Status = lineOfReturn(l)
		f.out.State.Lines = append(f.out.State.Lines, l.ReturnLineState)
	}
}

func dispose(line *docklinev1.Line, l *returnLine, n int64) {
	l.Disposed += n
	switch line.GetDisposition() {
	case "refurbish":
		l.Refurbished += n
	case "quarantine":
		l.Quarantined += n
	case "scrap":
		l.Scrapped += n
	case "to_vendor":
		l.ToVendor += n
	default:
		l.Restocked += n
	}
}

// credit takes a credit memo: its lines where it has any, else everything that is not credited yet. One of several returns credits here what
// fits here.
func (f *returnFold) credit(e *docklinev1.Event) {
	memo := e.GetCreditMemo()
	defer f.byHand(memo, f.credited())
	several := len(memo.GetReturns()) > 1
	for _, line := range memo.GetLines() {
		item, base, fault := quantity(f.mapping, e, line, line.GetQuantity())
		if fault != nil {
			f.found.add(fault)
			continue
		}
		if several {
			lines := slices.DeleteFunc(slices.Clone(f.lines), func(l *returnLine) bool {
				return l.Item != item || line.GetOrderLine() != "" && l.OrderLine != "" && line.GetOrderLine() != l.OrderLine || line.GetOrder() != "" && l.Order != "" && line.GetOrder() != l.Order
			})
			for _, l := range lines {
				n := min(base, max(0, max(l.Received, l.Authorised)-l.Credited))
				l.Credited, base = l.Credited+n, base-n
				l.events = append(l.events, e)
			}
			continue
		}
		spread(base, f.place(line, item), func(l *returnLine) int64 { return max(l.Received, l.Authorised) - l.Credited }, func(l *returnLine, n int64) {
			l.Credited += n
			l.events = append(l.events, e)
		})
	}
	if len(memo.GetLines()) > 0 {
		return
	}
	for _, l := range f.lines {
		l.Credited = max(l.Credited, l.Received)
		l.events = append(l.events, e)
	}
}

func lineOfReturn(l *returnLine) string {
	wanted := max(l.Received, l.Authorised)
	switch {
	case l.Received > 0 && l.Credited >= l.Received && l.Disposed >= l.Received && l.Received >= l.Authorised:
		return ReturnClosed
	case l.Credited > 0:
		return soFar(l.Credited, wanted, ReturnCredited)
	case l.Disposed > 0:
		return soFar(l.Disposed, wanted, ReturnDisposed)
	case l.Inspected > 0:
		return soFar(l.Inspected, wanted, ReturnInspected)
	case l.Received > 0:
		return soFar(l.Received, wanted, ReturnReceived)
	}
	return ReturnAuthorised
}

// soFar is a status, partial where not all of it is so.
func soFar(have, want int64, status string) string {
	if have < want {
		return partially + status
	}
	return status
}
