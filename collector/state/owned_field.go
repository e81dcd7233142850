package state

import (
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/reflect/protoreflect"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// field is one field of a payload, or of each of its lines.
type field struct {
	payload protoreflect.Message
	// lines is the list that it is of, nil where it is of the payload itself.
	lines, own protoreflect.FieldDescriptor
}

// value is what a field holds.
type value struct {
	of protoreflect.FieldDescriptor
	is protoreflect.Value
}

// fieldOf finds a field by its name within its object: "ship_to", "lines.unit_price".
func fieldOf(e *docklinev1.Event, name string) field {
	payload := event.Payload(e)
	if payload == nil {
		return field{}
	}
	f := field{payload: payload.ProtoReflect()}
	list, of, isLines := strings.Cut(name, ".")
	f.own = f.payload.Descriptor().Fields().ByName(protoreflect.Name(list))
	if isLines && f.own != nil {
		f.lines, f.own = f.own, f.own.Message().Fields().ByName(protoreflect.Name(of))
	}
	return f
}

// each calls for every message that has the field: the payload, or each of its lines with its number.
func (f field) each(look func(line string, m protoreflect.Message)) {
	switch {
	case f.payload == nil || f.own == nil:
	case f.lines == nil:
		look("", f.payload)
	default:
		list := f.payload.Get(f.lines).List()
		for i := range list.Len() {
			m := list.Get(i).Message()
			look(lineNumber(i, m.Interface().(*docklinev1.Line)), m)
		}
	}
}

// get is what it holds, of a line where it is a line's.
func (f field) get(line string) (v value) {
	f.each(func(number string, m protoreflect.Message) {
		if number == line && m.Has(f.own) && !v.told() {
			v = value{f.own, m.Get(f.own)}
		}
	})
	return v
}

// places are the numbers of the lines that it is of, each once; "" where it is of the payload itself.
func (f field) places() (lines []string) {
	f.each(func(line string, _ protoreflect.Message) {
		if !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	})
	return lines
}

// text is what it holds for people: a line may be there several times.
func (f field) text(line string) string {
	var texts []string
	f.each(func(number string, m protoreflect.Message) {
		if number == line && m.Has(f.own) {
			texts = append(texts, value{f.own, m.Get(f.own)}.text())
		}
	})
	return strings.Join(texts, " + ")
}

func (f field) clear() {
	f.each(func(_ string, m protoreflect.Message) { m.Clear(f.own) })
}

// set gives every place the value that is found for it, or none.
func (f field) set(find func(line string) (value, bool)) {
	f.each(func(line string, m protoreflect.Message) {
		if v, ok := find(line); ok {
			m.Set(f.own, v.is)
		} else {
			m.Clear(f.own)
		}
	})
}

// carries tells whether a fact holds any of some fields.
func carries(e *docklinev1.Event, names map[string]bool) bool {
	for name := range names {
		held := false
		f := fieldOf(e, name)
		f.each(func(_ string, m protoreflect.Message) { held = held || m.Has(f.own) })
		if held {
			return true
		}
	}
	return false
}

func (v value) told() bool { return v.of != nil }

// text is a value for people, the same for values that mean the same.
func (v value) text() string {
	if v.of == nil {
		return ""
	}
	if !v.of.IsList() {
		return scalarText(v.of, v.is)
	}
	var parts []string
	for i := range v.is.List().Len() {
		parts = append(parts, scalarText(v.of, v.is.List().Get(i)))
	}
	return strings.Join(parts, " | ")
}

func scalarText(d protoreflect.FieldDescriptor, v protoreflect.Value) string {
	if d.Message() == nil {
		return v.String()
	}
	switch m := v.Message().Interface().(type) {
	case *docklinev1.Quantity:
		return quantityText(m)
	case *docklinev1.Verdict:
		return strings.TrimSpace(m.GetCheck() + " " + m.GetOutcome() + " " + m.GetReason())
	case interface{ AsTime() time.Time }:
		return m.AsTime().Format(time.RFC3339)
	default:
		return prototext.MarshalOptions{}.Format(m)
	}
}

func quantityText(q *docklinev1.Quantity) string {
	number := q.GetValue()
	if n, err := event.ParseQuantity(number); err == nil {
		number = event.FormatQuantity(n)
	}
	return strings.TrimSpace(number + " " + q.GetUnit())
}
