package deadletter

import (
	"crypto/sha256"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// Refused is the event that was refused, as far as it could be read: nil where a person has to write all of it.
func Refused(letter *docklinev1.Event) *docklinev1.Event {
	raw := letter.GetDeadLetter().GetRefusedEvent()
	e := &docklinev1.Event{}
	if len(raw) == 0 || proto.Unmarshal(raw, e) != nil || e.GetKind() == docklinev1.EventKind_EVENT_KIND_UNSPECIFIED {
		return nil
	}
	event.Restore(e)
	return e
}

// Template is what a person begins to write a correction with: what was refused, or else an event of which the letter says where and when.
func Template(letter *docklinev1.Event) *docklinev1.Event {
	e := Refused(letter)
	if e == nil {
		e = &docklinev1.Event{OccurredAt: letter.GetOccurredAt(), SourceKey: letter.GetSourceKey()}
	}
	plain(e)
	return e
}

// plain takes out what is never a person's to say.
func plain(e *docklinev1.Event) {
	e.Id, e.Tenant, e.Site, e.Source, e.CapturedAt, e.CorrelationId, e.CausationId, e.Traceparent, e.Origin, e.DoubleOf, e.Warnings = "", "", "", "", nil, "", "", "", "", "", nil
	e.ContentHash, e.ClockOffsetMs = nil, 0
}

// Corrected is the event that is entered in the place of a dead letter. It is of the record that the source calls so, with the source's own
// revision: what the source tells of that record later goes before it. Its id comes of the letter's, so that it is entered once whoever asks.
func Corrected(letter, written *docklinev1.Event) *docklinev1.Event {
	e := proto.CloneOf(written)
	plain(e)
	e.Tenant, e.Site, e.Source, e.CapturedAt, e.ClockOffsetMs = letter.GetTenant(), letter.GetSite(), letter.GetSource(), letter.GetCapturedAt(), letter.GetClockOffsetMs()
	if refused := Refused(letter); refused.GetSource() != "" {
		e.Source = refused.GetSource() // one that the centre refused names its own
	}
	if e.SourceKey == "" {
		e.SourceKey = "corrected/" + letter.GetId()
	}
	event.MarkCorrection(e, letter.GetId())
	hash := sha256.Sum256([]byte("correction\x00" + letter.GetId()))
	e.ContentHash = hash[:]
	e.Id = event.ID(event.Cause{Tenant: e.Tenant, Site: e.Site, Source: e.Source, SourceKey: e.SourceKey, Revision: "correction of " + letter.GetId(),
		Kind: event.KindName(e.Kind), Ordinal: e.Ordinal})
	e.Traceparent = event.TraceparentOf(e)
	return e
}

// Check holds a correction against the rules that hold for every event of a site.
func Check(e *docklinev1.Event) error {
	switch e.GetPayload().(type) {
	case *docklinev1.Event_DeadLetter, *docklinev1.Event_StreamGap, *docklinev1.Event_PolicyActivated, *docklinev1.Event_CommandResult, *docklinev1.Event_MilestoneChange, *docklinev1.Event_RecordSettlement,
		*docklinev1.Event_Decision:
		return fmt.Errorf("%s is told by Dockline itself; write what happened at the dock", event.KindName(e.GetKind()))
	}
	if fault := event.Validate(e); fault != nil {
		return fmt.Errorf("%s (%s)", fault.Text, fault.Code)
	}
	return nil
}

// settlement is the fact that ends the case of a letter.
func settlement(l *Letter, source, by, outcome, reason, correctedBy string, now time.Time) *docklinev1.Event {
	e := &docklinev1.Event{Tenant: l.Tenant, Source: source, Kind: docklinev1.EventKind_EVENT_KIND_RECORD_SETTLED, Subject: l.EventID[:min(len(l.EventID), 16)], Actor: by,
		OccurredAt: timestamppb.New(now), SourceKey: "deadletter/" + l.EventID, SourceRevision: outcome,
		Payload: &docklinev1.Event_RecordSettlement{RecordSettlement: &docklinev1.RecordSettlement{EventId: l.EventID, Key: l.Key, Outcome: outcome, Reason: reason, CorrectedBy: correctedBy}}}
	e.Id = event.ID(event.Cause{Tenant: e.Tenant, Source: e.Source, SourceKey: e.SourceKey, Revision: e.SourceRevision, Kind: event.KindName(e.Kind)})
	return e
}
