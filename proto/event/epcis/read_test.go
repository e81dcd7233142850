package epcis_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
	"github.com/dockline/dockline/proto/event/epcis"
	"github.com/dockline/dockline/proto/event/eventtest"
)

const receiving = `{"type":"ObjectEvent","eventTime":"2026-11-02T08:00:00Z","eventTimeZoneOffset":"+00:00","epcList":[],"action":"OBSERVE","bizStep":"receiving","x:y":"z"}`

// only hides that a reader can seek.
type only struct{ io.Reader }

func read(from io.Reader) (found []*epcis.Captured, err error) {
	err = epcis.Read(from, func(c *epcis.Captured) error {
		found = append(found, c)
		return nil
	})
	return found, err
}

func TestDocumentsInEveryShape(t *testing.T) {
	const context = `"@context":["https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld",{"x":"https://x.example/"}]`
	withContext := strings.Replace(receiving, "{", "{"+context+",", 1)
	for name, c := range map[string]struct {
		text  string
		where []string
	}{
		"document":               {`{` + context + `,"type":"EPCISDocument","epcisHeader":{"epcisMasterData":{"vocabularyList":[{"a":[1,{"b":2}]}]}},"epcisBody":{"eventList":[` + receiving + `,` + receiving + `]}}`, []string{"epcisBody.eventList[0]", "epcisBody.eventList[1]"}},
		"context comes last":     {`{"epcisBody":{"other":[{}],"eventList":[` + receiving + `]},"type":"EPCISDocument",` + context + `}`, []string{"epcisBody.eventList[0]"}},
		"one event in the body":  {`{` + context + `,"epcisBody":{"event":` + receiving + `}}`, []string{"epcisBody.event"}},
		"a query's answer":       {`{` + context + `,"type":"EPCISQueryDocument","epcisBody":{"queryResults":{"queryName":"q","resultsBody":{"eventList":[` + receiving + `]}}}}`, []string{"epcisBody.queryResults.resultsBody.eventList[0]"}},
		"a list of events":       {`[` + withContext + `,` + withContext + `]`, []string{"[0]", "[1]"}},
		"one event":              {withContext, []string{""}},
		"no events":              {`{` + context + `,"epcisBody":{"eventList":[]}}`, nil},
		"more behind the events": {`{` + context + `,"epcisBody":{"eventList":[` + receiving + `],"more":{"a":1}},"sender":"s","x:more":[1,2]}`, []string{"epcisBody.eventList[0]"}},
	} {
		for _, seeks := range []bool{true, false} {
			var from io.Reader = strings.NewReader(c.text)
			if !seeks {
				from = only{from}
			}
			found, err := read(from)
			if name == "context comes last" && !seeks {
				if err == nil || !strings.Contains(err.Error(), "@context") || len(found) > 0 {
					t.Errorf("%s: %v", name, err)
				}
				continue
			}
			if err != nil || len(found) != len(c.where) {
				t.Errorf("%s: %d events, %v", name, len(found), err)
				continue
			}
			for i, f := range found {
				if f.Where != c.where[i] || f.Flaw != "" || !strings.HasSuffix(epcis.PreHash(f.Event, f.Context), "{https://x.example/}y=z") {
					t.Errorf("%s: %q %q %s", name, f.Where, f.Flaw, epcis.PreHash(f.Event, f.Context))
				}
			}
		}
	}
}

// A flaw of one event is that event's: those before and behind it are read.
func TestAFlawEndsNothing(t *testing.T) {
	deep := strings.Repeat(`{"a":[`, 20) + strings.Repeat(`]}`, 20)
	for name, bad := range map[string]string{"nested deep": `{"x":` + deep + `}`, "a name twice": `{"type":"ObjectEvent","type":"AggregationEvent"}`, "no object": `"text"`, "a list": `[1,2]`, "null": `null`,
		"a name twice within": `{"a":{"b":1,"b":2}}`} {
		found, err := read(strings.NewReader(`{"@context":[],"epcisBody":{"eventList":[` + receiving + `,` + bad + `,` + receiving + `]}}`))
		if err != nil || len(found) != 3 || found[0].Flaw != "" || found[1].Flaw == "" || found[2].Flaw != "" {
			t.Errorf("%s: %d events, %v", name, len(found), err)
			continue
		}
		refused := importer(known).Take(found[1])
		if len(refused) != 1 || refused[0].GetDeadLetter().GetCode() != "epcis_form" || !strings.HasPrefix(refused[0].GetDeadLetter().GetText(), "epcisBody.eventList[1]: ") {
			t.Errorf("%s: %v", name, refused)
		}
	}
}

func TestWhatIsNoDocumentSaysWhere(t *testing.T) {
	for text, want := range map[string]string{"": "unexpected EOF", "42": "no EPCIS document", "{}": "no epcisBody", `{"type":"EPCISDocument"}`: "no epcisBody", `{"epcisBody":[]}`: "should be",
		`{"@context":[],"epcisBody":{"eventList":{}}}`: "list of events", `{"@context":[],"epcisBody":{"eventList":[{"a":}]}}`: "byte 46", `{"@context":[],"epcisBody":{"eventList":[` + receiving: "unexpected EOF"} {
		if _, err := read(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "byte ") {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	stop := errors.New("enough")
	if err := epcis.Read(strings.NewReader(`[`+receiving+`]`), func(*epcis.Captured) error { return stop }); err != stop {
		t.Errorf("the taker's error became %v", err)
	}
}

// endless writes a document without end, or an event without end.
type endless struct {
	head, again string
	left        int
	buffer      []byte
}

func (e *endless) Read(p []byte) (int, error) {
	for len(e.buffer) < len(p) && e.left > 0 {
		e.buffer = append(e.buffer, e.head...)
		e.head = ""
		e.buffer = append(e.buffer, e.again...)
		e.left -= len(e.again)
	}
	if len(e.buffer) == 0 {
		return 0, io.EOF
	}
	n := copy(p, e.buffer)
	e.buffer = e.buffer[:copy(e.buffer, e.buffer[n:])]
	return n, nil
}

// An event, a text or a header without end is refused within the limit, and a long document takes no more memory than a short one.
func TestMemoryIsBounded(t *testing.T) {
	for name, from := range map[string]*endless{
		"event": {head: `{"@context":[],"epcisBody":{"eventList":[{"a":[`, again: `"x",`}, "text": {head: `{"@context":[],"epcisBody":{"eventList":[{"a":"`, again: `xxxx`},
		"alone": {head: `{"type":"ObjectEvent"`, again: `,"x:a":"` + strings.Repeat("b", 1000) + `"`}, "context": {head: `{"@context":[`, again: `{},`},
	} {
		from.left = 1 << 40
		if _, err := read(from); !errors.Is(err, epcis.ErrTooLarge) {
			if name != "alone" || err == nil || !strings.Contains(err.Error(), "twice") {
				t.Errorf("%s without end: %v", name, err)
			}
		}
	}
	from := &endless{head: `{"@context":[],"epcisHeader":[` + strings.Repeat(`{"a":"b"},`, 300_000) + `0],"epcisBody":{"eventList":[` + receiving, again: `,` + receiving, left: 20 << 20}
	events, most := 0, uint64(0)
	err := epcis.Read(from, func(*epcis.Captured) error {
		if events++; events%25_000 == 0 {
			var m runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&m)
			most = max(most, m.HeapAlloc)
		}
		return nil
	})
	if !errors.Is(err, io.ErrUnexpectedEOF) || events < 100_000 {
		t.Fatalf("%d events, %v", events, err)
	}
	if most > 24<<20 {
		t.Errorf("%d MiB are held while a long document is read", most>>20)
	}
}

// An event of ours that was changed on the way is refused, whichever part of it was changed; one of another tenant too.
func TestWhatWasChangedIsRefused(t *testing.T) {
	e := eventtest.Sample(docklinev1.EventKind_EVENT_KIND_PICK_CONFIRMED)
	made, _ := exporter(plainTenant).Events(e)
	text := string(document(t, made...))
	for name, c := range map[string]struct{ old, new, code string }{
		"quantity":        {`"quantity":10.5`, `"quantity":11.5`, "epcis_changed"},
		"own quantity":    {`"own:value":"12.5"`, `"own:value":"13.5"`, "epcis_changed"},
		"id":              {`sha-256;`, `sha-256;0`, "epcis_changed"},
		"standard action": {`"OBSERVE"`, `"ADD"`, "epcis_changed"},
	} {
		changed := strings.Replace(text, c.old, c.new, 1)
		if changed == text {
			t.Fatalf("%s: nothing was changed in %s", name, text)
		}
		back := take(t, plainTenant, []byte(changed))
		if len(back) != 1 || back[0].GetDeadLetter().GetCode() != c.code {
			t.Errorf("%s: %v", name, back)
		}
	}
	other := take(t, &epcis.Tenant{Name: "other"}, []byte(text))
	if len(other) != 1 || !strings.Contains(other[0].GetDeadLetter().GetText(), `"acme"`) || other[0].GetTenant() != "other" {
		t.Errorf("of another tenant: %v", other)
	}
	// Another prefix for our namespace is no change.
	renamed := strings.ReplaceAll(text, `"own`, `"dock`)
	if back := take(t, plainTenant, []byte(renamed)); len(back) != 1 {
		t.Errorf("renamed: %v", back)
	} else {
		same(t, e, back[0])
	}
}

// The hash is no signature. What somebody forged with the right hash is held against the rules of its kind all the same.
func TestAForgedEventIsHeldAgainstTheRules(t *testing.T) {
	for name, change := range map[string]func(*docklinev1.Event){
		"no order on a line":  func(e *docklinev1.Event) { e.GetPick().Lines[0].Order = "" },
		"no lines":            func(e *docklinev1.Event) { e.GetPick().Lines = nil },
		"another's payload":   func(e *docklinev1.Event) { e.Payload = &docklinev1.Event_Count{Count: &docklinev1.Count{Number: "C"}} },
		"a quantity of words": func(e *docklinev1.Event) { e.GetPick().Lines[0].Quantity.Value = "many" },
	} {
		e := eventtest.Sample(docklinev1.EventKind_EVENT_KIND_PICK_CONFIRMED)
		change(e)
		made, none := exporter(plainTenant).Events(e)
		if none != "" {
			t.Fatal(none)
		}
		back := take(t, plainTenant, document(t, made...))
		if len(back) != 1 || back[0].GetDeadLetter().GetCode() != "epcis_own" {
			t.Errorf("%s: %v", name, back)
		}
	}
}

// Parts of an event are put together in any order, also among others'; without one of them it is refused and names what is missing.
func TestPartsComeTogether(t *testing.T) {
	var events []*docklinev1.Event
	var all []*epcis.Object
	for i := range 3 {
		e := eventtest.Sample(docklinev1.EventKind_EVENT_KIND_PICK_CONFIRMED)
		e.Id = fmt.Sprintf("id-%d", i)
		var lines []*docklinev1.Line
		for j := range 4 {
			l := eventtest.Line()
			l.Bin = fmt.Sprintf("B-%d", j%3)
			l.OrderLine = fmt.Sprint(j)
			lines = append(lines, l)
		}
		e.GetPick().Lines = lines
		events = append(events, e)
		made, _ := exporter(plainTenant).Events(e)
		if len(made) != 3 {
			t.Fatalf("%d parts", len(made))
		}
		all = append(all, made...)
	}
	turned := []*epcis.Object{all[8], all[0], all[3], all[1], all[7], all[4], all[2], all[5], all[6]}
	back := take(t, plainTenant, document(t, turned...))
	if len(back) != 3 {
		t.Fatalf("%d events", len(back))
	}
	for _, got := range back {
		for _, e := range events {
			if e.GetId() == got.GetId() {
				same(t, e, got)
			}
		}
	}
	back = take(t, plainTenant, document(t, turned[1:]...))
	missing := back[len(back)-1].GetDeadLetter()
	if len(back) != 3 || missing.GetCode() != "epcis_part_missing" || !strings.Contains(missing.GetText(), "2 of the 3 parts of event id-2") {
		t.Errorf("with a part missing: %v", back)
	}
}

// FuzzRead: whatever the text, reading ends, and what comes out is a valid event or a refused record that keeps it.
func FuzzRead(f *testing.F) {
	for _, kind := range eventtest.Kinds() {
		if made, none := exporter(plainTenant).Events(eventtest.Sample(kind)); none == "" {
			f.Add(document(f, made...))
		}
	}
	f.Add([]byte(`[` + receiving + `]`))
	f.Add([]byte(`{"epcisBody":{"eventList":[` + receiving + `]},"@context":{"x":"y"}}`))
	if folder := os.Getenv("DOCKLINE_SPECS"); folder != "" {
		files, _ := filepath.Glob(filepath.Join(folder, "epcis", "examples", "*", "*.jsonld"))
		for _, path := range files {
			if text, err := os.ReadFile(path); err == nil {
				f.Add(text)
			}
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		im := importer(known)
		check := func(events []*docklinev1.Event) {
			for _, e := range events {
				if e.GetTenant() != "acme" || e.GetId() == "" {
					t.Fatalf("an event of nobody: %v", e)
				}
				if fault := event.Validate(e); fault != nil {
					t.Fatalf("an event that is none: %v\n%v", fault, e)
				}
			}
		}
		err := epcis.Read(bytes.NewReader(text), func(c *epcis.Captured) error {
			check(im.Take(c))
			return nil
		})
		check(im.Close())
		if err == nil && !bytes.ContainsAny(text, "{[") {
			t.Fatal("what has no object was read")
		}
	})
}
