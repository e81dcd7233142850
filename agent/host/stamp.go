package host

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// maxKept bounds what a dead letter keeps of an event that is itself too large to travel.
const maxKept = event.MaxEventBytes / 2

// stamper gives the events of one plugin what the host knows of them.
type stamper struct {
	tenant, site, source string
	// kinds are those that the plugin has declared.
	kinds []docklinev1.EventKind
	now   func() time.Time
}

// stamp fills in an event and returns it, or the dead letter that is kept in its place and why. look is the last to look at it.
func (s *stamper) stamp(e *docklinev1.Event, look func(*docklinev1.Event) *event.Fault) (*docklinev1.Event, *event.Fault) {
	s.fill(e, s.now())
	if e.Kind == docklinev1.EventKind_EVENT_KIND_RECORD_REFUSED && e.OccurredAt == nil {
		e.OccurredAt = e.CapturedAt // a record that cannot be read has no time
	}
	fault := event.Validate(e)
	if fault == nil && e.Kind != docklinev1.EventKind_EVENT_KIND_RECORD_REFUSED && len(s.kinds) > 0 && !slices.Contains(s.kinds, e.Kind) {
		fault = &event.Fault{Class: docklinev1.FaultClass_FAULT_CLASS_TECHNICAL, Code: "kind_undeclared",
			Text: fmt.Sprintf("the plugin reports %s but does not declare it; ask its author for a version that does", event.KindName(e.Kind))}
	}
	if fault == nil {
		s.name(e)
		if fault = look(e); fault == nil {
			return e, nil
		}
		e.Id, e.Traceparent = "", ""
	}
	e = s.deadLetter(e, fault)
	s.name(e)
	return e, fault
}

func (s *stamper) name(e *docklinev1.Event) {
	e.Id = s.id(e)
	e.Traceparent = event.TraceparentOf(e)
}

// fill sets what is never the plugin's to say.
func (s *stamper) fill(e *docklinev1.Event, now time.Time) {
	e.Tenant, e.Site, e.Source = s.tenant, s.site, s.source
	e.CapturedAt = timestamppb.New(now)
	e.Id, e.CorrelationId, e.CausationId, e.DoubleOf, e.Warnings = "", "", "", "", nil
}

func (s *stamper) id(e *docklinev1.Event) string {
	if e.SourceKey == "" {
		return uuid.Must(uuid.NewV7()).String()
	}
	return event.ID(event.Cause{Tenant: e.Tenant, Site: e.Site, Source: e.Source, SourceKey: e.SourceKey, Revision: e.SourceRevision,
		ContentHash: e.ContentHash, Kind: event.KindName(e.Kind), Ordinal: e.Ordinal})
}

// deadLetter keeps a refused event whole, under an id that is as stable as its own would have been.
func (s *stamper) deadLetter(e *docklinev1.Event, fault *event.Fault) *docklinev1.Event {
	captured := e.CapturedAt.AsTime()
	e.Tenant, e.Site, e.Source, e.CapturedAt = "", "", "", nil // as it was sent, so that it is the same whenever it is read
	asSent, _ := proto.MarshalOptions{Deterministic: true}.Marshal(e)
	letter := &docklinev1.DeadLetter{Class: fault.Class, Code: fault.Code, Text: fault.Text, RefusedEvent: asSent}
	if len(asSent) > maxKept {
		letter.Text += fmt.Sprintf(" (of its %d bytes the first %d are kept)", len(asSent), maxKept)
		letter.RefusedEvent, letter.Raw = nil, bytes.Clone(asSent[:maxKept])
	}
	refused := &docklinev1.Event{
		Kind: docklinev1.EventKind_EVENT_KIND_RECORD_REFUSED, Subject: short(e.Subject, event.MaxSubjectBytes),
		SourceKey: short(e.SourceKey, event.MaxSourceKeyBytes), SourceRevision: short(e.SourceRevision, event.MaxSubjectBytes),
		ContentHash: e.ContentHash, Ordinal: e.Ordinal, OccurredAt: e.OccurredAt, Movement: e.Movement,
		Origin: short(e.Origin, event.MaxSourceKeyBytes), Payload: &docklinev1.Event_DeadLetter{DeadLetter: letter},
	}
	if e.SourceKey != "" && refused.SourceRevision == "" && len(e.ContentHash) == 0 {
		// A second bad record under one key must not pass for the first.
		sum := sha256.Sum256(asSent)
		refused.ContentHash = sum[:]
	}
	s.fill(refused, captured)
	if event.Validate(refused) != nil {
		// Only its time can still be wrong, or absent.
		refused.OccurredAt = refused.CapturedAt
	}
	return refused
}

// short keeps a text within a limit; a longer one, or one that is not text, becomes its hash.
func short(text string, limit int) string {
	if len(text) <= limit && utf8.ValidString(text) && !bytes.ContainsRune([]byte(text), 0) {
		return text
	}
	sum := sha256.Sum256([]byte(text))
	return "sha256:" + hex.EncodeToString(sum[:])
}
