package state

import (
	"cmp"
	"slices"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// match settles which RMA has a blind return.
func (f *returnFold) match(facts []Fact) {
	own := slices.DeleteFunc(slices.Clone(facts), func(fact Fact) bool { return fact.Via != "" })
	s := f.out.State
	matched := matchOf(own, event.BlindReturnKey(s.GetSite(), s.GetReceipts()[0]))
	if matched == nil {
		return
	}
	f.authority, f.out.Known, f.out.Matched = matched, true, matched.GetReturnAuthorisation().GetNumber()
	f.out.Authorised = matched.GetKind() == docklinev1.EventKind_EVENT_KIND_RETURN_AUTHORISED
	f.out.Ended = !f.out.Authorised && decides(matched) > 0
}

// matchOf is what was said of the RMA that has the goods of a receipt, of those in force that name it: goods come back once, so where several RMAs name it, it is one
// that still lets them come, and of those the last.
func matchOf(facts []Fact, blind string) *docklinev1.Event {
	byNumber := make(map[string]Fact)
	for _, fact := range facts {
		a := fact.Event.GetReturnAuthorisation()
		if a == nil || receiptOf(fact.Event) != blind {
			continue
		}
		have, ok := byNumber[a.GetNumber()]
		if !ok || cmp.Or(cmp.Compare(decides(have.Event), decides(fact.Event)), byHappening(have, fact)) < 0 {
			byNumber[a.GetNumber()] = fact
		}
	}
	var best *Fact
	for _, number := range sortedKeys(byNumber) {
		fact := byNumber[number]
		if best == nil || cmp.Or(cmp.Compare(lets(best.Event), lets(fact.Event)), byHappening(*best, fact)) < 0 {
			best = &fact
		}
	}
	if best == nil {
		return nil
	}
	return best.Event
}

// lets orders what is said of a return by how far it lets goods come back.
func lets(e *docklinev1.Event) int {
	switch e.GetKind() {
	case docklinev1.EventKind_EVENT_KIND_RETURN_AUTHORISED:
		return 2
	case docklinev1.EventKind_EVENT_KIND_RETURN_REQUESTED:
		return 1
	}
	return 0
}

// receiptOf is the key of the blind return that an RMA names, "" for none.
func receiptOf(e *docklinev1.Event) string {
	a := e.GetReturnAuthorisation()
	if a.GetReceipt() == "" {
		return ""
	}
	return event.BlindReturnKey(cmp.Or(a.GetReceiptSite(), a.GetSite(), e.GetSite()), a.GetReceipt())
}

// ofAnother tells the facts that came with a receipt and belong to another RMA: what is said of that one, and the goods, where it has them.
func (f *returnFold) ofAnother(facts []Fact) func(Fact) bool {
	elsewhere := make(map[string]bool)
	for _, fact := range facts {
		if kind, _, err := event.ParseKey(fact.Via); err != nil || kind != KindBlindReturn {
			continue
		}
		if _, ok := elsewhere[fact.Via]; !ok {
			matched := matchOf(facts, fact.Via)
			elsewhere[fact.Via] = matched != nil && matched.GetReturnAuthorisation().GetNumber() != f.out.State.GetNumber()
		}
	}
	return func(fact Fact) bool {
		if a := fact.Event.GetReturnAuthorisation(); a != nil {
			return fact.Via != "" && a.GetNumber() != f.out.State.GetNumber()
		}
		return elsewhere[fact.Via]
	}
}
