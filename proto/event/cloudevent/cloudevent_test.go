package cloudevent_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event/cloudevent"
)

const pick = docklinev1.EventKind_EVENT_KIND_PICK_CONFIRMED

func TestAFactOfTheCentreIsAtNoSite(t *testing.T) {
	e := sample(docklinev1.EventKind_EVENT_KIND_ORDER_ACCEPTED)
	e.Site, e.Source, e.Tenant = "", "try/ton", "acme & co"
	c, err := cloudevent.Of(e, cloudevent.Place{})
	if err != nil || c.Attributes[cloudevent.Source] != "/t/acme%20&%20co/p/try%2Fton" || c.Attributes[cloudevent.Sequence] != "" {
		t.Fatalf("%v, %v", c, err)
	}
	back, at, err := c.Dockline()
	if err != nil || !proto.Equal(back, e) || at != (cloudevent.Place{}) {
		t.Errorf("%v at %v, %v", back, at, err)
	}
}

// A text that no attribute may hold is kept in the data; the event comes back whole.
func TestTextsThatNoAttributeMayHold(t *testing.T) {
	e := sample(pick)
	e.Subject = "line one\nline two"
	c, err := cloudevent.Of(e, place)
	if err != nil || c.Attributes[cloudevent.Subject] != "" || !strings.Contains(string(c.Data), `line one\nline two`) {
		t.Fatalf("%v, %v", c, err)
	}
	if back, _, err := c.Dockline(); err != nil || !proto.Equal(back, e) {
		t.Errorf("%v, %v", back, err)
	}
}

func TestWhatIsNotOurs(t *testing.T) {
	for name, spoil := range map[string]func(*cloudevent.Event){
		"another's type":        func(c *cloudevent.Event) { c.Attributes[cloudevent.Type] = "com.example.pick.confirmed.v1" },
		"a type of tomorrow":    func(c *cloudevent.Event) { c.Attributes[cloudevent.Type] = "dockline.pick.confirmed.v2" },
		"an unknown kind":       func(c *cloudevent.Event) { c.Attributes[cloudevent.Type] = "dockline.pick.dreamt.v1" },
		"another's source":      func(c *cloudevent.Event) { c.Attributes[cloudevent.Source] = "/t/acme/wms" },
		"a source that is none": func(c *cloudevent.Event) { c.Attributes[cloudevent.Source] = "/t/%zz/p/wms" },
		"data that is text": func(c *cloudevent.Event) {
			c.Attributes[cloudevent.DataContentType], c.Data = "text/plain", []byte("hello")
		},
		"data of another shape": func(c *cloudevent.Event) { c.Data = []byte(`{"pick": 7}`) },
		"a sequence of letters": func(c *cloudevent.Event) { c.Attributes[cloudevent.Sequence] = "abc" },
	} {
		c := made(t, pick)
		spoil(c)
		if e, _, err := c.Dockline(); !errors.Is(err, cloudevent.ErrForm) {
			t.Errorf("%s: %v, %v", name, e, err)
		}
	}
	if _, err := cloudevent.Of(&docklinev1.Event{Id: "x"}, place); err == nil {
		t.Error("an event without a kind was told")
	}
	if _, err := cloudevent.Of(&docklinev1.Event{Kind: pick}, place); err == nil {
		t.Error("an event without an id was told")
	}
	// Fields that this version does not know are no fault.
	c := made(t, pick)
	c.Data = []byte(strings.Replace(string(c.Data), "{", `{"colour_of_tomorrow":"red",`, 1))
	if e, _, err := c.Dockline(); err != nil || e.GetPick() == nil {
		t.Errorf("%v, %v", e, err)
	}
}

func TestHeadersOfStrangers(t *testing.T) {
	headers := map[string]string{"CE-SpecVersion": "1.0", "Ce-Type": "com.example.someevent", "ce-id": `"A \"quoted\" id"`, "ce-source": "/my", "ce-subject": "Euro%20%E2%82%AC%20%f0%9f%98%80",
		"Content-Type": "application/json; charset=utf-8", "User-Agent": "x"}
	c, err := cloudevent.FromHeaders(headers, []byte(`{}`))
	if err != nil || c.Attributes[cloudevent.Subject] != "Euro € 😀" || c.Attributes[cloudevent.ID] != `A "quoted" id` || len(c.Attributes) != 6 {
		t.Fatalf("%v, %v", c, err)
	}
	back, err := c.Headers()
	if err != nil || back["ce-subject"] != "Euro%20%E2%82%AC%20%F0%9F%98%80" || back["ce-id"] != "A%20%22quoted%22%20id" || back["content-type"] != headers["Content-Type"] {
		t.Errorf("%v, %v", back, err)
	}
	for name, change := range map[string][2]string{
		"overlong":                {"ce-subject", "%C0%A0"},
		"half an encoding":        {"ce-subject", "50%2"},
		"no encoding":             {"ce-subject", "50%zz"},
		"type in two places":      {"ce-datacontenttype", "text/plain"},
		"no id":                   {"ce-id", ""},
		"a control character":     {"ce-subject", "a%0Ab"},
		"time of no calendar":     {"ce-time", "2026-02-30T00:00:00Z"},
		"recorded time of no day": {"ce-recordedtime", "yesterday"},
	} {
		spoiled := map[string]string{}
		for k, v := range headers {
			spoiled[strings.ToLower(k)] = v
		}
		spoiled[change[0]] = change[1]
		if c, err := cloudevent.FromHeaders(spoiled, nil); !errors.Is(err, cloudevent.ErrForm) {
			t.Errorf("%s: %v, %v", name, c, err)
		}
	}
}

func FuzzStructured(f *testing.F) {
	for _, kind := range []docklinev1.EventKind{pick, docklinev1.EventKind_EVENT_KIND_DELIVERY_PROVED, docklinev1.EventKind_EVENT_KIND_RECORD_REFUSED} {
		text, err := json.Marshal(made(f, kind))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte(`{"specversion":"1.0","id":"a","source":"/t/a/p/b","type":"dockline.order.held.v1","data":{"hold":{"number":"1"}},"time":null,"n":7,"yes":true}`))
	f.Add([]byte(`{"specversion":"1.0","id":"a","source":"x","type":"y","datacontenttype":"text/plain","data_base64":"TWE="}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var c cloudevent.Event
		if err := json.Unmarshal(text, &c); err != nil {
			return
		}
		again(t, &c)
	})
}

func FuzzHeaders(f *testing.F) {
	f.Add("ce-id", "a%20b", "ce-source", "/t/a/s/b/p/c", "ce-type", "dockline.pick.confirmed.v1", []byte(`{"pick":{}}`))
	f.Add("ce-id", `"x\"y"`, "ce-source", "%zz", "content-type", "text/plain", []byte(`x`))
	f.Fuzz(func(t *testing.T, n1, v1, n2, v2, n3, v3 string, body []byte) {
		c, err := cloudevent.FromHeaders(map[string]string{"ce-specversion": "1.0", n1: v1, n2: v2, n3: v3}, body)
		if err != nil {
			return
		}
		headers, err := c.Headers()
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		back, err := cloudevent.FromHeaders(headers, body)
		if err != nil || len(back.Attributes) != len(c.Attributes) {
			t.Fatalf("%v became %v, %v", c, back, err)
		}
		for name, value := range c.Attributes {
			if back.Attributes[name] != value {
				t.Fatalf("%s was %q and is %q", name, value, back.Attributes[name])
			}
		}
		_, _, _ = c.Dockline() // a stranger's event may be none of ours: that it says so without a panic is all
	})
}

// again: what was read can be written and is then the same; what of it is ours can be told again.
func again(t *testing.T, c *cloudevent.Event) {
	t.Helper()
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatalf("what was read cannot be written: %v", err)
	}
	var back cloudevent.Event
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatalf("what was written cannot be read: %v\n%s", err, text)
	}
	if string(back.Data) != string(c.Data) || len(back.Attributes) != len(c.Attributes) {
		t.Fatalf("%v became %v", c, back)
	}
	e, at, err := c.Dockline()
	if err != nil {
		return
	}
	made, err := cloudevent.Of(e, at)
	if err != nil {
		return // a time beyond the calendar, or a source of no name
	}
	if e2, at2, err := made.Dockline(); err != nil || !proto.Equal(e, e2) || !at2.RecordedAt.Equal(at.RecordedAt) || at2.Offset != at.Offset {
		t.Fatalf("%v at %v became %v at %v: %v", e, at, e2, at2, err)
	}
}
