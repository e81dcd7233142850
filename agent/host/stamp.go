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
	ahead func() time.Duration
}

// head is what take puts to each event: who told it, and when that was heard.
func (s *stamper) head(now time.Time) ([]byte, error) {
	return proto.Marshal(&docklinev1.Event{Tenant: s.tenant, Site: s.site, Source: s.source, CapturedAt: timestamppb.New(now), ClockOffsetMs: s.offset()})
}

// offset is what is kept of a wrong clock; less than a second is none.
func (s *stamper) offset() int64 {
	if s.ahead == nil {
		return 0
	}
	return s.ahead().Truncate(time.Second).Milliseconds()
}

// take is stamp for an event as it came. One with which all is well is kept as it was encoded, with head behind it, which to a decoder is
// the same as if it had been encoded with these fields; what it comes back with besides is that form.
func (s *stamper) take(data, head []byte, now time.Time, look look) (*docklinev1.Event, []byte, *event.Fault) {
	e := &docklinev1.Event{}
	if err := proto.Unmarshal(data, e); err != nil {
		return s.unreadable(data, now, err)
	}
	ours := e.Tenant != "" || e.Site != "" || e.Source != "" || e.CapturedAt != nil || e.ClockOffsetMs != 0 || e.Id != "" || e.CorrelationId != "" || e.CausationId != "" || e.Traceparent != "" ||
		e.DoubleOf != "" || len(e.Warnings) > 0
	if e.SourceKey == "" || ours || e.Kind == docklinev1.EventKind_EVENT_KIND_RECORD_REFUSED {
		e, fault := s.stamp(e, look)
		return e, nil, fault
	}
	s.fill(e, now)
	fault := s.valid(e, data)
	if fault == nil {
		fault = look(e)
	}
	if fault != nil {
		e, fault = s.refuse(e, fault)
		return e, nil, fault
	}
	encoded := append(data[:len(data):len(data)], head...)
	if e.DoubleOf != "" || len(e.Warnings) > 0 {
		marks, err := proto.Marshal(&docklinev1.Event{DoubleOf: e.DoubleOf, Warnings: e.Warnings})
		if err != nil { // a mark with a code that is no text: the event has been held against that
			return e, nil, nil
		}
		encoded = append(encoded, marks...)
	}
	return e, encoded, nil
}

// look is the last to look at an event: it may mark it, or refuse it.
type look func(*docklinev1.Event) *event.Fault

// stamp fills in an event and returns it, or the dead letter that is kept in its place and why.
func (s *stamper) stamp(e *docklinev1.Event, look look) (*docklinev1.Event, *event.Fault) {
	// An id is never the plugin's to choose. It may say that the key is unique in the world, by the one id that such a key has.
	worldwide := e.Id != "" && e.SourceKey != "" && e.Id == event.WorldwideID(s.tenant, s.source, e.SourceKey)
	s.fill(e, s.now())
	if e.Kind == docklinev1.EventKind_EVENT_KIND_RECORD_REFUSED && e.OccurredAt == nil {
		e.OccurredAt = e.CapturedAt // a record that cannot be read has no time
	}
	fault := s.valid(e, nil)
	if fault != nil {
		return s.refuse(e, fault)
	}
	s.name(e)
	if worldwide {
		e.Id = event.WorldwideID(e.Tenant, e.Source, e.SourceKey)
		e.Traceparent = event.TraceparentOf(e)
	}
	if fault := look(e); fault != nil {
		e.Id, e.Traceparent = "", "" // as it was sent
		return s.refuse(e, fault)
	}
	return e, nil
}

// valid holds an event against the rules of its kind and what the plugin has declared; data is what it was decoded from, if anything.
func (s *stamper) valid(e *docklinev1.Event, data []byte) *event.Fault {
	fault := event.ValidateDecoded(e, data)
	if fault == nil && e.Kind != docklinev1.EventKind_EVENT_KIND_RECORD_REFUSED && len(s.kinds) > 0 && !slices.Contains(s.kinds, e.Kind) {
		fault = &event.Fault{Class: docklinev1.FaultClass_FAULT_CLASS_TECHNICAL, Code: "kind_undeclared",
			Text: fmt.Sprintf("the plugin reports %s but does not declare it; ask its author for a version that does", event.KindName(e.Kind))}
	}
	return fault
}

// refuse gives the dead letter that is kept in the place of an event.
func (s *stamper) refuse(e *docklinev1.Event, fault *event.Fault) (*docklinev1.Event, *event.Fault) {
	letter := s.deadLetter(e, fault)
	s.name(letter)
	return letter, fault
}

// name gives an event its id and trace context.
func (s *stamper) name(e *docklinev1.Event) {
	e.Id = s.id(e)
	e.Traceparent = event.TraceparentOf(e)
}

// unreadable keeps what is no event at all: a plugin of another language may write anything.
func (s *stamper) unreadable(data []byte, now time.Time, reason error) (*docklinev1.Event, []byte, *event.Fault) {
	fault := &event.Fault{Class: docklinev1.FaultClass_FAULT_CLASS_TECHNICAL, Code: "event_unreadable",
		Text: fmt.Sprintf("the plugin sent what cannot be read as an event (%v); ask its author for a version that is mended", reason)}
	sum := sha256.Sum256(data)
	e := &docklinev1.Event{Kind: docklinev1.EventKind_EVENT_KIND_RECORD_REFUSED, SourceKey: "sha256:" + hex.EncodeToString(sum[:]),
		Payload: &docklinev1.Event_DeadLetter{DeadLetter: &docklinev1.DeadLetter{Class: fault.Class, Code: fault.Code, Text: fault.Text, Raw: bytes.Clone(data[:min(len(data), maxKept)])}}}
	s.fill(e, now)
	e.OccurredAt = e.CapturedAt
	s.name(e)
	return e, nil, fault
}

// fill sets what is never the plugin's to say.
func (s *stamper) fill(e *docklinev1.Event, now time.Time) {
	e.Tenant, e.Site, e.Source = s.tenant, s.site, s.source
	e.CapturedAt, e.ClockOffsetMs = timestamppb.New(now), s.offset()
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
