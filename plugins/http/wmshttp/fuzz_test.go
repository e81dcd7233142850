package wmshttp

import (
	"testing"
	"time"

	"github.com/dockline/dockline/plugins/mapping"
	"github.com/dockline/dockline/proto/event"
)

// Whatever is sent becomes valid events and dead letters, or is refused whole; the same again becomes the same.
func FuzzRecords(f *testing.F) {
	for _, seed := range []string{`{"picks":[{"id":1,"order":{"number":"SO1"},"lines":[{"sku":"A","qty":2.5}]}]}`, `{"picks":[{"lines":[]},{"lines":null},7,null]}`, `[]`, `{"picks":{}}`, `{"picks":[{"lines":[{"sku":{"a":[1]},"qty":"1e400"}]}]} {}`, "\xff"} {
		f.Add([]byte(seed), "picks[].lines[]", "../order.number")
	}
	f.Fuzz(func(t *testing.T, raw []byte, records, order string) {
		r, faults := newReader("s", records, mapping.Spec{Kind: "pick.confirmed", Zone: "UTC", Key: mapping.Key{"../id", ownIndex}, Columns: map[string]mapping.Column{
			order: {Field: mapping.Fields{"order"}}, "sku": {Field: mapping.Fields{"item"}}, "qty": {Field: mapping.Fields{"quantity"}}, ownReceived: {Field: mapping.Fields{"occurred_at"}}}})
		if len(faults) > 0 {
			return
		}
		whole, err := decode(raw)
		if err != nil {
			return
		}
		q := request{key: "k", received: time.Date(2026, 7, 4, 8, 0, 0, 0, time.UTC)}
		all, err := r.read(whole, q)
		if err != nil {
			return
		}
		again, _ := r.read(whole, q)
		for i, s := range all {
			if fault := event.Validate(s.event); fault != nil {
				t.Errorf("%v: %v", fault, s.event)
			}
			if string(event.BodyHash(s.event)) != string(event.BodyHash(again[i].event)) || s.event.GetSourceKey() != again[i].event.GetSourceKey() {
				t.Errorf("read again it is %v, before %v", again[i].event, s.event)
			}
		}
	})
}

// Any configuration is refused with faults that say something, or can be used.
func FuzzConfig(f *testing.F) {
	f.Add([]byte("listen: {streams: [{name: a, kind: pick.confirmed, key: id, columns: {id: task}}], epcis: {gln: \"4012345000054\"}}"))
	f.Add([]byte("poll: {url: http://x, streams: [{name: a, path: '\"/\"', items: body, kind: pick.confirmed, key: id, columns: {id: task}}]}"))
	f.Add([]byte("commands: {url: http://x, cancel_order: {path: '\"/\"', heeds_idempotency_key: true}}"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		s, faults := load(raw)
		for _, fault := range faults {
			if fault.GetText() == "" {
				t.Errorf("a fault at %q says nothing", fault.GetPath())
			}
		}
		if s == nil && len(faults) == 0 {
			t.Error("neither a setup nor a fault")
		}
	})
}
