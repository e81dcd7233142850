// Package carrier takes what carriers send by themselves: signed webhooks and X12 214 statuses become facts of goods under way. What cannot be taken
// is answered with what is wrong and where, or kept whole where nobody can be answered.
package carrier

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// name is what a carrier calls goods under way.
type name struct {
	shipment, tracking, bill string
	units                    []string
	carrier                  string
}

// said is what it says of them.
type said struct {
	code, milestone, place, cause, claim, signer string
	eta, former                                  *timestamppb.Timestamp
}

// event is a carrier's fact: a proof of delivery, or else where the goods are.
func (n name) event(kind docklinev1.EventKind, at time.Time, s said) *docklinev1.Event {
	e := &docklinev1.Event{Kind: kind, OccurredAt: timestamppb.New(at), Subject: n.subject()}
	if kind == proved {
		e.Payload = &docklinev1.Event_Delivery{Delivery: &docklinev1.Delivery{Shipment: n.shipment, Tracking: n.tracking, BillOfLading: n.bill, HandlingUnits: n.units, Carrier: n.carrier, Place: s.place, Signer: s.signer}}
		return e
	}
	e.Payload = &docklinev1.Event_Transport{Transport: &docklinev1.Transport{Shipment: n.shipment, Tracking: n.tracking, BillOfLading: n.bill, HandlingUnits: n.units, Carrier: n.carrier,
		Code: s.code, Milestone: s.milestone, Place: s.place, Eta: s.eta, FormerEta: s.former, Cause: s.cause, Claim: s.claim}}
	return e
}

func (n name) subject() string {
	for _, text := range append([]string{n.tracking, n.shipment, n.bill}, n.units...) {
		if text != "" {
			return text
		}
	}
	return ""
}

// Message is the JSON that a carrier, or who speaks for it, sends.
type Message struct {
	Statuses []Status `json:"statuses"`
}

// Status is one thing that became of goods. At least one of shipment, tracking, bill_of_lading and handling_units names them.
type Status struct {
	Shipment      string   `json:"shipment"`
	Tracking      string   `json:"tracking"`
	BillOfLading  string   `json:"bill_of_lading"`
	HandlingUnits []string `json:"handling_units"`
	// Status is one of Words. At is when it happened; of "expected" when it was said.
	Status string    `json:"status"`
	At     time.Time `json:"at"`
	Code   string    `json:"code"`
	Place  string    `json:"place"`
	// ETA is the expected arrival.
	ETA    *time.Time `json:"eta"`
	Cause  string     `json:"cause"`
	Claim  string     `json:"claim"`
	Signer string     `json:"signer"`
}

// words are the statuses of JSON messages.
var words = map[string]status{"expected": {kind: milestone}, "booked": {kind: milestone, milestone: "booked"}, "picked_up": {kind: milestone, milestone: "picked_up"}, "departed": {kind: milestone, milestone: "departed"},
	"arrived": {kind: milestone, milestone: "arrived"}, "customs": {kind: milestone, milestone: "customs"}, "out_for_delivery": {kind: milestone, milestone: "out_for_delivery"},
	"delivery_attempted": {kind: milestone, milestone: "delivery_attempted"}, "returning": {kind: milestone, milestone: "returning"}, "returned_to_sender": {kind: milestone, milestone: "returned_to_sender"},
	"delivered": {kind: proved}, "delayed": {kind: delayed}, "refused": {kind: refused}, "lost": {kind: lost}, "damaged": {kind: damaged}}

// JSON reads a message; what is wrong with any of it refuses all of it.
func (r *Reader) JSON(body []byte) ([]*docklinev1.Event, []*Fault) {
	var m Message
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&m); err != nil {
		return nil, []*Fault{{Element: "body", Text: "is not the JSON of docs/carriers.md: " + err.Error()}}
	}
	if len(m.Statuses) == 0 {
		return nil, []*Fault{{Element: "statuses", Text: "is empty; send what became of the goods"}}
	}
	var events []*docklinev1.Event
	var faults []*Fault
	for i, s := range m.Statuses {
		bad := func(field, format string, args ...any) {
			faults = append(faults, &Fault{Element: fmt.Sprintf("statuses[%d].%s", i, field), Text: fmt.Sprintf(format, args...)})
		}
		known, ok := words[s.Status]
		n := name{s.Shipment, s.Tracking, s.BillOfLading, s.HandlingUnits, r.Source}
		switch {
		case !ok:
			bad("status", "%q is none; docs/carriers.md lists them", s.Status)
			continue
		case s.At.IsZero():
			bad("at", "is missing: say when it happened")
			continue
		case n.subject() == "":
			bad("tracking", "is missing, and so are shipment, bill_of_lading and handling_units: say of which goods")
			continue
		case s.Status == "expected" && s.ETA == nil:
			bad("eta", "is missing: say when they are expected")
			continue
		}
		of := said{code: s.Code, milestone: known.milestone, place: s.Place, cause: s.Cause, claim: s.Claim, signer: s.Signer}
		eta := ""
		if s.ETA != nil {
			of.eta, eta = timestamppb.New(*s.ETA), s.ETA.UTC().Format(time.RFC3339Nano)
		}
		e := r.complete(n.event(known.kind, s.At.UTC(), of), strings.Join([]string{"json", s.Shipment, s.Tracking, s.BillOfLading, strings.Join(s.HandlingUnits, ","), s.Status, s.Code,
			s.At.UTC().Format(time.RFC3339Nano), s.Place, eta, s.Cause, s.Claim, s.Signer}, "\x00"))
		if f := event.Validate(e); f != nil {
			bad("status", "%s (%s)", f.Text, f.Code)
			continue
		}
		events = append(events, e)
	}
	if len(faults) > 0 {
		return nil, faults
	}
	return events, nil
}
