package event

import (
	"bytes"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Whatever an event is made of, fields that this version does not know included, the hash of its body is the same by both ways of making it, and
// after it was written and read again. What is not the source's does not count.
func FuzzBodyHash(f *testing.F) {
	for _, e := range []*docklinev1.Event{
		{},
		{Id: "x", Tenant: "t", Site: "s", SourceKey: "k", Kind: docklinev1.EventKind_EVENT_KIND_PICK_CONFIRMED, OccurredAt: timestamppb.Now(), Payload: &docklinev1.Event_Pick{Pick: &docklinev1.Pick{Task: "1",
			Lines: []*docklinev1.Line{{Order: "SO1", Quantity: &docklinev1.Quantity{Value: "2"}}}}}},
		{Custom: []*docklinev1.CustomField{{Name: "a"}}, Movement: 7, Payload: &docklinev1.Event_Delivery{Delivery: &docklinev1.Delivery{Shipment: "S1"}}},
	} {
		raw, err := proto.Marshal(e)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
		f.Add(append(raw, 0xfa, 0x3f, 1, 'x')) // a field that nobody knows
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		e := &docklinev1.Event{}
		if proto.Unmarshal(raw, e) != nil {
			return
		}
		hash := BodyHash(e)
		if !bytes.Equal(hash, slowBodyHash(e)) {
			t.Fatalf("two hashes of %v", e)
		}
		again, err := proto.Marshal(e)
		if err != nil {
			return
		}
		back := &docklinev1.Event{}
		if err := proto.Unmarshal(again, back); err != nil || !bytes.Equal(BodyHash(back), hash) {
			t.Fatalf("another hash after it was written and read (%v): %v", err, e)
		}
		back.CorrelationId, back.Traceparent, back.Origin = "c", "t", "o"
		if !bytes.Equal(BodyHash(back), hash) {
			t.Fatalf("what the centre adds counts: %v", e)
		}
	})
}
