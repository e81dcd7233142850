// Package cloudevent is the form in which events leave the house: CloudEvents 1.0, in structured JSON and as headers with a body, both ways.
// Section numbers are those of the CloudEvents specification.
package cloudevent

import (
	"errors"
	"fmt"
	"mime"
	"strings"
	"time"
	"unicode/utf8"
)

// ErrForm is what every fault of a decoder wraps: these bytes are no CloudEvent of version 1.0.
var ErrForm = errors.New("not a CloudEvent")

func formError(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrForm, fmt.Sprintf(format, args...))
}

// Names of attributes; those behind DataSchema are extensions.
const (
	SpecVersion     = "specversion"
	ID              = "id"
	Source          = "source"
	Type            = "type"
	Subject         = "subject"
	Time            = "time"
	DataContentType = "datacontenttype"
	DataSchema      = "dataschema"
	CorrelationID   = "correlationid"
	CausationID     = "causationid"
	PartitionKey    = "partitionkey"
	RecordedTime    = "recordedtime"
	Sequence        = "sequence"
	Traceparent     = "traceparent"
)

// first are the attributes of the specification itself, in the order in which they are written; extensions follow by name.
var first = []string{SpecVersion, ID, Source, Type, Subject, Time, DataContentType, DataSchema}

const (
	version     = "1.0"
	contentJSON = "application/json"
	// ContentType is the media type of one event in its structured form, BatchContentType of an array of them.
	ContentType      = "application/cloudevents+json"
	BatchContentType = "application/cloudevents-batch+json"
)

// Event is any CloudEvent: its attributes by name, each in its canonical string form (section 2.3), and its data.
type Event struct {
	Attributes map[string]string
	// Data is JSON where datacontenttype says so or is absent.
	Data []byte
}

// holdsJSON says whether the data is JSON, by its media type (section 3.1 of the JSON format).
func (e *Event) holdsJSON() bool {
	kind := e.Attributes[DataContentType]
	if kind == "" {
		return true
	}
	media, _, err := mime.ParseMediaType(kind)
	return err == nil && (strings.HasSuffix(media, "/json") || strings.HasSuffix(media, "+json"))
}

// Check holds the attributes against the specification.
func (e *Event) Check() error {
	for _, name := range []string{SpecVersion, ID, Source, Type} {
		if e.Attributes[name] == "" {
			return formError("%s is missing", name)
		}
	}
	if v := e.Attributes[SpecVersion]; v != version {
		return formError("specversion %q; version %s is understood", v, version)
	}
	for name, value := range e.Attributes {
		switch {
		case !isName(name):
			return formError("attribute %q: names have lower-case letters and digits only", name)
		case value == "" && (name == Subject || name == DataContentType || name == DataSchema || name == Time):
			return formError("%s is empty; leave it out", name)
		case !IsString(value):
			return formError("%s holds a control character or is not UTF-8", name)
		}
	}
	for _, name := range []string{Time, RecordedTime} {
		if text, ok := e.Attributes[name]; ok {
			if _, err := time.Parse(time.RFC3339Nano, text); err != nil {
				return formError("%s %q is no time as in 2026-03-01T06:00:00Z", name, text)
			}
		}
	}
	if kind, ok := e.Attributes[DataContentType]; ok {
		if media, _, err := mime.ParseMediaType(kind); err != nil || !strings.Contains(media, "/") {
			return formError("datacontenttype %q is no media type", kind)
		}
	}
	return nil
}

// isName: section 2.2, "MUST consist of lower-case letters or digits".
func isName(name string) bool {
	return name != "" && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789") == ""
}

// IsString says whether a text may be the value of an attribute: section 2.3 keeps control characters and what is no character out.
func IsString(text string) bool {
	if !utf8.ValidString(text) {
		return false
	}
	for _, r := range text {
		if r < 0x20 || r >= 0x7f && r <= 0x9f || r&0xfffe == 0xfffe || r >= 0xfdd0 && r <= 0xfdef {
			return false
		}
	}
	return true
}
