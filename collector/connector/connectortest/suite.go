package connectortest

import (
	"context"
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/connector"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Run holds the connector against what Connector promises, for every kind that it takes.
func Run(t *testing.T, h Harness) {
	s := suite{h}
	if s.h.CallTimeout == 0 {
		s.h.CallTimeout = 30 * time.Second
	}
	if s.h.HangTimeout == 0 {
		s.h.HangTimeout = 2 * time.Second
	}
	if s.h.MaxWrites == 0 {
		s.h.MaxWrites = 8
	}
	t.Run("probe", s.probe)
	kinds := slices.Sorted(maps.Keys(h.Connector.Kinds()))
	if len(kinds) == 0 {
		t.Error("the connector takes no kind of posting")
	}
	for _, kind := range kinds {
		style := h.Connector.Kinds()[kind]
		t.Run(string(kind), func(t *testing.T) { s.kind(t, kind, style) })
	}
	listed := connector.Lists(h.Connector)
	if len(listed) == 0 {
		t.Log("the connector lists no documents: a sweep reads back what was posted, and sees nothing else")
	}
	for _, kind := range listed {
		if style, taken := h.Connector.Kinds()[kind]; taken {
			t.Run("list "+string(kind), func(t *testing.T) { s.list(t, kind, style) })
			t.Run("list "+string(kind)+" under change", func(t *testing.T) { s.listedUnderChange(t, kind) })
		}
	}
	for _, kind := range connector.Records(h.Connector) {
		t.Run("records of "+string(kind), func(t *testing.T) { s.records(t, kind) })
	}
	t.Run("changes", s.changes)
	t.Run("changes without the right", s.changesForbidden)
	t.Run("clock ahead", s.skewed)
	t.Run("snapshot", s.snapshot)
}

type suite struct{ h Harness }

func (s suite) kind(t *testing.T, kind connector.Kind, style connector.Style) {
	t.Run("nothing is found before", func(t *testing.T) {
		if found := s.find(t, s.h.Posting(t, kind)); len(found) != 0 {
			t.Errorf("Find of a posting that was never applied: %d documents, want none", len(found))
		}
	})
	t.Run("applied is read back", func(t *testing.T) { s.appliedIsReadBack(t, kind) })
	t.Run("applied twice has one effect", func(t *testing.T) { s.twice(t, kind, style) })
	t.Run("all matches are found", func(t *testing.T) { s.duplicates(t, kind) })
	if style == connector.CreateOnce {
		t.Run("of several drafts the lowest", func(t *testing.T) { s.drafts(t, kind) })
	}
	for _, what := range []Injection{LoseAnswer, ServerError, Hang, Throttle} {
		t.Run(what.String(), func(t *testing.T) { s.fails(t, kind, what) })
	}
	t.Run(Unreachable.String(), func(t *testing.T) { s.unreachable(t, kind) })
	t.Run("wrong data is refused", func(t *testing.T) {
		s.refused(t, kind, s.h.UnknownItem, docklinev1.FaultClass_FAULT_CLASS_DATA)
	})
	t.Run("a business reason is named", func(t *testing.T) {
		s.refused(t, kind, s.h.Closed, docklinev1.FaultClass_FAULT_CLASS_PROCESS)
	})
	t.Run("two writers at once", func(t *testing.T) { s.together(t, kind, style) })
	t.Run("a person between", func(t *testing.T) { s.between(t, kind, style) })
	t.Run("right taken away", func(t *testing.T) { s.forbidden(t, kind) })
	t.Run("another shape", func(t *testing.T) { s.reshaped(t, kind) })
	t.Run("changed by hand", func(t *testing.T) { s.meddled(t, kind) })
	if style == connector.Level {
		t.Run("the newest version wins", func(t *testing.T) { s.newest(t, kind) })
		t.Run("an older version is ignored", func(t *testing.T) { s.older(t, kind) })
	}
}

func (s suite) call(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), s.h.CallTimeout)
	t.Cleanup(cancel)
	return ctx
}

func (s suite) find(t *testing.T, p *connector.Posting) []connector.Found {
	t.Helper()
	found, err := s.h.Connector.Find(s.call(t), p)
	if err != nil {
		t.Fatalf("Find %s: %v", p.Key, err)
	}
	return found
}

// done checks that the posting is there once, complete, by the connector and by the target's own door.
func (s suite) done(t *testing.T, p *connector.Posting) {
	t.Helper()
	found := s.find(t, p)
	if len(found) != 1 {
		t.Fatalf("Find %s: %d documents, want 1", p.Key, len(found))
	}
	if !found[0].Complete {
		t.Errorf("Find %s: not complete: %s", p.Key, found[0].Difference)
	}
	if n := found[0].Document.GetNumber(); n == "" {
		t.Errorf("Find %s: the document has no number", p.Key)
	}
	if n := s.h.Effects(t, p); n != 1 {
		t.Errorf("the target has %d effects of %s, want 1", n, p.Key)
	}
}

// deliver does what a sender does, until the posting is complete: look, apply what is missing, and after a technical fault
// look again, believing that nothing is there only after the settle time.
func (s suite) deliver(t *testing.T, p *connector.Posting) {
	t.Helper()
	var unknownSince time.Time
	for deadline := time.Now().Add(2*s.h.CallTimeout + s.h.Connector.SettleTime()); ; {
		if time.Now().After(deadline) {
			t.Fatalf("%s did not become complete", p.Key)
		}
		asked := time.Now()
		found := s.find(t, p)
		if len(found) > 1 {
			t.Fatalf("Find %s: %d documents, want at most 1", p.Key, len(found))
		}
		if len(found) == 1 && found[0].Complete {
			return
		}
		if !unknownSince.IsZero() && asked.Before(unknownSince.Add(s.h.Connector.SettleTime())) {
			s.pause(t, 100*time.Millisecond)
			continue
		}
		_, err := s.h.Connector.Apply(s.call(t), p)
		if err == nil {
			return
		}
		f := fault(t, err)
		if f.Class != docklinev1.FaultClass_FAULT_CLASS_TECHNICAL {
			t.Fatalf("Apply %s: %v", p.Key, err)
		}
		if unknownSince = (time.Time{}); f.Unknown {
			unknownSince = time.Now()
		}
		s.pause(t, max(100*time.Millisecond, min(f.RetryAfter, 3*time.Second)))
	}
}

// pause waits between two looks at a state that a real target reaches in its own time.
func (s suite) pause(t *testing.T, d time.Duration) {
	select {
	case <-t.Context().Done():
	case <-time.After(d):
	}
}

func fault(t *testing.T, err error) *connector.Fault {
	t.Helper()
	f, ok := errors.AsType[*connector.Fault](err)
	if !ok {
		t.Fatalf("the error is not a *connector.Fault: %T %v", err, err)
	}
	if f.Class == docklinev1.FaultClass_FAULT_CLASS_UNSPECIFIED || f.Code == "" || f.Text == "" {
		t.Errorf("the fault lacks its class, code or text: %+v", f)
	}
	return f
}
