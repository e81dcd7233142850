package event_test

import (
	"encoding/hex"
	"encoding/json"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden is one vector of testdata/ids.json: for whoever computes ids in another language.
type golden struct {
	Name  string            `json:"name"`
	Cause map[string]any    `json:"cause"`
	Cells map[string]string `json:"cells,omitempty"`
	ID    string            `json:"id"`
}

func causes() []struct {
	name  string
	cells map[string]string
	cause event.Cause
} {
	cells := map[string]string{"order": "SO00017", "qty": "12,5", "item": "Schraube M8×40", "empty": ""}
	base := event.Cause{Tenant: "acme", Site: "dc-east", Source: "wms", SourceKey: "PICK-4711", Revision: "3", Kind: "pick.confirmed"}
	with := func(change func(*event.Cause)) event.Cause {
		c := base
		change(&c)
		return c
	}
	return []struct {
		name  string
		cells map[string]string
		cause event.Cause
	}{
		{"revision", nil, base},
		{"content hash in place of a revision", cells, with(func(c *event.Cause) { c.Revision, c.ContentHash = "", event.ContentHash(cells) })},
		{"a revision goes before the hash", cells, with(func(c *event.Cause) { c.ContentHash = event.ContentHash(cells) })},
		{"ordinal", nil, with(func(c *event.Cause) { c.Ordinal = 4294967295 })},
		{"from the centre", nil, event.Cause{Tenant: "acme", Source: "tryton", SourceKey: "sale.sale/17", Revision: "2026-11-02T08:00:00.123456", Kind: "order.accepted"}},
		{"characters beyond ASCII", nil, with(func(c *event.Cause) { c.SourceKey = "Käse/日本/\u0000" })},
		{"nothing", nil, event.Cause{}},
	}
}

func TestGoldenIDs(t *testing.T) {
	var got []golden
	for _, c := range causes() {
		got = append(got, golden{Name: c.name, Cells: c.cells, ID: event.ID(c.cause), Cause: map[string]any{
			"tenant": c.cause.Tenant, "site": c.cause.Site, "source": c.cause.Source, "source_key": c.cause.SourceKey, "revision": c.cause.Revision,
			"content_hash": hex.EncodeToString(c.cause.ContentHash), "kind": c.cause.Kind, "ordinal": c.cause.Ordinal,
		}})
	}
	text, err := json.MarshalIndent(got, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	compare(t, "ids.json", append(text, '\n'))
}

func compare(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("%s differs. An id or a hash once given must never change.\ngot:\n%s", name, got)
	}
}

// The hashes that were given when there were fewer kinds and fields. A hash is kept for ever beside the id.
func TestEarlyBodyHashesStay(t *testing.T) {
	var got []map[string]any
	for _, kind := range slices.Sorted(maps.Keys(early())) {
		got = append(got, vector(t, early()[kind]))
	}
	compare(t, "bodies.json", indented(t, got))
}

// One event of every kind, with every field filled, and the hash of its body.
func TestGoldenBodyHashes(t *testing.T) {
	for _, kind := range event.Kinds() {
		e := samples()[kind]
		if e == nil {
			t.Errorf("no sample of %s", event.KindName(kind))
			continue
		}
		compare(t, filepath.Join("kinds", event.KindName(kind)+".json"), indented(t, vector(t, e)))
	}
}

// vector is an event and the hash of its body. protojson puts spaces as it likes: compacted by way of a map.
func vector(t *testing.T, e *docklinev1.Event) map[string]any {
	t.Helper()
	text, err := protojson.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	var plain map[string]any
	if err := json.Unmarshal(text, &plain); err != nil {
		t.Fatal(err)
	}
	return map[string]any{"kind": event.KindName(e.GetKind()), "event": plain, "body_hash": hex.EncodeToString(event.BodyHash(e))}
}

func indented(t *testing.T, v any) []byte {
	t.Helper()
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(text, '\n')
}

// A field that no sample fills would be shown by none of them to pass through.
func TestSamplesFillEveryField(t *testing.T) {
	var filled func(where string, m protoreflect.Message)
	filled = func(where string, m protoreflect.Message) {
		for i := range m.Descriptor().Fields().Len() {
			f := m.Descriptor().Fields().Get(i)
			name := where + "." + string(f.Name())
			switch {
			case f.ContainingOneof() != nil && !m.Has(f), name == "event.double_of": // only one of them; a double moves nothing
			case f.Message() != nil && f.Message().FullName() == "google.protobuf.Timestamp" && m.Has(f):
			case !m.Has(f):
				t.Errorf("%s is empty", name)
			case f.IsList() && f.Message() != nil:
				filled(name, m.Get(f).List().Get(0).Message())
			case f.Message() != nil:
				filled(name, m.Get(f).Message())
			}
		}
	}
	for _, e := range samples() {
		filled("event", e.ProtoReflect())
	}
}

func TestContentHashIgnoresOrderAndKeepsCellsApart(t *testing.T) {
	base := event.ContentHash(map[string]string{"a": "1", "b": "2"})
	for range 20 { // maps are walked in another order each time
		if string(event.ContentHash(map[string]string{"b": "2", "a": "1"})) != string(base) {
			t.Fatal("the order of columns matters")
		}
	}
	for name, cells := range map[string]map[string]string{
		"other value": {"a": "1", "b": "3"}, "swapped": {"a": "2", "b": "1"}, "moved border": {"a": "1b", "": "2"}, "one less": {"a": "1"}, "empty one more": {"a": "1", "b": "2", "c": ""},
	} {
		if string(event.ContentHash(cells)) == string(base) {
			t.Errorf("%s: the same hash", name)
		}
	}
}

func TestIDsKeepPartsApart(t *testing.T) {
	seen := map[string]string{}
	for _, c := range []event.Cause{
		{Tenant: "a", Site: "bc"}, {Tenant: "ab", Site: "c"}, {Tenant: "abc"}, {Site: "abc"}, {Source: "abc"}, {SourceKey: "abc"}, {Revision: "abc"}, {Kind: "abc"}, {Ordinal: 1}, {Ordinal: 2},
		{ContentHash: []byte("abc")},
	} {
		id := event.ID(c)
		if other, ok := seen[id]; ok {
			t.Errorf("%+v has the id of %s", c, other)
		}
		seen[id] = c.Tenant + "|" + c.Site
	}
}

func TestBodyHashIsOfTheSourcesFactsOnly(t *testing.T) {
	for kind, e := range samples() {
		base := event.BodyHash(e)
		same := map[string]func(*docklinev1.Event){
			"id": func(e *docklinev1.Event) { e.Id = "other" }, "site": func(e *docklinev1.Event) { e.Tenant, e.Site, e.Source = "x", "y", "z" },
			"captured": func(e *docklinev1.Event) { e.CapturedAt = stamp(99); e.ClockOffsetMs = 7 }, "origin": func(e *docklinev1.Event) { e.Origin = "other.csv:9" },
			"trace": func(e *docklinev1.Event) { e.Traceparent = "x"; e.CorrelationId = "y"; e.CausationId = "z" }, "urgent": func(e *docklinev1.Event) { e.Urgent = !e.Urgent },
		}
		other := map[string]func(*docklinev1.Event){
			"kind": func(e *docklinev1.Event) { e.Kind++ }, "subject": func(e *docklinev1.Event) { e.Subject += "x" }, "key": func(e *docklinev1.Event) { e.SourceKey += "x" },
			"revision": func(e *docklinev1.Event) { e.SourceRevision += "x" }, "time": func(e *docklinev1.Event) { e.OccurredAt = stamp(99) }, "movement": func(e *docklinev1.Event) { e.Movement++ },
			"custom": func(e *docklinev1.Event) { e.Custom[0].Value += "x" }, "actor": func(e *docklinev1.Event) { e.Actor += "x" }, "device": func(e *docklinev1.Event) { e.Device += "x" },
			"payload": func(e *docklinev1.Event) {
				e.Payload = &docklinev1.Event_OrderCancelled{OrderCancelled: &docklinev1.OrderCancelled{Number: "never"}}
			},
		}
		for name, change := range same {
			c := proto.CloneOf(e)
			change(c)
			if string(event.BodyHash(c)) != string(base) {
				t.Errorf("%s: %s changes the hash", event.KindName(kind), name)
			}
		}
		for name, change := range other {
			c := proto.CloneOf(e)
			change(c)
			if string(event.BodyHash(c)) == string(base) {
				t.Errorf("%s: %s does not change the hash", event.KindName(kind), name)
			}
		}
	}
}

// A collector that does not know a field yet must hash an event as one that does, or an upgrade would make conflicts of resent events.
func TestBodyHashSurvivesASchemaThatGrew(t *testing.T) {
	for kind, e := range samples() {
		wire, err := proto.MarshalOptions{Deterministic: true}.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		var older docklinev1.Event
		if err := proto.Unmarshal(wire, &older); err != nil {
			t.Fatal(err)
		}
		// The payload as an older schema would hold it: as unknown bytes at the top.
		fields := e.ProtoReflect().Descriptor().Oneofs().ByName("payload")
		set := older.ProtoReflect().WhichOneof(fields)
		alone := older.ProtoReflect().New()
		alone.Set(set, older.ProtoReflect().Get(set))
		raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(alone.Interface())
		if err != nil {
			t.Fatal(err)
		}
		older.Payload = nil
		older.ProtoReflect().SetUnknown(raw)
		if string(event.BodyHash(&older)) != string(event.BodyHash(e)) {
			t.Errorf("%s: an older schema gives another hash", event.KindName(kind))
		}
	}
}

func TestCorrelation(t *testing.T) {
	id := event.CorrelationID("acme", "SO00017")
	if id != event.CorrelationID("acme", "SO00017") || id == event.CorrelationID("acme", "SO00018") || id == event.CorrelationID("acm", "eSO00017") || len(id) != 32 {
		t.Errorf("correlation id %s", id)
	}
	parent := event.Traceparent(id, "seed")
	if len(parent) != 55 || parent[:36] != "00-"+id+"-" || parent[52:] != "-01" || parent == event.Traceparent(id, "other") {
		t.Errorf("traceparent %s", parent)
	}
	for _, odd := range []string{"", "x", "00000000000000000000000000000000", "ABCDEFABCDEFABCDEFABCDEFABCDEFAB"} {
		if p := event.Traceparent(odd, "seed"); len(p) != 55 || p[3:35] == "00000000000000000000000000000000" {
			t.Errorf("traceparent of %q is %s", odd, p)
		}
	}
}
