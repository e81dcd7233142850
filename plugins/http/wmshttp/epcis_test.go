package wmshttp_test

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
	"github.com/dockline/dockline/proto/event/epcis"
)

// job is a capture job as it is answered.
type job struct {
	ID        string     `json:"captureID"`
	Created   string     `json:"createdAt"`
	Finished  string     `json:"finishedAt"`
	Running   bool       `json:"running"`
	Success   bool       `json:"success"`
	Behaviour string     `json:"captureErrorBehaviour"`
	Errors    []jobError `json:"errors"`
	Captured  int        `json:"dockline:captured"`
	Kept      int        `json:"dockline:kept"`
}

type jobError struct{ Type, Title, Detail, Instance string }

// gs1 is the tenant that GS1's examples speak of; the plugin is at the site whose number most of them name.
const epcisConfig = `zone: UTC
listen:
  address: 127.0.0.1:0
  max_connections: 32
  epcis:
    gln: "0614141073467"
    elsewhere: {two: "0012345111112", three: "4012345000054", four: "4012345000252", five: "4012345000009", six: "4023333000017", seven: "0614141007776", eight: "4012345000016"}
`

var gs1 = &epcis.Tenant{Name: tenant, Sites: map[string]epcis.Site{site: {GLN: "0614141073467"}, "two": {GLN: "0012345111112"}, "three": {GLN: "4012345000054"},
	"four": {GLN: "4012345000252"}, "five": {GLN: "4012345000009"}, "six": {GLN: "4023333000017"}, "seven": {GLN: "0614141007776"}, "eight": {GLN: "4012345000016"}}}

const jsonld = "application/ld+json"

// specs is the folder of GS1's published material; a test that needs it is skipped where it is not.
func specs(t testing.TB) string {
	t.Helper()
	root := os.Getenv("DOCKLINE_SPECS")
	if root == "" {
		root = filepath.Join("..", "..", "..", "..", "shared", "specs")
	}
	if _, err := os.Stat(filepath.Join(root, "epcis")); err != nil {
		t.Skip("GS1's published material is not here; set DOCKLINE_SPECS")
	}
	return filepath.Join(root, "epcis")
}

// capture brings a document and gives its job; nil where the document as a whole is refused.
func (r *running) capture(document []byte, behaviour string, headers ...string) (*job, got) {
	r.t.Helper()
	g := r.send("POST", "/capture", bytes.NewReader(document), append([]string{"Content-Type", jsonld, "GS1-Capture-Error-Behaviour", behaviour}, headers...)...)
	if g.status != 202 {
		return nil, g
	}
	var j job
	r.send("GET", g.header.Get("Location"), nil).into(r.t, &j)
	return &j, g
}

// imported is what dockline-collector import makes of a document: its events by id, and how many it refuses.
func imported(t testing.TB, document []byte) (events map[string]*docklinev1.Event, refused int) {
	t.Helper()
	im := &epcis.Importer{Tenant: gs1, Source: source, Received: year2030}
	events = map[string]*docklinev1.Event{}
	take := func(made []*docklinev1.Event) {
		for _, e := range made {
			if e.GetDeadLetter() != nil {
				refused++
			} else {
				events[e.GetId()] = e
			}
		}
	}
	if err := epcis.Read(bytes.NewReader(document), func(c *epcis.Captured) error {
		take(im.Take(c))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	take(im.Close())
	return events, refused
}

// officialRefused are documents that GS1 and OpenEPCIS publish as good ones, and that GS1's own schema refuses.
var officialRefused = []string{"AggregationEvent_with_persistentDisposition.json", "AssociationEvent-h.jsonld", "PersistentDisposition-example.jsonld", "SensorDataExample12.jsonld",
	"SensorDataExample14.jsonld", "SensorDataExample15.jsonld", "SensorData_with_combined_events.json", "TransactionEvent_with_userExtensions.json",
	"aggregation_event_all_possible_fields.jsonld", "association_event_all_possible_fields.jsonld", "transaction_event_all_possible_fields.jsonld",
	"transformation_event_all_possible_fields.jsonld"}

// TestEPCISExamples brings every document that GS1 and OpenEPCIS publish over HTTP. Each event is in the journal afterwards as what the centre's import
// makes of it, under the same id, or is kept with a reason; a document with a flaw is refused with one. The documents that GS1's own schema refuses
// although they are published as examples stand in officialRefused.
//
// Shows: A13, S35
func TestEPCISExamples(t *testing.T) {
	h := newHost()
	r := run(t, h, t.TempDir(), epcisConfig, true)
	documents, captured, keptAll := 0, 0, 0
	var surprises []string
	for _, folder := range []string{"examples", "openepcis/Capture", "event-hash"} {
		if err := filepath.WalkDir(filepath.Join(specs(t), folder), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.Contains(filepath.Ext(path), ".json") {
				return err
			}
			document, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			var head struct{ Type string }
			if json.Unmarshal(document, &head) != nil || head.Type != "EPCISDocument" {
				return nil // a query's answer, an event by itself
			}
			documents++
			c, kept, ok := r.example(path, document)
			captured, keptAll = captured+c, keptAll+kept
			if !ok && !strings.Contains(path, "Invalid") {
				surprises = append(surprises, filepath.Base(path))
			}
			if ok && strings.Contains(path, "Invalid") {
				t.Errorf("%s is taken", path)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(surprises)
	if surprises = slices.Compact(surprises); !slices.Equal(surprises, officialRefused) {
		t.Errorf("refused although published as good: %v", surprises)
	}
	if documents < 110 || captured < 25 {
		t.Errorf("%d documents, %d events captured", documents, captured)
	}
	t.Logf("%d documents: %d events captured, %d kept with a reason", documents, captured, keptAll)
}

// A document with flaws that is brought again, because its answer was lost, is kept once: the same letters, word for word.
func TestAFlawBroughtAgainIsOneLetter(t *testing.T) {
	h := newHost()
	r := run(t, h, t.TempDir(), epcisConfig, true)
	const document = `{"@context":["https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"],"type":"EPCISDocument","schemaVersion":"2.0","creationDate":"2026-07-04T08:00:00Z","epcisBody":{"eventList":[
{"type":"ObjectEvent","eventTime":"yesterday","eventTimeZoneOffset":"+02:00","epcList":["urn:epc:id:sgtin:0614141.107346.2017"],"action":"OBSERVE"},
{"type":"ObjectEvent","eventTime":"2026-07-04T08:00:00Z","eventTimeZoneOffset":"+02:00","epcList":["urn:epc:id:sgtin:0614141.107346.2018"],"action":"OBSERVE","bizStep":"dancing"},
{"type":"ObjectEvent","eventTime":"2026-07-04T08:00:00Z","eventTimeZoneOffset":"+02:00","epcList":["urn:epc:id:sgtin:0614141.107346.2019"],"action":"OBSERVE","readPoint":{"id":"urn:epc:id:sgln:0012345.11111.0"}}]}}`
	bodies := map[string]string{}
	for range 3 {
		if j, g := r.capture([]byte(document), "proceed"); j == nil || j.Kept != 3 {
			t.Fatalf("%d %s, %+v", g.status, g.body, j)
		}
	}
	for _, e := range h.all() {
		body := string(event.BodyHash(e))
		if had, known := bodies[e.GetId()]; known && had != body {
			t.Errorf("two letters under one id: %v", e)
		}
		bodies[e.GetId()] = body
	}
	if len(bodies) != 3 {
		t.Errorf("%d letters of 3 flaws", len(bodies))
	}
}

// example brings one document, first all or nothing and then as far as it goes; ok is whether it has no flaw.
func (r *running) example(path string, document []byte) (captured, kept int, ok bool) {
	t := r.t
	before := len(r.host.all())
	j, g := r.capture(document, "rollback")
	if j == nil {
		var p struct{ Type, Detail string }
		if g.into(t, &p); g.status != 400 || p.Type != "epcisException:ValidationException" || len(p.Detail) < 10 {
			t.Errorf("%s: %d %s", path, g.status, g.body)
		}
		if len(r.host.all()) != before {
			t.Errorf("%s: refused as a whole, and something of it was told", path)
		}
		return 0, 0, false
	}
	if j.Running || j.Finished == "" || j.Behaviour != "rollback" || j.Success != (len(j.Errors) == 0) {
		t.Errorf("%s: %+v", path, j)
	}
	if !j.Success {
		if j.Captured != 0 {
			t.Errorf("%s: rolled back, and %d events captured", path, j.Captured)
		}
		for _, e := range j.Errors {
			if e.Type != "epcisException:ValidationException" || !strings.HasPrefix(e.Instance, "epcisBody.eventList[") || len(e.Detail) < 5 {
				t.Errorf("%s: error %+v", path, e)
			}
		}
		if j, _ = r.capture(document, "proceed"); j == nil || j.Success {
			t.Fatalf("%s: %+v", path, j)
		}
		ok = false
	} else {
		ok = true
		r.equal(path, document, r.host.all()[before:])
	}
	var events struct {
		EpcisBody struct{ EventList []json.RawMessage }
	}
	if err := json.Unmarshal(document, &events); err != nil {
		t.Fatal(err)
	}
	if n := len(events.EpcisBody.EventList); j.Captured+j.Kept < n {
		t.Errorf("%s: %d events, %d captured and %d kept: something is lost", path, n, j.Captured, j.Kept)
	}
	return j.Captured, j.Kept, ok
}

// equal holds what the journal has of a document against the centre's import.
func (r *running) equal(path string, document []byte, have []*docklinev1.Event) {
	t := r.t
	want, refused := imported(t, document)
	for _, e := range have {
		if e.GetDeadLetter() != nil {
			refused--
			continue
		}
		w := want[e.GetId()]
		switch {
		case w == nil:
			t.Errorf("%s: %s %s under the id %s, which the import does not give", path, event.KindName(e.GetKind()), e.GetSourceKey(), e.GetId())
		case !bytes.Equal(event.BodyHash(w), event.BodyHash(e)):
			t.Errorf("%s: %v, the import says %v", path, e, w)
		}
		delete(want, e.GetId())
	}
	for _, w := range want {
		if w.GetSite() == site || w.GetSite() == "" {
			t.Errorf("%s: the import has %s %s besides", path, event.KindName(w.GetKind()), w.GetSourceKey())
		} else {
			refused++ // another site's: kept here with that reason
		}
	}
	if refused != 0 {
		t.Errorf("%s: %d refused more by the import", path, refused)
	}
}
