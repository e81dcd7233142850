package epcis

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// named is the name of an extension of ours in a document that Dockline writes.
func named(local string) string { return Prefix + ":" + local }

// ownMessage writes a protobuf message as an object whose members are in our namespace. Numbers of 64 bits are strings, as in protobuf's
// own JSON form; times are RFC 3339.
func ownMessage(m protoreflect.Message) *Object {
	o := &Object{}
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		field := fields.Get(i)
		if !m.Has(field) {
			continue
		}
		v := m.Get(field)
		if !field.IsList() {
			o.Set(named(field.JSONName()), ownValue(field, v))
			continue
		}
		var values []any
		for j := range v.List().Len() {
			values = append(values, ownValue(field, v.List().Get(j)))
		}
		o.Set(named(field.JSONName()), values)
	}
	return o
}

func ownValue(field protoreflect.FieldDescriptor, v protoreflect.Value) any {
	switch field.Kind() {
	case protoreflect.MessageKind:
		if stamp, ok := v.Message().Interface().(*timestamppb.Timestamp); ok {
			return stamp.AsTime().Format(time.RFC3339Nano)
		}
		return ownMessage(v.Message())
	case protoreflect.EnumKind:
		if value := field.Enum().Values().ByNumber(v.Enum()); value != nil {
			return string(value.Name())
		}
		return json.Number(strconv.Itoa(int(v.Enum())))
	case protoreflect.BoolKind:
		return v.Bool()
	case protoreflect.BytesKind:
		return base64.StdEncoding.EncodeToString(v.Bytes())
	case protoreflect.Uint32Kind, protoreflect.Int32Kind:
		return json.Number(v.String())
	}
	return v.String()
}

// readOwn reads back what ownMessage wrote. A member that is not of ours, or not known to this version, is a fault: the fact would not be
// the same without it.
func readOwn(o *Object, context Context, into proto.Message, where string) error {
	m := into.ProtoReflect()
	fields := m.Descriptor().Fields()
	for _, member := range o.all() {
		local, ok := strings.CutPrefix(context.key(member.name), "{"+Namespace+"}")
		if !ok {
			return fmt.Errorf("%s: %q is none of Dockline's names", where, member.name)
		}
		field := fields.ByJSONName(local)
		if field == nil {
			return fmt.Errorf("%s: %q is not known to this version; a newer one wrote it", where, member.name)
		}
		at := where + "." + local
		if !field.IsList() {
			v, err := readOwnValue(field, m.NewField(field), member.value, context, at)
			if err != nil {
				return err
			}
			m.Set(field, v)
			continue
		}
		values, isList := member.value.([]any)
		if !isList {
			return fmt.Errorf("%s: it is no list", at)
		}
		into := m.Mutable(field).List()
		for i, value := range values {
			v, err := readOwnValue(field, into.NewElement(), value, context, fmt.Sprintf("%s[%d]", at, i))
			if err != nil {
				return err
			}
			into.Append(v)
		}
	}
	return nil
}

func readOwnValue(field protoreflect.FieldDescriptor, fresh protoreflect.Value, value any, context Context, at string) (protoreflect.Value, error) {
	wrong := func(want string) (protoreflect.Value, error) {
		return protoreflect.Value{}, fmt.Errorf("%s: it is no %s", at, want)
	}
	if field.Kind() == protoreflect.MessageKind {
		if stamp, ok := fresh.Message().Interface().(*timestamppb.Timestamp); ok {
			t, err := parseTime(text(value))
			if err != nil {
				return wrong("time such as 2026-11-26T08:00:00Z")
			}
			stamp.Seconds, stamp.Nanos = t.Unix(), int32(t.Nanosecond())
			return fresh, nil
		}
		o := object(value)
		if o == nil {
			return wrong("object")
		}
		return fresh, readOwn(o, context, fresh.Message().Interface(), at)
	}
	written, ok := scalarText(value)
	if !ok {
		return wrong("text or number")
	}
	switch field.Kind() {
	case protoreflect.StringKind:
		if _, isText := value.(string); isText {
			return protoreflect.ValueOfString(written), nil
		}
		return wrong("text")
	case protoreflect.BoolKind:
		if b, isBool := value.(bool); isBool {
			return protoreflect.ValueOfBool(b), nil
		}
		return wrong("true or false")
	case protoreflect.BytesKind:
		if b, err := base64.StdEncoding.DecodeString(written); err == nil {
			return protoreflect.ValueOfBytes(b), nil
		}
		return wrong("base64 text")
	case protoreflect.EnumKind:
		if known := field.Enum().Values().ByName(protoreflect.Name(written)); known != nil {
			return protoreflect.ValueOfEnum(known.Number()), nil
		}
		return wrong("value that this version knows")
	case protoreflect.Uint32Kind:
		if n, err := strconv.ParseUint(written, 10, 32); err == nil {
			return protoreflect.ValueOfUint32(uint32(n)), nil
		}
	case protoreflect.Int32Kind:
		if n, err := strconv.ParseInt(written, 10, 32); err == nil {
			return protoreflect.ValueOfInt32(int32(n)), nil
		}
	case protoreflect.Uint64Kind:
		if n, err := strconv.ParseUint(written, 10, 64); err == nil {
			return protoreflect.ValueOfUint64(n), nil
		}
	case protoreflect.Int64Kind:
		if n, err := strconv.ParseInt(written, 10, 64); err == nil {
			return protoreflect.ValueOfInt64(n), nil
		}
	}
	return wrong("number that fits")
}
