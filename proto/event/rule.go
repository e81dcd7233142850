package event

import (
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// rule is what an event of a kind must have to mean something. Names are those of the schema's fields; "a|b" asks for one of several.
type rule struct {
	// payload is the field of Event that holds what the kind says.
	payload string
	// needs are fields of the payload that must be filled.
	needs []string
	lines lineRule
	// outputs, where the payload has them, are lines too.
	outputs lineRule
	// words are the fields that take one of a few words, because what follows differs by word.
	words map[string][]string
	// amounts are decimal numbers that are no quantity of goods.
	amounts []string
	// also is what no table says; it comes last.
	also func(*docklinev1.Event) *Fault
}

// checks is a rule with its names looked up.
type checks struct {
	rule
	field   protoreflect.FieldDescriptor
	needs   [][]protoreflect.FieldDescriptor
	codes   []codeField
	times   []protoreflect.FieldDescriptor
	words   map[protoreflect.FieldDescriptor][]string
	amounts []protoreflect.FieldDescriptor
	outputs protoreflect.FieldDescriptor
	// sortedWords are the fields of words in order of their number, so that the first fault is always the same.
	sortedWords []protoreflect.FieldDescriptor
}

// codeField is text that keys are made of, and how long it may be.
type codeField struct {
	field protoreflect.FieldDescriptor
	limit int
}

// freeText are fields of payloads that no key is made of; people write there what they like.
var freeText = []string{"reason", "text", "title", "cause", "place", "signer", "evidence", "customer_name", "ship_to", "tolerance", "rule", "carrier", "service",
	"file", "column", "weight_kg", "dimensions_cm"}

// longCodes may be joined from several, or are a person's own words, and are looked up all the same.
var longCodes = []string{"tracking", "customer_reference"}

// rules is the rule of every kind; it is made once, and a name that the schema does not have ends the program with it.
var rules = compileRules()

func compileRules() map[docklinev1.EventKind]*checks {
	all := map[docklinev1.EventKind]*checks{}
	for _, table := range []map[docklinev1.EventKind]rule{orderRules, goodsRules, stockRules, returnRules, machineRules} {
		for kind, r := range table {
			all[kind] = compileRule(r)
		}
	}
	return all
}

func compileRule(r rule) *checks {
	c := &checks{rule: r, words: map[protoreflect.FieldDescriptor][]string{}}
	c.field = payloadField.Fields().ByName(protoreflect.Name(r.payload))
	if c.field == nil {
		panic("event: no payload " + r.payload)
	}
	fields := c.field.Message().Fields()
	named := func(name string) protoreflect.FieldDescriptor {
		f := fields.ByName(protoreflect.Name(name))
		if f == nil {
			panic("event: no field " + name + " in " + r.payload)
		}
		return f
	}
	for _, need := range r.needs {
		var one []protoreflect.FieldDescriptor
		for name := range strings.SplitSeq(need, "|") {
			one = append(one, named(name))
		}
		c.needs = append(c.needs, one)
	}
	for name, words := range r.words {
		c.words[named(name)] = words
		c.sortedWords = append(c.sortedWords, named(name))
	}
	slices.SortFunc(c.sortedWords, func(a, b protoreflect.FieldDescriptor) int { return int(a.Number() - b.Number()) })
	for _, name := range r.amounts {
		c.amounts = append(c.amounts, named(name))
	}
	c.outputs = fields.ByName("outputs")
	for i := range fields.Len() {
		switch f := fields.Get(i); {
		case f.Kind() == protoreflect.StringKind && !slices.Contains(freeText, string(f.Name())) && !slices.Contains(r.amounts, string(f.Name())):
			c.codes = append(c.codes, codeField{f, codeLimit(string(f.Name()))})
		case f.Message() != nil && f.Message().FullName() == (&timestamppb.Timestamp{}).ProtoReflect().Descriptor().FullName():
			c.times = append(c.times, f)
		}
	}
	return c
}

func codeLimit(name string) int {
	switch {
	case slices.Contains(longCodes, name):
		return MaxSourceKeyBytes
	case strings.HasSuffix(name, "key"): // of a command: made of a code and more
		return MaxSubjectBytes
	}
	return MaxCodeBytes
}

// validPayload holds the payload against the kind. A payload of another kind counts as missing.
func validPayload(e *docklinev1.Event) *Fault {
	c := rules[e.Kind]
	if c == nil {
		return dataFault("kind_unknown", "event kind %d has no rule; the schema is newer than this program", e.Kind)
	}
	r := e.ProtoReflect()
	if !r.Has(c.field) {
		return dataFault("payload_missing", "an event %s without its payload; check the kind that the mapping chooses", KindName(e.Kind))
	}
	if f := c.valid(r.Get(c.field).Message()); f != nil {
		return f
	}
	if f := validLines("lines", Lines(e), &c.lines); f != nil {
		return f
	}
	if c.outputs != nil {
		if f := validLines("outputs", e.GetTransformation().GetOutputs(), &c.rule.outputs); f != nil {
			return f
		}
	}
	if c.also != nil {
		return c.also(e)
	}
	return nil
}

// valid looks at the fields of a payload beside its lines.
func (c *checks) valid(m protoreflect.Message) *Fault {
	for _, need := range c.needs {
		if !slices.ContainsFunc(need, m.Has) {
			return missing(need)
		}
	}
	for _, code := range c.codes {
		if f := validCode(m, code); f != nil {
			return f
		}
	}
	for _, field := range c.times {
		if m.Has(field) {
			if f := plausible(string(field.Name()), m.Get(field).Message().Interface().(*timestamppb.Timestamp)); f != nil {
				return f
			}
		}
	}
	for _, field := range c.sortedWords {
		if f := oneOf(string(field.Name()), m.Get(field).String(), c.words[field]); f != nil {
			return f
		}
	}
	for _, field := range c.amounts {
		if f := amount(string(field.Name()), m.Get(field).String()); f != nil {
			return f
		}
	}
	return nil
}

func missing(need []protoreflect.FieldDescriptor) *Fault {
	if len(need) == 1 {
		return dataFault("field_missing", "%s is missing; map a column to it", need[0].Name())
	}
	names := make([]string, len(need))
	for i, field := range need {
		names[i] = string(field.Name())
	}
	return dataFault("field_missing", "none of %s is there; map a column to one of them", strings.Join(names, ", "))
}

func validCode(m protoreflect.Message, c codeField) *Fault {
	if !c.field.IsList() {
		return short(string(c.field.Name()), m.Get(c.field).String(), c.limit)
	}
	list := m.Get(c.field).List()
	for i := range list.Len() {
		switch code := list.Get(i).String(); {
		case code == "":
			return dataFault("field_missing", "%s[%d] is empty; leave out what is not there", c.field.Name(), i)
		case len(code) > c.limit:
			return short(fmt.Sprintf("%s[%d]", c.field.Name(), i), code, c.limit)
		}
	}
	return nil
}

// short is a fault where a code is too long for a key.
func short(name, code string, limit int) *Fault {
	if len(code) > limit {
		return dataFault("code_too_long", "%s has %d bytes, %d are allowed; check the column", name, len(code), limit)
	}
	return nil
}

func oneOf(name, word string, words []string) *Fault {
	if word == "" || slices.Contains(words, word) {
		return nil
	}
	return dataFault("word_unknown", "%s is %q; write one of %s, or let the mapping translate the source's own word", name, word, strings.Join(words, ", "))
}

// plausible refuses a time before there were such records: a zero that stands for none, or a date format that does not fit.
func plausible(name string, at *timestamppb.Timestamp) *Fault {
	if at != nil && (at.CheckValid() != nil || at.AsTime().Before(earliest)) {
		return dataFault("time_implausible", badTime, name)
	}
	return nil
}

func amount(name, value string) *Fault {
	if value == "" {
		return nil
	}
	if _, err := ParseQuantity(value); err != nil {
		return dataFault("quantity_format", "%s: %v", name, err)
	}
	return nil
}

// at puts the place of a line before the text of its fault.
func at(list string, i int, f *Fault) *Fault {
	f.Text = fmt.Sprintf("%s[%d].%s", list, i, f.Text)
	return f
}
