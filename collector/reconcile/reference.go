package reconcile

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dockline/dockline/collector/exception"
	"github.com/dockline/dockline/collector/state"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// nameWords say what a type of name is called, and what should have it.
var nameWords = map[string]struct{ name, of, remedy string }{
	event.ReferenceTracking:      {"tracking number", "no shipment has", "Correct the tracking number at the carrier's feed, or enter it for the shipment at the site"},
	event.ReferenceUnit:          {"handling unit", "no shipment has", "Correct its number where it was scanned, or tell at the site in which shipment it left"},
	event.ReferenceBillOfLading:  {"bill of lading", "no shipment has", "Correct its number at the carrier's feed, or enter it for the shipment at the site"},
	event.ReferenceShipment:      {"shipment", "has not left any site", "Correct its number at the carrier's feed, or tell at the site that it left"},
	event.ReferenceInvoice:       {"invoice", "no system of record has posted", "Post it, or correct its number where this was told"},
	event.ReferencePurchaseOrder: {"purchase order", "no goods were received for", "Correct its number where this was told"},
	event.ReferenceAdvice:        {"advance ship notice", "no goods were received for", "Correct its number where this was told"},
}

// reference looks whether anything has the name of which something was told. Until then what was told waits, and after a time a person looks; it
// takes its effect by itself when the name is known.
func (v *view) reference(kind, value string) {
	events, found := state.FoldReference(v.facts)
	v.raiseFindings(found, "", "")
	if v.hasWhole() {
		v.disputed(kind, value)
		return
	}
	events = slices.DeleteFunc(events, func(e *docklinev1.Event) bool { return state.Awaited(e.GetKind()) })
	if len(events) == 0 {
		return
	}
	var ids, kinds []string
	for _, e := range events {
		ids, kinds = append(ids, e.GetId()), append(kinds, event.KindName(e.GetKind()))
	}
	first, _ := v.since(ids)
	if until := first.Add(v.waits(events[0].GetSite()).OrphanWait); v.now.Before(until) {
		v.wake(until)
		return
	}
	words, ok := nameWords[kind]
	if !ok {
		words.name, words.of, words.remedy = kind, "nothing has", "Correct it where this was told"
	}
	slices.Sort(kinds)
	site := events[0].GetSite()
	v.raise(exception.Desired{Code: "unknown_reference", Class: data, Subject: kind + " " + value, Site: site, EventIDs: ids,
		Title: fmt.Sprintf("%s told of %s %s, which %s", teller(events), words.name, value, words.of),
		Text: fmt.Sprintf("%s told of %s %s (%s), which %s. %s. What was told is kept, and takes its effect by itself when the number is known; this closes then.",
			teller(events), words.name, value, strings.Join(slices.Compact(kinds), ", "), words.of, words.remedy)})
}

// teller is who told of something first, as a person calls him: the carrier where it says who it is.
func teller(events []*docklinev1.Event) string {
	e := events[0]
	if p, ok := event.Payload(e).(interface{ GetCarrier() string }); ok && p.GetCarrier() != "" {
		return p.GetCarrier()
	}
	if e.GetSite() != "" {
		return "Site " + e.GetSite()
	}
	return e.GetSource()
}
