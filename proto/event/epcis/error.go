package epcis

import (
	"google.golang.org/protobuf/types/known/timestamppb"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// Correction says that an event was told in error. EPCIS never changes an event: it is told once more, the same and under the same id,
// with an errorDeclaration (EPCIS 2.0, section 7.4.1.4).
type Correction struct {
	// Event is the one that was told in error.
	Event *docklinev1.Event
	// At is when that was said; Reason is did_not_occur, incorrect_data, or another's URI.
	At     *timestamppb.Timestamp
	Reason string
	// By are the events that say what is right.
	By []*docklinev1.Event
	// Declared is the error.declared event that says so; nil where another event implies it: a later revision, a void.
	Declared *docklinev1.Event
}

// Errors are the events that declare an error: those of the event, each with the declaration. none says why there are none.
func (x *Exporter) Errors(c Correction) (events []*Object, none string) {
	events, none = x.Events(c.Event)
	for _, o := range events {
		d := &Object{}
		d.Set("declarationTime", writeTime(c.At))
		if reason := firstOf(c.Reason, "incorrect_data"); errorReasons.words[reason] {
			d.Set("reason", reason)
		}
		var ids []any
		for _, by := range c.By {
			right, _ := x.Events(by)
			for _, r := range right {
				ids = append(ids, r.Get("eventID"))
			}
		}
		d.setList("correctiveEventIDs", ids)
		switch {
		case x.Plain:
		case c.Declared == nil:
			d.Set(named("implied"), true)
		default:
			d.Set(named("event"), ownEvent(c.Declared, &draft{}, 0, 1))
			if c.Declared.GetCapturedAt() != nil {
				d.Set(named("recordTime"), writeTime(c.Declared.GetCapturedAt()))
			}
		}
		o.Set("errorDeclaration", d)
	}
	return events, none
}

// declaration is the error.declared event that an errorDeclaration of others tells of.
func (im *Importer) declaration(c *Captured, of *docklinev1.Event, declared *Object) (*docklinev1.Event, *fault) {
	at, err := parseTime(text(declared.Get("declarationTime")))
	if err != nil {
		return nil, wrong("epcis_time", "errorDeclaration.declarationTime", "%q is no time", text(declared.Get("declarationTime")))
	}
	reason := errorReasons.word(text(declared.Get("reason")))
	d := &docklinev1.ErrorDeclaration{EventId: of.GetId(), Reason: firstOf(reason, "incorrect_data")}
	for _, id := range list(declared.Get("correctiveEventIDs")) {
		d.CorrectiveEventIds = append(d.CorrectiveEventIds, ImportedID(im.Tenant.Name, im.Source, text(id)))
	}
	key := "error " + im.key(c)
	e := &docklinev1.Event{Tenant: of.GetTenant(), Site: of.GetSite(), Source: im.Source, Kind: docklinev1.EventKind_EVENT_KIND_ERROR_DECLARED, Subject: of.GetSubject(),
		SourceKey: key, Id: ImportedID(im.Tenant.Name, im.Source, key), OccurredAt: timestamppb.New(at.UTC()), CapturedAt: of.GetCapturedAt(),
		Payload: &docklinev1.Event_ErrorDeclaration{ErrorDeclaration: d}}
	if f := event.Validate(e); f != nil {
		return nil, wrong("epcis_error", "errorDeclaration", "%s", f.Text)
	}
	return e, nil
}

// ownDeclaration is an error.declared event that Dockline wrote.
func (im *Importer) ownDeclaration(c *Captured, of *docklinev1.Event, declared *Object, context Context) (*docklinev1.Event, *fault) {
	own := object(context.find(declared, "event"))
	if own == nil {
		return im.declaration(c, of, declared)
	}
	whole := declared.clone()
	whole.Set("eventTime", declared.Get("declarationTime"))
	whole.Set("recordTime", context.find(declared, "recordTime"))
	e, _, _, _, err := im.readEvent(whole, own, context)
	if err != nil {
		return nil, wrong("epcis_own", "errorDeclaration."+Prefix+":event", "%v", err)
	}
	return e, nil
}
