package reconcile

import (
	"cmp"
	"slices"

	"github.com/dockline/dockline/collector/policy"
	"github.com/dockline/dockline/collector/state"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// What people decide about exceptions of an order.
const (
	Approve    = "approve"
	Substitute = "substitute"
)

// Codes of the exceptions that people decide.
const (
	CodeOverShipped         = "over_shipped"
	CodeSubstitutionRefused = "substitution_refused"
	CodeRemainder           = "remainder"
	CodeShortPick           = causeShort
)

// takeDecisions takes what people decided out of the facts, in the order in which it was decided: it says nothing of the goods.
func (v *view) takeDecisions() (decided []*docklinev1.Event) {
	v.facts = slices.DeleteFunc(v.facts, func(f state.Fact) bool {
		if f.Event.GetDecision() == nil {
			return false
		}
		if !slices.ContainsFunc(decided, func(had *docklinev1.Event) bool { return had.GetId() == f.Event.GetId() }) {
			decided = append(decided, f.Event)
		}
		return true
	})
	slices.SortFunc(decided, func(a, b *docklinev1.Event) int {
		return cmp.Or(a.GetOccurredAt().AsTime().Compare(b.GetOccurredAt().AsTime()), cmp.Compare(a.GetId(), b.GetId()))
	})
	return decided
}

// decided are the decisions of a kind about one thing, or all of the kind where that is "".
func (v *view) decided(action, about, subject string) (found []*docklinev1.Event) {
	for _, e := range v.words {
		if d := e.GetDecision(); d.GetAction() == action && d.GetAbout() == about && (subject == "" || d.GetSubject() == subject) {
			found = append(found, e)
		}
	}
	return found
}

// approvals are who approved picks of other items, by the picks' events: as if the site had told the pick with its approval.
func (v *view) approvals() map[string]string {
	by := make(map[string]string)
	for _, e := range v.decided(Approve, CodeSubstitutionRefused, "") {
		by[e.GetDecision().GetSubject()] = e.GetActor()
	}
	return by
}

// approvedOver is how much more of a line may have left with a shipment because somebody approved it, and who did; 0 where nobody did.
func (v *view) approvedOver(shipment, orderLine string) (most int64, by string) {
	for _, e := range v.decided(Approve, CodeOverShipped, shipment) {
		for _, line := range e.GetDecision().GetLines() {
			if n, err := event.ParseQuantity(line.GetQuantity().GetValue()); err == nil && line.GetOrderLine() == orderLine && n > most {
				most, by = n, e.GetActor()
			}
		}
	}
	return most, by
}

// ShipmentSubject is what exceptions and decisions about a shipment of an order call it.
func ShipmentSubject(site, number string) string { return site + " " + number }

// decidedRemainder is what somebody said that becomes of the rest of an order, where the rule leaves that to people; the last word holds.
func (v *view) decidedRemainder(rule policy.Remainder, subject string) (policy.Remainder, []string) {
	said := v.decided(Approve, CodeRemainder, subject)
	if rule != policy.RemainderAsk || len(said) == 0 {
		return rule, nil
	}
	last := said[len(said)-1]
	return policy.Remainder(last.GetDecision().GetOutcome()), []string{last.GetId()}
}

// insteads tells the systems of record of items that people chose for what sites did not find. The order there then says what is to come, and the
// site is told of the order as it is from then on.
func (v *view) insteads(fold *state.OrderFold, needs amended, booked map[string]map[int]int64) {
	for _, e := range v.decided(Substitute, CodeShortPick, "") {
		var chosen []state.Substitution
		for _, line := range e.GetDecision().GetLines() {
			at := slices.IndexFunc(fold.State.GetLines(), func(l *docklinev1.OrderLineState) bool { return l.GetOrderLine() == line.GetOrderLine() })
			original, err := event.ParseQuantity(line.GetOriginalQuantity().GetValue())
			quantity, bad := event.ParseQuantity(line.GetQuantity().GetValue())
			if at < 0 || err != nil || bad != nil {
				continue // the order no longer has the line
			}
			chosen = append(chosen, state.Substitution{EventID: e.GetId(), Site: e.GetDecision().GetSite(), Approval: e.GetActor(), Reason: e.GetDecision().GetReason(),
				Line: at, Child: standingFor(fold, at, line.GetItem()), Item: line.GetItem(), Quantity: quantity, Original: original})
		}
		if len(chosen) > 0 {
			v.substitution(fold, chosen, naturalKey(fold.State.GetNumber(), "substitution", "decided "+e.GetId()[:min(12, len(e.GetId()))]), needs, booked)
		}
	}
}

// standingFor is the place of the line with which an item stands for another; -1 where the order has none yet.
func standingFor(fold *state.OrderFold, parent int, item string) int {
	lines := fold.State.GetLines()
	return slices.IndexFunc(lines, func(l *docklinev1.OrderLineState) bool {
		return l.GetItem() == item && l.GetStandsForLine() != "" && l.GetStandsForLine() == lines[parent].GetOrderLine()
	})
}
