package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"

	"google.golang.org/protobuf/reflect/protoreflect"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// stateFile has the messages of states: their signed numbers of 64 bits are quantities, kept in millionths of the base unit.
var stateFile = docklinev1.File_dockline_v1_state_proto.Path()

// inUnits writes the quantities of states within a message's JSON form as decimal numbers, and leaves the rest, and its order, as it is.
func inUnits(text []byte, of protoreflect.MessageDescriptor) ([]byte, error) {
	if of.ParentFile().Path() != stateFile {
		return text, nil
	}
	w := unitWriter{in: json.NewDecoder(bytes.NewReader(text))}
	w.in.UseNumber()
	if err := w.value(of, nil); err != nil {
		return nil, fmt.Errorf("%s as JSON: %w", of.FullName(), err)
	}
	return w.out.Bytes(), nil
}

type unitWriter struct {
	in  *json.Decoder
	out bytes.Buffer
}

// value writes the next value: a message, or what a field of one holds.
func (w *unitWriter) value(of protoreflect.MessageDescriptor, field protoreflect.FieldDescriptor) error {
	token, err := w.in.Token()
	if err != nil {
		return err
	}
	if delimiter, ok := token.(json.Delim); ok {
		return w.within(delimiter, of, field)
	}
	if text, ok := token.(string); ok && field != nil && field.Kind() == protoreflect.Int64Kind && field.ParentFile().Path() == stateFile {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return err
		}
		token = event.FormatQuantity(n)
	}
	return w.write(token)
}

func (w *unitWriter) write(token any) error {
	text, err := json.Marshal(token)
	w.out.Write(text)
	return err
}

// within writes a list or an object to its end.
func (w *unitWriter) within(opened json.Delim, of protoreflect.MessageDescriptor, field protoreflect.FieldDescriptor) error {
	w.out.WriteString(opened.String())
	for first := true; w.in.More(); first = false {
		if !first {
			w.out.WriteByte(',')
		}
		inner, innerOf := field, of
		if opened == '{' {
			name, err := w.in.Token()
			if err != nil {
				return err
			}
			if err := w.write(name); err != nil {
				return err
			}
			w.out.WriteByte(':')
			inner = nil
			if of != nil && !(field != nil && field.IsMap()) {
				inner = of.Fields().ByTextName(fmt.Sprint(name))
			} else if field != nil && field.IsMap() {
				inner = field.MapValue()
			}
			innerOf = nil
			if inner != nil && inner.IsMap() {
				innerOf = inner.MapValue().Message()
			} else if inner != nil {
				innerOf = inner.Message()
			}
		}
		if err := w.value(innerOf, inner); err != nil {
			return err
		}
	}
	closed, err := w.in.Token()
	if err == nil {
		w.out.WriteString(closed.(json.Delim).String())
	}
	return err
}
