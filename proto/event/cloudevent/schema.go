package cloudevent

import (
	"slices"

	"google.golang.org/protobuf/reflect/protoreflect"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

type object = map[string]any

// attributeFields are the fields of an event that attributes tell. A text that no attribute may hold stands in the data all the same.
var attributeFields = []string{"tenant", "site", "source", "kind", "occurred_at"}

const decimalPattern = `^-?[0-9]+(\.[0-9]{1,6})?$`

// Schema is the JSON Schema (2020-12) of the data of a kind's CloudEvents, made of the protocol's own schema and of what Validate asks. It
// allows fields that it does not name: fields are added, never taken away.
func Schema(kind docklinev1.EventKind) map[string]any {
	s := &schema{defs: object{}, rule: event.RequirementOf(kind)}
	whole := (&docklinev1.Event{}).ProtoReflect().Descriptor()
	payload := whole.Oneofs().ByName("payload").Fields().ByName(protoreflect.Name(s.rule.Payload))
	properties := object{}
	for i := range whole.Fields().Len() {
		f := whole.Fields().Get(i)
		if f.ContainingOneof() == nil && !slices.Contains(attributeFields, string(f.Name())) {
			properties[string(f.Name())] = s.field(f)
		}
	}
	properties[s.rule.Payload] = s.payload(payload.Message())
	return object{"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": SchemaID(kind), "title": event.KindName(kind), "description": About(kind), "type": "object",
		"properties": properties, "required": []string{s.rule.Payload}, "$defs": s.defs}
}

// schema gathers the definitions that a kind's schema refers to.
type schema struct {
	rule event.Requirement
	defs object
}

// payload is the message that says what happened, with what the rule of the kind asks of it.
func (s *schema) payload(m protoreflect.MessageDescriptor) object {
	properties := object{}
	for i := range m.Fields().Len() {
		f := m.Fields().Get(i)
		name := string(f.Name())
		switch {
		case name == "lines":
			properties[name] = s.lines(f, s.rule.Lines)
		case name == "outputs":
			properties[name] = s.lines(f, s.rule.Outputs)
		case s.rule.Words[name] != nil:
			properties[name] = object{"enum": s.rule.Words[name]}
		case slices.Contains(s.rule.Amounts, name):
			properties[name] = object{"type": "string", "pattern": decimalPattern}
		default:
			properties[name] = s.field(f)
		}
	}
	needs := s.rule.Needs
	if s.rule.Lines.Some {
		needs = append(slices.Clone(needs), []string{"lines"})
	}
	if s.rule.Outputs.Some {
		needs = append(slices.Clone(needs), []string{"outputs"})
	}
	return needing(object{"type": "object", "properties": properties}, needs)
}

func (s *schema) lines(f protoreflect.FieldDescriptor, rule event.LineRequirement) object {
	items := needing(object{"$ref": s.message(f.Message())}, rule.Needs)
	if !rule.Negative {
		items["properties"] = object{"quantity": object{"properties": object{"value": object{"pattern": `^([^-]|-0+(\.0+)?$)`}}}}
	}
	lines := object{"type": "array", "items": items}
	if rule.Some {
		lines["minItems"] = 1
	}
	return lines
}

// needing adds what must be there: one alone is required, of several one is enough.
func needing(o object, needs [][]string) object {
	var required []string
	var all []any
	for _, need := range needs {
		if len(need) == 1 {
			required = append(required, need[0])
			continue
		}
		var any []any
		for _, name := range need {
			any = append(any, object{"required": []string{name}})
		}
		all = append(all, object{"anyOf": any})
	}
	if len(required) > 0 {
		o["required"] = required
	}
	if len(all) > 0 {
		o["allOf"] = all
	}
	return o
}

func (s *schema) field(f protoreflect.FieldDescriptor) object {
	one := s.value(f)
	if f.IsList() {
		return object{"type": "array", "items": one}
	}
	return one
}

// value is one value as protojson writes it: whole numbers of 64 bits are texts, bytes are base64.
func (s *schema) value(f protoreflect.FieldDescriptor) object {
	switch f.Kind() {
	case protoreflect.MessageKind:
		if f.Message().FullName() == "google.protobuf.Timestamp" {
			return object{"type": "string", "format": "date-time"}
		}
		return object{"$ref": s.message(f.Message())}
	case protoreflect.EnumKind:
		var names []string
		for i := range f.Enum().Values().Len() {
			names = append(names, string(f.Enum().Values().Get(i).Name()))
		}
		return object{"enum": names}
	case protoreflect.BoolKind:
		return object{"type": "boolean"}
	case protoreflect.Uint32Kind:
		return object{"type": "integer", "minimum": 0}
	case protoreflect.Uint64Kind:
		return object{"type": "string", "pattern": "^[0-9]+$"}
	case protoreflect.Int64Kind:
		return object{"type": "string", "pattern": "^-?[0-9]+$"}
	case protoreflect.BytesKind:
		return object{"type": "string", "contentEncoding": "base64"}
	}
	return object{"type": "string"}
}

// message puts a message among the definitions, once, and gives the reference to it.
func (s *schema) message(m protoreflect.MessageDescriptor) string {
	name := string(m.Name())
	ref := "#/$defs/" + name
	if _, there := s.defs[name]; there {
		return ref
	}
	properties := object{}
	s.defs[name] = object{"type": "object", "properties": properties}
	for i := range m.Fields().Len() {
		f := m.Fields().Get(i)
		properties[string(f.Name())] = s.field(f)
	}
	switch name {
	case "Quantity":
		properties["value"] = object{"type": "string", "pattern": decimalPattern}
		s.defs[name].(object)["required"] = []string{"value"}
	case "Line":
		properties["condition"], properties["disposition"] = object{"enum": event.Conditions}, object{"enum": event.Dispositions}
		properties["unit_price"] = object{"type": "string", "pattern": decimalPattern}
	}
	return ref
}
