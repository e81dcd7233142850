package host

import (
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
	"github.com/dockline/dockline/proto/event/eventtest"
)

// A plugin may say that the key of an event is unique in the world, by the one id that follows from it; any other id that it sends is not heeded.
func TestAnIDIsThePluginsOnlyWhereItsKeyIsWorldwide(t *testing.T) {
	s := &stamper{tenant: "acme", site: "dc-east", source: "partner", now: time.Now}
	own := eventtest.Sample(docklinev1.EventKind_EVENT_KIND_PICK_CONFIRMED)
	own.SourceKey, own.Tenant, own.Site, own.Source, own.CorrelationId, own.CausationId, own.Traceparent, own.CapturedAt, own.ClockOffsetMs = "urn:uuid:1", "", "", "", "", "", "", nil, 0
	usual := event.ID(event.Cause{Tenant: "acme", Site: "dc-east", Source: "partner", SourceKey: own.SourceKey, Revision: own.SourceRevision, ContentHash: own.ContentHash,
		Kind: "pick.confirmed", Ordinal: own.Ordinal})
	for sent, want := range map[string]string{"": usual, "mine": usual, event.WorldwideID("acme", "other", own.SourceKey): usual, event.WorldwideID("other", "partner", own.SourceKey): usual,
		event.WorldwideID("acme", "partner", "urn:uuid:2"): usual, event.WorldwideID("acme", "partner", own.SourceKey): event.WorldwideID("acme", "partner", own.SourceKey)} {
		e := proto.CloneOf(own)
		e.Id = sent
		data, err := proto.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		kept, _, fault := s.take(data, nil, time.Now(), func(*docklinev1.Event) *event.Fault { return nil })
		if fault != nil {
			t.Fatal(fault)
		}
		if got := event.IDOf(kept); got != want || kept.GetSite() != "dc-east" || kept.GetSource() != "partner" {
			t.Errorf("sent as %q it is %s, want %s", sent, got, want)
		}
	}
}
