package reconcile

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/dockline/dockline/collector/exception"
	"github.com/dockline/dockline/collector/state"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// shipment keeps what left under one number, over all orders, and where its carriers say it is. What is posted of it follows where its orders
// are folded.
func (v *view) shipment(site, number string) {
	fold := state.FoldShipment(site, number, v.withHolders(), billing{v.mapping(), v})
	s := fold.State
	v.outcome.state, v.outcome.site, v.outcome.status = s, site, s.GetStatus()
	v.raiseFindings(fold.Findings, orderOf(s), "")
	v.noDocument(fold.Facts, shipmentReasons)
	v.replaced(slices.DeleteFunc(slices.Clone(fold.Former), func(e *docklinev1.Event) bool { return e.GetShipment() != nil }), byRevision) // departures are their orders'
	v.clocksOfShipment(&fold)
	v.wakeMovement(&fold)
	v.undeparted(&fold)
	v.movesAllTheSame(&fold)
	v.underWay(&fold)
	v.partlyRefused(&fold)
}

// shipmentReasons say why a site's event about a shipment leads to no document of its own, whatever its orders make of it.
var shipmentReasons = map[docklinev1.EventKind]string{
	docklinev1.EventKind_EVENT_KIND_LOAD_STAGED:         "goods that wait at a door: nothing is posted until they leave",
	docklinev1.EventKind_EVENT_KIND_LOAD_LOADED:         "goods that are loaded: nothing is posted until they leave",
	docklinev1.EventKind_EVENT_KIND_TRAILER_SEALED:      "a trailer that was sealed: nothing is posted until it leaves",
	docklinev1.EventKind_EVENT_KIND_SHIPMENT_VOIDED:     "it takes a shipment back: nothing is posted for it, and a case says what is to be reversed where the goods issue was posted",
	docklinev1.EventKind_EVENT_KIND_TRANSPORT_MILESTONE: "where goods under way are: nothing is to be posted",
	docklinev1.EventKind_EVENT_KIND_TRANSPORT_DELAYED:   "a delay under way: nothing is to be posted",
	docklinev1.EventKind_EVENT_KIND_TRANSPORT_REFUSED:   "goods refused by their consignee: a case follows it, and nothing is posted until they are back",
	docklinev1.EventKind_EVENT_KIND_TRANSPORT_LOST:      "goods lost under way: a case follows it, and nothing is posted",
	docklinev1.EventKind_EVENT_KIND_TRANSPORT_DAMAGED:   "goods damaged under way: a case follows it, and nothing is posted",
	docklinev1.EventKind_EVENT_KIND_DELIVERY_PROVED:     "a proof of delivery: the goods issue was posted when the goods left",
}

// noDocument says why events of a site lead to no document of their own.
func (v *view) noDocument(events []*docklinev1.Event, reasons map[docklinev1.EventKind]string) {
	for _, e := range events {
		if reason := reasons[e.GetKind()]; reason != "" && e.GetSite() != "" {
			v.outcome.reasons[e.GetId()] = reason
		}
	}
}

// orderOf is the order of a shipment, "" where it has none or several.
func orderOf(s *docklinev1.ShipmentState) string {
	if len(s.GetOrders()) == 1 {
		return s.GetOrders()[0]
	}
	return ""
}

// goodsCase is an exception about a shipment.
func (v *view) goodsCase(s *docklinev1.ShipmentState, code, subject, title, text string, ids []string) {
	v.raise(exception.Desired{Code: code, Class: process, Subject: strings.TrimSpace(s.GetSite() + " " + s.GetNumber() + " " + subject), Site: s.GetSite(), Order: orderOf(s), EventIDs: ids,
		Title: title, Text: text})
}

// ofOrders names the orders of a shipment for people.
func ofOrders(s *docklinev1.ShipmentState) string {
	switch len(s.GetOrders()) {
	case 0:
		return ""
	case 1:
		return " of order " + s.GetOrders()[0]
	}
	return " of orders " + strings.Join(s.GetOrders(), ", ")
}

// undeparted makes a case of a shipment that carriers or others speak of and that the site has not told of. It may be on its way, so this
// follows from absence: the site has told everything up to then, or the time is over.
func (v *view) undeparted(fold *state.ShipmentFold) {
	told := append(slices.Clone(fold.Carried), fold.Voids...)
	if fold.Departed || len(told) == 0 {
		return
	}
	s := fold.State
	first := slices.MinFunc(told, func(a, b *docklinev1.Event) int {
		return a.GetOccurredAt().AsTime().Compare(b.GetOccurredAt().AsTime())
	})
	if v.mayStillCome(s.GetSite(), first, idsOf(told)) {
		return
	}
	v.raise(exception.Desired{Code: "unknown_shipment", Class: data, Subject: s.GetSite() + " " + s.GetNumber(), Site: s.GetSite(), EventIDs: idsOf(told),
		Title: fmt.Sprintf("Shipment %s is %s, and site %s has not told that it left", s.GetNumber(), words(s.GetStatus()), s.GetSite()),
		Text: fmt.Sprintf("%s told of shipment %s of site %s (%s), and the site has told no departure under this number. Enter the departure at the site, or correct the number with who told it. This closes by itself when the departure is told.",
			teller([]*docklinev1.Event{first}), s.GetNumber(), s.GetSite(), event.KindName(first.GetKind()))})
}

// mayStillCome tells whether what should have happened at a site before an event may still be told: until the site's streams have passed it, or
// the time to wait for orphans is over.
func (v *view) mayStillCome(site string, e *docklinev1.Event, ids []string) bool {
	first, _ := v.since(ids)
	until := first.Add(v.waits(site).OrphanWait)
	if !v.now.Before(until) {
		return false
	}
	if site != "" && len(v.lagging(site, e.GetOccurredAt().AsTime(), 0)) == 0 {
		return false
	}
	v.wake(until)
	if site != "" {
		v.waitFor(site, until)
	}
	return true
}

// movesAllTheSame makes a case of a shipment that was taken back and moves, or was delivered, all the same: goods are the truth.
func (v *view) movesAllTheSame(fold *state.ShipmentFold) {
	s := fold.State
	ids := idsOf(append(slices.Clone(fold.Voids), fold.Carried...))
	switch {
	case slices.Contains(s.GetFlags(), state.FlagVoidDelivered):
		v.goodsCase(s, "void_after_delivery", "", fmt.Sprintf("Shipment %s was taken back and delivered", s.GetNumber()),
			fmt.Sprintf("Site %s took shipment %s%s back, and its carrier says that it was delivered. It counts as delivered. Ask the site what it meant: where the goods are with the customer, have the void corrected at the site, or arrange a return and a credit.",
				s.GetSite(), s.GetNumber(), ofOrders(s)), ids)
	case slices.Contains(s.GetFlags(), state.FlagVoidUnderWay):
		v.goodsCase(s, "void_under_way", "", fmt.Sprintf("Shipment %s was taken back and is under way", s.GetNumber()),
			fmt.Sprintf("Site %s took shipment %s%s back, and its carrier told of it afterwards. It counts as taken back. Have the carrier stop it, or have the void corrected at the site.",
				s.GetSite(), s.GetNumber(), ofOrders(s)), ids)
	}
}

// problemCodes are the cases that follow from what goes wrong under way, and what is to be done.
var problemCodes = map[string]struct{ code, title, remedy string }{
	"delayed": {"transport_delayed", "is delayed", "Tell the customer, where the new time is too late. This closes by itself when it is delivered or back in time."},
	"refused": {"transport_refused", "was refused by its consignee", "Find out why, and have it delivered again or brought back. This closes by itself when it is delivered after all, or is back."},
	"lost":    {"transport_lost", "is lost", "Claim it from the carrier, and send the goods again or credit them. This closes by itself when it is found."},
	"damaged": {"transport_damaged", "was damaged under way", "Claim it from the carrier, and agree with the customer on a replacement or a credit. This closes by itself when it is accepted as it is, or is back."},
}

// underWay makes a case of each thing that went wrong under way and that no later fact has ended.
func (v *view) underWay(fold *state.ShipmentFold) {
	s := fold.State
	for _, p := range s.GetProblems() {
		c, ok := problemCodes[p.GetKind()]
		if !p.GetOpen() || !ok {
			continue
		}
		what := "Shipment " + s.GetNumber()
		if p.GetTracking() != "" && len(s.GetParcels()) > 1 {
			what = fmt.Sprintf("Parcel %s of shipment %s", p.GetTracking(), s.GetNumber())
		} else if len(p.GetHandlingUnits()) > 0 {
			what = fmt.Sprintf("%s of shipment %s", strings.Join(p.GetHandlingUnits(), ", "), s.GetNumber())
		}
		text := fmt.Sprintf("%s%s %s, told %s UTC", what, ofOrders(s), c.title, p.GetAt().AsTime().Format("2006-01-02 15:04"))
		if p.GetCause() != "" {
			text += ": " + strings.TrimSuffix(p.GetCause(), ".")
		}
		text += "."
		if len(p.GetLines()) > 0 {
			text += " It is about " + goodsText(p.GetLines()) + "."
		}
		if p.GetClaim() != "" {
			text += " The claim is " + p.GetClaim() + "."
		}
		v.goodsCase(s, c.code, cmp.Or(p.GetTracking(), strings.Join(p.GetHandlingUnits(), " "))+" "+p.GetEventId(), what+" "+c.title, text+" "+c.remedy, []string{p.GetEventId()})
	}
}

// goodsText names lines for people.
func goodsText(lines []*docklinev1.Line) string {
	var parts []string
	for _, l := range lines {
		parts = append(parts, strings.TrimSpace(fmt.Sprintf("%s %s of %s", l.GetQuantity().GetValue(), l.GetQuantity().GetUnit(), cmp.Or(l.GetItem(), l.GetGtin()))))
	}
	return strings.ReplaceAll(strings.Join(parts, ", "), "  ", " ")
}

// partlyRefused makes a case of a delivery of which the consignee did not take everything.
func (v *view) partlyRefused(fold *state.ShipmentFold) {
	s := fold.State
	if !slices.Contains(s.GetFlags(), state.FlagPartlyRefused) {
		return
	}
	var texts, ids []string
	for _, l := range s.GetGoods() {
		if l.GetRefused() > 0 {
			texts = append(texts, fmt.Sprintf("%s of item %s (order %s)", event.FormatQuantity(l.GetRefused()), l.GetItem(), l.GetOrder()))
		}
	}
	for _, p := range s.GetProofs() {
		ids = append(ids, p.GetEventId())
	}
	v.goodsCase(s, "delivery_refused", "", fmt.Sprintf("Part of shipment %s was refused", s.GetNumber()),
		fmt.Sprintf("The consignee of shipment %s%s did not take %s. Agree on a return and a credit, or have it delivered again. This closes by itself when it is accepted after all.", s.GetNumber(), ofOrders(s), strings.Join(texts, ", ")), ids)
}

func idsOf(events []*docklinev1.Event) []string {
	var ids []string
	for _, e := range events {
		ids = append(ids, e.GetId())
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// words makes a status readable.
func words(status string) string { return strings.ReplaceAll(status, "_", " ") }
