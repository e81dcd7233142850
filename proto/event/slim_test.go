package event_test

import (
	"testing"

	"google.golang.org/protobuf/proto"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// whole gives an event the id and the trace that a host would.
func whole(e *docklinev1.Event) *docklinev1.Event {
	e.Id, e.Traceparent = "", ""
	e.SourceKey = "picks/7"
	event.Restore(e)
	return e
}

// Every kind comes back as it was, and on the way it has neither id nor trace.
func TestSlimIsUndoneByRestore(t *testing.T) {
	for name, sample := range samples() {
		want := whole(proto.CloneOf(sample))
		if want.Id != event.ID(event.Cause{Tenant: want.Tenant, Site: want.Site, Source: want.Source, SourceKey: want.SourceKey, Revision: want.SourceRevision,
			ContentHash: want.ContentHash, Kind: event.KindName(want.Kind), Ordinal: want.Ordinal}) || len(want.Traceparent) != 55 {
			t.Errorf("%v: restored with id %q and trace %q", name, want.Id, want.Traceparent)
		}
		got := proto.CloneOf(want)
		event.Slim(got)
		if got.Id != "" || got.Traceparent != "" {
			t.Errorf("%v: slim with id %q and trace %q", name, got.Id, got.Traceparent)
		}
		event.Restore(got)
		if !proto.Equal(got, want) {
			t.Errorf("%v: %v became %v", name, want, got)
		}
	}
}

// What does not follow from the other fields is never taken out, nor made up.
func TestSlimLeavesWhatItCannotRestore(t *testing.T) {
	for name, change := range map[string]func(*docklinev1.Event){
		"an id of its own":        func(e *docklinev1.Event) { e.Id = "01890a5d-ac96-774b-bcce-b302099a8057" },
		"no source key":           func(e *docklinev1.Event) { e.SourceKey = "" },
		"a command's trace":       func(e *docklinev1.Event) { e.Traceparent = event.Traceparent("elsewhere", "x") },
		"no trace":                func(e *docklinev1.Event) { e.Traceparent = "" },
		"another revision's id":   func(e *docklinev1.Event) { e.SourceRevision += "1" },
		"neither key nor id":      func(e *docklinev1.Event) { e.SourceKey, e.Id, e.Traceparent = "", "", "" },
		"an id and another order": func(e *docklinev1.Event) { e.GetPick().GetLines()[0].Order = "SO9" },
	} {
		want := whole(proto.CloneOf(samples()[docklinev1.EventKind_EVENT_KIND_PICK_CONFIRMED]))
		change(want)
		got := proto.CloneOf(want)
		event.Slim(got)
		event.Restore(got)
		if !proto.Equal(got, want) {
			t.Errorf("%s: %v became %v", name, want, got)
		}
	}
}
