package epcis

import (
	"encoding/json"
	"fmt"
	"net/url"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// Exporter makes EPCIS events of Dockline's. It keeps nothing between events and may be used by several at once.
type Exporter struct {
	// Tenant finds how a tenant is known to the world; nil knows every tenant by Dockline's own URIs.
	Tenant func(name string) *Tenant
	// Plain leaves out what only Dockline understands, own:event: for a partner who is not to see who picked what, and where. What is
	// written that way cannot be read back whole, and has other ids.
	Plain bool
}

func (x *Exporter) tenant(name string) *Tenant {
	if x.Tenant != nil {
		if t := x.Tenant(name); t != nil {
			return t
		}
	}
	return &Tenant{Name: name}
}

// Events are what an event is in EPCIS: one event, or several where it tells of several places or outcomes. none says why there are none.
// They depend on nothing but the event and its tenant's settings, so that the same fact always has the same ids.
func (x *Exporter) Events(e *docklinev1.Event) (events []*Object, none string) {
	f, ok := forms[e.GetKind()]
	if !ok {
		return nil, event.KindName(e.GetKind()) + " tells of no goods that were seen, so EPCIS has no form for it"
	}
	if e.GetDoubleOf() != "" {
		return nil, "it is the second scan of " + e.GetDoubleOf() + ", and nothing moved"
	}
	t := x.tenant(e.GetTenant())
	site := t.Sites[e.GetSite()]
	switch {
	case f.fineOnly && !site.Steps:
		return nil, fmt.Sprintf("site %s tells shipping and receiving as a whole, so %s is not told by itself", e.GetSite(), event.KindName(e.GetKind()))
	case site.Steps && f.fine != "":
		f.step = f.fine
	}
	if e.GetTransport().GetMilestone() == "arrived" && f.step == "transporting" && f.disposition == "in_transit" {
		f.step = "arriving" // at a stop
	}
	drafts := x.drafts(e, f, t)
	for i, d := range drafts {
		o := x.build(e, d, t, site)
		if !x.Plain {
			o.Set(named("event"), ownEvent(e, d, i, len(drafts)))
		}
		events = append(events, sealed(o))
	}
	if e.GetKind() == docklinev1.EventKind_EVENT_KIND_INBOUND_ADVISED {
		events = append(events, x.advisedUnits(e, t, site)...)
	}
	return events, ""
}

// sealed gives an event its id.
func sealed(o *Object) *Object {
	o.Set("eventID", EventHash(o, ownContext))
	return o
}

// ownContext is that of documents that Dockline writes.
var ownContext = standardContext().with(contextObject())

func contextObject() *Object {
	o := &Object{}
	o.Set(Prefix, Namespace)
	return o
}

// DocumentContext is the @context of documents that Dockline writes.
func DocumentContext() []any { return []any{ContextURL, contextObject()} }

// build writes the standard fields of a draft, in the order of the standard's own examples.
func (x *Exporter) build(e *docklinev1.Event, d *draft, t *Tenant, site Site) *Object {
	o := &Object{}
	eventType, action := d.eventType, d.action
	var g goods
	if d.ofLines || eventType == AggregationEvent {
		for _, unit := range d.units {
			g.add(t.unit(unit))
		}
	}
	for _, l := range d.lines {
		if d.ofLines && l.GetHandlingUnit() != "" {
			g.add(t.unit(l.GetHandlingUnit()))
		}
		g.line(t, l)
	}
	if e.GetKind() == docklinev1.EventKind_EVENT_KIND_TRAILER_SEALED && e.GetLoad().GetTrailer() != "" {
		g.add(t.uri("trailer", e.GetLoad().GetTrailer()))
	}
	parent := x.parent(e, d, t)
	if eventType == AggregationEvent && (parent == "" || action == actionAdd && len(g.epcs)+len(g.quantities) == 0) {
		// Nothing is put into nothing: what is left is that it was seen.
		eventType, action = ObjectEvent, actionObserve
		if parent != "" {
			g.add(parent)
		}
	}
	o.Set("type", eventType)
	o.Set("eventID", "")
	head(o, e, site)
	switch eventType {
	case ObjectEvent, TransactionEvent:
		if len(g.epcs) > 0 || len(g.quantities) == 0 {
			o.Set("epcList", nonNil(g.epcs))
		}
		o.setList("quantityList", g.quantities)
	case AggregationEvent:
		o.Set("parentID", parent)
		o.setList("childEPCs", g.epcs)
		o.setList("childQuantityList", g.quantities)
	case TransformationEvent:
		x.transformed(o, e, d, t, &g)
	}
	o.setText("action", action)
	o.setText("bizStep", d.step)
	o.setText("disposition", d.disposition)
	if d.set != "" && eventType == ObjectEvent {
		p := &Object{}
		p.Set("set", []any{d.set})
		o.Set("persistentDisposition", p)
	}
	x.where(o, e, d, t)
	x.master(o, d, eventType, action)
	x.words(o, e, d, t)
	return o
}

func nonNil(l []any) []any {
	if l == nil {
		return []any{}
	}
	return l
}

// head writes when it happened, and when it was taken down.
func head(o *Object, e *docklinev1.Event, site Site) {
	zone := site.Zone
	if zone == nil {
		zone = time.UTC
	}
	at := e.GetOccurredAt().AsTime()
	o.Set("eventTime", writeTime(e.GetOccurredAt()))
	o.Set("eventTimeZoneOffset", at.In(zone).Format("-07:00"))
	if e.GetCapturedAt() != nil {
		o.Set("recordTime", writeTime(e.GetCapturedAt()))
	}
}

func writeTime(stamp *timestamppb.Timestamp) string {
	const milli = "2006-01-02T15:04:05.000Z"
	if stamp.GetNanos()%int32(time.Millisecond) == 0 {
		return stamp.AsTime().Format(milli)
	}
	return stamp.AsTime().Format(time.RFC3339Nano)
}

func (x *Exporter) parent(e *docklinev1.Event, d *draft, t *Tenant) string {
	switch {
	case d.parent == "":
		return ""
	case e.GetLoad() != nil:
		return t.uri("trailer", d.parent)
	}
	return t.unit(d.parent)
}

func (x *Exporter) transformed(o *Object, e *docklinev1.Event, d *draft, t *Tenant, in *goods) {
	o.setList("inputEPCList", in.epcs)
	o.setList("inputQuantityList", in.quantities)
	var out goods
	for _, l := range d.outputs {
		out.line(t, l)
	}
	o.setList("outputEPCList", out.epcs)
	o.setList("outputQuantityList", out.quantities)
	o.Set("transformationID", t.uri("transformation", firstOf(e.GetTransformation().GetNumber(), e.GetId())))
}

// where writes places, papers and parties.
func (x *Exporter) where(o *Object, e *docklinev1.Event, d *draft, t *Tenant) {
	place := func(name, uri string) {
		if uri != "" {
			p := &Object{}
			p.Set("id", uri)
			o.Set(name, p)
		}
	}
	place("readPoint", d.readPoint)
	place("bizLocation", d.bizLocation)
	o.setList("bizTransactionList", documentsOf(e, d, t))
	sources, destinations := partiesOf(e, t)
	o.setList("sourceList", sources)
	o.setList("destinationList", destinations)
}

// master writes what is true of goods for ever, where they come into being.
func (x *Exporter) master(o *Object, d *draft, eventType, action string) {
	if eventType != TransformationEvent && (eventType != ObjectEvent || action != actionAdd) {
		return
	}
	m := &Object{}
	m.setText("cbvmda:lotNumber", d.lot)
	m.setText("cbvmda:itemExpirationDate", d.expires)
	if len(m.all()) > 0 {
		o.Set("ilmd", m)
	}
}

// words writes what others may well want to know although CBV has no word for it.
func (x *Exporter) words(o *Object, e *docklinev1.Event, d *draft, t *Tenant) {
	if eta := e.GetTransport().GetEta(); eta != nil {
		o.Set(named("eta"), writeTime(eta))
	}
	if e.GetKind() == docklinev1.EventKind_EVENT_KIND_PICK_SUBSTITUTED {
		var originals []any
		for _, l := range d.lines {
			if l.GetOriginalItem() != "" {
				originals = append(originals, t.uri("item", l.GetOriginalItem()))
			}
		}
		o.setList(named("substituted_for"), originals)
	}
}

// ownEvent is the fact whole, with the lines of this part.
func ownEvent(e *docklinev1.Event, d *draft, part, parts int) *Object {
	o := ownMessage(fact(e, d.lines).ProtoReflect())
	o.Set(named("kind"), event.KindName(e.GetKind()))
	if parts > 1 {
		o.Set(named("part"), json.Number(fmt.Sprint(part+1)))
		o.Set(named("parts"), json.Number(fmt.Sprint(parts)))
		var numbers []any
		for _, n := range d.numbers {
			numbers = append(numbers, json.Number(fmt.Sprint(n)))
		}
		o.Set(named("lineNumbers"), numbers)
	}
	return o
}

// fact is what an event says, who says it, and by which key. What may differ from one reading of the source to the next is not part of it,
// so that the fact keeps its ids.
func fact(e *docklinev1.Event, lines []*docklinev1.Line) *docklinev1.Event {
	return &docklinev1.Event{Id: e.GetId(), Tenant: e.GetTenant(), Site: e.GetSite(), Source: e.GetSource(), Kind: e.GetKind(), Subject: e.GetSubject(),
		SourceKey: e.GetSourceKey(), SourceRevision: e.GetSourceRevision(), ContentHash: e.GetContentHash(), Ordinal: e.GetOrdinal(), Movement: e.GetMovement(),
		Actor: e.GetActor(), Device: e.GetDevice(), Custom: e.GetCustom(), Payload: event.WithLines(e, lines).GetPayload()}
}

// advisedUnits tells what a supplier says is in each handling unit.
func (x *Exporter) advisedUnits(e *docklinev1.Event, t *Tenant, site Site) []*Object {
	var names []string
	byUnit := map[string][]*docklinev1.Line{}
	for _, l := range e.GetInbound().GetLines() {
		unit := l.GetHandlingUnit()
		if unit == "" {
			continue
		}
		if byUnit[unit] == nil {
			names = append(names, unit)
		}
		byUnit[unit] = append(byUnit[unit], l)
	}
	var events []*Object
	for _, unit := range names {
		d := &draft{form: form{eventType: AggregationEvent, action: actionAdd, step: "packing"}, lines: byUnit[unit], parent: unit}
		o := x.build(e, d, t, site)
		o.Delete("destinationList")
		if !x.Plain {
			own := &Object{}
			own.Set(named("id"), e.GetId())
			own.Set(named("kind"), event.KindName(e.GetKind()))
			own.Set(named("told"), true)
			o.Set(named("event"), own)
		}
		events = append(events, sealed(o))
	}
	return events
}

func unescape(s string) string {
	if plain, err := url.PathUnescape(s); err == nil {
		return plain
	}
	return s
}
