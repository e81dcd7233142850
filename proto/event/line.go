package event

import (
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

var payloadField = (&docklinev1.Event{}).ProtoReflect().Descriptor().Oneofs().ByName("payload")

// Payload is what the event says, nil where it says nothing.
func Payload(e *docklinev1.Event) proto.Message {
	r := e.ProtoReflect()
	field := r.WhichOneof(payloadField)
	if field == nil {
		return nil
	}
	return r.Get(field).Message().Interface()
}

// Lines is the lines of an event's payload, whatever its kind. Those of a transformation are what went into it.
func Lines(e *docklinev1.Event) []*docklinev1.Line {
	if p, ok := Payload(e).(interface{ GetLines() []*docklinev1.Line }); ok {
		return p.GetLines()
	}
	return nil
}

// WithLines is a copy of e with other lines; e itself where its kind has none. It shares everything else with e, so neither may be changed.
func WithLines(e *docklinev1.Event, lines []*docklinev1.Line) *docklinev1.Event {
	r := e.ProtoReflect()
	field := r.WhichOneof(payloadField)
	if field == nil {
		return e
	}
	payload := shallow(r.Get(field).Message())
	linesField := payload.Descriptor().Fields().ByName("lines")
	if linesField == nil {
		return e
	}
	payload.Clear(linesField)
	if len(lines) > 0 {
		list := payload.NewField(linesField).List()
		for _, line := range lines {
			list.Append(protoreflect.ValueOfMessage(line.ProtoReflect()))
		}
		payload.Set(linesField, protoreflect.ValueOfList(list))
	}
	part := shallow(r)
	part.Set(field, protoreflect.ValueOfMessage(payload))
	return part.Interface().(*docklinev1.Event)
}

func shallow(from protoreflect.Message) protoreflect.Message {
	to := from.New()
	from.Range(func(d protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		to.Set(d, v)
		return true
	})
	return to
}
