package cloudevent

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strconv"
)

// MarshalJSON is the structured form: attributes in the specification's order, then extensions by name, then the data.
func (e *Event) MarshalJSON() ([]byte, error) {
	if err := e.Check(); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	b.WriteByte('{')
	member := func(name string, value any) error {
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		text, err := plainJSON(value)
		if err != nil {
			return err
		}
		b.WriteString(strconv.Quote(name) + ":")
		b.Write(text)
		return nil
	}
	for _, name := range e.names() {
		if err := member(name, e.Attributes[name]); err != nil {
			return nil, err
		}
	}
	var err error
	switch {
	case len(e.Data) == 0:
	case e.holdsJSON():
		err = member("data", json.RawMessage(e.Data))
	default:
		err = member("data_base64", base64.StdEncoding.EncodeToString(e.Data))
	}
	b.WriteByte('}')
	return b.Bytes(), err
}

// plainJSON leaves < and & as they are: nobody puts events into a page unescaped.
func plainJSON(value any) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(value)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// names are those of the attributes in the order in which they are written.
func (e *Event) names() []string {
	var names []string
	for _, name := range first {
		if _, ok := e.Attributes[name]; ok {
			names = append(names, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(e.Attributes)) {
		if !slices.Contains(first, name) {
			names = append(names, name)
		}
	}
	return names
}

// UnmarshalJSON reads the structured form of anybody's event.
func (e *Event) UnmarshalJSON(text []byte) error {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(text, &members); err != nil {
		return formError("%v", err)
	}
	read := Event{Attributes: map[string]string{}}
	for name, raw := range members {
		if bytes.Equal(raw, []byte("null")) || name == "data" || name == "data_base64" {
			continue // null is absent
		}
		value, err := attribute(name, raw)
		if err != nil {
			return err
		}
		read.Attributes[name] = value
	}
	if err := read.Check(); err != nil {
		return err
	}
	if err := read.takeData(members["data"], members["data_base64"]); err != nil {
		return err
	}
	*e = read
	return nil
}

// attribute gives the canonical string form of a value: strings, whole numbers of 32 bits and truth values are what JSON may hold.
func attribute(name string, raw json.RawMessage) (string, error) {
	var value any
	if err := json.Unmarshal(raw, &value); err != nil {
		return "", formError("%s: %v", name, err)
	}
	known := slices.Contains(first, name)
	switch v := value.(type) {
	case string:
		return v, nil
	case bool:
		if !known {
			return strconv.FormatBool(v), nil
		}
	case float64:
		if !known && v == math.Trunc(v) && v >= math.MinInt32 && v <= math.MaxInt32 {
			return strconv.Itoa(int(v)), nil
		}
	}
	return "", formError("%s is %s; a text is wanted", name, raw)
}

func (e *Event) takeData(data, encoded json.RawMessage) error {
	none := func(raw json.RawMessage) bool { return len(raw) == 0 || bytes.Equal(raw, []byte("null")) }
	switch {
	case !none(data) && !none(encoded):
		return formError("data and data_base64 are both there")
	case !none(encoded):
		var text string
		if err := json.Unmarshal(encoded, &text); err != nil {
			return formError("data_base64: %v", err)
		}
		raw, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return formError("data_base64: %v", err)
		}
		e.Data = raw
	case none(data):
	case e.holdsJSON():
		var plain bytes.Buffer
		if err := json.Compact(&plain, data); err != nil {
			return formError("data: %v", err)
		}
		e.Data = plain.Bytes()
	default: // text stands as a string
		var text string
		if err := json.Unmarshal(data, &text); err != nil {
			return formError("data is no text, as %s asks for", e.Attributes[DataContentType])
		}
		e.Data = []byte(text)
	}
	return nil
}
