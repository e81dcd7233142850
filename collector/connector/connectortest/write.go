package connectortest

import (
	"context"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/connector"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

func (s suite) apply(t *testing.T, p *connector.Posting) connector.Result {
	t.Helper()
	r, err := s.h.Connector.Apply(s.call(t), p)
	if err != nil {
		t.Fatalf("Apply %s: %v", p.Key, err)
	}
	return r
}

func (s suite) appliedIsReadBack(t *testing.T, kind connector.Kind) {
	p := s.h.Posting(t, kind)
	before := proto.CloneOf(p.Document)
	r := s.apply(t, p)
	if len(r.Documents) == 0 {
		t.Fatal("Apply named no document")
	}
	if !proto.Equal(before, p.Document) {
		t.Error("Apply changed the posting's document")
	}
	s.done(t, p)
	found := s.find(t, p)[0].Document
	if !slices.ContainsFunc(r.Documents, func(d *docklinev1.DocumentReference) bool { return proto.Equal(d, found) }) {
		t.Errorf("Find names %v, which is not among those of Apply: %v", found, r.Documents)
	}
}

func (s suite) twice(t *testing.T, kind connector.Kind, style connector.Style) {
	p := s.h.Posting(t, kind)
	s.apply(t, p)
	if style == connector.CreateOnce {
		s.deliver(t, p) // a sender looks before it creates
	} else {
		s.apply(t, p)
	}
	s.done(t, p)
}

func (s suite) duplicates(t *testing.T, kind connector.Kind) {
	if s.h.Duplicate == nil {
		t.Skip("this target cannot be given a second document")
	}
	p := s.h.Posting(t, kind)
	s.apply(t, p)
	if !s.h.Duplicate(t, p) {
		t.Skip("this kind cannot have a second document")
	}
	if found := s.find(t, p); len(found) != 2 {
		t.Errorf("Find with two documents in the target: %d, want 2", len(found))
	}
}

// drafts: of several drafts the lowest is made use of, and the others are deleted; also beside a document that has its effect.
func (s suite) drafts(t *testing.T, kind connector.Kind) {
	if s.h.Drafts == nil {
		t.Skip("this target has no drafts")
	}
	p := s.h.Posting(t, kind)
	if !s.h.Drafts(t, p, 3) {
		t.Skip("this kind has no drafts")
	}
	found := s.find(t, p)
	if spare, ok := connector.SpareDrafts(found); len(found) != 3 || !ok || len(spare) != 2 {
		t.Fatalf("Find with three drafts in the target: %+v", found)
	}
	if n := s.h.Effects(t, p); n != 0 {
		t.Errorf("drafts had %d effects", n)
	}
	r := s.apply(t, p)
	s.done(t, p)
	// A target that numbers a document when it has its effect has no number of a draft.
	if found[0].Document.GetNumber() != "" && !proto.Equal(r.Documents[0], found[0].Document) {
		t.Errorf("%v was made of the drafts %v, not the lowest", r.Documents, found)
	}
	s.h.Drafts(t, p, 1) // of somebody who found nothing before
	s.apply(t, p)
	s.done(t, p)
}

// fails lets each writing request of one Apply go wrong in turn; in the end there is one effect each time.
func (s suite) fails(t *testing.T, kind connector.Kind, what Injection) {
	for nth := 1; nth <= s.h.MaxWrites; nth++ {
		p := s.h.Posting(t, kind)
		struck := s.failsOnce(t, p, what, nth)
		if t.Failed() {
			t.Fatalf("with writing request %d", nth)
		}
		if !struck && nth == 1 {
			t.Fatal("Apply made no writing request that could be made to fail")
		}
		if !struck {
			return
		}
	}
}

func (s suite) failsOnce(t *testing.T, p *connector.Posting, what Injection, nth int) bool {
	if s.h.Inject == nil {
		t.Skip("this target cannot be made to fail")
	}
	clear := s.h.Inject(t, what, nth)
	if clear == nil {
		t.Skip("this target cannot be made to fail in this way")
	}
	ctx := s.call(t)
	if what == Hang {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.h.HangTimeout)
		defer cancel()
	}
	_, err := s.h.Connector.Apply(ctx, p)
	struck := clear()
	if !struck && err != nil {
		t.Errorf("Apply: %v", err)
	}
	if struck && err != nil {
		f := fault(t, err)
		if f.Class != docklinev1.FaultClass_FAULT_CLASS_TECHNICAL {
			t.Errorf("the fault's class is %v, want technical: %v", f.Class, f)
		}
		switch {
		case (what == LoseAnswer || what == Hang) && !f.Unknown:
			t.Errorf("the request may have had its effect, and the fault does not say unknown: %v", f)
		case what == Throttle && f.Unknown:
			t.Errorf("the request was turned away, and the fault says unknown: %v", f)
		case what == Throttle && f.RetryAfter <= 0:
			t.Errorf("the fault does not say when to come back: %v", f)
		}
	}
	s.deliver(t, p)
	s.done(t, p)
	return struck
}

func (s suite) unreachable(t *testing.T, kind connector.Kind) {
	if s.h.Inject == nil {
		t.Skip("this target cannot be made to fail")
	}
	p := s.h.Posting(t, kind)
	clear := s.h.Inject(t, Unreachable, 1)
	if clear == nil {
		t.Skip("this target cannot be made to fail in this way")
	}
	_, applyErr := s.h.Connector.Apply(s.call(t), p)
	_, findErr := s.h.Connector.Find(s.call(t), p)
	_, probeErr := s.h.Connector.Probe(s.call(t))
	clear()
	for name, err := range map[string]error{"Apply": applyErr, "Find": findErr, "Probe": probeErr} {
		if err == nil {
			t.Errorf("%s of a target that is not there went well", name)
			continue
		}
		if f := fault(t, err); f.Class != docklinev1.FaultClass_FAULT_CLASS_TECHNICAL || f.Unknown && name == "Apply" {
			t.Errorf("%s: class %v, unknown %v; want technical, and that nothing was sent: %v", name, f.Class, f.Unknown, f)
		}
	}
	s.deliver(t, p)
	s.done(t, p)
}

func (s suite) refused(t *testing.T, kind connector.Kind, of func(*testing.T, connector.Kind) *connector.Posting, class docklinev1.FaultClass) {
	if of == nil {
		t.Skip("this target refuses nothing of the sort")
	}
	p := of(t, kind)
	if p == nil {
		t.Skip("this kind has nothing of the sort")
	}
	_, err := s.h.Connector.Apply(s.call(t), p)
	if err == nil {
		t.Fatal("Apply took it")
	}
	f := fault(t, err)
	if f.Class != class {
		t.Errorf("the fault's class is %v, want %v: %v", f.Class, class, f)
	}
	if f.Unknown {
		t.Errorf("the target refused, and the fault says unknown: %v", f)
	}
	if f.Remedy == "" {
		t.Errorf("the fault does not say what a person can do: %v", f)
	}
	if n := s.h.Effects(t, p); n != 0 {
		t.Errorf("a refused posting had %d effects", n)
	}
}

func (s suite) newest(t *testing.T, kind connector.Kind) {
	if s.h.Restate == nil {
		t.Fatal("a harness with a Level kind must have Restate")
	}
	p := s.h.Posting(t, kind)
	s.apply(t, p)
	next := s.h.Restate(t, p, p.SourceVersion+5)
	s.apply(t, next)
	s.done(t, next)
	if found := s.find(t, p); len(found) != 1 || found[0].Complete {
		t.Errorf("the former content is still found complete: %+v", found)
	}
}

func (s suite) older(t *testing.T, kind connector.Kind) {
	if s.h.Restate == nil {
		t.Fatal("a harness with a Level kind must have Restate")
	}
	p := s.h.Posting(t, kind)
	s.apply(t, p)
	old := s.h.Restate(t, p, p.SourceVersion-5)
	result, err := s.h.Connector.Apply(s.call(t), old)
	if err != nil {
		t.Fatalf("Apply of an older version is no error: %v", err)
	}
	if result.Newer != p.SourceVersion {
		t.Errorf("Apply of version %d says that the target keeps version %d, it keeps %d", old.SourceVersion, result.Newer, p.SourceVersion)
	}
	s.done(t, p)
}
