package main

import (
	"bytes"
	"cmp"
	"encoding"
	"encoding/json"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"
)

// The one form of --json, of every command: one JSON document, names with underscores, times as RFC 3339, durations as text like "1m30s", and no
// null where a list or an object belongs.

// printJSON prints a value in that form.
func printJSON(v any) error {
	value, err := plainJSON(reflect.ValueOf(v))
	if err != nil {
		return err
	}
	var out bytes.Buffer
	if err := json.Indent(&out, value, "", "  "); err != nil {
		return err
	}
	out.WriteByte('\n')
	_, err = out.WriteTo(os.Stdout)
	return err
}

var durationType = reflect.TypeFor[time.Duration]()

// plainJSON is a value as JSON; what says itself how it is written does so.
func plainJSON(v reflect.Value) (json.RawMessage, error) {
	if !v.IsValid() {
		return json.RawMessage("null"), nil
	}
	if v.Type() == durationType {
		return json.Marshal(time.Duration(v.Int()).String())
	}
	if writesItself(v) {
		return json.Marshal(v.Interface())
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return json.RawMessage("null"), nil
		}
		return plainJSON(v.Elem())
	case reflect.Struct:
		var fields objectWriter
		err := fields.add(v)
		return fields.close(), err
	case reflect.Map:
		return plainMap(v)
	case reflect.Slice, reflect.Array:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return json.Marshal(v.Interface())
		}
		return plainList(v)
	}
	return json.Marshal(v.Interface())
}

// writesItself tells types with a JSON or text form of their own.
func writesItself(v reflect.Value) bool {
	if v.Kind() == reflect.Pointer && v.IsNil() || v.Kind() == reflect.Interface {
		return false
	}
	switch v.Interface().(type) {
	case json.Marshaler, encoding.TextMarshaler:
		return true
	}
	return false
}

func plainList(v reflect.Value) (json.RawMessage, error) {
	out := []byte{'['}
	for i := range v.Len() {
		if i > 0 {
			out = append(out, ',')
		}
		each, err := plainJSON(v.Index(i))
		if err != nil {
			return nil, err
		}
		out = append(out, each...)
	}
	return append(out, ']'), nil
}

func plainMap(v reflect.Value) (json.RawMessage, error) {
	var fields objectWriter
	keys := v.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return cmp.Compare(keyText(a), keyText(b)) })
	for _, key := range keys {
		value, err := plainJSON(v.MapIndex(key))
		if err != nil {
			return nil, err
		}
		if err := fields.field(keyText(key), value); err != nil {
			return nil, err
		}
	}
	return fields.close(), nil
}

func keyText(key reflect.Value) string {
	text, err := json.Marshal(key.Interface())
	if err != nil {
		return key.String()
	}
	return strings.Trim(string(text), `"`)
}

// objectWriter writes an object field by field.
type objectWriter struct{ out []byte }

func (o *objectWriter) field(name string, value json.RawMessage) error {
	quoted, err := json.Marshal(name)
	if err != nil {
		return err
	}
	if len(o.out) > 0 {
		o.out = append(o.out, ',')
	}
	o.out = append(append(append(o.out, quoted...), ':'), value...)
	return nil
}

func (o *objectWriter) close() json.RawMessage {
	return slices.Concat([]byte{'{'}, o.out, []byte{'}'})
}

// add writes the fields of a struct, those of structs within that have no name among them.
func (o *objectWriter) add(v reflect.Value) error {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		tag, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		within := v.Field(i)
		if f.Anonymous && tag == "" {
			for within.Kind() == reflect.Pointer && !within.IsNil() {
				within = within.Elem()
			}
			if within.Kind() == reflect.Struct {
				if err := o.add(within); err != nil {
					return err
				}
				continue
			}
		}
		if !f.IsExported() || tag == "-" || skipped(within, options) {
			continue
		}
		value, err := plainJSON(within)
		if err != nil {
			return err
		}
		if err := o.field(cmp.Or(tag, f.Name), value); err != nil {
			return err
		}
	}
	return nil
}

// skipped says whether a field is left out: what is empty, or zero, where its tag wants that.
func skipped(v reflect.Value, options string) bool {
	if strings.Contains(options, "omitzero") {
		if zero, ok := v.Interface().(interface{ IsZero() bool }); ok {
			return zero.IsZero()
		}
		return v.IsZero()
	}
	if !strings.Contains(options, "omitempty") {
		return false
	}
	switch v.Kind() {
	case reflect.Slice, reflect.Map, reflect.String, reflect.Array:
		return v.Len() == 0
	case reflect.Struct:
		return false
	}
	return v.IsZero()
}
