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

// declaredHere is the events among the facts that something was declared about, by id; nil where nothing was declared.
func (v *view) declaredHere() map[string]*docklinev1.Event {
	if !slices.ContainsFunc(v.facts, func(f state.Fact) bool { return f.Event.GetErrorDeclaration() != nil }) {
		return nil
	}
	about := make(map[string]*docklinev1.Event)
	for _, f := range v.facts {
		if have := about[f.Event.GetId()]; have == nil || event.IsElsewhere(have) {
			about[f.Event.GetId()] = f.Event
		}
	}
	return about
}

// mayDeclare: who may state an event may declare it an error, at the same site, and so may Dockline's own people. A declaration is taken back by the part that made it.
func (v *view) mayDeclare(d *docklinev1.Event, about map[string]*docklinev1.Event) bool {
	role := v.policy.RoleOf(d)
	e := about[d.GetErrorDeclaration().GetEventId()]
	switch {
	case e == nil || role == ownership.Dockline:
		return true
	case d.GetSite() != e.GetSite() && d.GetSite() != "":
		return false
	case e.GetErrorDeclaration() != nil || e.GetKind() == docklinev1.EventKind_EVENT_KIND_ERROR_DECLARED:
		return role == v.policy.RoleOf(e)
	}
	may, _ := v.registry(e).May(e.GetKind(), role, state.Word(e))
	return may
}

// reasonsOfDeclared says of events that were told in error why nothing follows from them.
func (v *view) reasonsOfDeclared() {
	about := state.Declarations(v.facts)
	if about == nil {
		return
	}
	for _, f := range v.facts {
		if list := about[f.Event.GetId()]; len(list) > 0 && f.Via == "" && f.Event.GetSite() != "" && !event.IsElsewhere(f.Event) {
			v.outcome.reasons[f.Event.GetId()] = declaredText(list)
		}
	}
}

// declaredText says what was declared about an event.
func declaredText(list []*docklinev1.Event) string {
	d := list[0].GetErrorDeclaration()
	text := "it was told in error, as " + teller(list) + " declared"
	if d.GetReason() != "" {
		text += " (" + strings.ReplaceAll(d.GetReason(), "_", " ") + ")"
	}
	var right []string
	for _, e := range list {
		right = append(right, e.GetErrorDeclaration().GetCorrectiveEventIds()...)
	}
	slices.Sort(right)
	if right = slices.Compact(right); len(right) > 0 {
		text += "; what is right: event " + strings.Join(right, ", ")
	}
	return text
}

// declaration looks whether the event is there that was told in error. What follows from it follows where that event is folded.
func (v *view) declaration(id string) {
	known := false
	var own []*docklinev1.Event
	for _, f := range v.facts {
		known = known || f.Event.GetId() == id
		if d := f.Event.GetErrorDeclaration(); d.GetEventId() == id {
			own = append(own, f.Event)
			if f.Event.GetSite() != "" {
				v.outcome.reasons[f.Event.GetId()] = "it declares that another event was told in error: nothing is to be posted"
			}
		}
	}
	counts := state.Declarations(v.facts)[id]
	if known || len(counts) == 0 {
		return
	}
	var ids []string
	for _, e := range counts {
		ids = append(ids, e.GetId())
	}
	first, _ := v.since(ids)
	if until := first.Add(v.waits(counts[0].GetSite()).OrphanWait); v.now.Before(until) {
		v.wake(until)
		return
	}
	v.raise(exception.Desired{Code: "unknown_event_declared", Class: data, Subject: id, Site: own[0].GetSite(), EventIDs: ids,
		Title: fmt.Sprintf("%s declared an event to be told in error that is not known", teller(counts)),
		Text: fmt.Sprintf("%s declared event %s to be told in error, and no such event has come. Look whether the declaration names the right event; it takes its effect by itself when that event comes.",
			teller(counts), id)})
}
