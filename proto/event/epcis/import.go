package epcis

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// Importer makes Dockline's events of EPCIS events. What Dockline wrote itself comes back as it was; what others wrote is understood by its
// standard fields; the rest becomes a record.refused that keeps it and says why. It is for one goroutine.
type Importer struct {
	// Tenant is whose events they become, and how his sites are known.
	Tenant *Tenant
	// Source is the name under which others' events are told, part of their ids: choose it once.
	Source string
	// File is the document's name, for people.
	File string
	// Received is when the document came.
	Received time.Time

	waiting []*partial
}

// maxWaiting is how many events may wait for their other parts.
const maxWaiting = 256

// partial is an event of Dockline's of which not all parts have come.
type partial struct {
	id    string
	event *docklinev1.Event
	lines map[int]*docklinev1.Line
	came  map[int]bool
	parts int
	first *Captured
}

// fault says what is wrong with an event, and in which of its fields.
type fault struct{ code, field, text string }

func (f *fault) Error() string { return f.field + ": " + f.text }

func wrong(code, field, format string, args ...any) *fault {
	return &fault{code, field, fmt.Sprintf(format, args...)}
}

// Take makes of one EPCIS event what it tells: no event while other parts of it are to come, two where it also declares an error.
func (im *Importer) Take(c *Captured) []*docklinev1.Event {
	if c.Flaw != "" {
		return im.refuse(c, wrong("epcis_form", "", "%s", c.Flaw))
	}
	context := c.Context.with(c.Event.Get("@context"))
	if own := object(context.find(c.Event, "event")); own != nil {
		return im.own(c, own, context)
	}
	e, f := im.understand(c, context)
	if f != nil {
		return im.refuse(c, f)
	}
	events := []*docklinev1.Event{e}
	if declared := object(c.Event.Get("errorDeclaration")); declared != nil {
		correction, f := im.declaration(c, e, declared)
		if f != nil {
			return append(events, im.refuse(c, f)...)
		}
		events = append(events, correction)
	}
	return events
}

// Close gives back as refused what other parts never came of.
func (im *Importer) Close() []*docklinev1.Event {
	var events []*docklinev1.Event
	for _, p := range im.waiting {
		events = append(events, im.missing(p)...)
	}
	im.waiting = nil
	return events
}

func (im *Importer) missing(p *partial) []*docklinev1.Event {
	return im.refuse(p.first, wrong("epcis_part_missing", Prefix+":event", "only %d of the %d parts of event %s came; import a document that has them all", len(p.came), p.parts, p.id))
}

// own takes back what Dockline wrote. Its id proves that nothing was changed.
func (im *Importer) own(c *Captured, own *Object, context Context) []*docklinev1.Event {
	id := text(c.Event.Get("eventID"))
	if !Matches(id, c.Event, c.Context, c.Ignore...) {
		return im.refuse(c, wrong("epcis_changed", "eventID",
			"the event says something else than when Dockline wrote it, or its id was changed; take %s:event out to have it read by its standard fields", Prefix))
	}
	if told, _ := context.find(own, "told").(bool); told {
		return nil // another event has it all
	}
	e, numbers, part, parts, err := im.readEvent(c.Event, own, context)
	if err != nil {
		return im.refuse(c, wrong("epcis_own", Prefix+":event", "%v", err))
	}
	var events []*docklinev1.Event
	if parts > 1 {
		if events = im.join(c, e, numbers, part, parts); events == nil && part > 1 {
			return nil
		}
	} else {
		events = []*docklinev1.Event{e}
	}
	for i, e := range events {
		// The hash is no signature: whoever writes the event can compute it.
		if f := event.Validate(e); f != nil && e.GetDeadLetter() == nil {
			events[i] = im.refuse(c, wrong("epcis_own", Prefix+":event", "as %s it is not valid: %s", event.KindName(e.GetKind()), f.Text))[0]
		}
	}
	declared := object(c.Event.Get("errorDeclaration"))
	if implied, _ := context.find(declared, "implied").(bool); declared == nil || implied || part > 1 {
		return events // another event says so by itself
	}
	correction, f := im.ownDeclaration(c, e, declared, context)
	if f != nil {
		return append(events, im.refuse(c, f)...)
	}
	return append(events, correction)
}

// readEvent reads own:event. Tenants that are not this one's own are none of ours: their facts must not come back under their ids.
func (im *Importer) readEvent(o, own *Object, context Context) (e *docklinev1.Event, numbers []int, part, parts int, err error) {
	rest := &Object{}
	e = &docklinev1.Event{}
	part, parts = 1, 1
	for _, m := range own.all() {
		switch strings.TrimPrefix(context.key(m.name), "{"+Namespace+"}") {
		case "kind":
			kind, ok := event.ParseKind(text(m.value))
			if !ok || !HasForm(kind) {
				return nil, nil, 0, 0, fmt.Errorf("kind %q is none that EPCIS has a form for; a newer version wrote it", text(m.value))
			}
			e.Kind = kind
		case "part":
			part = whole(m.value)
		case "parts":
			parts = whole(m.value)
		case "lineNumbers":
			for _, n := range list(m.value) {
				numbers = append(numbers, whole(n))
			}
		default:
			rest.Set(m.name, m.value)
		}
	}
	if err := readOwn(rest, context, e, "event"); err != nil {
		return nil, nil, 0, 0, err
	}
	switch {
	case e.GetTenant() != im.Tenant.Name:
		return nil, nil, 0, 0, fmt.Errorf("it is of tenant %q and not of %q", e.GetTenant(), im.Tenant.Name)
	case parts < 1 || part < 1 || part > parts || parts > 10_000 || parts > 1 && slices.ContainsFunc(numbers, func(n int) bool { return n < 0 }):
		return nil, nil, 0, 0, fmt.Errorf("part %d of %d is none", part, parts)
	}
	occurred, f := im.times(o, e)
	if f != nil {
		return nil, nil, 0, 0, f
	}
	e.OccurredAt = occurred
	return e, numbers, part, parts, nil
}

func whole(v any) int {
	n, ok := v.(json.Number)
	if !ok {
		return -1
	}
	i, err := n.Int64()
	if err != nil || i > 1<<20 {
		return -1
	}
	return int(i)
}

// join puts the parts of an event together; nil while some are missing.
func (im *Importer) join(c *Captured, e *docklinev1.Event, numbers []int, part, parts int) []*docklinev1.Event {
	var refused []*docklinev1.Event
	at := slices.IndexFunc(im.waiting, func(p *partial) bool { return p.id == e.GetId() })
	if at < 0 {
		if len(im.waiting) == maxWaiting {
			refused = im.missing(im.waiting[0])
			im.waiting = im.waiting[1:]
		}
		at = len(im.waiting)
		im.waiting = append(im.waiting, &partial{id: e.GetId(), event: e, lines: map[int]*docklinev1.Line{}, came: map[int]bool{}, parts: parts, first: c})
	}
	p := im.waiting[at]
	lines := event.Lines(e)
	if len(lines) != len(numbers) {
		return append(refused, im.refuse(c, wrong("epcis_own", Prefix+":event", "it has %d lines and numbers %d", len(lines), len(numbers)))...)
	}
	p.came[part] = true
	for i, n := range numbers {
		p.lines[n] = lines[i]
	}
	if len(p.came) < p.parts {
		return refused
	}
	im.waiting = slices.Delete(im.waiting, at, at+1)
	var all []*docklinev1.Line
	for n := range len(p.lines) {
		if p.lines[n] == nil {
			return append(refused, im.refuse(c, wrong("epcis_own", Prefix+":event", "line %d of event %s is in none of its parts", n, p.id))...)
		}
		all = append(all, p.lines[n])
	}
	return append(refused, proto.CloneOf(event.WithLines(p.event, all)))
}

// times reads when an event happened, and sets when it was taken down.
func (im *Importer) times(o *Object, e *docklinev1.Event) (*timestamppb.Timestamp, *fault) {
	at, err := parseTime(text(o.Get("eventTime")))
	if err != nil {
		return nil, wrong("epcis_time", "eventTime", "%q is no time such as 2026-11-26T08:00:00.000+01:00", text(o.Get("eventTime")))
	}
	taken, err := parseTime(text(o.Get("recordTime")))
	if err != nil {
		taken = im.Received
	}
	e.CapturedAt = timestamppb.New(taken.UTC())
	return timestamppb.New(at.UTC()), nil
}

// ImportedID is the id that another's event gets: it follows from its EPCIS id alone, so that a declaration of error can name what corrects it.
func ImportedID(tenant, source, eventID string) string {
	return event.WorldwideID(tenant, source, eventID)
}

// IsOwn is whether an event says that a Dockline wrote it.
func IsOwn(c *Captured) bool {
	context := c.Context.with(c.Event.Get("@context"))
	return object(context.find(c.Event, "event")) != nil
}

// Refuse keeps an event that whoever brings it cannot take, for a reason of his own: field is the one that says why, "" is the whole.
func (im *Importer) Refuse(c *Captured, code, field, text string) *docklinev1.Event {
	return im.refuse(c, &fault{code, field, text})[0]
}

// maxRaw is how much of a refused event is kept: a Dockline event has no room for more.
const maxRaw = 128 << 10

// undated is when a refused event happened that does not say so: the same whenever it is brought, so that it is kept once.
var undated = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// refuse keeps an event that cannot become one of ours.
func (im *Importer) refuse(c *Captured, f *fault) []*docklinev1.Event {
	raw, err := json.Marshal(c.Event)
	if err != nil {
		raw = fmt.Appendf(nil, "%v", err)
	}
	e := &docklinev1.Event{Tenant: im.Tenant.Name, Source: im.Source, Kind: docklinev1.EventKind_EVENT_KIND_RECORD_REFUSED, SourceKey: im.key(c),
		CapturedAt: timestamppb.New(im.Received.UTC())}
	at, err := parseTime(text(c.Event.Get("eventTime")))
	if err != nil || at.Year() < 1990 || at.After(im.Received) {
		at = undated
	}
	e.OccurredAt = timestamppb.New(at.UTC())
	where := firstOf(c.Where, "the event")
	if f.field != "" {
		where += "." + f.field
	}
	letter := &docklinev1.DeadLetter{Class: docklinev1.FaultClass_FAULT_CLASS_DATA, Code: f.code, Text: where + ": " + f.text, File: im.File, Column: c.Where, Raw: raw}
	if len(raw) > maxRaw {
		letter.Raw = raw[:maxRaw]
		letter.Text += fmt.Sprintf(" (of its %d bytes the first %d are kept)", len(raw), maxRaw)
	}
	e.Payload = &docklinev1.Event_DeadLetter{DeadLetter: letter}
	// What it says and where it stood is part of the id: the same event refused for two reasons, or at two places, is no contradiction.
	said := sha256.Sum256(fmt.Appendf(slices.Clip(raw), "\x00%s\x00%d", letter.Text, at.UnixNano()))
	e.ContentHash = said[:]
	e.Id = event.ID(event.Cause{Tenant: e.Tenant, Source: e.Source, SourceKey: e.SourceKey, ContentHash: e.ContentHash, Kind: event.KindName(e.Kind)})
	return []*docklinev1.Event{e}
}

// Differs keeps an event that the log has under the same id with another content.
func (im *Importer) Differs(e *docklinev1.Event) *docklinev1.Event {
	body, err := proto.MarshalOptions{Deterministic: true}.Marshal(e)
	if err != nil {
		body = fmt.Appendf(nil, "%v", err)
	}
	f := wrong("epcis_differs", "", "the event log has event %s with another content, which stays; find out which of them is right", e.GetId())
	key := "differs " + hex.EncodeToString(event.BodyHash(e))
	return &docklinev1.Event{Tenant: e.GetTenant(), Source: im.Source, Kind: docklinev1.EventKind_EVENT_KIND_RECORD_REFUSED, Subject: e.GetSubject(), SourceKey: key,
		Id: ImportedID(e.GetTenant(), im.Source, key), OccurredAt: e.GetOccurredAt(), CapturedAt: timestamppb.New(im.Received.UTC()),
		Payload: &docklinev1.Event_DeadLetter{DeadLetter: &docklinev1.DeadLetter{Class: docklinev1.FaultClass_FAULT_CLASS_DATA, Code: f.code,
			Text: event.KindName(e.GetKind()) + " " + e.GetSubject() + ": " + f.text, File: im.File, RefusedEvent: body}}}
}

// key is the EPCIS id of an event, or the hash of what it says where it has none.
func (im *Importer) key(c *Captured) string {
	if id := firstOf(text(c.Event.Get("eventID")), text(c.Event.Get("id"))); id != "" && len(id) <= event.MaxSourceKeyBytes {
		return id
	}
	return EventHash(c.Event, c.Context, c.Ignore...)
}
