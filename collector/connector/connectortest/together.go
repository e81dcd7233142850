package connectortest

import (
	"errors"
	"sync"
	"testing"

	"github.com/dockline/dockline/collector/connector"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// together has two connectors apply one posting at once. One document comes of it; where the target is careless, what came of it is shown, all of it, so that
// a person is told.
func (s suite) together(t *testing.T, kind connector.Kind, style connector.Style) {
	if s.h.Second == nil {
		t.Skip("there is no second connector to this target")
	}
	p := s.h.Posting(t, kind)
	var wait sync.WaitGroup
	errs := make([]error, 2)
	for i, c := range []connector.Connector{s.h.Connector, s.h.Second} {
		ctx := s.call(t)
		wait.Go(func() { _, errs[i] = c.Apply(ctx, p) })
	}
	wait.Wait()
	for _, err := range errs {
		f, is := errors.AsType[*connector.Fault](err)
		if err != nil && (!is || f.Class == docklinev1.FaultClass_FAULT_CLASS_UNSPECIFIED) {
			t.Errorf("the fault of one of two writers: %v", err)
		}
	}
	n := s.h.Effects(t, p)
	if careless := style != connector.Advance && s.h.Careless != nil && s.h.Careless(kind); careless && n > 1 {
		if found := s.find(t, p); len(found) != n {
			t.Errorf("two writers made %d documents of %s, and Find shows %d of them", n, p.Key, len(found))
		}
		return
	}
	s.deliver(t, p)
	s.done(t, p)
}

// between has a person at work at the worst moment: the connector has looked, and has not written yet. What the person entered is neither hidden nor taken
// for ours: a status ends up as it was restated, and of a document that was entered twice both are shown.
func (s suite) between(t *testing.T, kind connector.Kind, style connector.Style) {
	switch {
	case s.h.Between == nil:
		t.Skip("nothing can be done in this target at such a moment")
	case style == connector.Level && s.h.Meddle != nil:
		s.restatedBetween(t, kind)
	case style == connector.CreateOnce && s.h.Duplicate != nil:
		s.enteredBetween(t, kind)
	default:
		t.Skip("a person cannot do the same in this target as such a posting")
	}
}

func (s suite) restatedBetween(t *testing.T, kind connector.Kind) {
	p := s.h.Posting(t, kind)
	s.apply(t, p)
	next := s.h.Restate(t, p, p.SourceVersion+5)
	meddled := false
	clear := s.h.Between(t, func() { meddled = s.h.Meddle(t, p) })
	_, err := s.h.Connector.Apply(s.call(t), next)
	if !clear() || !meddled {
		t.Skip("a document of this kind cannot be changed by hand at that moment")
	}
	if err != nil {
		if f := fault(t, err); f.Class != docklinev1.FaultClass_FAULT_CLASS_TECHNICAL {
			t.Errorf("it was changed meanwhile: class %v; want technical, so that it is tried again: %v", f.Class, f)
		}
		s.deliver(t, next)
	}
	s.done(t, next)
}

func (s suite) enteredBetween(t *testing.T, kind connector.Kind) {
	p := s.h.Posting(t, kind)
	entered := false
	clear := s.h.Between(t, func() { entered = s.h.Duplicate(t, p) })
	_, err := s.h.Connector.Apply(s.call(t), p)
	if !clear() || !entered {
		t.Skip("a document of this kind cannot be entered twice")
	}
	if err != nil {
		fault(t, err)
	}
	found := s.find(t, p)
	if n := s.h.Effects(t, p); len(found) != n || err == nil && n != 2 {
		t.Errorf("a person entered %s while it was posted (%v): the target has %d, and Find shows %d", p.Key, err, n, len(found))
	}
}
