package cloudevent_test

import (
	"encoding/json"
	"testing"

	"github.com/dockline/dockline/proto/event/cloudevent"
)

// A stranger's CloudEvent is read or refused; what was read is written so that it reads the same again.
func FuzzUnmarshal(f *testing.F) {
	for _, text := range []string{`{"specversion":"1.0","id":"1","source":"/t/a","type":"dockline.pick.confirmed.v1","data":{"id":"1"}}`,
		`{"specversion":"1.0","id":"1","source":"/t/a","type":"x","datacontenttype":"application/json","data_base64":"e30="}`, `{}`, `[]`, `{"id":1,"data":null}`, "\xff"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var e cloudevent.Event
		if json.Unmarshal(text, &e) != nil {
			return
		}
		written, err := json.Marshal(&e)
		if err != nil {
			return // it says of itself why it is none
		}
		var again cloudevent.Event
		if err := json.Unmarshal(written, &again); err != nil {
			t.Fatalf("%q was read, and %q cannot be: %v", text, written, err)
		}
		if twice, err := json.Marshal(&again); err != nil || string(twice) != string(written) {
			t.Fatalf("%q is written as %q, and then as %q (%v)", text, written, twice, err)
		}
	})
}

// The binary form comes as headers and a body.
func FuzzFromHeaders(f *testing.F) {
	f.Add("ce-specversion", "1.0", "ce-type", "dockline.pick.confirmed.v1", []byte(`{}`))
	f.Add("content-type", "application/json", "ce-id", "%C3%28", []byte("\xff"))
	f.Fuzz(func(t *testing.T, name1, value1, name2, value2 string, body []byte) {
		e, err := cloudevent.FromHeaders(map[string]string{name1: value1, name2: value2, "ce-source": "/t/a", "ce-id": "1"}, body)
		if err == nil && e == nil {
			t.Fatal("neither an event nor an error")
		}
	})
}
