package epcis_test

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"google.golang.org/protobuf/proto"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
	"github.com/dockline/dockline/proto/event/epcis"
)

var created = time.Date(2026, 11, 26, 8, 0, 0, 0, time.UTC)

// plainTenant has no numbers of GS1; numbered has them, and tells each step by itself.
var (
	plainTenant = &epcis.Tenant{Name: "acme", Sites: map[string]epcis.Site{"dc-east": {Steps: true}}}
	wholeTenant = &epcis.Tenant{Name: "acme"}
	numbered    = &epcis.Tenant{Name: "acme", Party: "4012345000009", Base: "https://id.acme.example", Sites: map[string]epcis.Site{
		"dc-east": {GLN: "4012345000054", Steps: true, Zone: time.FixedZone("", 3600)}, "dc-west": {GLN: "4012345000115"}}}
)

func exporter(t *epcis.Tenant) *epcis.Exporter {
	return &epcis.Exporter{Tenant: func(string) *epcis.Tenant { return t }}
}

func importer(t *epcis.Tenant) *epcis.Importer {
	return &epcis.Importer{Tenant: t, Source: "epcis", File: "test.jsonld", Received: created.AddDate(1, 0, 0)}
}

// document is the text of a document of these events.
func document(t testing.TB, events ...*epcis.Object) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := epcis.NewWriter(&b, created)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		if err := w.Write(e); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// take imports a document.
func take(t testing.TB, tenant *epcis.Tenant, text []byte) []*docklinev1.Event {
	t.Helper()
	im := importer(tenant)
	var found []*docklinev1.Event
	if err := epcis.Read(bytes.NewReader(text), func(c *epcis.Captured) error {
		found = append(found, im.Take(c)...)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return append(found, im.Close()...)
}

// same is whether an event came back with all that its source states, and under its own name.
func same(t testing.TB, want, got *docklinev1.Event) {
	t.Helper()
	if letter := got.GetDeadLetter(); letter != nil {
		t.Fatalf("%s came back as refused: %s", event.KindName(want.GetKind()), letter.GetText())
	}
	if !bytes.Equal(event.BodyHash(want), event.BodyHash(got)) {
		t.Errorf("%s is another fact:\n%v\nwant\n%v", event.KindName(want.GetKind()), got, want)
	}
	for _, pair := range [][2]string{{want.GetId(), got.GetId()}, {want.GetTenant(), got.GetTenant()}, {want.GetSite(), got.GetSite()}, {want.GetSource(), got.GetSource()},
		{want.GetSourceKey(), got.GetSourceKey()}, {string(want.GetContentHash()), string(got.GetContentHash())}, {fmt.Sprint(want.GetOrdinal()), fmt.Sprint(got.GetOrdinal())}} {
		if pair[0] != pair[1] {
			t.Errorf("%s: %q became %q", event.KindName(want.GetKind()), pair[0], pair[1])
		}
	}
	if want.GetCapturedAt() != nil && !proto.Equal(want.GetCapturedAt(), got.GetCapturedAt()) {
		t.Errorf("%s was captured at %v, and came back as of %v", event.KindName(want.GetKind()), want.GetCapturedAt(), got.GetCapturedAt())
	}
}

// schemaIfHere is GS1's schema, nil where its material is not here.
func schemaIfHere(t *testing.T) *jsonschema.Schema {
	t.Helper()
	var s *jsonschema.Schema
	t.Run("with GS1's schema", func(t *testing.T) { s = schema(t) })
	return s
}

// schema is GS1's JSON Schema of EPCIS 2.0 documents and events.
func schema(t testing.TB) *jsonschema.Schema {
	t.Helper()
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	compiler.UseRegexpEngine(expression)
	compiled, err := compiler.Compile(filepath.Join(specs(t), "EPCIS-JSON-Schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	return compiled
}

// expression compiles the schema's expressions. Those that say what a text may not begin with are beyond Go's regexp.
func expression(s string) (jsonschema.Regexp, error) {
	inner, ok := strings.CutPrefix(s, "^(?!")
	if !ok {
		return regexp.Compile(s)
	}
	inner, ok = strings.CutSuffix(inner, ")")
	if !ok {
		return nil, errors.New("an expression that only forbids was expected")
	}
	forbidden, err := regexp.Compile("^" + inner)
	return not{forbidden}, err
}

type not struct{ *regexp.Regexp }

func (n not) MatchString(s string) bool { return !n.Regexp.MatchString(s) }

// valid holds a document against the schema.
func valid(t testing.TB, s *jsonschema.Schema, text []byte) {
	t.Helper()
	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Validate(parsed); err != nil {
		t.Errorf("not valid: %v\n%s", err, text)
	}
}
