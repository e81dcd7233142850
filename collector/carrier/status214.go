package carrier

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
	"github.com/dockline/dockline/proto/x12"
)

// Reader makes events of what one carrier sends.
type Reader struct {
	Tenant string
	// Source is the carrier's name: part of the ids of its events.
	Source string
	// Zone is where a time is local that says no zone; nil is UTC.
	Zone *time.Location
	// Received is when it came.
	Received time.Time
}

// Refused is a part that could not be taken: a set of an interchange, or all of it.
type Refused struct {
	Fault *Fault
	Raw   string
}

// X12 reads an interchange of 214 sets: one event for each status. A set with anything wrong in it is refused as a whole.
func (r *Reader) X12(text string) (events []*docklinev1.Event, refusals []Refused) {
	outline, err := x12.Check(strings.NewReader(text))
	if err != nil {
		return nil, []Refused{{&Fault{Text: err.Error()}, text}}
	}
	for _, each := range outline.Interchanges {
		if each.Fault != nil {
			return nil, []Refused{{each.Fault, text}} // part of it may be missing: none of it counts
		}
	}
	if outline.Sets() == 0 {
		return nil, []Refused{{outline.Interchanges[0].ISA.Fault(0, "the interchange has no transaction set"), text}}
	}
	for s, err := range x12.Sets(strings.NewReader(text), outline) {
		if err != nil {
			return nil, []Refused{{&Fault{Text: err.Error()}, text}}
		}
		told, f := r.set(s)
		if f != nil {
			refusals = append(refusals, Refused{f, s.Text()})
			continue
		}
		events = append(events, told...)
	}
	return events, refusals
}

// names are what a set calls the goods.
type names struct {
	shipment, tracking, bill, scac string
	units                          []string
}

// set makes one event of each AT7 of a set; what stands behind it up to the next one is about it.
func (r *Reader) set(s *x12.Set) ([]*docklinev1.Event, *Fault) {
	if s.Fault != nil {
		return nil, s.Fault
	}
	if kind := s.ST.Element(1); kind != "214" {
		return nil, s.ST.Fault(1, "is %q: only 214, a carrier's status, is read", kind)
	}
	var of names
	var statuses []*at7
	var eta *timestamppb.Timestamp
	for _, each := range s.Body {
		switch each.Name() {
		case "B10":
			of.tracking, of.shipment, of.scac = cmp.Or(of.tracking, each.Element(1)), each.Element(2), each.Element(3)
		case "L11":
			switch each.Element(2) {
			case "BM":
				of.bill = each.Element(1)
			case "2I", "CN":
				of.tracking = each.Element(1)
			}
		case "MAN":
			if each.Element(1) == "GM" {
				of.units = append(of.units, sscc(each.Element(2)))
			}
		case "G62":
			if each.Element(1) == "17" { // the estimated delivery
				at, f := r.time(each, 2, 4, 5)
				if f != nil {
					return nil, f
				}
				eta = timestamppb.New(at)
			}
		case "AT7":
			a, f := r.at7(each)
			if f != nil {
				return nil, f
			}
			statuses = append(statuses, a)
		case "MS1":
			if len(statuses) > 0 {
				statuses[len(statuses)-1].place = place(each)
			}
		}
	}
	switch {
	case len(statuses) == 0:
		return nil, s.ST.Fault(0, "the set has no status: AT7 is missing")
	case of.shipment == "" && of.tracking == "" && of.bill == "" && len(of.units) == 0:
		return nil, s.ST.Fault(0, "the set names no goods: B10 has neither the carrier's number nor the shipment's")
	}
	told := r.Received
	if at, f := r.time(s.GS, 4, 5, 0); f == nil && at.Before(told) {
		told = at
	}
	var events []*docklinev1.Event
	for _, a := range statuses {
		e := r.event(of, a, told, eta)
		if f := event.Validate(e); f != nil {
			return nil, a.segment.Fault(0, "%s (%s)", f.Text, f.Code)
		}
		events = append(events, e)
	}
	return events, nil
}

// sscc is the number without its application identifier.
func sscc(text string) string {
	if len(text) == 20 {
		return strings.TrimPrefix(text, "00")
	}
	return text
}

// at7 is one status, with the place behind it.
type at7 struct {
	segment      x12.Segment
	status       status
	code, reason string
	at           time.Time
	place        string
}

func (r *Reader) at7(s x12.Segment) (*at7, *Fault) {
	// An appointment has its code and reason in the third and fourth element.
	code, n := s.Element(1), 1
	if code == "" {
		code, n = s.Element(3), 3
	}
	known, ok := statusOf(strings.ToUpper(code))
	switch {
	case code == "":
		return nil, s.Fault(1, "has no status code")
	case !ok:
		return nil, s.Fault(n, "%q is a status code that is not known; have it added, or have the carrier send one of those in docs/carriers.md", code)
	}
	at, f := r.time(s, 5, 6, 7)
	return &at7{segment: s, status: known, code: strings.ToUpper(code), reason: s.Element(n + 1), at: at}, f
}

// place is town, state and country.
func place(s x12.Segment) string {
	var parts []string
	for _, n := range []int{1, 2, 3} {
		if text := s.Element(n); text != "" {
			parts = append(parts, text)
		}
	}
	return strings.Join(parts, ", ")
}

func (r *Reader) event(of names, a *at7, told time.Time, eta *timestamppb.Timestamp) *docklinev1.Event {
	cause := ""
	if a.reason != "" && a.reason != "NS" {
		cause = cmp.Or(reasons[a.reason], "reason "+a.reason)
	}
	occurred := a.at
	if a.status.estimate {
		if occurred = told; a.status.arrival {
			eta = timestamppb.New(a.at)
		}
	}
	n := name{of.shipment, of.tracking, of.bill, of.units, cmp.Or(of.scac, r.Source)}
	e := n.event(a.status.kind, occurred, said{code: a.code, milestone: a.status.word(), place: a.place, cause: cause, eta: eta})
	return r.complete(e, strings.Join([]string{"214", of.shipment, of.tracking, of.bill, strings.Join(of.units, ","), a.code, a.reason, a.at.Format(time.RFC3339), a.place}, "\x00"))
}

// complete gives an event what all of a carrier's have. The same statement sent again, in whatever envelope, is the same event.
func (r *Reader) complete(e *docklinev1.Event, statement string) *docklinev1.Event {
	sum := sha256.Sum256([]byte(statement))
	e.Tenant, e.Source, e.CapturedAt = r.Tenant, r.Source, timestamppb.New(r.Received)
	e.SourceKey, e.SourceRevision = "status/"+hex.EncodeToString(sum[:16]), "1"
	e.Id = event.ID(event.Cause{Tenant: e.Tenant, Source: e.Source, SourceKey: e.SourceKey, Revision: e.SourceRevision, Kind: event.KindName(e.Kind)})
	e.Traceparent = event.TraceparentOf(e)
	return e
}

// File reads an interchange that came in a file: nobody can be answered, so what is refused becomes a letter.
func (r *Reader) File(text, file string) (events, letters []*docklinev1.Event) {
	events, refusals := r.X12(text)
	for _, each := range refusals {
		letters = append(letters, r.Letter(file, each))
	}
	return events, letters
}

// Letter keeps what was refused whole, where nobody can be answered.
func (r *Reader) Letter(file string, refused Refused) *docklinev1.Event {
	raw := []byte(strings.ToValidUTF8(refused.Raw, "\ufffd"))
	const most = 128 << 10 // an event has no room for more
	raw = raw[:min(len(raw), most)]
	sum := sha256.Sum256([]byte(refused.Raw + "\x00" + refused.Fault.Error()))
	e := &docklinev1.Event{Tenant: r.Tenant, Source: r.Source, Kind: docklinev1.EventKind_EVENT_KIND_RECORD_REFUSED, OccurredAt: timestamppb.New(r.Received), CapturedAt: timestamppb.New(r.Received),
		SourceKey: "refused/" + hex.EncodeToString(sum[:16]), Payload: &docklinev1.Event_DeadLetter{DeadLetter: &docklinev1.DeadLetter{Class: docklinev1.FaultClass_FAULT_CLASS_DATA,
			Code: CodeRefused, Text: refused.Fault.Error(), File: file, Line: uint32(refused.Fault.Segment), Column: refused.Fault.Element, Raw: raw}}}
	e.ContentHash = sum[:]
	e.Id = event.ID(event.Cause{Tenant: e.Tenant, Source: e.Source, SourceKey: e.SourceKey, ContentHash: e.ContentHash, Kind: event.KindName(e.Kind)})
	return e
}

// CodeRefused is that of a carrier's message that cannot be taken.
const CodeRefused = "carrier_message"

// zones are the fixed zones of AT707 (X12 data element 623) by hours from UTC.
var zones = map[string]int{"UT": 0, "GM": 0, "ES": -5, "ED": -4, "CS": -6, "CD": -5, "MS": -7, "MD": -6, "PS": -8, "PD": -7, "AS": -9, "AD": -8, "HS": -10}

// time reads a day, and a time with its zone where there are some: local time is the carrier's zone.
func (r *Reader) time(s x12.Segment, date, clock, zone int) (time.Time, *Fault) {
	day := s.Element(date)
	if len(day) == 6 {
		day = "20" + day
	}
	in := r.Zone
	if in == nil {
		in = time.UTC
	}
	if zone > 0 {
		switch code := s.Element(zone); code {
		case "", "LT":
		default:
			hours, known := zones[code]
			if !known {
				return time.Time{}, s.Fault(zone, "%q is a time zone that is not known; LT (local) and UT are", code)
			}
			in = time.FixedZone(code, hours*3600)
		}
	}
	text, form := day, "20060102"
	if c := s.Element(clock); c != "" {
		switch len(c) {
		case 4:
			form += "1504"
		case 6, 7, 8: // tenths and hundredths of a second do not matter
			c, form = c[:6], form+"150405"
		default:
			return time.Time{}, s.Fault(clock, "%q is no time: HHMM, or HHMMSS", c)
		}
		text += c
	}
	at, err := time.ParseInLocation(form, text, in)
	if err != nil {
		return time.Time{}, s.Fault(date, "%q with %q is no moment: CCYYMMDD, and HHMM", s.Element(date), s.Element(clock))
	}
	return at.UTC(), nil
}
