package connectortest

import (
	"errors"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/connector"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// forbidden takes the account's right away: that is technical, known to be without effect, and says what to do; given back, all goes on.
func (s suite) forbidden(t *testing.T, kind connector.Kind) {
	if s.h.Forbid == nil {
		t.Skip("this target cannot take the account's right away")
	}
	p := s.h.Posting(t, kind)
	restore := s.h.Forbid(t)
	_, err := s.h.Connector.Apply(s.call(t), p)
	n := s.h.Effects(t, p)
	restore()
	if err == nil {
		t.Fatal("Apply by an account without the right went well")
	}
	if f := fault(t, err); f.Class != docklinev1.FaultClass_FAULT_CLASS_TECHNICAL || f.Unknown || f.Remedy == "" {
		t.Errorf("class %v, unknown %v, remedy %q; want technical, known, and what to do: %v", f.Class, f.Unknown, f.Remedy, f)
	}
	if n != 0 {
		t.Errorf("%d effects by an account without the right", n)
	}
	s.deliver(t, p)
	s.done(t, p)
}

// reshaped has the target answer in another shape, as after an upgrade: what is there must not look as if it were not, for it would be made again.
func (s suite) reshaped(t *testing.T, kind connector.Kind) {
	if s.h.Reshape == nil {
		t.Skip("this target cannot be made to answer in another shape")
	}
	p := s.h.Posting(t, kind)
	s.apply(t, p)
	restore := s.h.Reshape(t)
	found, err := s.h.Connector.Find(s.call(t), p)
	restore()
	if err == nil && len(found) == 0 {
		t.Error("Find says that there is nothing, of a document whose shape it does not know")
	}
	if err != nil {
		if f := fault(t, err); f.Unknown {
			t.Errorf("a read is said to be unknown: %v", f)
		}
	}
	s.done(t, p)
}

// meddled has a person change a document: Find says so, in words.
func (s suite) meddled(t *testing.T, kind connector.Kind) {
	if s.h.Meddle == nil {
		t.Skip("this target's documents cannot be changed by hand")
	}
	p := s.h.Posting(t, kind)
	s.apply(t, p)
	if !s.h.Meddle(t, p) {
		t.Skip("a document of this kind cannot be changed by hand")
	}
	found := s.find(t, p)
	if len(found) != 1 {
		t.Fatalf("Find of a document that a person changed: %d documents, want 1", len(found))
	}
	if found[0].Complete || found[0].Difference == "" && !found[0].Reversed {
		t.Errorf("a person changed it, and Find says complete %v, difference %q", found[0].Complete, found[0].Difference)
	}
}

// listedUnderChange adds a document between two pages: what was there before is listed, each once. A target that lists all on one page is not
// disturbed by it.
func (s suite) listedUnderChange(t *testing.T, kind connector.Kind) {
	lister, ok := s.h.Connector.(connector.Lister)
	if !ok {
		t.Fatal("the connector is no Lister")
	}
	l := connector.Listing{Kind: kind, Since: time.Now().Add(-time.Minute)}
	seen, ours := map[string]int{}, []string{}
	for range 3 {
		p := s.h.Posting(t, kind)
		s.apply(t, p)
		ours = append(ours, p.Key)
	}
	for range 10000 {
		page, err := lister.List(s.call(t), l)
		if err != nil {
			t.Fatalf("List %s: %v", kind, err)
		}
		for _, d := range page.Documents {
			seen[d.Reference]++
		}
		if !page.More {
			break
		}
		if len(ours) < 6 {
			p := s.h.Posting(t, kind)
			s.apply(t, p)
			ours = append(ours, p.Key)
		}
		l.Page = page.Next
	}
	for _, key := range ours[:3] {
		if seen[key] != 1 {
			t.Errorf("%s was listed %d times while others were made, want once", key, seen[key])
		}
	}
}

// skewed has the target's clock go an hour ahead, and come back: nothing that happens then or later is missed.
func (s suite) skewed(t *testing.T) {
	if s.h.Skew == nil || s.h.Happen == nil {
		t.Skip("this target's clock cannot be set")
	}
	_, cursor := s.drain(t, nil)
	restore := s.h.Skew(t, time.Hour)
	subjects := s.h.Happen(t, 2)
	pages, cursor := s.drain(t, cursor)
	restore()
	subjects = append(subjects, s.h.Happen(t, 2)...)
	more, _ := s.drain(t, cursor)
	seen := map[string]bool{}
	for _, p := range append(pages, more...) {
		for _, e := range p.events {
			seen[e.Subject] = true
		}
	}
	for i, subject := range subjects {
		if !seen[subject] {
			t.Errorf("Changes did not report %s, which happened %s", subject, map[bool]string{true: "while the clock was ahead", false: "when it was back"}[i < 2])
		}
	}
}

// changesForbidden: what the account may not read is no feed without changes.
func (s suite) changesForbidden(t *testing.T) {
	if s.h.Forbid == nil || s.h.Happen == nil {
		t.Skip("this target cannot take the account's right away, or reports no changes")
	}
	_, cursor := s.drain(t, nil)
	subjects := s.h.Happen(t, 1)
	restore := s.h.Forbid(t)
	c, err := s.h.Connector.Changes(s.call(t), cursor)
	restore()
	if f, ok := errors.AsType[*connector.Fault](err); err != nil && (!ok || f.Class != docklinev1.FaultClass_FAULT_CLASS_TECHNICAL) {
		t.Errorf("the fault of a read without the right: %v", err)
	}
	if err == nil {
		cursor = c.Cursor
	}
	pages, _ := s.drain(t, cursor)
	reported := err == nil && len(c.Events) > 0
	for _, p := range pages {
		for _, e := range p.events {
			reported = reported || e.Subject == subjects[0]
		}
	}
	if !reported {
		t.Errorf("%s happened while the account could not read, and was never reported", subjects[0])
	}
}
