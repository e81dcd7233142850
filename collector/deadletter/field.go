package deadletter

import (
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// Set gives a field of an event a value: "pick.lines[0].quantity.value" and "5". The path is of names as the JSON form has them; an index that is
// one behind the last adds an element.
func Set(e *docklinev1.Event, path, value string) error {
	if path == "kind" {
		kind, ok := event.ParseKind(value)
		if !ok {
			return fmt.Errorf("kind: %q is no kind of event, like pick.confirmed", value)
		}
		e.Kind = kind
		return nil
	}
	m := e.ProtoReflect()
	steps := strings.Split(path, ".")
	for i, step := range steps {
		name, index, indexed, err := parseStep(step)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		f := m.Descriptor().Fields().ByName(protoreflect.Name(name))
		if f == nil {
			return fmt.Errorf("%s: %s has no field %q; it has %s", path, strings.Join(append([]string{"the event"}, steps[:i]...), "."), name, fieldNames(m.Descriptor()))
		}
		last := i == len(steps)-1
		isTime := f.Message() != nil && f.Message().FullName() == "google.protobuf.Timestamp"
		switch {
		case f.IsList() != indexed:
			return fmt.Errorf("%s: %s", path, map[bool]string{true: name + " is a list: say which, as " + name + "[0]", false: name + " is no list"}[f.IsList()])
		case f.IsList():
			list := m.Mutable(f).List()
			if index > list.Len() {
				return fmt.Errorf("%s: %s has %d elements", path, name, list.Len())
			}
			if f.Message() != nil {
				if index == list.Len() {
					list.AppendMutable()
				}
				m = list.Get(index).Message()
				continue
			}
			v, err := scalar(f, value)
			switch {
			case err != nil:
				return fmt.Errorf("%s: %w", path, err)
			case index == list.Len():
				list.Append(v)
			default:
				list.Set(index, v)
			}
			return nil
		case f.Message() != nil && !isTime:
			if last {
				return fmt.Errorf("%s: has fields of its own: %s", path, fieldNames(f.Message()))
			}
			m = m.Mutable(f).Message()
			continue
		}
		if !last {
			return fmt.Errorf("%s: %s has no fields", path, name)
		}
		v, err := scalar(f, value)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		m.Set(f, v)
		return nil
	}
	return fmt.Errorf("%s: has fields of its own: %s", path, fieldNames(m.Descriptor()))
}

func parseStep(step string) (name string, index int, indexed bool, err error) {
	name, rest, indexed := strings.Cut(step, "[")
	if !indexed {
		return name, 0, false, nil
	}
	index, err = strconv.Atoi(strings.TrimSuffix(rest, "]"))
	if err != nil || index < 0 || !strings.HasSuffix(rest, "]") {
		return name, 0, true, fmt.Errorf("%q: an index is a number in brackets, from 0", step)
	}
	return name, index, true, nil
}

func scalar(f protoreflect.FieldDescriptor, value string) (v protoreflect.Value, err error) {
	fail := func(what string) (protoreflect.Value, error) {
		return v, fmt.Errorf("%q is no %s", value, what)
	}
	if f.Message() != nil {
		at, err := time.Parse(time.RFC3339Nano, value)
		if err != nil {
			return fail("time; write 2026-11-24T08:00:00Z")
		}
		return protoreflect.ValueOfMessage(timestamppb.New(at).ProtoReflect()), nil
	}
	switch f.Kind() {
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(value), nil
	case protoreflect.BoolKind:
		if b, err := strconv.ParseBool(value); err == nil {
			return protoreflect.ValueOfBool(b), nil
		}
		return fail("true or false")
	case protoreflect.Int64Kind:
		if n, err := strconv.ParseInt(value, 10, 64); err == nil {
			return protoreflect.ValueOfInt64(n), nil
		}
		return fail("whole number")
	case protoreflect.Uint64Kind:
		if n, err := strconv.ParseUint(value, 10, 64); err == nil {
			return protoreflect.ValueOfUint64(n), nil
		}
		return fail("whole number")
	case protoreflect.Uint32Kind:
		if n, err := strconv.ParseUint(value, 10, 32); err == nil {
			return protoreflect.ValueOfUint32(uint32(n)), nil
		}
		return fail("whole number")
	case protoreflect.BytesKind:
		if b, err := base64.StdEncoding.DecodeString(value); err == nil {
			return protoreflect.ValueOfBytes(b), nil
		}
		return fail("base64 text")
	case protoreflect.EnumKind:
		if n := f.Enum().Values().ByName(protoreflect.Name(value)); n != nil {
			return protoreflect.ValueOfEnum(n.Number()), nil
		}
		return fail("value of " + string(f.Enum().Name()))
	}
	return v, fmt.Errorf("cannot be set")
}

func fieldNames(d protoreflect.MessageDescriptor) string {
	var names []string
	for i := range d.Fields().Len() {
		names = append(names, string(d.Fields().Get(i).Name()))
	}
	return strings.Join(names, ", ")
}

// Difference is one line for each field in which a correction differs from what it corrects: "pick.lines[0].quantity.value: -2 -> 2".
func Difference(was, is *docklinev1.Event) string {
	before, after := make(map[string]string), make(map[string]string)
	if was != nil {
		flatten(was.ProtoReflect(), "", before)
	}
	flatten(is.ProtoReflect(), "", after)
	all := maps.Clone(before)
	maps.Copy(all, after)
	var lines []string
	for _, path := range slices.Sorted(maps.Keys(all)) {
		if before[path] != after[path] {
			lines = append(lines, fmt.Sprintf("%s: %s -> %s", path, orNothing(before[path]), orNothing(after[path])))
		}
	}
	return strings.Join(lines, "\n")
}

func orNothing(value string) string {
	if value == "" {
		return "(nothing)"
	}
	return value
}

func flatten(m protoreflect.Message, prefix string, out map[string]string) {
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		path := prefix + string(f.Name())
		one := func(path string, v protoreflect.Value) {
			switch {
			case f.Message() != nil && f.Message().FullName() == "google.protobuf.Timestamp":
				out[path] = v.Message().Interface().(*timestamppb.Timestamp).AsTime().Format(time.RFC3339Nano)
			case f.Message() != nil:
				flatten(v.Message(), path+".", out)
			case f.Kind() == protoreflect.EnumKind && f.Enum().Values().ByNumber(v.Enum()) != nil:
				out[path] = string(f.Enum().Values().ByNumber(v.Enum()).Name())
			default:
				out[path] = fmt.Sprint(v.Interface())
			}
		}
		if f.IsList() {
			for i := range v.List().Len() {
				one(fmt.Sprintf("%s[%d]", path, i), v.List().Get(i))
			}
			return true
		}
		one(path, v)
		return true
	})
}
