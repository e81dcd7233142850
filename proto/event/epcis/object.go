package epcis

import (
	"bytes"
	"encoding/json"
)

// Object is a JSON object whose members keep their order. A value is a string, json.Number, bool, nil, []any or *Object.
type Object struct {
	members []member
	at      map[string]int
}

type member struct {
	name  string
	value any
}

// Get is the value of a member, nil where there is none.
func (o *Object) Get(name string) any {
	if o == nil {
		return nil
	}
	if i, ok := o.at[name]; ok {
		return o.members[i].value
	}
	return nil
}

// Set gives a member a value, at its place or else at the end.
func (o *Object) Set(name string, value any) {
	if i, ok := o.at[name]; ok {
		o.members[i].value = value
		return
	}
	if o.at == nil {
		o.at = make(map[string]int)
	}
	o.at[name] = len(o.members)
	o.members = append(o.members, member{name, value})
}

// setText sets a member unless it would be empty.
func (o *Object) setText(name, text string) {
	if text != "" {
		o.Set(name, text)
	}
}

// setList sets a member unless it would be empty.
func (o *Object) setList(name string, list []any) {
	if len(list) > 0 {
		o.Set(name, list)
	}
}

// Delete takes a member out.
func (o *Object) Delete(name string) {
	i, ok := o.at[name]
	if !ok {
		return
	}
	o.members = append(o.members[:i], o.members[i+1:]...)
	delete(o.at, name)
	for j := i; j < len(o.members); j++ {
		o.at[o.members[j].name] = j
	}
}

// Names of the members, in their order.
func (o *Object) Names() []string {
	var names []string
	for _, m := range o.all() {
		names = append(names, m.name)
	}
	return names
}

func (o *Object) all() []member {
	if o == nil {
		return nil
	}
	return o.members
}

// clone is another object with the same values.
func (o *Object) clone() *Object {
	c := &Object{}
	for _, m := range o.all() {
		c.Set(m.name, m.value)
	}
	return c
}

// MarshalJSON writes the members in their order, and characters such as & as they are.
func (o *Object) MarshalJSON() ([]byte, error) {
	w := &jsonWriter{}
	w.encoder = json.NewEncoder(&w.b)
	w.encoder.SetEscapeHTML(false)
	err := w.value(o)
	return w.b.Bytes(), err
}

// jsonWriter writes objects and lists itself: left to the library, each level would be read through again.
type jsonWriter struct {
	b       bytes.Buffer
	encoder *json.Encoder
}

func (w *jsonWriter) value(value any) error {
	switch v := value.(type) {
	case *Object:
		w.b.WriteByte('{')
		for i, m := range v.all() {
			if i > 0 {
				w.b.WriteByte(',')
			}
			if err := w.scalar(m.name); err != nil {
				return err
			}
			w.b.WriteByte(':')
			if err := w.value(m.value); err != nil {
				return err
			}
		}
		w.b.WriteByte('}')
		return nil
	case []any:
		w.b.WriteByte('[')
		for i, element := range v {
			if i > 0 {
				w.b.WriteByte(',')
			}
			if err := w.value(element); err != nil {
				return err
			}
		}
		w.b.WriteByte(']')
		return nil
	}
	return w.scalar(value)
}

func (w *jsonWriter) scalar(value any) error {
	err := w.encoder.Encode(value)
	w.b.Truncate(max(0, w.b.Len()-1)) // the encoder's line feed
	return err
}

func text(value any) string {
	s, _ := value.(string)
	return s
}

func list(value any) []any {
	l, _ := value.([]any)
	return l
}

func object(value any) *Object {
	o, _ := value.(*Object)
	return o
}
