package connector

import (
	"fmt"

	"google.golang.org/protobuf/proto"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// identify gives a fact of the centre its tenant, source, id and trace: the id is a hash of tenant, source, record, revision and
// kind, so that the same record read again is the same event.
func identify(e *docklinev1.Event, tenant, source string) {
	e.Tenant, e.Source = tenant, source
	if e.GetSourceRevision() == "" && len(e.GetContentHash()) == 0 {
		e.ContentHash = event.BodyHash(e)
	}
	e.Id = event.ID(event.Cause{Tenant: tenant, Source: source, SourceKey: e.GetSourceKey(), Revision: e.GetSourceRevision(),
		ContentHash: e.GetContentHash(), Kind: event.KindName(e.GetKind()), Ordinal: e.GetOrdinal()})
	if order := event.OrderOf(e); order != "" {
		e.Traceparent = event.Traceparent(event.CorrelationID(tenant, order), e.Id)
	}
}

// opening makes snapshots the opening ones of their sites: one fact a site, whatever else the system calls its revision.
func opening(snapshots []*docklinev1.Event) []*docklinev1.Event {
	for _, e := range snapshots {
		e.SourceKey, e.SourceRevision, e.ContentHash = "stock_snapshot/"+e.GetStockSnapshot().GetSite(), "opening", nil
	}
	return snapshots
}

// sound returns the event where it is valid. Else it returns a record.refused that keeps it whole, so that what comes after it
// goes on; of a snapshot only the lines that are not valid are refused.
func sound(e *docklinev1.Event) []*docklinev1.Event {
	if s := e.GetStockSnapshot(); s != nil {
		return soundSnapshot(e, s)
	}
	if f := event.Validate(e); f != nil {
		return []*docklinev1.Event{refusal(e, f)}
	}
	return []*docklinev1.Event{e}
}

// soundSnapshot looks at line by line: a book may be larger than what a site may send as one event.
func soundSnapshot(e *docklinev1.Event, s *docklinev1.StockSnapshot) []*docklinev1.Event {
	lines := s.Lines
	s.Lines = nil
	if f := event.Validate(e); f != nil {
		s.Lines = lines
		return []*docklinev1.Event{refusal(e, f)}
	}
	out := []*docklinev1.Event{e}
	head := proto.CloneOf(e)
	var good []*docklinev1.Line
	for _, line := range lines {
		head.GetStockSnapshot().Lines = []*docklinev1.Line{line}
		f := event.Validate(head)
		if f == nil {
			good = append(good, line)
			continue
		}
		f.Text = fmt.Sprintf("stock of item %q in bin %q at %s is left out: %s", line.GetItem(), line.GetBin(), s.GetSite(), f.Text)
		refused := refusal(proto.CloneOf(head), f)
		refused.SourceKey += fmt.Sprintf("/%s/%s/%s/%s", line.GetBin(), line.GetItem(), line.GetLot(), line.GetStockStatus())
		out = append(out, refused)
	}
	s.Lines = good
	return out
}

// refusal keeps a fact that cannot be taken. It has the key of the record, so that the corrected record is told from it.
func refusal(e *docklinev1.Event, f *event.Fault) *docklinev1.Event {
	body, err := proto.MarshalOptions{Deterministic: true}.Marshal(e)
	if err != nil {
		body = fmt.Appendf(nil, "%v", e) // a string that is not UTF-8: kept as text
	}
	return &docklinev1.Event{Kind: docklinev1.EventKind_EVENT_KIND_RECORD_REFUSED, Subject: e.GetSubject(), SourceKey: e.GetSourceKey(),
		SourceRevision: e.GetSourceRevision(), ContentHash: e.GetContentHash(), OccurredAt: e.GetOccurredAt(),
		Payload: &docklinev1.Event_DeadLetter{DeadLetter: &docklinev1.DeadLetter{Class: f.Class, Code: f.Code, Text: f.Text, RefusedEvent: body}}}
}

// Refuse is the refusal of a fact in place of it, for who stands between a connector and its caller: it keeps the fact whole.
func Refuse(e *docklinev1.Event, class docklinev1.FaultClass, code, text string) *docklinev1.Event {
	return refusal(e, &event.Fault{Class: class, Code: code, Text: text})
}
