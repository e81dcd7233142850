package cloudevent_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"google.golang.org/protobuf/proto"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
	"github.com/dockline/dockline/proto/event/cloudevent"
	"github.com/dockline/dockline/proto/event/eventtest"
)

var update = flag.Bool("update", false, "write the golden files anew")

// sample is the sample of a kind as the log would have it, with ids that follow from it.
func sample(kind docklinev1.EventKind) *docklinev1.Event {
	e := eventtest.Sample(kind)
	e.Id, e.Traceparent = "", ""
	event.Restore(e)
	e.CorrelationId, e.CausationId = event.CorrelationID("acme", "SO00017"), "0191c0de-0000-7000-8000-000000000001"
	return e
}

var place = cloudevent.Place{Offset: 4711, Partition: "order/SO00017", RecordedAt: time.Date(2026, 11, 2, 8, 1, 0, 5000, time.UTC)}

func made(t testing.TB, kind docklinev1.EventKind) *cloudevent.Event {
	t.Helper()
	c, err := cloudevent.Of(sample(kind), place)
	if err != nil {
		t.Fatalf("%s: %v", event.KindName(kind), err)
	}
	return c
}

func compare(t *testing.T, path string, got []byte) {
	t.Helper()
	path = filepath.Join("testdata", path)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs; whoever reads events would notice. Got:\n%s", path, got)
	}
}

func indented(t *testing.T, v any) []byte {
	t.Helper()
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(v); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Every kind has its CloudEvent and the JSON Schema of its data; the one holds the other, and comes back as the event it was made of. Shows: S39
func TestEveryKindAsACloudEvent(t *testing.T) {
	kinds := event.Kinds()
	for _, kind := range kinds {
		name := event.KindName(kind)
		c := made(t, kind)
		compare(t, filepath.Join("events", name+".json"), indented(t, c))
		compare(t, filepath.Join("schemas", name+".json"), indented(t, cloudevent.Schema(kind)))
		if err := compiled(t, kind).Validate(decoded(t, c.Data)); err != nil {
			t.Errorf("%s: its data does not fit its schema: %v", name, err)
		}
		text, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		var read cloudevent.Event
		if err := json.Unmarshal(text, &read); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		same(t, name+", structured", &read, kind)
		headers, err := c.Headers()
		if err != nil {
			t.Fatal(err)
		}
		binary, err := cloudevent.FromHeaders(headers, c.Data)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		same(t, name+", binary", binary, kind)
	}
	if len(kinds) < 60 {
		t.Errorf("only %d kinds", len(kinds))
	}
	headers, _ := made(t, docklinev1.EventKind_EVENT_KIND_PICK_CONFIRMED).Headers()
	compare(t, "headers.json", indented(t, headers))
}

func same(t *testing.T, what string, c *cloudevent.Event, kind docklinev1.EventKind) {
	t.Helper()
	e, at, err := c.Dockline()
	if err != nil || !proto.Equal(e, sample(kind)) || at != place {
		t.Errorf("%s: %v at %v, %v", what, e, at, err)
	}
}

func compiled(t *testing.T, kind docklinev1.EventKind) *jsonschema.Schema {
	t.Helper()
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource(cloudevent.SchemaID(kind), decoded(t, indented(t, cloudevent.Schema(kind)))); err != nil {
		t.Fatal(err)
	}
	s, err := compiler.Compile(cloudevent.SchemaID(kind))
	if err != nil {
		t.Fatalf("%s: %v", event.KindName(kind), err)
	}
	return s
}

func decoded(t *testing.T, text []byte) any {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// A schema that took anything would show nothing: what Validate refuses for a missing field or an unknown word, the schema refuses too.
func TestSchemasRefuseWhatValidateRefuses(t *testing.T) {
	refused := 0
	for _, kind := range event.Kinds() {
		s, rule := compiled(t, kind), event.RequirementOf(kind)
		spoil := func(what string, change func(data, payload map[string]any)) {
			data := decoded(t, made(t, kind).Data).(map[string]any)
			payload, _ := data[rule.Payload].(map[string]any)
			change(data, payload)
			if s.Validate(data) == nil {
				t.Errorf("%s: its schema takes %s", event.KindName(kind), what)
			}
			refused++
		}
		spoil("no payload", func(data, _ map[string]any) { delete(data, rule.Payload) })
		for _, need := range rule.Needs {
			spoil("a payload without "+need[0], func(_, payload map[string]any) {
				for _, name := range need {
					delete(payload, name)
				}
			})
		}
		for word := range rule.Words {
			spoil("another word for "+word, func(_, payload map[string]any) { payload[word] = "perhaps" })
		}
		if rule.Lines.Some {
			spoil("no lines", func(_, payload map[string]any) { delete(payload, "lines") })
			spoil("lines without item", func(_, payload map[string]any) {
				line := payload["lines"].([]any)[0].(map[string]any)
				delete(line, "item")
				delete(line, "gtin")
			})
			spoil("a quantity with a comma", func(_, payload map[string]any) {
				payload["lines"].([]any)[0].(map[string]any)["quantity"].(map[string]any)["value"] = "1,5"
			})
			if !rule.Lines.Negative {
				spoil("a quantity below zero", func(_, payload map[string]any) {
					payload["lines"].([]any)[0].(map[string]any)["quantity"].(map[string]any)["value"] = "-2"
				})
			}
		}
	}
	if refused < 200 {
		t.Errorf("only %d were tried", refused)
	}
}
