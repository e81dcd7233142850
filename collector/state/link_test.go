package state_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/dockline/dockline/collector/state"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// everyPayload makes an event of each kind of payload with every field filled, and gives its parts to change.
func everyPayload(change func(protoreflect.Message)) []*docklinev1.Event {
	var events []*docklinev1.Event
	fields := (&docklinev1.Event{}).ProtoReflect().Descriptor().Oneofs().ByName("payload").Fields()
	for i := range fields.Len() {
		e := &docklinev1.Event{Id: "id", Tenant: "acme", Site: "dc", Source: "wms", SourceKey: "k"}
		m := e.ProtoReflect()
		fill(m.Mutable(fields.Get(i)).Message(), 2)
		change(m.Mutable(fields.Get(i)).Message())
		for number := range docklinev1.EventKind_name {
			kind := docklinev1.EventKind(number)
			if number != 0 && ofPayload(kind, string(fields.Get(i).Name())) {
				each := event.WithLines(e, event.Lines(e))
				each.Kind = kind
				events = append(events, each)
			}
		}
	}
	return events
}

// ofPayload says which kinds carry a payload where keys or links depend on the kind; any will do elsewhere.
func ofPayload(kind docklinev1.EventKind, field string) bool {
	object, _, _ := strings.Cut(event.KindName(kind), ".")
	switch field {
	case "order", "pack", "return", "transport":
		return object == field
	case "inbound":
		return object == "inbound" || object == "receipt"
	}
	return kind == docklinev1.EventKind_EVENT_KIND_STOCK_MOVED
}

func fill(m protoreflect.Message, depth int) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		switch {
		case f.Kind() == protoreflect.StringKind && f.IsList():
			for n := range 2 {
				m.Mutable(f).List().Append(protoreflect.ValueOfString(fmt.Sprintf("%s/%d", f.Name(), n)))
			}
		case f.Kind() == protoreflect.StringKind:
			m.Set(f, protoreflect.ValueOfString(string(f.Name())))
		case f.Kind() == protoreflect.MessageKind && f.IsList() && depth > 0:
			for n := range 2 {
				line := m.Mutable(f).List().AppendMutable().Message()
				fill(line, depth-1)
				if order := line.Descriptor().Fields().ByName("order"); order != nil {
					line.Set(order, protoreflect.ValueOfString(fmt.Sprintf("SO%d", n)))
				}
			}
		}
	}
}

// clear empties a field where the message has it.
func clearField(m protoreflect.Message, name string) {
	if f := m.Descriptor().Fields().ByName(protoreflect.Name(name)); f != nil {
		m.Clear(f)
	}
}

// Whatever an event names or leaves out: each key once and well formed, no key linked to itself, and the facts of what another key is part of
// hold the event that says so, so that the fold of it sees whether the link still holds.
func TestLinksAreToldToWhatTheyJoin(t *testing.T) {
	names := []string{"", "order", "number", "shipment", "site", "receipt", "purchase_order", "advice", "lines", "tracking", "shipments", "returns", "handling_units"}
	some := 0
	for _, first := range names {
		for _, second := range names {
			for _, e := range everyPayload(func(m protoreflect.Message) { clearField(m, first); clearField(m, second) }) {
				for _, site := range []string{"dc", ""} {
					e.Site = site
					some += checkKeys(t, e, fmt.Sprintf("%s at %q without %s and %s", event.KindName(e.GetKind()), site, first, second))
				}
			}
		}
	}
	if some == 0 {
		t.Error("nothing is linked to anything")
	}
}

func checkKeys(t *testing.T, e *docklinev1.Event, what string) int {
	t.Helper()
	var keys []string
	for _, touch := range state.Keys(e, codes{}) {
		if _, _, err := event.ParseKey(touch.Key); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if slices.Contains(keys, touch.Key) {
			t.Errorf("%s: key %s twice", what, touch.Key)
		}
		keys = append(keys, touch.Key)
	}
	links := state.Links(e)
	for i, l := range links {
		if !slices.Contains(keys, l.PartOf) {
			t.Errorf("%s: %s is linked to %s, which is not told: %v", what, l.Key, l.PartOf, keys)
		}
		if _, _, err := event.ParseKey(l.Key); err != nil || l.Key == l.PartOf || slices.Contains(links[:i], l) {
			t.Errorf("%s: link %v (%v)", what, l, err)
		}
	}
	return len(links)
}
