package connectortest

import (
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/collector/connector"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

func (s suite) probe(t *testing.T) {
	m, err := s.h.Connector.Probe(s.call(t))
	if err != nil {
		t.Fatalf("Probe: %v", err)
	}
	if m.System == "" {
		t.Error("Probe does not say what system it found")
	}
}

// page is one answer of Changes and the cursor that it was asked with.
type page struct {
	since  connector.Cursor
	events []*docklinev1.Event
}

// drain reads all changes since the cursor and returns them by page, and the last cursor.
func (s suite) drain(t *testing.T, since connector.Cursor) ([]page, connector.Cursor) {
	t.Helper()
	var pages []page
	for range 10000 {
		c, err := s.h.Connector.Changes(s.call(t), since)
		if err != nil {
			t.Fatalf("Changes: %v", err)
		}
		if len(c.Events) > 0 {
			pages = append(pages, page{since, c.Events})
		}
		if c.Cursor == nil {
			t.Fatal("Changes returned no cursor")
		}
		since = c.Cursor
		if !c.More {
			return pages, since
		}
	}
	t.Fatal("Changes does not come to an end")
	return nil, nil
}

func revisions(pages []page) []string {
	var out []string
	for _, p := range pages {
		for _, e := range p.events {
			out = append(out, event.KindName(e.Kind)+" "+e.SourceKey+" "+e.SourceRevision)
		}
	}
	return out
}

func (s suite) changes(t *testing.T) {
	if s.h.Happen == nil {
		t.Skip("this target reports no changes")
	}
	_, start := s.drain(t, nil)
	subjects := s.h.Happen(t, 5)
	pages, end := s.drain(t, start)
	seen := map[string]bool{}
	for _, p := range pages {
		for _, e := range p.events {
			seen[e.Subject] = true
			s.wellFormed(t, e)
		}
	}
	for _, subject := range subjects {
		if !seen[subject] {
			t.Errorf("Changes did not report %s", subject)
		}
	}
	if more, _ := s.drain(t, end); len(revisions(more)) != 0 {
		t.Errorf("Changes since its last cursor reported again: %v", revisions(more))
	}
	all := revisions(pages)
	for i, p := range pages {
		again, _ := s.drain(t, p.since)
		for _, want := range revisions(pages[i:]) {
			if !slices.Contains(revisions(again), want) {
				t.Errorf("read again from the cursor before page %d: %s is missing", i+1, want)
			}
		}
	}
	if again, _ := s.drain(t, start); !slices.Equal(revisions(again), all) {
		t.Errorf("the same cursor gives other facts: first %v, then %v", all, revisions(again))
	}
	more := s.h.Happen(t, 1)
	pages, _ = s.drain(t, end)
	if !slices.ContainsFunc(pages, func(p page) bool {
		return slices.ContainsFunc(p.events, func(e *docklinev1.Event) bool { return e.Subject == more[0] })
	}) {
		t.Errorf("Changes since the last cursor did not report %s", more[0])
	}
}

// wellFormed checks a fact as the caller completes it.
func (s suite) wellFormed(t *testing.T, e *docklinev1.Event) {
	t.Helper()
	if e.SourceKey == "" || e.SourceRevision == "" {
		t.Errorf("%s %s has no source key or revision", event.KindName(e.Kind), e.Subject)
	}
	e.Tenant, e.Source, e.CapturedAt = "test", "connector", timestamppb.New(time.Now())
	e.Id = event.ID(event.Cause{Tenant: e.Tenant, Source: e.Source, SourceKey: e.SourceKey, Revision: e.SourceRevision, Kind: event.KindName(e.Kind), Ordinal: e.Ordinal})
	if f := event.Validate(e); f != nil {
		t.Errorf("%s %s is not a valid event: %v", event.KindName(e.Kind), e.Subject, f)
	}
}

func (s suite) snapshot(t *testing.T) {
	if s.h.Book == nil {
		t.Skip("this target keeps no stock")
	}
	site, item, quantity := s.h.Book(t)
	want, err := event.ParseQuantity(quantity)
	if err != nil {
		t.Fatalf("harness: quantity %q: %v", quantity, err)
	}
	events, err := s.h.Connector.Snapshot(s.call(t), connector.Scope{Site: site})
	if err != nil {
		t.Fatalf("Snapshot: %v", err)
	}
	if len(events) != 1 {
		t.Fatalf("Snapshot of one site: %d events, want 1", len(events))
	}
	s.wellFormed(t, events[0])
	snapshot := events[0].GetStockSnapshot()
	if snapshot.GetSite() != site {
		t.Errorf("Snapshot is of site %q, want %q", snapshot.GetSite(), site)
	}
	sum := int64(0)
	for _, l := range snapshot.GetLines() {
		if l.Item != item {
			continue
		}
		n, err := event.ParseQuantity(l.GetQuantity().GetValue())
		if err != nil {
			t.Errorf("Snapshot: quantity %q of %s: %v", l.GetQuantity().GetValue(), item, err)
		}
		sum += n
	}
	if sum != want {
		t.Errorf("Snapshot: %s of %s, want %s", event.FormatQuantity(sum), item, quantity)
	}
}
