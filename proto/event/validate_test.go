package event_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

func TestValidEventsOfEveryKind(t *testing.T) {
	for kind, e := range samples() {
		if f := event.Validate(e); f != nil {
			t.Errorf("%s: %v", event.KindName(kind), f)
		}
	}
}

// What a plugin sends has none of the host's fields yet.
func TestValidateNeedsNothingOfTheHost(t *testing.T) {
	for kind, e := range samples() {
		e.Id, e.Tenant, e.Site, e.Source, e.CapturedAt, e.Traceparent = "", "", "", "", nil, ""
		if f := event.Validate(e); f != nil {
			t.Errorf("%s: %v", event.KindName(kind), f)
		}
	}
}

func TestEveryKindNeedsItsPayload(t *testing.T) {
	all := samples()
	for kind, e := range all {
		e.Payload = nil
		if f := event.Validate(e); f == nil || f.Code != "payload_missing" {
			t.Errorf("%s without a payload: %v", event.KindName(kind), f)
		}
		for other, o := range samples() {
			if payloadType(o) == payloadType(samples()[kind]) {
				continue // kinds that share a payload
			}
			e.Payload = o.Payload
			if f := event.Validate(e); f == nil {
				t.Errorf("%s took the payload of %s", event.KindName(kind), event.KindName(other))
			}
		}
	}
}

func payloadType(e *docklinev1.Event) protoreflect.FullName {
	return event.Payload(e).ProtoReflect().Descriptor().FullName()
}

func TestFaults(t *testing.T) {
	const (
		pick     = docklinev1.EventKind_EVENT_KIND_PICK_CONFIRMED
		short    = docklinev1.EventKind_EVENT_KIND_PICK_SHORT
		ship     = docklinev1.EventKind_EVENT_KIND_SHIPMENT_DEPARTED
		count    = docklinev1.EventKind_EVENT_KIND_COUNT_OBSERVED
		accepted = docklinev1.EventKind_EVENT_KIND_ORDER_ACCEPTED
		snapshot = docklinev1.EventKind_EVENT_KIND_STOCK_SNAPSHOT
		pack     = docklinev1.EventKind_EVENT_KIND_PACK_CONFIRMED
		result   = docklinev1.EventKind_EVENT_KIND_COMMAND_COMPLETED
		gap      = docklinev1.EventKind_EVENT_KIND_STREAM_GAP
		invoice  = docklinev1.EventKind_EVENT_KIND_INVOICE_POSTED
		refused  = docklinev1.EventKind_EVENT_KIND_RECORD_REFUSED
	)
	first := func(e *docklinev1.Event) *docklinev1.Line { return e.GetPick().GetLines()[0] }
	for name, c := range map[string]struct {
		kind  docklinev1.EventKind
		spoil func(*docklinev1.Event)
		code  string
	}{
		"no kind":           {pick, func(e *docklinev1.Event) { e.Kind = 0 }, "kind_unknown"},
		"kind of tomorrow":  {pick, func(e *docklinev1.Event) { e.Kind = 9999 }, "kind_unknown"},
		"no subject":        {pick, func(e *docklinev1.Event) { e.Subject = "" }, "subject_missing"},
		"long subject":      {pick, func(e *docklinev1.Event) { e.Subject = strings.Repeat("x", 257) }, "code_too_long"},
		"long key":          {pick, func(e *docklinev1.Event) { e.SourceKey = strings.Repeat("x", 513) }, "code_too_long"},
		"no time":           {pick, func(e *docklinev1.Event) { e.OccurredAt = nil }, "time_missing"},
		"time of 1970":      {pick, func(e *docklinev1.Event) { e.OccurredAt = &timestamppb.Timestamp{} }, "time_implausible"},
		"broken time":       {pick, func(e *docklinev1.Event) { e.OccurredAt.Nanos = -1 }, "time_implausible"},
		"broken inner time": {ship, func(e *docklinev1.Event) { e.GetShipment().CarrierCutoff.Seconds = 1 << 60 }, "time_implausible"},
		"tomorrow": {pick, func(e *docklinev1.Event) {
			e.OccurredAt = timestamppb.New(e.CapturedAt.AsTime().Add(24*time.Hour + time.Second))
		}, "time_in_future"},
		"no lines":             {pick, func(e *docklinev1.Event) { e.GetPick().Lines = nil }, "lines_missing"},
		"no item":              {pick, func(e *docklinev1.Event) { first(e).Item, first(e).Gtin = "", "" }, "field_missing"},
		"no order":             {pick, func(e *docklinev1.Event) { first(e).Order = "" }, "field_missing"},
		"no quantity":          {pick, func(e *docklinev1.Event) { first(e).Quantity = nil }, "quantity_format"},
		"comma":                {pick, func(e *docklinev1.Event) { first(e).Quantity.Value = "1,5" }, "quantity_format"},
		"negative":             {pick, func(e *docklinev1.Event) { first(e).Quantity.Value = "-1" }, "quantity_negative"},
		"article as quantity":  {pick, func(e *docklinev1.Event) { first(e).Quantity.Value = "4006381333931" }, "quantity_too_large"},
		"bad asked-for":        {pick, func(e *docklinev1.Event) { first(e).Ordered.Value = "x" }, "quantity_format"},
		"long item":            {pick, func(e *docklinev1.Event) { first(e).Item = strings.Repeat("x", 129) }, "code_too_long"},
		"long serial":          {pick, func(e *docklinev1.Event) { first(e).Serials = []string{"a", strings.Repeat("x", 129)} }, "code_too_long"},
		"zero character":       {pick, func(e *docklinev1.Event) { first(e).Lot = "a\x00b" }, "text_control"},
		"zero in a list":       {pick, func(e *docklinev1.Event) { first(e).Serials = []string{"ok", "a\x00b"} }, "text_control"},
		"not UTF-8":            {pick, func(e *docklinev1.Event) { first(e).Description = "M\xfcller" }, "text_encoding"},
		"too large":            {pick, func(e *docklinev1.Event) { e.Origin = strings.Repeat("x", 256<<10) }, "event_too_large"},
		"short without ask":    {short, func(e *docklinev1.Event) { first(e).Ordered = nil }, "quantity_format"},
		"short of nothing":     {short, func(e *docklinev1.Event) { first(e).Ordered.Value = "12.5" }, "short_without_missing"},
		"shipment's number":    {ship, func(e *docklinev1.Event) { e.GetShipment().Number = "" }, "field_missing"},
		"shipment's lines":     {ship, func(e *docklinev1.Event) { e.GetShipment().Lines = nil }, "lines_missing"},
		"count without bin":    {count, func(e *docklinev1.Event) { e.GetCount().Lines[0].Bin = "" }, "field_missing"},
		"negative count":       {count, func(e *docklinev1.Event) { e.GetCount().Lines[0].Quantity.Value = "-3" }, "quantity_negative"},
		"order without lines":  {accepted, func(e *docklinev1.Event) { e.GetOrder().Lines = nil }, "lines_missing"},
		"order's price":        {accepted, func(e *docklinev1.Event) { e.GetOrder().Lines[0].UnitPrice = "1.2.3" }, "quantity_format"},
		"negative order":       {accepted, func(e *docklinev1.Event) { e.GetOrder().Lines[0].Quantity.Value = "-1" }, "quantity_negative"},
		"snapshot of no site":  {snapshot, func(e *docklinev1.Event) { e.GetStockSnapshot().Site = "" }, "field_missing"},
		"weight":               {pack, func(e *docklinev1.Event) { e.GetPack().WeightKg = "heavy" }, "quantity_format"},
		"no outcome":           {result, func(e *docklinev1.Event) { e.GetCommandResult().Outcome = 0 }, "outcome_missing"},
		"gap backwards":        {gap, func(e *docklinev1.Event) { e.GetStreamGap().LastSeq = 6 }, "range_implausible"},
		"invoice of no order":  {invoice, func(e *docklinev1.Event) { e.GetInvoice().Order = "" }, "field_missing"},
		"dead letter unspoken": {refused, func(e *docklinev1.Event) { e.GetDeadLetter().Text = "" }, "field_missing"},
	} {
		e := samples()[c.kind]
		c.spoil(e)
		f := event.Validate(e)
		if f == nil || f.Code != c.code || f.Class != docklinev1.FaultClass_FAULT_CLASS_DATA || len(f.Text) < 20 {
			t.Errorf("%s: %v, want %s with a sentence", name, f, c.code)
		}
	}
}

func TestWhatIsAllowed(t *testing.T) {
	for name, allow := range map[string]func() *docklinev1.Event{
		"a book below zero": func() *docklinev1.Event {
			e := samples()[docklinev1.EventKind_EVENT_KIND_STOCK_SNAPSHOT]
			e.GetStockSnapshot().Lines[0].Quantity.Value, e.GetStockSnapshot().Lines[0].Ordered = "-3", nil
			return e
		},
		"nothing in the bin": func() *docklinev1.Event {
			e := samples()[docklinev1.EventKind_EVENT_KIND_COUNT_OBSERVED]
			e.GetCount().Lines[0].Quantity.Value = "0"
			return e
		},
		"nothing picked of a short pick": func() *docklinev1.Event {
			e := samples()[docklinev1.EventKind_EVENT_KIND_PICK_SHORT]
			e.GetPick().Lines[0].Quantity.Value = "0"
			return e
		},
		"a rejected order without lines": func() *docklinev1.Event {
			e := samples()[docklinev1.EventKind_EVENT_KIND_ORDER_REJECTED]
			e.GetOrder().Lines = nil
			return e
		},
		"a clock some hours ahead": func() *docklinev1.Event {
			e := samples()[docklinev1.EventKind_EVENT_KIND_PICK_CONFIRMED]
			e.OccurredAt = timestamppb.New(e.CapturedAt.AsTime().Add(23 * time.Hour))
			return e
		},
		"a dead letter of nobody": func() *docklinev1.Event {
			e := samples()[docklinev1.EventKind_EVENT_KIND_RECORD_REFUSED]
			e.Subject = ""
			return e
		},
	} {
		if f := event.Validate(allow()); f != nil {
			t.Errorf("%s: %v", name, f)
		}
	}
}

func FuzzValidate(f *testing.F) {
	for _, e := range samples() {
		raw, err := proto.Marshal(e)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var e docklinev1.Event
		if proto.Unmarshal(raw, &e) != nil {
			return
		}
		before := event.BodyHash(&e)
		if fault := event.Validate(&e); fault != nil && (fault.Code == "" || fault.Text == "" || fault.Class == 0) {
			t.Fatalf("a fault without words: %+v", fault)
		}
		if string(event.BodyHash(&e)) != string(before) {
			t.Fatal("validation changed the event")
		}
	})
}

// What is decided from an event as it was encoded must not differ from what is decided field by field: each text in turn is given a zero
// character, and each time one that no calendar has.
func TestADecodedEventIsJudgedLikeAnyOther(t *testing.T) {
	same := func(what string, e *docklinev1.Event) {
		t.Helper()
		data, err := proto.Marshal(e)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		want, got := event.Validate(e), event.ValidateDecoded(e, data)
		if (want == nil) != (got == nil) || want != nil && *want != *got {
			t.Errorf("%s: %v from its encoding, %v without", what, got, want)
		}
	}
	spoiled := 0
	var spoil func(kind string, whole *docklinev1.Event, m protoreflect.Message)
	spoil = func(kind string, whole *docklinev1.Event, m protoreflect.Message) {
		m.Range(func(d protoreflect.FieldDescriptor, v protoreflect.Value) bool {
			name := kind + ", " + string(d.FullName())
			switch {
			case d.IsList() && d.Kind() == protoreflect.MessageKind:
				for i := range v.List().Len() {
					spoil(kind, whole, v.List().Get(i).Message())
				}
			case d.IsList() && d.Kind() == protoreflect.StringKind:
				good := v.List().Get(0)
				v.List().Set(0, protoreflect.ValueOfString("a\x00b"))
				same(name, whole)
				v.List().Set(0, good)
				spoiled++
			case d.IsList():
			case d.Kind() == protoreflect.StringKind:
				m.Set(d, protoreflect.ValueOfString("a\x00b"))
				same(name, whole)
				m.Set(d, v)
				spoiled++
			case d.Kind() == protoreflect.MessageKind:
				if stamp, ok := v.Message().Interface().(*timestamppb.Timestamp); ok {
					seconds := stamp.Seconds
					stamp.Seconds = 1 << 60
					same(name, whole)
					stamp.Seconds = seconds
					spoiled++
				}
				spoil(kind, whole, v.Message())
			}
			return true
		})
	}
	for kind, e := range samples() {
		for _, hash := range [][]byte{nil, {1, 0, 2, 0}} {
			e.ContentHash = hash
			same(event.KindName(kind), e)
			spoil(event.KindName(kind), e, e.ProtoReflect())
		}
	}
	if spoiled < 200 {
		t.Errorf("only %d fields were spoiled", spoiled)
	}
}

// An order that is too large for one event is told so that somebody can act: which, how many lines, and how many there may be about.
func TestAnOrderOfTooManyLines(t *testing.T) {
	order := &docklinev1.Order{Number: "SO1"}
	for i := range 8000 {
		order.Lines = append(order.Lines, &docklinev1.Line{OrderLine: fmt.Sprint(i + 1), Item: "SKU-100000000", Quantity: &docklinev1.Quantity{Value: "12.5", Unit: "case"}})
	}
	f := event.Validate(&docklinev1.Event{Kind: docklinev1.EventKind_EVENT_KIND_ORDER_ACCEPTED, Payload: &docklinev1.Event_Order{Order: order}})
	if f == nil || f.Code != "event_too_large" || !strings.Contains(f.Text, "order SO1 has 8000 lines") || !strings.Contains(f.Text, "divide it there into orders of fewer lines") {
		t.Errorf("%v", f)
	}
}
