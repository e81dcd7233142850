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
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	write := func(value any) error {
		err := encoder.Encode(value)
		b.Truncate(b.Len() - 1) // the encoder's line feed
		return err
	}
	b.WriteByte('{')
	for i, m := range o.all() {
		if i > 0 {
			b.WriteByte(',')
		}
		if err := write(m.name); err != nil {
			return nil, err
		}
		b.WriteByte(':')
		if err := write(m.value); err != nil {
			return nil, err
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
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
