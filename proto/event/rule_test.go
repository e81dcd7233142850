package event_test

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// strip empties fields of a payload, "number" or "lines.to_bin", the latter in each line.
func strip(m protoreflect.Message, names ...string) {
	for _, name := range names {
		field, rest, inner := strings.Cut(name, ".")
		d := m.Descriptor().Fields().ByName(protoreflect.Name(field))
		if !inner {
			m.Clear(d)
			continue
		}
		for i, list := 0, m.Mutable(d).List(); i < list.Len(); i++ {
			strip(list.Get(i).Message(), rest)
		}
	}
}

// What each kind cannot be without: every entry names the fields, blank between, that are taken away together.
func TestEveryKindNeedsWhatMakesItMeaningful(t *testing.T) {
	const names = "shipment tracking bill_of_lading handling_units"
	for kind, missing := range map[string][]string{
		"quote.approved": {"number", "customer", "lines"}, "order.submitted": {"number", "lines"}, "order.accepted": {"number", "lines", "lines.quantity"},
		"order.changed": {"number", "lines"}, "order.rejected": {"number"}, "order.cancelled": {"number"}, "order.cancel_requested": {"number", "lines.quantity"},
		"order.cancel_refused": {"number"}, "order.held": {"number", "code"}, "order.hold_released": {"number", "code"}, "order.released": {"number", "site", "command_key"},
		"backorder.created": {"lines", "lines.order"}, "backorder.released": {"lines", "lines.order"},
		"invoice.posted": {"number", "order"}, "invoice.voided": {"number"}, "credit_memo.posted": {"number", "order returns invoice"},
		"inventory.allocated": {"lines", "lines.order"}, "inventory.deallocated": {"lines", "lines.order"},
		"pick.confirmed": {"lines", "lines.order"}, "pick.short": {"lines.ordered", "lines"}, "pick.substituted": {"lines", "lines.order", "lines.original_item"},
		"pack.confirmed": {"lines", "lines.order"}, "pack.reopened": {"handling_unit lines"},
		"load.staged": {"shipments handling_units lines"}, "load.loaded": {"shipments handling_units lines"}, "trailer.sealed": {"trailer"},
		"shipment.departed": {"number", "lines", "lines.order"}, "shipment.voided": {"number", "lines.order"}, "shipment.over_shipped": {"number", "order", "lines"},
		"transport.milestone": {names, "code milestone"}, "transport.delayed": {names, "eta cause code"}, "transport.refused": {names}, "transport.lost": {names},
		"transport.damaged": {names}, "delivery.proved": {names, "latitude", "longitude"},
		"inbound.advised": {"number advice purchase_order lines.order"}, "receipt.arrived": {"number advice purchase_order lines"},
		"receipt.received": {"number advice purchase_order lines.order", "lines"}, "receipt.discrepancy": {"lines", "lines.expected lines.condition lines.reason"},
		"putaway.confirmed": {"lines", "lines.to_bin"}, "stock.moved": {"lines", "lines.bin", "lines.to_bin lines.to_lot lines.to_status lines.to_handling_unit lines.to_owner"},
		"stock.status_changed": {"lines", "lines.to_status"}, "stock.damaged": {"lines", "stage"},
		"stock.adjusted": {"lines", "lines.bin"}, "stock.scrapped": {"lines", "lines.bin"}, "stock.snapshot": {"site", "lines.bin"},
		"lot.relabelled": {"lines", "outputs", "outputs.lot"}, "kit.built": {"lines", "outputs", "outputs.quantity"}, "stock.repacked": {"lines", "outputs"},
		"count.observed": {"number", "lines", "lines.bin"}, "count.approved": {"number", "decision"},
		"return.requested": {"number order", "receipt_site"}, "return.authorised": {"number", "receipt"}, "return.denied": {"number order"}, "return.cancelled": {"number"},
		"return.received": {"number receipt", "lines"}, "return.inspected": {"number receipt", "lines.condition"}, "return.disposed": {"number receipt", "lines.disposition"},
		"return.decided":    {"number receipt", "decision", "reason"},
		"command.completed": {"key", "outcome"}, "stream.gap": {"epoch", "first_seq"}, "record.refused": {"code", "text"}, "policy.activated": {"version"},
		"exception.decided": {"key", "action", "about", "reason"},
		"milestone.changed": {"key", "name", "action", "reason"}, "record.settled": {"event_id", "key", "outcome", "reason"},
		"error.declared": {"event_id", "reason"}, "exception.opened": {"number", "code", "title"}, "exception.changed": {"number"}, "exception.resolved": {"number"},
		"agent.health": {"status"},
	} {
		k, ok := event.ParseKind(kind)
		if !ok {
			t.Errorf("no kind %s", kind)
			continue
		}
		for _, fields := range missing {
			e := samples()[k]
			strip(event.Payload(e).ProtoReflect(), strings.Fields(fields)...)
			if f := event.Validate(e); f == nil || len(f.Text) < 20 {
				t.Errorf("%s without %s: %v", kind, fields, f)
			}
		}
	}
}

// What a kind can be without: the same event with these fields alone stripped is still valid.
func TestKindsDoNotAskForMoreThanTheyNeed(t *testing.T) {
	for kind, spare := range map[string][]string{
		"order.rejected": {"lines"}, "order.cancel_requested": {"lines reason requester"}, "order.held": {"owner reason until"}, "pick.substituted": {"approval lines.original_quantity"},
		"pack.reopened": {"lines", "handling_unit"}, "shipment.voided": {"lines site reason"}, "transport.milestone": {"shipment", "tracking bill_of_lading handling_units", "code", "milestone", "lines"},
		"transport.lost": {"shipment tracking bill_of_lading lines"}, "delivery.proved": {"lines signer latitude longitude"},
		"inbound.advised": {"number purchase_order lines"}, "receipt.received": {"number advice purchase_order", "lines.order lines.bin"},
		"putaway.confirmed": {"lines.bin lines.order task"}, "stock.moved": {"lines.to_bin", "lines.to_lot lines.to_status lines.to_handling_unit lines.to_owner"},
		"stock.status_changed": {"stage reason lines.bin"}, "stock.adjusted": {"count reason lines.order"}, "return.received": {"number", "receipt", "order lines.order"},
		"return.authorised": {"receipt receipt_site lines order"}, "invoice.posted": {"lines", "lines.item lines.gtin"}, "credit_memo.posted": {"order returns", "total lines"},
		"load.staged": {"shipments lines", "dock handling_units lines"}, "trailer.sealed": {"seal shipments handling_units lines"}, "stock.snapshot": {"lines"},
	} {
		k, _ := event.ParseKind(kind)
		for _, fields := range spare {
			e := samples()[k]
			strip(event.Payload(e).ProtoReflect(), strings.Fields(fields)...)
			if f := event.Validate(e); f != nil {
				t.Errorf("%s without %s: %v", kind, fields, f)
			}
		}
	}
}

// Fields whose word decides what follows take the known words only, and the sentence says which.
func TestWordsThatDecideAreKnown(t *testing.T) {
	for _, c := range []struct{ kind, field, known string }{
		{"shipment.over_shipped", "decision", "post"}, {"count.approved", "decision", "recount"}, {"stock.damaged", "stage", "pack"}, {"error.declared", "reason", "did_not_occur"},
		{"agent.health", "status", "offline"}, {"transport.milestone", "milestone", "out_for_delivery"}, {"return.inspected", "lines.condition", "wrong_item"},
		{"return.disposed", "lines.disposition", "to_vendor"}, {"receipt.received", "lines.condition", "expired"},
	} {
		k, _ := event.ParseKind(c.kind)
		set := func(word string) *event.Fault {
			e := samples()[k]
			m := event.Payload(e).ProtoReflect()
			field, rest, inner := strings.Cut(c.field, ".")
			if inner {
				m, field = m.Get(m.Descriptor().Fields().ByName(protoreflect.Name(field))).List().Get(0).Message(), rest
			}
			m.Set(m.Descriptor().Fields().ByName(protoreflect.Name(field)), protoreflect.ValueOfString(word))
			return event.Validate(e)
		}
		if f := set("perhaps"); f == nil || f.Code != "word_unknown" || !strings.Contains(f.Text, c.known) {
			t.Errorf("%s: %s perhaps: %v", c.kind, c.field, f)
		}
		if f := set(c.known); f != nil {
			t.Errorf("%s: %s %s: %v", c.kind, c.field, c.known, f)
		}
	}
}

func TestFaultsOfNewerKinds(t *testing.T) {
	long := strings.Repeat("x", 129)
	for name, c := range map[string]struct {
		kind  docklinev1.EventKind
		spoil func(*docklinev1.Event)
		code  string
	}{
		"an item for itself": {docklinev1.EventKind_EVENT_KIND_PICK_SUBSTITUTED, func(e *docklinev1.Event) { e.GetPick().Lines[0].OriginalItem = e.GetPick().Lines[0].Item }, "substitute_same"},
		"long reference":     {docklinev1.EventKind_EVENT_KIND_LOAD_STAGED, func(e *docklinev1.Event) { e.GetLoad().Shipments = []string{"a", long} }, "code_too_long"},
		"empty reference":    {docklinev1.EventKind_EVENT_KIND_LOAD_STAGED, func(e *docklinev1.Event) { e.GetLoad().HandlingUnits = []string{""} }, "field_missing"},
		"long tracking":      {docklinev1.EventKind_EVENT_KIND_TRANSPORT_LOST, func(e *docklinev1.Event) { e.GetTransport().Tracking = strings.Repeat("x", 513) }, "code_too_long"},
		"long new code":      {docklinev1.EventKind_EVENT_KIND_STOCK_MOVED, func(e *docklinev1.Event) { e.GetStockMove().Lines[0].ToLot = long }, "code_too_long"},
		"less than nothing scrapped": {docklinev1.EventKind_EVENT_KIND_STOCK_SCRAPPED, func(e *docklinev1.Event) { e.GetAdjustment().Lines[0].Quantity.Value = "-1" },
			"quantity_negative"},
		"less than nothing expected": {docklinev1.EventKind_EVENT_KIND_RECEIPT_RECEIVED, func(e *docklinev1.Event) { e.GetInbound().Lines[0].Expected.Value = "-1" }, "quantity_negative"},
		"negative output":            {docklinev1.EventKind_EVENT_KIND_KIT_BUILT, func(e *docklinev1.Event) { e.GetTransformation().Outputs[0].Quantity.Value = "-1" }, "quantity_negative"},
		"more refused than brought":  {docklinev1.EventKind_EVENT_KIND_DELIVERY_PROVED, func(e *docklinev1.Event) { e.GetDelivery().Lines[0].Refused.Value = "13" }, "quantity_implausible"},
		"beyond the pole":            {docklinev1.EventKind_EVENT_KIND_DELIVERY_PROVED, func(e *docklinev1.Event) { e.GetDelivery().Latitude = "90.5" }, "place_format"},
		"degrees by exponent":        {docklinev1.EventKind_EVENT_KIND_DELIVERY_PROVED, func(e *docklinev1.Event) { e.GetDelivery().Longitude = "1e1" }, "place_format"},
		"arrival in 1970":            {docklinev1.EventKind_EVENT_KIND_TRANSPORT_DELAYED, func(e *docklinev1.Event) { e.GetTransport().Eta.Seconds = 0 }, "time_implausible"},
		"expiry in 1970":             {docklinev1.EventKind_EVENT_KIND_RECEIPT_RECEIVED, func(e *docklinev1.Event) { e.GetInbound().Lines[0].ExpiresAt.Seconds = 0 }, "time_implausible"},
		"fee in words":               {docklinev1.EventKind_EVENT_KIND_CREDIT_MEMO_POSTED, func(e *docklinev1.Event) { e.GetCreditMemo().RestockingFee = "some" }, "quantity_format"},
		"custom fields out of order": {docklinev1.EventKind_EVENT_KIND_STOCK_MOVED, func(e *docklinev1.Event) { e.Custom[0].Name = "zone" }, "custom_order"},
		"a custom field twice":       {docklinev1.EventKind_EVENT_KIND_STOCK_MOVED, func(e *docklinev1.Event) { e.Custom[0].Name = "shift" }, "custom_order"},
		"a custom name in capitals":  {docklinev1.EventKind_EVENT_KIND_STOCK_MOVED, func(e *docklinev1.Event) { e.Custom[0].Name = "Route" }, "custom_name"},
		"a novel in a custom field":  {docklinev1.EventKind_EVENT_KIND_STOCK_MOVED, func(e *docklinev1.Event) { e.Custom[1].Value = strings.Repeat("x", 4097) }, "code_too_long"},
		"no subject":                 {docklinev1.EventKind_EVENT_KIND_RETURN_RECEIVED, func(e *docklinev1.Event) { e.Subject = "" }, "subject_missing"},
	} {
		e := samples()[c.kind]
		c.spoil(e)
		if f := event.Validate(e); f == nil || f.Code != c.code || f.Class != docklinev1.FaultClass_FAULT_CLASS_DATA || len(f.Text) < 20 {
			t.Errorf("%s: %v, want %s with a sentence", name, f, c.code)
		}
	}
}
