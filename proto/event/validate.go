package event

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Limits of one event. Codes are bounded so that every key made of them fits into a database index.
const (
	// MaxEventBytes is the size of a serialised event.
	MaxEventBytes = 256 << 10
	// MaxCodeBytes bounds item, lot, bin, order number and the like.
	MaxCodeBytes = 128
	// MaxSubjectBytes and MaxSourceKeyBytes bound keys that may be joined from several columns.
	MaxSubjectBytes   = 256
	MaxSourceKeyBytes = 512
	// MaxQuantity, in units, is more than any dock moves at once; a scanned article number in the quantity field is beyond it.
	MaxQuantity = 1_000_000_000
	// maxAhead is how far a source's clock may be ahead of the agent's.
	maxAhead = 24 * time.Hour
)

var earliest = time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC)

// Fault says why something cannot be taken as a business event.
type Fault struct {
	Class docklinev1.FaultClass
	// Code is a stable short name: "quantity_format".
	Code string
	// Text is one sentence for a person: what is wrong and what to do.
	Text string
}

func (f *Fault) Error() string { return f.Code + ": " + f.Text }

func dataFault(code, format string, args ...any) *Fault {
	return &Fault{Class: docklinev1.FaultClass_FAULT_CLASS_DATA, Code: code, Text: fmt.Sprintf(format, args...)}
}

// tooLarge says what can be done: an order that a system of record tells of cannot be split by who tells of it.
func tooLarge(e *docklinev1.Event, size int) *Fault {
	if n := len(e.GetOrder().GetLines()); n > 0 {
		return dataFault("event_too_large", "order %s has %d lines and %d bytes, %d bytes are allowed, which are some %d such lines: divide it there into orders of fewer lines; Dockline follows none of it until then",
			e.GetOrder().GetNumber(), n, size, MaxEventBytes, max(1, n*MaxEventBytes/size))
	}
	return dataFault("event_too_large", "the event has %d bytes, %d are allowed; split the record", size, MaxEventBytes)
}

// Validate holds an event against what its kind requires and returns the first fault, or nil. Codes are not looked up: whether
// an item or an order exists is for the centre to say. It needs none of the fields that the host fills.
func Validate(e *docklinev1.Event) *Fault { return ValidateDecoded(e, nil) }

// ValidateDecoded is Validate, and much quicker, for an event that was decoded from data; where that is empty it was not.
func ValidateDecoded(e *docklinev1.Event, data []byte) *Fault {
	size := len(data)
	if size == 0 {
		size = proto.Size(e)
	}
	if size > MaxEventBytes {
		return tooLarge(e, size)
	}
	if KindName(e.Kind) == "" {
		return dataFault("kind_unknown", "event kind %d is not known; name one of the kinds in the mapping", e.Kind)
	}
	if !plainText(e, data) {
		if f := validText(e.ProtoReflect()); f != nil {
			return f
		}
	}
	if f := validHead(e); f != nil {
		return f
	}
	if f := validCustom(e); f != nil {
		return f
	}
	return validPayload(e)
}

func validHead(e *docklinev1.Event) *Fault {
	if e.Subject == "" && needsSubject(e.Kind) {
		return dataFault("subject_missing", "the event names no order, shipment, return or count; map its number to subject")
	}
	if len(e.Subject) > MaxSubjectBytes {
		return dataFault("code_too_long", "subject has %d bytes, %d are allowed", len(e.Subject), MaxSubjectBytes)
	}
	if len(e.SourceKey) > MaxSourceKeyBytes || len(e.SourceRevision) > MaxSubjectBytes {
		return dataFault("code_too_long", "source_key or source_revision is longer than %d or %d bytes; name fewer key columns", MaxSourceKeyBytes, MaxSubjectBytes)
	}
	if e.OccurredAt == nil {
		return dataFault("time_missing", "the event says no time at which it happened; map a date column to occurred_at")
	}
	if e.OccurredAt.CheckValid() != nil || e.OccurredAt.AsTime().Before(earliest) {
		return dataFault("time_implausible", "occurred_at is not a plausible time; check the date format")
	}
	if e.CapturedAt != nil && e.OccurredAt.AsTime().After(e.CapturedAt.AsTime().Add(maxAhead)) {
		return dataFault("time_in_future", "occurred_at %s is more than a day after it was captured; check the date format and the source's clock",
			e.OccurredAt.AsTime().Format(time.RFC3339))
	}
	return nil
}

// needsSubject: what is told of the machinery may have nothing that a person would name, and a book is a site's whole.
func needsSubject(k docklinev1.EventKind) bool {
	_, machine := machineRules[k]
	return !machine && k != docklinev1.EventKind_EVENT_KIND_STOCK_SNAPSHOT
}

// plainText says of an event that was decoded from data that validText would find nothing, without looking at each field: the decoder
// takes no text that is not UTF-8, a zero character would be a zero byte, and there are no times but those of the head, of
// lines and a shipment's cut-off. It need not see all that is well.
func plainText(e *docklinev1.Event, data []byte) bool {
	if len(data) == 0 || bytes.Count(data, zero) != bytes.Count(e.ContentHash, zero) || e.CapturedAt != nil && e.CapturedAt.CheckValid() != nil {
		return false
	}
	switch p := e.Payload.(type) {
	case *docklinev1.Event_Shipment:
		if p.Shipment.GetCarrierCutoff() != nil && p.Shipment.CarrierCutoff.CheckValid() != nil {
			return false
		}
	case *docklinev1.Event_Pick, *docklinev1.Event_Pack, *docklinev1.Event_Count:
	default:
		return false
	}
	return !slices.ContainsFunc(Lines(e), func(l *docklinev1.Line) bool { return l.ExpiresAt != nil && l.ExpiresAt.CheckValid() != nil })
}

var zero = []byte{0}

// validText refuses strings and times that a database cannot keep; one of them would come back as a fault for ever. It is asked of every
// event on its way, so names are put together only where there is a fault to tell of.
func validText(m protoreflect.Message) *Fault {
	where, format := badText(m)
	if format == "" {
		return nil
	}
	code := "text_encoding"
	switch format {
	case zeroCharacter:
		code = "text_control"
	case badTime:
		code = "time_implausible"
	}
	return dataFault(code, format, where)
}

const (
	notUTF8       = "%s is not valid UTF-8; check the encoding of the source"
	zeroCharacter = "%s holds a zero character; check the encoding of the source"
	badTime       = "%s is not a plausible time; check the date format"
)

// badText finds the first field that cannot be kept, and what is wrong with it; "" where all can.
func badText(m protoreflect.Message) (where, format string) {
	if stamp, ok := m.Interface().(*timestamppb.Timestamp); ok {
		if stamp.CheckValid() != nil {
			return "", badTime
		}
		return "", ""
	}
	m.Range(func(d protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch kind := d.Kind(); {
		case d.IsMap() || kind != protoreflect.StringKind && kind != protoreflect.MessageKind:
		case d.IsList():
			for i, list := 0, v.List(); i < list.Len() && format == ""; i++ {
				if kind == protoreflect.StringKind {
					format = badString(list.Get(i).String())
				} else if where, format = badText(list.Get(i).Message()); format != "" {
					where = fmt.Sprintf("[%d].%s", i, where)
				}
			}
		case kind == protoreflect.StringKind:
			format = badString(v.String())
		default:
			if where, format = badText(v.Message()); format != "" && where != "" {
				where = "." + where
			}
		}
		if format != "" {
			where = string(d.Name()) + where
		}
		return format == ""
	})
	return where, format
}

func badString(s string) (format string) {
	switch {
	case !utf8.ValidString(s):
		return notUTF8
	case strings.IndexByte(s, 0) >= 0:
		return zeroCharacter
	}
	return ""
}
