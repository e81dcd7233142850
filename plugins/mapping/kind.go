package mapping

import (
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// shape says how a kind is made of a record.
type shape struct {
	// subject is what a person would call it by: the first of these fields that is filled.
	subject []string
	// names are the fields of the payload whose field here has another name; "" is not filled from records. All others have the same.
	names map[string]string
	// needs are asked for beside what the rule of the kind asks.
	needs []string
}

var (
	orderNames     = map[string]string{"number": "order", "reason": "", "site": "", "price_list": "", "price_list_version": "", "verdicts": "", "answers": ""} // what only a system of record says of an order
	transportNames = map[string]string{"site": "shipment_site", "code": "milestone_code"}
	documentNames  = map[string]string{"number": "document"}
	inboundNames   = map[string]string{"number": "receipt"}
	returnNames    = map[string]string{"number": "rma"}

	goodsSubject     = []string{"order", "document", "item", "gtin"}
	loadSubject      = []string{"trailer", "dock", "shipments", "handling_units", "order", "item", "gtin"}
	transportSubject = []string{"shipment", "tracking", "bill_of_lading", "handling_units"}
	inboundSubject   = []string{"receipt", "purchase_order", "advice", "order"}
	stockSubject     = []string{"document", "task", "count", "item", "gtin"}
	returnSubject    = []string{"rma", "receipt", "order"}
)

// shapes are the kinds that a site may tell of its records.
var shapes = map[docklinev1.EventKind]shape{
	docklinev1.EventKind_EVENT_KIND_ORDER_SUBMITTED:        {subject: []string{"order"}, names: orderNames},
	docklinev1.EventKind_EVENT_KIND_ORDER_ACCEPTED:         {subject: []string{"order"}, names: orderNames},
	docklinev1.EventKind_EVENT_KIND_ORDER_CHANGED:          {subject: []string{"order"}, names: orderNames},
	docklinev1.EventKind_EVENT_KIND_ORDER_CANCELLED:        {subject: []string{"order"}, names: map[string]string{"number": "order"}},
	docklinev1.EventKind_EVENT_KIND_ORDER_CANCEL_REQUESTED: {subject: []string{"order"}, names: map[string]string{"number": "order"}},

	docklinev1.EventKind_EVENT_KIND_INVENTORY_ALLOCATED:   {subject: goodsSubject, names: map[string]string{"number": "document", "expires_at": "reserved_until"}},
	docklinev1.EventKind_EVENT_KIND_INVENTORY_DEALLOCATED: {subject: goodsSubject, names: map[string]string{"number": "document", "expires_at": "reserved_until"}},
	docklinev1.EventKind_EVENT_KIND_PICK_CONFIRMED:        {subject: []string{"order"}},
	docklinev1.EventKind_EVENT_KIND_PICK_SHORT:            {subject: []string{"order"}, needs: []string{"ordered|short"}},
	docklinev1.EventKind_EVENT_KIND_PICK_SUBSTITUTED:      {subject: []string{"order"}},
	docklinev1.EventKind_EVENT_KIND_BACKORDER_CREATED:     {subject: goodsSubject, names: documentNames},
	docklinev1.EventKind_EVENT_KIND_BACKORDER_RELEASED:    {subject: goodsSubject, names: documentNames},
	docklinev1.EventKind_EVENT_KIND_PACK_CONFIRMED:        {subject: []string{"order"}, names: map[string]string{"handling_unit": ""}},
	docklinev1.EventKind_EVENT_KIND_PACK_REOPENED:         {subject: []string{"order", "handling_unit"}, names: map[string]string{"handling_unit": ""}},
	docklinev1.EventKind_EVENT_KIND_LOAD_STAGED:           {subject: loadSubject},
	docklinev1.EventKind_EVENT_KIND_LOAD_LOADED:           {subject: loadSubject},
	docklinev1.EventKind_EVENT_KIND_TRAILER_SEALED:        {subject: loadSubject},
	docklinev1.EventKind_EVENT_KIND_SHIPMENT_DEPARTED:     {subject: []string{"shipment"}, names: map[string]string{"number": "shipment"}},
	docklinev1.EventKind_EVENT_KIND_SHIPMENT_VOIDED:       {subject: []string{"shipment"}, names: map[string]string{"number": "shipment", "site": ""}},

	docklinev1.EventKind_EVENT_KIND_TRANSPORT_MILESTONE: {subject: transportSubject, names: transportNames},
	docklinev1.EventKind_EVENT_KIND_TRANSPORT_DELAYED:   {subject: transportSubject, names: transportNames},
	docklinev1.EventKind_EVENT_KIND_TRANSPORT_REFUSED:   {subject: transportSubject, names: transportNames},
	docklinev1.EventKind_EVENT_KIND_TRANSPORT_LOST:      {subject: transportSubject, names: transportNames},
	docklinev1.EventKind_EVENT_KIND_TRANSPORT_DAMAGED:   {subject: transportSubject, names: transportNames},
	docklinev1.EventKind_EVENT_KIND_DELIVERY_PROVED:     {subject: transportSubject, names: map[string]string{"site": "shipment_site"}},

	docklinev1.EventKind_EVENT_KIND_INBOUND_ADVISED:     {subject: inboundSubject, names: inboundNames, needs: []string{"receipt|advice|purchase_order|order"}},
	docklinev1.EventKind_EVENT_KIND_RECEIPT_ARRIVED:     {subject: inboundSubject, names: inboundNames, needs: []string{"receipt|advice|purchase_order|order"}},
	docklinev1.EventKind_EVENT_KIND_RECEIPT_RECEIVED:    {subject: inboundSubject, names: inboundNames, needs: []string{"receipt|advice|purchase_order|order"}},
	docklinev1.EventKind_EVENT_KIND_RECEIPT_DISCREPANCY: {subject: inboundSubject, names: inboundNames, needs: []string{"receipt|advice|purchase_order|order"}},

	docklinev1.EventKind_EVENT_KIND_PUTAWAY_CONFIRMED:    {subject: stockSubject},
	docklinev1.EventKind_EVENT_KIND_STOCK_MOVED:          {subject: stockSubject},
	docklinev1.EventKind_EVENT_KIND_STOCK_STATUS_CHANGED: {subject: stockSubject, names: documentNames},
	docklinev1.EventKind_EVENT_KIND_STOCK_DAMAGED:        {subject: stockSubject, names: documentNames},
	docklinev1.EventKind_EVENT_KIND_STOCK_ADJUSTED:       {subject: stockSubject, names: documentNames},
	docklinev1.EventKind_EVENT_KIND_STOCK_SCRAPPED:       {subject: stockSubject, names: documentNames},
	docklinev1.EventKind_EVENT_KIND_LOT_RELABELLED:       {subject: stockSubject, names: documentNames, needs: []string{"to_lot|output"}},
	docklinev1.EventKind_EVENT_KIND_KIT_BUILT:            {subject: stockSubject, names: documentNames, needs: []string{"output"}},
	docklinev1.EventKind_EVENT_KIND_STOCK_REPACKED:       {subject: stockSubject, names: documentNames, needs: []string{"to_handling_unit|output"}},
	docklinev1.EventKind_EVENT_KIND_COUNT_OBSERVED:       {subject: []string{"count"}, names: map[string]string{"number": "count"}},
	docklinev1.EventKind_EVENT_KIND_COUNT_APPROVED:       {subject: []string{"count"}, names: map[string]string{"number": "count", "value": "variance_value"}},

	docklinev1.EventKind_EVENT_KIND_RETURN_RECEIVED:  {subject: returnSubject, names: returnNames},
	docklinev1.EventKind_EVENT_KIND_RETURN_INSPECTED: {subject: returnSubject, names: returnNames},
	docklinev1.EventKind_EVENT_KIND_RETURN_DISPOSED:  {subject: returnSubject, names: returnNames},
}

// kindPlan is a shape with the schema's names looked up.
type kindPlan struct {
	subject []string
	// needs says what a record must have. Each entry is one field, or several of which one is enough.
	needs []string
	// anyOf are the same, taken apart.
	anyOf [][]string
	// payload is the field of Event, fields those of the payload that records fill, and from which of theirs.
	payload protoreflect.FieldDescriptor
	fields  []payloadField
	lines   event.LineRequirement
	// linesField and outputsField are nil where the payload has none.
	linesField, outputsField protoreflect.FieldDescriptor
}

type payloadField struct {
	to   protoreflect.FieldDescriptor
	from string
}

var plans = func() map[docklinev1.EventKind]*kindPlan {
	all := make(map[docklinev1.EventKind]*kindPlan, len(shapes))
	for kind, s := range shapes {
		all[kind] = s.plan(kind)
	}
	return all
}()

func (s shape) plan(kind docklinev1.EventKind) *kindPlan {
	rule := event.RequirementOf(kind)
	p := &kindPlan{subject: s.subject, lines: rule.Lines}
	p.payload = (&docklinev1.Event{}).ProtoReflect().Descriptor().Fields().ByName(protoreflect.Name(rule.Payload))
	fields := p.payload.Message().Fields()
	p.linesField, p.outputsField = fields.ByName("lines"), fields.ByName("outputs")
	for i := range fields.Len() {
		name := string(fields.Get(i).Name())
		if from := s.name(name); from != "" && name != "lines" && name != "outputs" {
			if _, ok := fieldNamed(from); !ok {
				panic("mapping: no field " + from + " for " + event.KindName(kind))
			}
			p.fields = append(p.fields, payloadField{fields.Get(i), from})
		}
	}
	p.needs = s.allNeeds(rule)
	for _, need := range p.needs {
		p.anyOf = append(p.anyOf, strings.Split(need, "|"))
	}
	return p
}

// name is the field here that fills a field of the payload.
func (s shape) name(payload string) string {
	if other, ok := s.names[payload]; ok {
		return other
	}
	return payload
}

// allNeeds puts the rule of the kind into the words of fields here.
func (s shape) allNeeds(rule event.Requirement) []string {
	needs := []string{"occurred_at"}
	if rule.Payload == "order" {
		needs = []string{"occurred_at|ordered_at"}
	}
	for _, need := range rule.Needs {
		var names []string
		for _, name := range need {
			switch {
			case name == "lines":
				names = append(names, "item", "gtin")
			case name == "handling_unit":
				names = append(names, name)
			default:
				names = append(names, s.name(name))
			}
		}
		needs = append(needs, strings.Join(names, "|"))
	}
	if rule.Lines.Some {
		for _, need := range rule.Lines.Needs {
			needs = append(needs, strings.Join(need, "|"))
		}
	}
	for _, need := range s.needs {
		if !slices.Contains(needs, need) {
			needs = append(needs, need)
		}
	}
	return needs
}

// Kinds are those that a mapping can give, in order of their number.
func Kinds() []docklinev1.EventKind {
	kinds := make([]docklinev1.EventKind, 0, len(plans))
	for k := range plans {
		kinds = append(kinds, k)
	}
	slices.Sort(kinds)
	return kinds
}

// Needs are the fields that a record of a kind must fill; "a|b" is one of several. Nil for a kind that no record gives.
func Needs(kind docklinev1.EventKind) []string {
	if p := plans[kind]; p != nil {
		return p.needs
	}
	return nil
}

// KindFields are the fields that a record of a kind can fill beside those of every event and, where it has them, of lines.
func KindFields(kind docklinev1.EventKind) (names []string, lines bool) {
	p := plans[kind]
	if p == nil {
		return nil, false
	}
	for _, f := range p.fields {
		if !slices.Contains(names, f.from) {
			names = append(names, f.from)
		}
	}
	return names, p.linesField != nil
}
