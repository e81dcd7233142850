package connector

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Field is how one field of a system's records is made.
type Field struct {
	// Type is the system's own word for it.
	Type     string `json:"type,omitempty"`
	Required bool   `json:"required,omitempty"`
	// Values are all that it may hold, sorted; none where anything fits its type.
	Values []string `json:"values,omitempty"`
}

// Shape is how the records are made that a connector reads and writes, by "record.field".
type Shape map[string]Field

// ShapeTeller is the part of the contract of a system that tells how its records are made, as many do to those who ask for their metadata.
type ShapeTeller interface {
	// Shape asks for what the connector reads and writes there; nil where the system does not tell. An error is a *Fault.
	Shape(ctx context.Context) (Shape, error)
}

// ShapeOf asks a connector's system how its records are made; nil where it does not tell.
func ShapeOf(ctx context.Context, c Connector) (Shape, error) {
	if teller, ok := c.(ShapeTeller); ok {
		return teller.Shape(ctx)
	}
	return nil, nil
}

// Shape is governed.
func (g *governed) Shape(ctx context.Context) (shape Shape, err error) {
	if _, ok := g.Connector.(ShapeTeller); !ok {
		return nil, nil
	}
	err = g.read(ctx, ProbeCall, func(ctx context.Context) (err error) {
		shape, err = ShapeOf(ctx, g.Connector)
		return err
	})
	return shape, err
}

// Change is one difference between two shapes, in words; Breaks says that what was sent and read until now may no longer be taken or found.
type Change struct {
	Field  string `json:"field"`
	Text   string `json:"text"`
	Breaks bool   `json:"breaks"`
}

// Since says what is otherwise than it was, by field.
func (s Shape) Since(was Shape) []Change {
	var out []Change
	names := slices.Sorted(maps.Keys(s))
	for name := range was {
		if _, is := s[name]; !is {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		before, had := was[name]
		now, has := s[name]
		say := func(breaks bool, format string, args ...any) {
			out = append(out, Change{Field: name, Text: fmt.Sprintf(format, args...), Breaks: breaks})
		}
		switch {
		case !has:
			say(true, "is gone")
			continue
		case !had && now.Required:
			say(true, "is new, and must be given")
			continue
		case !had:
			say(false, "is new")
			continue
		}
		if before.Type != now.Type {
			say(true, "was of type %s and is of type %s", before.Type, now.Type)
		}
		if before.Required != now.Required {
			say(now.Required, "%s", map[bool]string{true: "must be given now", false: "need no longer be given"}[now.Required])
		}
		if gone := without(before.Values, now.Values); len(gone) > 0 && len(now.Values) > 0 {
			say(true, "no longer takes %s", strings.Join(gone, ", "))
		}
		switch fresh := without(now.Values, before.Values); {
		case len(before.Values) == 0 && len(fresh) > 0:
			say(true, "takes nothing now but %s", strings.Join(fresh, ", "))
		case len(fresh) > 0:
			say(false, "also holds %s", strings.Join(fresh, ", "))
		}
	}
	return out
}

// without are those of a that are not in b.
func without(a, b []string) (out []string) {
	for _, v := range a {
		if !slices.Contains(b, v) {
			out = append(out, v)
		}
	}
	return out
}
