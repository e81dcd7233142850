package ownership

import (
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// masterData are fields of what no event tells of: systems keep it for themselves, or in copies of each other, and exceptions are about it.
var masterData = map[string][]string{
	"customer":   {"name", "legal_name", "address", "credit", "credit_limit", "tax", "terms", "currency", "price_list", "price_list_version", "contacts", "account_team", "opportunity"},
	"item":       {"code", "gtin", "description", "unit_conversion", "lot_policy", "serial_policy"},
	"price_list": {"prices", "version", "discounts"},
	"stock":      {"on_hand", "book_quantity", "value", "period", "available_to_promise"},
	"refund":     {"amount", "payment"},
	"posting":    {"state"},
	"exception":  {"state"},
	"milestone":  {"clock"},
}

// schema is the fields of each payload of an event by its name in the schema, those of its lines behind "lines.".
var schema = func() map[string][]string {
	all := make(map[string][]string)
	payloads := (&docklinev1.Event{}).ProtoReflect().Descriptor().Oneofs().ByName("payload").Fields()
	for i := range payloads.Len() {
		payload := payloads.Get(i)
		var names []string
		fields := payload.Message().Fields()
		for j := range fields.Len() {
			field := fields.Get(j)
			if !isLines(field) {
				names = append(names, string(field.Name()))
				continue
			}
			of := field.Message().Fields()
			for k := range of.Len() {
				names = append(names, string(field.Name())+"."+string(of.Get(k).Name()))
			}
		}
		all[string(payload.Name())] = names
	}
	all[submission] = all["order"]
	return all
}()

// submission is an order as it was handed in: what it says is nobody's to own but the teller's, until a system of record has accepted it.
const submission = "submission"

func isLines(f protoreflect.FieldDescriptor) bool {
	return f.IsList() && f.Message() != nil && f.Message().FullName() == (&docklinev1.Line{}).ProtoReflect().Descriptor().FullName()
}

// Objects are what has fields, sorted: the payloads of events, and master data.
func Objects() []string {
	names := slices.AppendSeq(slices.Collect(maps.Keys(schema)), maps.Keys(masterData))
	slices.Sort(names)
	return slices.Compact(names)
}

// Fields are the fields of an object as rules name them, without the object's name.
func Fields(object string) []string {
	return append(slices.Clone(schema[object]), masterData[object]...)
}

// ObjectOf is the object that a fact of a kind tells of, as its fields are named; "" for an unknown kind.
func ObjectOf(kind docklinev1.EventKind) string {
	if kind == docklinev1.EventKind_EVENT_KIND_ORDER_SUBMITTED {
		return submission
	}
	return event.RequirementOf(kind).Payload
}

// kindsOf are the kinds that tell of an object.
func kindsOf(object string) (kinds []docklinev1.EventKind) {
	for _, kind := range event.Kinds() {
		if ObjectOf(kind) == object {
			kinds = append(kinds, kind)
		}
	}
	return kinds
}

// namesField tells whether a pattern names a field: itself, what it is part of ("order.lines"), or with "*" at the end.
func namesField(pattern, name string) bool {
	return named([]string{pattern}, name) || strings.HasPrefix(name, pattern+".")
}

// field is the rule of a field, -1 where none names it.
func (r *Registry) field(name string) int {
	return slices.IndexFunc(r.rules, func(rule Rule) bool {
		return slices.ContainsFunc(rule.Fields, func(pattern string) bool { return namesField(pattern, name) })
	})
}
