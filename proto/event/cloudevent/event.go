package cloudevent

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// Place is where an event stands in the event log. What is zero is not told.
type Place struct {
	Offset    uint64
	Partition string
	// RecordedAt is when the centre took it.
	RecordedAt time.Time
}

const (
	typePrefix = "dockline."
	typeSuffix = ".v1"
)

// TypeOf is the CloudEvents type of a kind: "dockline.pick.confirmed.v1".
func TypeOf(k docklinev1.EventKind) string { return typePrefix + event.KindName(k) + typeSuffix }

// SchemaID names the JSON Schema of a kind's data.
func SchemaID(k docklinev1.EventKind) string {
	return "urn:dockline:schema:" + event.KindName(k) + ":v1"
}

// SourceOf is who tells: "/t/acme/s/dc-east/p/wms", and of a system at the centre, which is at no site, "/t/acme/p/tryton".
func SourceOf(e *docklinev1.Event) string {
	source := "/t/" + url.PathEscape(e.GetTenant())
	if e.GetSite() != "" {
		source += "/s/" + url.PathEscape(e.GetSite())
	}
	return source + "/p/" + url.PathEscape(e.GetSource())
}

// Of is an event of ours as a CloudEvent. What attributes tell is not repeated in the data, which is the rest of the event as JSON with the
// names of the schema.
func Of(e *docklinev1.Event, at Place) (*Event, error) {
	if event.KindName(e.GetKind()) == "" {
		return nil, fmt.Errorf("kind %d is not known to this version", e.GetKind())
	}
	rest := proto.CloneOf(e)
	made := &Event{Attributes: map[string]string{SpecVersion: version, Type: TypeOf(e.GetKind()), Source: SourceOf(e), DataContentType: contentJSON, DataSchema: SchemaID(e.GetKind())}}
	rest.Kind, rest.Tenant, rest.Site, rest.Source = 0, "", "", ""
	// A text that no attribute may hold stays in the data.
	for _, text := range []struct {
		name string
		from *string
	}{{ID, &rest.Id}, {Subject, &rest.Subject}, {CorrelationID, &rest.CorrelationId}, {CausationID, &rest.CausationId}, {Traceparent, &rest.Traceparent}} {
		if *text.from != "" && IsString(*text.from) {
			made.Attributes[text.name], *text.from = *text.from, ""
		}
	}
	if e.GetOccurredAt() != nil {
		made.Attributes[Time], rest.OccurredAt = stamp(e.GetOccurredAt().AsTime()), nil
	}
	if at.Offset > 0 {
		made.Attributes[Sequence] = fmt.Sprintf("%020d", at.Offset)
	}
	if at.Partition != "" && IsString(at.Partition) {
		made.Attributes[PartitionKey] = at.Partition
	}
	if !at.RecordedAt.IsZero() {
		made.Attributes[RecordedTime] = stamp(at.RecordedAt)
	}
	body, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(rest)
	if err != nil {
		return nil, err
	}
	var plain bytes.Buffer // protojson puts blanks as it likes
	if err := json.Compact(&plain, body); err != nil {
		return nil, err
	}
	made.Data = plain.Bytes()
	return made, made.Check()
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// Dockline is the event of ours that a CloudEvent tells, as Of made it. Fields that this version does not know are left out.
func (e *Event) Dockline() (*docklinev1.Event, Place, error) {
	var at Place
	made := &docklinev1.Event{}
	name, ours := strings.CutPrefix(e.Attributes[Type], typePrefix)
	name, versioned := strings.CutSuffix(name, typeSuffix)
	kind, known := event.ParseKind(name)
	if !ours || !versioned || !known {
		return nil, at, formError("type %q is none of Dockline's, which are like %s", e.Attributes[Type], TypeOf(docklinev1.EventKind_EVENT_KIND_PICK_CONFIRMED))
	}
	if !e.holdsJSON() {
		return nil, at, formError("the data is %s, not JSON", e.Attributes[DataContentType])
	}
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(e.Data, made); err != nil {
		return nil, at, formError("data: %v", err)
	}
	made.Kind = kind
	if err := takeSource(made, e.Attributes[Source]); err != nil {
		return nil, at, err
	}
	for _, text := range []struct {
		name string
		to   *string
	}{{ID, &made.Id}, {Subject, &made.Subject}, {CorrelationID, &made.CorrelationId}, {CausationID, &made.CausationId}, {Traceparent, &made.Traceparent}} {
		if value := e.Attributes[text.name]; value != "" {
			*text.to = value
		}
	}
	if text := e.Attributes[Time]; text != "" {
		t, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			return nil, at, formError("time: %v", err)
		}
		made.OccurredAt = timestamppb.New(t)
	}
	at, err := e.place()
	return made, at, err
}

func (e *Event) place() (at Place, err error) {
	at.Partition = e.Attributes[PartitionKey]
	if text := e.Attributes[Sequence]; text != "" {
		if at.Offset, err = strconv.ParseUint(text, 10, 64); err != nil {
			return at, formError("sequence %q is no number", text)
		}
	}
	if text := e.Attributes[RecordedTime]; text != "" {
		if at.RecordedAt, err = time.Parse(time.RFC3339Nano, text); err != nil {
			return at, formError("recordedtime: %v", err)
		}
	}
	return at, nil
}

// takeSource is SourceOf backwards.
func takeSource(e *docklinev1.Event, source string) error {
	parts := strings.Split(source, "/")
	for i, part := range parts {
		text, err := url.PathUnescape(part)
		if err != nil {
			return formError("source %q: %v", source, err)
		}
		parts[i] = text
	}
	switch {
	case len(parts) == 7 && parts[0] == "" && parts[1] == "t" && parts[3] == "s" && parts[5] == "p":
		e.Tenant, e.Site, e.Source = parts[2], parts[4], parts[6]
	case len(parts) == 5 && parts[0] == "" && parts[1] == "t" && parts[3] == "p":
		e.Tenant, e.Site, e.Source = parts[2], "", parts[4]
	default:
		return formError("source %q; it is like /t/acme/s/dc-east/p/wms, or /t/acme/p/tryton", source)
	}
	return nil
}
