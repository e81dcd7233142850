package state

import (
	"slices"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// mostStatusFacts is how many facts a status names; how many there are in all is counted beside them. A large order has a million.
const mostStatusFacts = 20

// mark says that a fact, by its place among those in force, counted for a sum of a line.
type mark struct {
	fact  int32
	stage stage
}

func (f *orderFold) mark(at int, s stage) {
	if marks := f.marks[at]; len(marks) > 0 && marks[len(marks)-1] == (mark{f.at, s}) {
		return
	}
	f.marks[at] = append(f.marks[at], mark{f.at, s})
}

// evidence is the stages whose facts a status follows from. What is not listed follows from what the system of record says of the order itself.
var evidence = map[string][]stage{
	Closed:           {invoiced, delivered, shipped, voided},
	Delivered:        {delivered},
	Shipped:          {shipped, voided},
	PartiallyShipped: {shipped, voided},
	Packed:           {packed},
	Picking:          {picked, missed, packed},
	Allocated:        {allocated},
	Backordered:      {backordered},
	Cancelled:        {substituted},
}

// factsOf are the facts, by place, that a line's status follows from.
func (f *orderFold) factsOf(at int) []int32 {
	var facts []int32
	stages := evidence[f.out.State.Lines[at].Status]
	for _, m := range f.marks[at] {
		if slices.Contains(stages, m.stage) {
			facts = append(facts, m.fact)
		}
	}
	slices.Sort(facts)
	return slices.Compact(facts)
}

// lineFacts gives every line the facts behind its status.
func (f *orderFold) lineFacts() {
	for at, l := range f.out.State.Lines {
		facts := f.factsOf(at)
		l.StatusFacts, l.StatusFactCount = f.named(l.Status, facts)
	}
}

// orderFacts gives the order the facts behind its status: those of the lines that made it so.
func (f *orderFold) orderFacts() {
	s := f.out.State
	var facts []int32
	for at, l := range s.Lines {
		if deciding(s.Status, l.Status) {
			facts = append(facts, f.factsOf(at)...)
		}
	}
	slices.Sort(facts)
	s.StatusFacts, s.StatusFactCount = f.named(s.Status, slices.Compact(facts))
}

// deciding tells whether a line's status is one that an order's follows from.
func deciding(order, line string) bool {
	switch order {
	case PartiallyDelivered:
		return line == Delivered || line == Closed
	case PartiallyShipped:
		return slices.Contains([]string{PartiallyShipped, Shipped, Delivered, Closed}, line)
	case PartiallyPacked:
		return line == Packed
	case Closed, Delivered, Shipped:
		return line != Cancelled
	}
	return order == line
}

// named are the ids of the newest of some facts, oldest first, and how many there are. Where no fact of the goods made the status, those
// about the order itself did.
func (f *orderFold) named(status string, facts []int32) ([]string, uint32) {
	switch status {
	case Released:
		facts = f.releases
	case Quoted:
		facts = f.quotes
	case Submitted:
		facts = f.submissions
	case Held:
		return f.heldBy()
	}
	if len(facts) == 0 {
		if len(f.about) == 0 {
			return nil, 0
		}
		return []string{f.about[len(f.about)-1].Event.GetId()}, 1
	}
	return f.newest(facts)
}

func (f *orderFold) heldBy() ([]string, uint32) {
	var ids []string
	for _, h := range f.out.State.Holds {
		ids = append(ids, h.EventId)
	}
	return ids[:min(len(ids), mostStatusFacts)], uint32(len(ids))
}

// progress says how far each stage has come over some lines.
func progress(lines []*docklinev1.OrderLineState) []string {
	var list []string
	for _, p := range []struct {
		name     string
		has, all func(l *docklinev1.OrderLineState) int64
	}{
		{"allocated", (*docklinev1.OrderLineState).GetAllocated, (*docklinev1.OrderLineState).GetNet},
		{"picked", (*docklinev1.OrderLineState).GetPicked, (*docklinev1.OrderLineState).GetNet},
		{"packed", (*docklinev1.OrderLineState).GetPacked, (*docklinev1.OrderLineState).GetNet},
		{"shipped", (*docklinev1.OrderLineState).GetOut, (*docklinev1.OrderLineState).GetNet},
		{"delivered", (*docklinev1.OrderLineState).GetDelivered, (*docklinev1.OrderLineState).GetNet},
		{"invoiced", (*docklinev1.OrderLineState).GetInvoiced, (*docklinev1.OrderLineState).GetNet},
		{"cancelled", (*docklinev1.OrderLineState).GetCancelled, (*docklinev1.OrderLineState).GetOrdered},
		{"backordered", (*docklinev1.OrderLineState).GetBackordered, (*docklinev1.OrderLineState).GetNet},
		{"refused", (*docklinev1.OrderLineState).GetRefused, (*docklinev1.OrderLineState).GetOut},
		{"lost", (*docklinev1.OrderLineState).GetLost, (*docklinev1.OrderLineState).GetOut},
		{"damaged", (*docklinev1.OrderLineState).GetDamaged, (*docklinev1.OrderLineState).GetOut},
		{"received", (*docklinev1.OrderLineState).GetReturned, (*docklinev1.OrderLineState).GetReturnAuthorised},
		{"credited", (*docklinev1.OrderLineState).GetCredited, owedCredit},
	} {
		some, whole := false, true
		for _, l := range lines {
			some = some || p.has(l) > 0
			whole = whole && p.has(l) >= p.all(l)
		}
		switch {
		case some && whole:
			list = append(list, p.name)
		case some:
			list = append(list, partially+p.name)
		}
	}
	slices.Sort(list)
	return list
}

// partially stands before a stage that not all has reached.
const partially = "partially_"

// owedCredit is what a line's credits are held against: what came back or is to come back, else what was invoiced.
func owedCredit(l *docklinev1.OrderLineState) int64 {
	if owed := max(l.Returned, l.ReturnAuthorised); owed > 0 || l.Credited == 0 {
		return owed
	}
	return l.Invoiced
}

// Progresses are all that an order's progress can name.
func Progresses() []string {
	var list []string
	for _, name := range []string{"allocated", "picked", "packed", "shipped", "delivered", "invoiced", "cancelled", "backordered", "refused", "lost", "damaged", "received", "credited"} {
		list = append(list, name, partially+name)
	}
	return list
}
