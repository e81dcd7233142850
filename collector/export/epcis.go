package export

import (
	"context"
	"errors"
	"io"
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/collector/eventlog"
	"github.com/dockline/dockline/collector/state"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
	"github.com/dockline/dockline/proto/event/epcis"
)

// EPCIS writes one EPCIS 2.0 document. What was told before is never told otherwise: what replaces it, or takes it back, comes with an error
// declaration of it, whichever of them came first.
type EPCIS struct {
	epcis.Exporter
	// Created is the document's creation date; zero is now.
	Created time.Time

	ctx context.Context // of the one export that this is for: Format hands none on
	log *eventlog.Log
	out *epcis.Writer
}

// Ask takes the log: what an event corrects is looked up there.
func (x *EPCIS) Ask(ctx context.Context, log *eventlog.Log) { x.ctx, x.log = ctx, log }

// Header begins the document.
func (x *EPCIS) Header(w io.Writer) (err error) {
	if x.Created.IsZero() {
		x.Created = time.Now()
	}
	x.out, err = epcis.NewWriter(w, x.Created)
	return err
}

// Footer ends the document.
func (x *EPCIS) Footer(io.Writer) error { return x.out.Close() }

// Event writes what an event is in EPCIS, and before it what it makes wrong of what was told before.
func (x *EPCIS) Event(_ io.Writer, at eventlog.Entry) (bool, error) {
	e := at.Event
	if e.GetKind() == docklinev1.EventKind_EVENT_KIND_ERROR_DECLARED {
		return x.declared(at)
	}
	if !epcis.HasForm(e.GetKind()) {
		return false, nil
	}
	former, counts, err := x.formerly(at)
	if err != nil || !counts {
		return false, err
	}
	events, none := x.Events(e)
	if none != "" {
		return false, nil
	}
	if former != nil {
		wrong, _ := x.Errors(epcis.Correction{Event: former, At: told(e), Reason: "incorrect_data", By: []*docklinev1.Event{e}})
		events = append(wrong, events...)
	}
	for _, wrong := range []func(eventlog.Entry) ([]*epcis.Object, error){x.neverHappened, x.declaredBefore} {
		made, err := wrong(at)
		if err != nil {
			return false, err
		}
		events = append(events, made...)
	}
	return true, x.write(events)
}

func (x *EPCIS) write(events []*epcis.Object) error {
	for _, o := range events {
		if err := x.out.Write(o); err != nil {
			return err
		}
	}
	return nil
}

// told is when an event became known.
func told(e *docklinev1.Event) *timestamppb.Timestamp {
	if e.GetCapturedAt() != nil {
		return e.GetCapturedAt()
	}
	return e.GetOccurredAt()
}

// formerly is the version of the record that counted, and was told, until this one came; counts is whether this one does since. They are held
// against each other as of this event's offset, so that every export tells the same.
func (x *EPCIS) formerly(at eventlog.Entry) (former *docklinev1.Event, counts bool, err error) {
	versions, err := x.log.Versions(x.ctx, at.Event)
	if err != nil {
		return nil, false, err
	}
	var before []state.Fact
	for _, v := range versions {
		if v.Offset < at.Offset {
			before = append(before, factOf(v))
		}
	}
	if len(before) == 0 {
		return nil, true, nil
	}
	now := state.Counting(append(slices.Clone(before), factOf(at)))
	if now.Event.GetId() != at.Event.GetId() {
		return nil, false, nil
	}
	return state.Counting(before).Event, true, nil
}

func factOf(e eventlog.Entry) state.Fact {
	return state.Fact{Event: e.Event, EpochOrdinal: e.EpochOrdinal, Seq: e.Seq}
}

// declared tells again what an error.declared is about, with the declaration; where the event itself comes later, it does so then.
func (x *EPCIS) declared(at eventlog.Entry) (bool, error) {
	wrong, err := x.get(at.Event.GetTenant(), at.Event.GetErrorDeclaration().GetEventId())
	if wrong == nil || err != nil || wrong.Offset > at.Offset {
		return false, err
	}
	events, err := x.declaring(wrong.Event, at.Event)
	return len(events) > 0, errors.Join(err, x.write(events))
}

// declaring is an event with the declaration that it was told in error.
func (x *EPCIS) declaring(wrong, by *docklinev1.Event) ([]*epcis.Object, error) {
	d := by.GetErrorDeclaration()
	c := epcis.Correction{Event: wrong, At: by.GetOccurredAt(), Reason: d.GetReason(), Declared: by}
	for _, id := range d.GetCorrectiveEventIds() {
		right, err := x.get(wrong.GetTenant(), id)
		if err != nil {
			return nil, err
		}
		if right != nil {
			c.By = append(c.By, right.Event)
		}
	}
	events, _ := x.Errors(c)
	return events, nil
}

// declaredBefore is an event with the declarations of error that came before it.
func (x *EPCIS) declaredBefore(at eventlog.Entry) ([]*epcis.Object, error) {
	found, err := x.log.OfKey(x.ctx, at.Event.GetTenant(), state.DeclarationKey(at.Event.GetId()))
	if err != nil {
		return nil, err
	}
	var events []*epcis.Object
	for _, d := range found {
		if d.Offset < at.Offset && d.Event.GetErrorDeclaration().GetEventId() == at.Event.GetId() {
			made, err := x.declaring(at.Event, d.Event)
			if err != nil {
				return nil, err
			}
			events = append(events, made...)
		}
	}
	return events, nil
}

// get is an event by its id, nil where the log has none.
func (x *EPCIS) get(tenant, id string) (*eventlog.Entry, error) {
	found, err := x.log.Get(x.ctx, tenant, id)
	if errors.Is(err, eventlog.ErrNoEvent) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &found[0], nil
}

// neverHappened are the declarations of error of a departure that a void of the whole shipment says never was, made where the later of the
// two stands in the log.
func (x *EPCIS) neverHappened(at eventlog.Entry) ([]*epcis.Object, error) {
	e := at.Event
	number, site := e.GetShipment().GetNumber(), e.GetSite()
	if void := e.GetShipmentVoid(); void != nil {
		if !wholly(e) {
			return nil, nil
		}
		number = void.GetNumber()
		if site == "" {
			site = void.GetSite()
		}
	}
	if number == "" {
		return nil, nil
	}
	others, err := x.log.OfKey(x.ctx, e.GetTenant(), event.ShipmentKey(site, number))
	if err != nil {
		return nil, err
	}
	var events []*epcis.Object
	for _, o := range others {
		departed, void := o.Event, e
		if e.GetShipment() != nil {
			departed, void = e, o.Event
		}
		if o.Offset >= at.Offset || departed.GetShipment().GetNumber() != number || !wholly(void) {
			continue
		}
		made, _ := x.Errors(epcis.Correction{Event: departed, At: told(void), Reason: "did_not_occur"})
		events = append(events, made...)
	}
	return events, nil
}

// wholly is whether an event says that a whole shipment never left.
func wholly(e *docklinev1.Event) bool {
	return e.GetShipmentVoid().GetDidNotOccur() && len(e.GetShipmentVoid().GetLines()) == 0
}
