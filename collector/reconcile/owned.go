package reconcile

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dockline/dockline/collector/exception"
	"github.com/dockline/dockline/collector/ownership"
	"github.com/dockline/dockline/collector/state"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// authority is who may state what by the key's policy.
type authority struct {
	view *view
	// about are the events that something was declared about.
	about map[string]*docklinev1.Event
}

// Writes is what the source of a fact may state.
func (a authority) Writes(e *docklinev1.Event) state.Writes {
	registry, role := a.view.registry(e), a.view.policy.RoleOf(e)
	var w state.Writes
	w.Tell, w.Denied = registry.May(e.GetKind(), role, state.Word(e))
	if e.GetErrorDeclaration() != nil && w.Tell {
		w.Tell = a.view.mayDeclare(e, a.about)
	}
	writing := registry.Writing(e.GetKind(), role)
	w.Foreign, w.Own = writing.Foreign, writing.Own
	return w
}

// Rank is which of the owners of a field the source of a fact is.
func (a authority) Rank(e *docklinev1.Event, field string) int {
	answer, _ := a.view.registry(e).About(ownership.ObjectOf(e.GetKind()) + "." + field)
	return max(0, slices.Index(answer.Owners, a.view.policy.RoleOf(e)))
}

// registry is who owns what where a fact happened.
func (v *view) registry(e *docklinev1.Event) *ownership.Registry {
	return v.policy.OwnershipOf(v.tenant, e)
}

// disown takes out what sources may not state.
func (v *view) disown(kind string) {
	a := authority{v, v.declaredHere()}
	v.groupsOwned(a)
	v.owned = state.Own(v.facts, a)
	owned := &v.owned
	v.facts = owned.Facts
	for id, e := range owned.Told {
		if e.GetSite() != "" {
			v.outcome.reasons[id] = "it is not for this source to tell: it is kept and not applied"
		}
	}
	for _, c := range owned.Claims {
		switch {
		case event.IsElsewhere(c.Event):
		case kind == state.KindSubmission && c.Event.GetKind() != docklinev1.EventKind_EVENT_KIND_ORDER_SUBMITTED: // it is a case of that order
		case c.Event.GetErrorDeclaration() != nil && v.key != state.DeclarationKey(c.Event.GetErrorDeclaration().GetEventId()): // told once, where it is declared
		default:
			v.claims = append(v.claims, c)
		}
	}
}

// groupsOwned asks for all facts where some stand for many, and of one like them not all is its source's to say.
func (v *view) groupsOwned(a authority) {
	kinds := make(map[docklinev1.EventKind]bool)
	for _, f := range v.facts {
		kinds[f.Event.GetKind()] = kinds[f.Event.GetKind()] || f.Group != nil
	}
	for _, f := range v.facts {
		if kinds[f.Event.GetKind()] && !v.whole {
			w := a.Writes(f.Event)
			v.whole = !w.Tell || len(w.Foreign) > 0
		}
	}
}

// strangers makes an exception of what sources say of what is not theirs: one of each fact and owner.
func (v *view) strangers() {
	for _, c := range v.claims {
		delete(v.outcome.reasons, c.Event.GetId())
		if c.Whole {
			v.foreignFact(c)
			continue
		}
		v.foreignFields(c)
	}
}

// foreignFact is a fact that its source may not tell.
func (v *view) foreignFact(c state.Claim) {
	e := c.Event
	kind, about := event.KindName(e.GetKind()), c.Denied.About
	what := kind + " " + e.GetSubject()
	if _, change, ok := strings.Cut(about, "."); ok && strings.Contains(change, ">") {
		_, to, _ := strings.Cut(change, ">")
		what += " (a change to " + words(to) + ")"
	}
	v.rule(DecidedOwnership, c.Record, "refused", v.policy.WhyOwner(v.scope(e.GetSite(), ""), about), map[string]any{"kind": kind, "source": e.GetSource(), "role": v.policy.RoleOf(e), "event": e.GetId()})
	v.raise(exception.Desired{Code: codeNotOwner, Class: process, Subject: c.Record, Site: e.GetSite(), Order: v.orderNumber(), Customer: v.outcome.customer, About: about, EventIDs: []string{e.GetId()},
		Title: fmt.Sprintf("%s from %s, which does not own it", kind, e.GetSource()),
		Text: fmt.Sprintf("%s was told by %s (%s), but only %v may, and nobody of these says so. It is kept and not applied: make the change there, or have %s take it back; this closes by itself when the two agree. Who owns what is in ownership.yaml, and which role a system has in targets.yaml.",
			what, e.GetSource(), v.policy.RoleOf(e), c.Denied.Owners, e.GetSource())})
}

// foreignFields is a fact with fields that are others'.
func (v *view) foreignFields(c state.Claim) {
	e := c.Event
	registry := v.registry(e)
	type group struct {
		answer ownership.Answer
		list   []state.Difference
	}
	var groups []*group
	for _, d := range c.Differences {
		answer, _ := registry.About(d.Field)
		at := slices.IndexFunc(groups, func(g *group) bool { return g.answer.Owner() == answer.Owner() })
		if at < 0 {
			at = len(groups)
			groups = append(groups, &group{answer: answer})
		}
		groups[at].list = append(groups[at].list, d)
	}
	for _, g := range groups {
		owner := g.answer.Owner()
		v.rule(DecidedOwnership, c.Record+" "+string(owner), "refused in part", v.policy.WhyOwner(v.scope(e.GetSite(), ""), g.answer.About),
			map[string]any{"kind": event.KindName(e.GetKind()), "source": e.GetSource(), "role": v.policy.RoleOf(e), "event": e.GetId(), "field": g.answer.About})
		v.raise(exception.Desired{Code: codeNotOwner, Class: process, Subject: strings.TrimSpace(c.Record + " " + string(owner)), Site: e.GetSite(), Order: v.orderNumber(), Customer: v.outcome.customer, About: g.answer.About,
			EventIDs: []string{e.GetId()}, Title: fmt.Sprintf("%s says otherwise of %s than %s, which owns it", e.GetSource(), fieldName(g.list), owner),
			Text: fmt.Sprintf("%s %s, told by %s (%s): %s. What %s says holds, the other is kept and not applied. Change it there, or have %s say the same; this closes by itself when the two agree. Who owns what is in ownership.yaml.",
				event.KindName(e.GetKind()), e.GetSubject(), e.GetSource(), v.policy.RoleOf(e), differencesText(g.list, owner), owner, e.GetSource())})
	}
}

const codeNotOwner = "not_owner"

// mostDifferences bounds how many a text names.
const mostDifferences = 12

func differencesText(list []state.Difference, owner ownership.Role) string {
	var texts []string
	for _, d := range list[:min(len(list), mostDifferences)] {
		name := d.Field
		if d.OrderLine != "" {
			name += " of line " + d.OrderLine
		}
		texts = append(texts, fmt.Sprintf("%s is %s, and %s by %s", name, saidText(d.Said), saidText(d.Holds), owner))
	}
	if more := len(list) - mostDifferences; more > 0 {
		texts = append(texts, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(texts, "; ")
}

func saidText(s string) string {
	if s == "" {
		return "nothing"
	}
	return fmt.Sprintf("%q", s)
}

func fieldName(list []state.Difference) string {
	if len(list) == 1 {
		return list[0].Field
	}
	return fmt.Sprintf("%s and %d more", list[0].Field, len(list)-1)
}

// orderNumber is the number of the order that the key is, "" where it is none.
func (v *view) orderNumber() string { return orderNumber(v.key) }

// orderNumber is the order that a key is, "" for none.
func orderNumber(key string) string {
	if kind, parts, err := event.ParseKey(key); err == nil && kind == state.KindOrder {
		return parts[0]
	}
	return ""
}

// fieldRules are rules that know who owns the fields of an order.
type fieldRules struct {
	rules
	view *view
}

// Owner is the role that owns a field of the order.
func (r fieldRules) Owner(field string) string {
	answer, _ := r.view.policy.OwnershipIn(r.view.scope("", "")).About(field)
	return string(answer.Owner())
}

// Stated are the facts that may state a field of the order.
func (r fieldRules) Stated(field string) ([]state.Fact, bool) { return r.view.owned.Stated(field) }
