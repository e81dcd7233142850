package epcis_test

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
	"github.com/dockline/dockline/proto/event/epcis"
)

// published are the files below a folder of GS1's material.
func published(t *testing.T, folders ...string) []string {
	t.Helper()
	var found []string
	for _, folder := range folders {
		if err := filepath.WalkDir(filepath.Join(specs(t), folder), func(path string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() && (strings.HasSuffix(path, ".json") || strings.HasSuffix(path, ".jsonld")) {
				found = append(found, path)
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	if len(found) < 10 {
		t.Fatalf("only %d files in %v", len(found), folders)
	}
	return found
}

// known are the sites that GS1's examples speak of.
var known = &epcis.Tenant{Name: "acme", Sites: map[string]epcis.Site{"one": {GLN: "0614141073467"}, "two": {GLN: "0012345111112"}, "three": {GLN: "4012345000054"},
	"four": {GLN: "4012345000252"}, "five": {GLN: "4012345000009"}, "six": {GLN: "4023333000017"},
	"seven": {GLN: "0614141007776"}, "eight": {GLN: "4012345000016"}}}

// Every example of GS1's and of OpenEPCIS's is taken apart to its end; each event becomes a valid event of ours, or a refused record that says
// where and why. Shows: A13
func TestPublishedExamplesAreRead(t *testing.T) {
	kinds := map[string]int{}
	reasons := map[string]int{}
	for _, path := range published(t, "examples", "openepcis/Capture/Documents", "openepcis/Capture/Events", "openepcis/Query", "event-hash") {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(path, "Queries") {
			continue // a query, no events
		}
		events := 0
		im := importer(known)
		if err := epcis.Read(bytes.NewReader(text), func(c *epcis.Captured) error {
			events++
			for _, e := range im.Take(c) {
				if f := event.Validate(e); f != nil {
					t.Errorf("%s %s: an event that is none: %v", path, c.Where, f)
				}
				kinds[event.KindName(e.GetKind())]++
				if letter := e.GetDeadLetter(); letter != nil {
					reasons[letter.GetCode()]++
					if !strings.HasPrefix(letter.GetText(), firstOf(c.Where, "the event")) || len(letter.GetText()) < len(c.Where)+20 || !json.Valid(letter.GetRaw()) {
						t.Errorf("%s: refused with %q", path, letter.GetText())
					}
				}
			}
			return nil
		}); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		if events == 0 {
			t.Errorf("%s: no event", path)
		}
	}
	t.Logf("read as %v, refused for %v", kinds, reasons)
	for _, kind := range []string{"shipment.departed", "receipt.received", "receipt.discrepancy", "kit.built", "transport.milestone", "error.declared", "stock.adjusted"} {
		if kinds[kind] == 0 {
			t.Errorf("no %s among %v", kind, kinds)
		}
	}
}

func firstOf(a, b string) string {
	if a == "" {
		return b
	}
	return a
}

// The same event written with bare words, full URIs, EPC URNs or Digital Links has one hash: GS1 publishes its examples in a simple and an
// explicit notation. Shows: A13
func TestNotationsHaveOneHash(t *testing.T) {
	compared := 0
	// Of these the two notations are not of one event: another type, another serial number, a field more.
	others := []string{"PersistentDisposition-example.jsonld", "aggregation_event_all_possible_fields.jsonld", "association_event_all_possible_fields.jsonld",
		"transaction_event_all_possible_fields.jsonld", "transformation_event_all_possible_fields.jsonld", "SensorDataExample13.jsonld"}
	for _, path := range published(t, "examples/explicit") {
		if slices.Contains(others, filepath.Base(path)) {
			continue
		}
		other := strings.Replace(path, "explicit", "simple", 1)
		one, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		two, err := os.ReadFile(other)
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		a, b := hashesOf(t, one), hashesOf(t, two)
		if !slices.Equal(a, b) {
			t.Errorf("%s: %v\nsimple: %v", path, a, b)
		}
		compared += len(a)
	}
	if compared < 30 {
		t.Errorf("only %d events compared", compared)
	}
}

func hashesOf(t *testing.T, text []byte) []string {
	t.Helper()
	var found []string
	for _, c := range capture(t, text) {
		found = append(found, epcis.EventHash(c.Event, c.Context, c.Ignore...))
	}
	return found
}

// The order of members, and what a repository adds, changes no hash; every value of a field does.
func TestTheHashIsOfWhatTheEventSays(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(specs(t), "examples", "explicit", "WithFullCombinationOfFields", "aggregation_event_all_possible_fields.jsonld"))
	if err != nil {
		t.Fatal(err)
	}
	base := capture(t, text)[0]
	want := epcis.EventHash(base.Event, base.Context)
	turned := &epcis.Object{}
	names := base.Event.Names()
	slices.Reverse(names)
	for _, name := range names {
		turned.Set(name, base.Event.Get(name))
	}
	turned.Set("recordTime", "2030-01-01T00:00:00Z")
	turned.Set("eventID", "urn:uuid:other")
	if got := epcis.EventHash(turned, base.Context); got != want {
		t.Errorf("turned round: %s, want %s", got, want)
	}
	for _, name := range names {
		if slices.Contains([]string{"recordTime", "eventID", "errorDeclaration", "@context"}, name) {
			continue
		}
		less := &epcis.Object{}
		for _, other := range names {
			if other != name {
				less.Set(other, base.Event.Get(other))
			}
		}
		if epcis.EventHash(less, base.Context) == want {
			t.Errorf("without %s it has the same hash", name)
		}
	}
}

// What GS1's schema refuses it must refuse here too, or the other tests with it show nothing.
func TestTheSchemaBites(t *testing.T) {
	s := schema(t)
	refused := 0
	for _, path := range published(t, "openepcis/Capture/Invalid") {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			continue
		}
		if s.Validate(parsed) != nil {
			refused++
		} else {
			t.Logf("%s is valid by GS1's schema", filepath.Base(path))
		}
	}
	if refused < 8 {
		t.Errorf("only %d invalid documents were refused", refused)
	}
	made, _ := exporter(numbered).Events(told()[0])
	for name, value := range map[string]any{"bizStep": "allocating", "action": "SEE", "eventTime": "yesterday", "unknown": "x"} {
		o := made[0]
		before := o.Get(name)
		o.Set(name, value)
		parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(document(t, o)))
		if err != nil {
			t.Fatal(err)
		}
		if s.Validate(parsed) == nil {
			t.Errorf("%s %v is taken as valid", name, value)
		}
		if before == nil {
			o.Delete(name)
		} else {
			o.Set(name, before)
		}
	}
}

// Invalid documents are refused event by event or read as far as they are understood; none ends the reading, and no event comes out that is none.
func TestInvalidDocumentsAreSurvived(t *testing.T) {
	for _, path := range published(t, "openepcis/Capture/Invalid") {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		im := importer(known)
		var refused []*docklinev1.Event
		if err := epcis.Read(bytes.NewReader(text), func(c *epcis.Captured) error {
			for _, e := range im.Take(c) {
				if f := event.Validate(e); f != nil {
					t.Errorf("%s: an event that is none: %v", path, f)
				}
				if e.GetDeadLetter() != nil {
					refused = append(refused, e)
				}
			}
			return nil
		}); err != nil {
			t.Logf("%s: %v", filepath.Base(path), err)
		}
	}
}
