package state_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/dockline/dockline/collector/state"
	. "github.com/dockline/dockline/collector/state/statetest"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv"
)

// orderFacts are the facts of order SO1: the parts of events that concern it, and what reaches it through its shipments, returns and invoices.
func orderFacts(events ...*docklinev1.Event) []state.Fact {
	var list []state.Fact
	for i, e := range events {
		own := false
		for _, touch := range state.Keys(e, codes{}) {
			if touch.Key == "order/"+Order {
				own = true
				list = append(list, state.Fact{EpochOrdinal: 1, Seq: uint64(i + 1), Event: touch.Event})
			}
		}
		if !own && e.GetStockSnapshot() == nil && e.GetCount() == nil {
			list = append(list, state.Fact{EpochOrdinal: 1, Seq: uint64(i + 1), Event: e})
		}
	}
	return list
}

func whole(events ...*docklinev1.Event) state.OrderFold {
	return state.FoldOrder(Order, orderFacts(events...), codes{})
}

// ruled is a mapping with rules.
type ruled struct {
	codes
	substitution state.Permission
	proof        bool
}

var _ state.Rules = ruled{}

func (r ruled) Approval(string) string                          { return "" }
func (r ruled) Substitution(_, _, _, _ string) state.Permission { return r.substitution }
func (r ruled) ProofOfDelivery(string) bool                     { return r.proof }

// counters prints those of a line that are not zero.
func counters(l *docklinev1.OrderLineState) string {
	var list []string
	for _, c := range []struct {
		name string
		n    int64
	}{{"ord", l.Ordered}, {"can", l.Cancelled}, {"sub_out", l.SubstitutedOut}, {"sub_in", l.SubstitutedIn}, {"hold", l.Held}, {"alloc", l.Allocated}, {"pick", l.Picked},
		{"short", l.Short}, {"bo", l.Backordered}, {"pack", l.Packed}, {"ship", l.Shipped}, {"void", l.Voided}, {"dlv", l.Delivered}, {"refused", l.Refused}, {"lost", l.Lost},
		{"damaged", l.Damaged}, {"inv", l.Invoiced}, {"rma", l.ReturnAuthorised}, {"ret_rcv", l.Returned}, {"ret_ok", l.Restocked}, {"ret_scrap", l.ReturnScrapped}, {"cred", l.Credited}} {
		if c.n != 0 {
			list = append(list, fmt.Sprintf("%s %d", c.name, c.n/unit))
		}
	}
	return fmt.Sprintf("%s %s %s: %s", l.OrderLine, l.Item, l.Status, strings.Join(list, ", "))
}

func lines(fold state.OrderFold) string {
	var list []string
	for _, l := range fold.State.GetLines() {
		list = append(list, counters(l))
	}
	return strings.Join(list, "; ")
}

const (
	authorised = docklinev1.EventKind_EVENT_KIND_RETURN_AUTHORISED
	received   = docklinev1.EventKind_EVENT_KIND_RETURN_RECEIVED
	disposed   = docklinev1.EventKind_EVENT_KIND_RETURN_DISPOSED
)

// TestEveryCounterOfALine tells one more fact at a time; each step says what the line, the order and its progress are after it.
//
// Shows: S60
func TestEveryCounterOfALine(t *testing.T) {
	five := func() *docklinev1.Line { return L("SO1", "1", "A", "5") }
	lots := func(n string) *docklinev1.Line { return L("SO1", "1", "A", n) }
	for _, c := range []struct {
		name  string
		steps []*docklinev1.Event
		want  string
	}{
		{"quoted", []*docklinev1.Event{Quoted(1, "Q1", "SO1", five())}, "quoted | 1 A quoted: ord 5 |  | "},
		{"held, and released by code", []*docklinev1.Event{Accepted("SO1", "1", five()), Held(1, "SO1", "credit"), Held(2, "SO1", "address"), HoldReleased(3, "SO1", "credit")},
			"held | 1 A held: ord 5, hold 5 |  | "},
		{"no longer held", []*docklinev1.Event{Accepted("SO1", "1", five()), Held(1, "SO1", "credit"), HoldReleased(3, "SO1", "credit")}, "accepted | 1 A accepted: ord 5 |  | "},
		{"allocated", []*docklinev1.Event{Accepted("SO1", "1", five()), Allocated(1, "R1", lots("4")), Deallocated(2, "R1", lots("1"))}, "allocated | 1 A allocated: ord 5, alloc 3 | partially_allocated | "},
		{"given free whole, and told first", []*docklinev1.Event{Accepted("SO1", "1", five()), Deallocated(9, "R1"), Allocated(1, "R1", lots("4"))}, "accepted | 1 A accepted: ord 5 |  | "},
		{"backordered", []*docklinev1.Event{Accepted("SO1", "1", five()), Backordered(1, "BO1", "keep", lots("5"))}, "backordered | 1 A backordered: ord 5, bo 5 | backordered | "},
		{"released from backorder", []*docklinev1.Event{Accepted("SO1", "1", five()), Backordered(1, "BO1", "keep", lots("5")), Unbackordered(2, "BO1")}, "accepted | 1 A accepted: ord 5 |  | "},
		{"partly picked, packed and shipped", []*docklinev1.Event{Accepted("SO1", "1", five()), Pick(1, "p", lots("4")), Pack(2, "k", "HU1", lots("3")), Shipment(3, "S1", lots("2"))},
			"partially_shipped | 1 A partially_shipped: ord 5, pick 4, pack 3, ship 2 | partially_packed partially_picked partially_shipped | "},
		{"a pack opened again", []*docklinev1.Event{Accepted("SO1", "1", five()), Pick(1, "p", five()), Pack(2, "k", "HU1", five()), Reopened(3, "k2", "HU1", lots("2"))},
			"picking | 1 A picking: ord 5, pick 5, pack 3 | partially_packed picked | "},
		{"a pack opened whole", []*docklinev1.Event{Accepted("SO1", "1", five()), Pick(1, "p", five()), Pack(2, "k", "HU1", five()), Reopened(3, "k2", "HU1")},
			"picking | 1 A picking: ord 5, pick 5 | picked | "},
		{"a void", []*docklinev1.Event{Accepted("SO1", "1", five()), Pick(1, "p", five()), Shipment(3, "S1", five()), Voided(4, "S1")},
			"picking | 1 A picking: ord 5, pick 5, ship 5, void 5 | picked | "},
		{"a void of some", []*docklinev1.Event{Accepted("SO1", "1", five()), Pick(1, "p", five()), Shipment(3, "S1", five()), Voided(4, "S1", lots("2"))},
			"partially_shipped | 1 A partially_shipped: ord 5, pick 5, ship 5, void 2 | partially_shipped picked | "},
		{"a void of more than there is", []*docklinev1.Event{Accepted("SO1", "1", five()), Pick(1, "p", five()), Shipment(3, "S1", lots("2")), Voided(4, "S1", five())},
			"picking | 1 A picking: ord 5, pick 5, ship 2, void 2 | picked | pending_void"},
		{"a void before its shipment", []*docklinev1.Event{Accepted("SO1", "1", five()), Voided(4, "S1")}, "accepted | 1 A accepted: ord 5 |  | pending_void"},
		{"what left again under the same number", []*docklinev1.Event{Accepted("SO1", "1", five()), Pick(1, "p", five()), Shipment(3, "S1", five()), Voided(4, "S1"), Keyed(Shipment(9, "S1", five()), "again")},
			"shipped | 1 A shipped: ord 5, pick 5, ship 10, void 5 | picked shipped | "},
		{"delivered", []*docklinev1.Event{Accepted("SO1", "1", five()), Pick(1, "p", five()), Shipment(3, "S1", five()), Delivery(9, "T-S1")},
			"delivered | 1 A delivered: ord 5, pick 5, ship 5, dlv 5 | delivered picked shipped | "},
		{"some refused at the door", []*docklinev1.Event{Accepted("SO1", "1", five()), Pick(1, "p", five()), Shipment(3, "S1", five()), Delivery(9, "T-S1", Declined(five(), "2"))},
			"shipped | 1 A shipped: ord 5, pick 5, ship 5, dlv 3, refused 2 | partially_delivered partially_refused picked shipped | "},
		{"refused, then delivered", []*docklinev1.Event{Accepted("SO1", "1", five()), Pick(1, "p", five()), Shipment(3, "S1", five()), Carriage(8, docklinev1.EventKind_EVENT_KIND_TRANSPORT_REFUSED, "T-S1"), Delivery(9, "T-S1")},
			"delivered | 1 A delivered: ord 5, pick 5, ship 5, dlv 5 | delivered picked shipped | "},
		{"lost and damaged", []*docklinev1.Event{Accepted("SO1", "1", five()), Pick(1, "p", five()), Shipment(3, "S1", five()),
			Carriage(8, docklinev1.EventKind_EVENT_KIND_TRANSPORT_LOST, "T-S1", lots("2")), Carriage(9, docklinev1.EventKind_EVENT_KIND_TRANSPORT_DAMAGED, "T-S1", lots("1"))},
			"shipped | 1 A shipped: ord 5, pick 5, ship 5, lost 2, damaged 1 | partially_damaged partially_lost picked shipped | "},
		{"invoiced", []*docklinev1.Event{Accepted("SO1", "1", five()), Pick(1, "p", five()), Shipment(3, "S1", five()), Invoice("I1", "SO1", "S1")},
			"closed | 1 A closed: ord 5, pick 5, ship 5, inv 5 | invoiced picked shipped | "},
		{"an invoice taken back", []*docklinev1.Event{Accepted("SO1", "1", five()), Pick(1, "p", five()), Shipment(3, "S1", five()), Invoice("I1", "SO1", "S1"), InvoiceVoided(9, "I1", "SO1")},
			"shipped | 1 A shipped: ord 5, pick 5, ship 5 | picked shipped | reopened"},
		{"closed, and then voided", []*docklinev1.Event{Accepted("SO1", "1", five()), Pick(1, "p", five()), Shipment(3, "S1", five()), Invoice("I1", "SO1", "S1"), Voided(9, "S1")},
			"picking | 1 A picking: ord 5, pick 5, ship 5, void 5 | picked | reopened"},
		{"a return, received in part, restocked and credited", []*docklinev1.Event{Accepted("SO1", "1", five()), Pick(1, "p", five()), Shipment(3, "S1", five()), Invoice("I1", "SO1", "S1"),
			ReturnAuthorised(10, authorised, "R1", "SO1", lots("3")), Return(11, received, "R1", lots("2")), Return(12, disposed, "R1", Disposed(lots("1"), "restock"), Disposed(lots("1"), "scrap")),
			Credit(13, "CM1", "", []string{"R1"})},
			"closed | 1 A closed: ord 5, pick 5, ship 5, inv 5, rma 3, ret_rcv 2, ret_ok 1, ret_scrap 1, cred 2 | invoiced partially_credited partially_received picked shipped | "},
		{"cancel requested", []*docklinev1.Event{Accepted("SO1", "1", five()), CancelRequested(2, "SO1")}, "accepted | 1 A accepted: ord 5 |  | cancel_requested"},
		{"cancel refused", []*docklinev1.Event{Accepted("SO1", "1", five()), CancelRequested(2, "SO1"), CancelRefused(3, "SO1")}, "accepted | 1 A accepted: ord 5 |  | cancel_refused"},
		{"cancel granted", []*docklinev1.Event{Accepted("SO1", "1", five()), CancelRequested(2, "SO1"), CancelledOrder("SO1", "2")}, "cancelled | 1 A cancelled: ord 5, can 5 | cancelled | "},
		{"some cancelled", []*docklinev1.Event{Accepted("SO1", "1", five(), L("", "2", "B", "2")), CancelRequested(2, "SO1", lots("2"), L("", "2", "B", "2")), Accepted("SO1", "2", lots("3"))},
			"accepted | 1 A accepted: ord 5, can 2; 2 B cancelled: ord 2, can 2 | partially_cancelled | "},
	} {
		fold := whole(c.steps...)
		got := fmt.Sprintf("%s | %s | %s | %s", fold.State.Status, lines(fold), strings.Join(fold.State.Progress, " "), strings.Join(fold.State.Flags, " "))
		if got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.name, got, c.want)
		}
		if len(fold.State.StatusFacts) == 0 && fold.State.Status != state.Unknown {
			t.Errorf("%s: no fact is named for the status %s", c.name, fold.State.Status)
		}
	}
}

// TestFactsBehindAStatus: a status names what made it so, the newest first where there are many.
func TestFactsBehindAStatus(t *testing.T) {
	accepted, ship := Accepted("SO1", "1", L("", "1", "A", "40"), L("", "2", "B", "1")), Shipment(90, "S1", L("SO1", "2", "B", "1"))
	events := []*docklinev1.Event{accepted}
	for i := range 30 {
		events = append(events, Pick(10+i, fmt.Sprint("p", i), L("SO1", "1", "A", "1")))
	}
	fold := whole(append(events, ship)...)
	line := fold.State.Lines[0]
	if line.Status != state.Picking || line.StatusFactCount != 30 || len(line.StatusFacts) != 20 || line.StatusFacts[19] != events[30].GetId() || line.StatusFacts[0] != events[11].GetId() {
		t.Errorf("%s follows from %d facts, named are %d", line.Status, line.StatusFactCount, len(line.StatusFacts))
	}
	if s := fold.State; s.Status != state.PartiallyShipped || len(s.StatusFacts) != 1 || s.StatusFacts[0] != ship.GetId() {
		t.Errorf("%s follows from %v", s.Status, s.StatusFacts)
	}
	if s := whole(accepted).State; len(s.StatusFacts) != 1 || s.StatusFacts[0] != accepted.GetId() {
		t.Errorf("%s follows from %v", s.Status, s.StatusFacts)
	}
	hold := Held(3, "SO1", "credit")
	if s := whole(accepted, hold).State; len(s.StatusFacts) != 1 || s.StatusFacts[0] != hold.GetId() {
		t.Errorf("%s follows from %v", s.Status, s.StatusFacts)
	}
}

// TestSubstitution: the item that came is a line of its own; what it stands for is no longer wanted of the line that was ordered.
//
// Shows: S53
func TestSubstitution(t *testing.T) {
	accepted := Accepted("SO1", "1", L("", "1", "A", "6"))
	swap := Substituted(10, "p1", "", Instead(L("SO1", "1", "C", "2"), "A", "4")) // two of C for four of A
	rest := Pick(11, "p2", L("SO1", "1", "A", "2"))
	ship := Shipment(30, "S1", L("SO1", "1", "C", "2"), L("SO1", "1", "A", "2"))
	amended := Accepted("SO1", "2", L("", "1", "A", "2"), Instead(L("", "2", "C", "2"), "A", "4"))
	byHand := Accepted("SO1", "2", L("", "1", "A", "2"), L("", "2", "C", "2"))
	for _, c := range []struct {
		name   string
		rules  state.Permission
		events []*docklinev1.Event
		want   string
	}{
		{"allowed", state.Allowed, []*docklinev1.Event{accepted, swap, rest, ship}, "1 A shipped: ord 6, sub_out 4, pick 2, ship 2; 1/C C shipped: sub_in 2, pick 2, ship 2"},
		{"the order has it since", state.Allowed, []*docklinev1.Event{accepted, swap, rest, ship, amended}, "1 A shipped: ord 6, sub_out 4, pick 2, ship 2; 2 C shipped: sub_in 2, pick 2, ship 2"},
		{"entered by hand", state.Allowed, []*docklinev1.Event{accepted, swap, rest, ship, byHand}, "1 A shipped: ord 6, sub_out 4, pick 2, ship 2; 2 C shipped: sub_in 2, pick 2, ship 2"},
		{"forbidden", state.Forbidden, []*docklinev1.Event{accepted, swap, rest}, "1 A picking: ord 6, pick 2, short 4"},
		{"not approved", state.NeedsApproval, []*docklinev1.Event{accepted, swap, rest}, "1 A picking: ord 6, pick 2, short 4"},
		{"forbidden, but the order has it", state.Forbidden, []*docklinev1.Event{accepted, swap, rest, amended}, "1 A picking: ord 6, sub_out 4, pick 2; 2 C picking: sub_in 2, pick 2"},
		{"approved", state.NeedsApproval, []*docklinev1.Event{accepted, Substituted(10, "p1", "chief of shift", Instead(L("SO1", "1", "C", "2"), "A", "4")), rest},
			"1 A picking: ord 6, sub_out 4, pick 2; 1/C C picking: sub_in 2, pick 2"},
	} {
		fold := state.FoldOrder(Order, orderFacts(c.events...), ruled{substitution: c.rules})
		got := strings.ReplaceAll(lines(fold), "packed", "picking")
		if got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.name, got, c.want)
		}
		if len(fold.Findings) != 0 {
			t.Errorf("%s: %+v", c.name, fold.Findings)
		}
		refused := slices.Contains(fold.State.Flags, state.FlagSubstitutionRefused)
		if want := c.name == "forbidden" || c.name == "not approved"; refused != want || len(fold.Substitutions) != 1 {
			t.Errorf("%s: flags %v, substitutions %+v", c.name, fold.State.Flags, fold.Substitutions)
		}
	}
}

// TestProofOfDeliveryClosesWhereItIsAsked for.
func TestProofOfDeliveryClosesWhereItIsAsked(t *testing.T) {
	events := []*docklinev1.Event{Accepted("SO1", "1", L("", "1", "A", "5")), Pick(1, "p", L("SO1", "1", "A", "5")), Shipment(3, "S1", L("SO1", "1", "A", "5")), Invoice("I1", "SO1", "S1")}
	for proof, want := range map[bool]string{true: state.Shipped, false: state.Closed} {
		if got := state.FoldOrder(Order, orderFacts(events...), ruled{proof: proof}).State.Status; got != want {
			t.Errorf("proof asked for %t: %s", proof, got)
		}
	}
	if got := state.FoldOrder(Order, orderFacts(append(events, Delivery(9, "T-S1"))...), ruled{proof: true}).State.Status; got != state.Closed {
		t.Errorf("proved: %s", got)
	}
}

// TestParcelsAreDeliveredOneByOne: what is in one of several parcels nobody has said, so the shipment is delivered with the last.
func TestParcelsAreDeliveredOneByOne(t *testing.T) {
	ship := Shipment(3, "S1", L("SO1", "1", "A", "5"))
	ship.GetShipment().Parcels = []string{"P1", "P2"}
	events := []*docklinev1.Event{Accepted("SO1", "1", L("", "1", "A", "5")), ship, Delivery(8, "P2")}
	if got := whole(events...); got.State.Lines[0].Delivered != 0 {
		t.Errorf("after one parcel: %s", lines(got))
	}
	if got := whole(append(events, Delivery(9, "P1"))...); got.State.Lines[0].Delivered != 5*unit {
		t.Errorf("after both parcels: %s", lines(got))
	}
}

// TestNothingGoesBelowZero holds every random life against what a line may be: no counter below zero, nothing delivered, refused or lost that
// is not out, and the derived sums as they are defined.
func TestNothingGoesBelowZero(t *testing.T) {
	for seed := range uint64(testenv.Count("state.permutations")) {
		fold := whole(OrderLife(rand.New(rand.NewPCG(seed, 21)))...)
		for _, l := range fold.State.Lines {
			low := min(l.Ordered, l.Cancelled, l.SubstitutedOut, l.SubstitutedIn, l.Held, l.Allocated, l.Picked, l.Short, l.Backordered, l.Packed, l.Shipped, l.Voided,
				l.Delivered, l.Refused, l.Lost, l.Damaged, l.Invoiced, l.ReturnAuthorised, l.Returned, l.Restocked, l.ReturnScrapped, l.Credited, l.Out)
			if low < 0 || l.Delivered+l.Refused+l.Lost > l.Out || l.Damaged > l.Out {
				t.Fatalf("seed %d: %s", seed, counters(l))
			}
			if l.Net != l.Ordered-l.Cancelled-l.SubstitutedOut+l.SubstitutedIn || l.Out != l.Shipped-l.Voided || l.Open != l.Net-l.Out || l.ToInvoice != l.Out-l.Invoiced {
				t.Fatalf("seed %d: derived sums of %v", seed, l)
			}
		}
		if n := len(fold.State.StatusFacts); n > 20 || int(fold.State.StatusFactCount) < n {
			t.Fatalf("seed %d: %d facts named of %d", seed, n, fold.State.StatusFactCount)
		}
	}
}

// TestOrderLifeHasEveryKind: what the permutations prove is worth as much as what the lives tell of.
func TestOrderLifeHasEveryKind(t *testing.T) {
	told := OrderKinds()
	for _, name := range []string{"ORDER_ACCEPTED", "ORDER_CHANGED", "ORDER_CANCELLED", "ORDER_CANCEL_REQUESTED", "ORDER_CANCEL_REFUSED", "ORDER_HELD", "ORDER_HOLD_RELEASED", "QUOTE_APPROVED",
		"INVENTORY_ALLOCATED", "INVENTORY_DEALLOCATED", "PICK_CONFIRMED", "PICK_SHORT", "PICK_SUBSTITUTED", "BACKORDER_CREATED", "BACKORDER_RELEASED", "PACK_CONFIRMED", "PACK_REOPENED",
		"SHIPMENT_DEPARTED", "SHIPMENT_VOIDED", "TRANSPORT_REFUSED", "TRANSPORT_LOST", "TRANSPORT_DAMAGED", "DELIVERY_PROVED", "INVOICE_POSTED", "INVOICE_VOIDED", "RETURN_AUTHORISED",
		"RETURN_DENIED", "RETURN_CANCELLED", "RETURN_RECEIVED", "RETURN_DISPOSED", "CREDIT_MEMO_POSTED", "COMMAND_COMPLETED"} {
		if kind := docklinev1.EventKind(docklinev1.EventKind_value["EVENT_KIND_"+name]); !slices.Contains(told, kind) {
			t.Errorf("no life tells of %s", name)
		}
	}
}
