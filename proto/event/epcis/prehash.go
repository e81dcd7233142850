package epcis

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"
)

// PreHash is the canonical string of an event over which its event hash is taken: CBV 2.0, section 8.9. ignore names extensions that a
// repository put in itself, as they stand in the document.
//
// The value and type of a business transaction, source or destination are in the order in which the published vectors have them, type
// first; the text has it the other way round.
func PreHash(event *Object, context Context, ignore ...string) string {
	return preHash(event, context, readings[0], ignore)
}

// reading is one way to read the algorithm where text and published vectors have differed over time.
type reading struct {
	// destinationFirst puts destinationList before sourceList, certification takes certificationInfo in.
	destinationFirst, certification bool
}

// readings are those that are recognised, ours first. It is that of the text; an older release of the reference implementation, by which
// some of the published vectors were made, sorts both lists by name.
var readings = []reading{{false, true}, {true, true}, {false, false}, {true, false}}

// hasher writes one event's canonical string.
type hasher struct {
	context Context
	ignore  []string
	b       strings.Builder
}

func preHash(event *Object, context Context, r reading, ignore []string) string {
	h := &hasher{context: context.with(event.Get("@context")), ignore: ignore}
	h.b.WriteString("eventType=" + text(event.Get("type")))
	h.scalar(event, "eventTime", canonicalTime)
	h.scalar(event, "eventTimeZoneOffset", strings.TrimSpace)
	if r.certification {
		h.each("certificationInfo", event.Get("certificationInfo"))
	}
	h.epcs(event, "epcList")
	h.scalar(event, "parentID", h.value)
	h.epcs(event, "inputEPCList")
	h.epcs(event, "childEPCs")
	for _, name := range []string{"quantityList", "childQuantityList", "inputQuantityList"} {
		h.quantities(event, name)
	}
	h.epcs(event, "outputEPCList")
	h.quantities(event, "outputQuantityList")
	h.scalar(event, "action", h.value)
	h.scalar(event, "transformationID", h.value)
	h.scalar(event, "bizStep", h.term(bizSteps))
	h.scalar(event, "disposition", h.term(dispositions))
	h.persistent(object(event.Get("persistentDisposition")))
	h.place(event, "readPoint")
	h.place(event, "bizLocation")
	h.parties(event, "bizTransactionList", "bizTransaction", transactionTypes)
	if r.destinationFirst {
		h.parties(event, "destinationList", "destination", partyTypes)
	}
	h.parties(event, "sourceList", "source", partyTypes)
	if !r.destinationFirst {
		h.parties(event, "destinationList", "destination", partyTypes)
	}
	h.sensors(event)
	if master := object(event.Get("ilmd")); master != nil && len(master.members) > 0 {
		h.b.WriteString("ilmd" + h.extensions(master, nil))
	}
	h.b.WriteString(h.extensions(event, standardFields))
	return h.b.String()
}

// standardFields of an event are written in their own order, or not at all; the rest is extensions.
var standardFields = set(`@context type id eventTime eventTimeZoneOffset recordTime eventID certificationInfo errorDeclaration epcList parentID inputEPCList
	childEPCs quantityList childQuantityList inputQuantityList outputEPCList outputQuantityList action transformationID bizStep disposition
	persistentDisposition readPoint bizLocation bizTransactionList sourceList destinationList sensorElementList ilmd comment rdfs:comment`)

func set(names string) map[string]bool { return words("", "", names).words }

func (h *hasher) scalar(o *Object, name string, form func(string) string) {
	if v, ok := scalarText(o.Get(name)); ok && strings.TrimSpace(v) != "" {
		h.b.WriteString(name + "=" + form(strings.TrimSpace(v)))
	}
}

// scalarText is how a JSON value stands in the string before it is made canonical.
func scalarText(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	case bool:
		return strconv.FormatBool(v), true
	}
	return "", false
}

// each writes a value, or each of a list, sorted.
func (h *hasher) each(name string, v any) {
	values := list(v)
	if values == nil {
		values = []any{v}
	}
	var found []string
	for _, v := range values {
		if s, ok := scalarText(v); ok && strings.TrimSpace(s) != "" {
			found = append(found, name+"="+h.value(s))
		}
	}
	h.sorted(found)
}

func (h *hasher) sorted(parts []string) {
	slices.Sort(parts)
	for _, part := range parts {
		h.b.WriteString(part)
	}
}

func (h *hasher) epcs(event *Object, name string) {
	if len(list(event.Get(name))) > 0 {
		h.b.WriteString(name)
		h.each("epc", event.Get(name))
	}
}

func (h *hasher) quantities(event *Object, name string) {
	var found []string
	for _, v := range list(event.Get(name)) {
		part := &hasher{context: h.context}
		for _, field := range []string{"epcClass", "quantity", "uom"} {
			part.scalar(object(v), field, h.value)
		}
		found = append(found, "quantityElement"+part.b.String())
	}
	if len(found) > 0 {
		h.b.WriteString(name)
		h.sorted(found)
	}
}

func (h *hasher) persistent(p *Object) {
	if p == nil {
		return
	}
	h.b.WriteString("persistentDisposition")
	for _, name := range []string{"set", "unset"} {
		var found []string
		for _, v := range list(p.Get(name)) {
			found = append(found, name+"="+h.term(dispositions)(text(v)))
		}
		h.sorted(found)
	}
}

func (h *hasher) place(event *Object, name string) {
	p := object(event.Get(name))
	if p == nil {
		return
	}
	h.b.WriteString(name)
	h.scalar(p, "id", h.value)
	h.b.WriteString(h.extensions(p, map[string]bool{"id": true}))
}

func (h *hasher) parties(event *Object, name, field string, types *vocabulary) {
	var found []string
	for _, v := range list(event.Get(name)) {
		part := &hasher{context: h.context}
		part.scalar(object(v), "type", h.term(types))
		part.scalar(object(v), field, h.value)
		found = append(found, part.b.String())
	}
	if len(found) > 0 {
		h.b.WriteString(name)
		h.sorted(found)
	}
}

// value makes one value canonical.
func (h *hasher) value(s string) string {
	s = strings.TrimSpace(s)
	for _, v := range []*vocabulary{bizSteps, dispositions, transactionTypes, partyTypes, errorReasons} {
		if strings.HasPrefix(s, v.urn) {
			return v.expand(s)
		}
	}
	if number, ok := canonicalNumber(s); ok {
		return number
	}
	return CanonicalURI(h.context.expand(s))
}

// term makes a value canonical that may be a bare word of a list.
func (h *hasher) term(v *vocabulary) func(string) string {
	return func(s string) string {
		if s = strings.TrimSpace(s); v.words[s] {
			return v.expand(s)
		}
		return h.value(s)
	}
}

// extensions writes what is not in skip, each by its full name, sorted; what is nested follows its parent's name.
func (h *hasher) extensions(o *Object, skip map[string]bool) string {
	var found []string
	for _, m := range o.all() {
		if skip[m.name] || m.name == "comment" || m.name == "rdfs:comment" || slices.Contains(h.ignore, m.name) {
			continue
		}
		found = h.extension(found, h.context.key(m.name), m.value)
	}
	slices.Sort(found)
	return strings.Join(found, "")
}

func (h *hasher) extension(found []string, key string, value any) []string {
	switch v := value.(type) {
	case []any:
		for _, element := range v {
			found = h.extension(found, key, element)
		}
	case *Object:
		found = append(found, key+h.extensions(v, nil))
	default:
		s, ok := scalarText(v)
		switch s = strings.TrimSpace(s); {
		case !ok: // null says nothing
		case s == "":
			found = append(found, key)
		default:
			found = append(found, key+"="+h.value(s))
		}
	}
	return found
}

// canonicalTime writes a time in UTC to the millisecond, rounded.
func canonicalTime(s string) string {
	t, err := parseTime(s)
	if err != nil {
		return s
	}
	return t.UTC().Round(time.Millisecond).Format("2006-01-02T15:04:05.000Z")
}

func parseTime(s string) (time.Time, error) { return time.Parse(time.RFC3339Nano, s) }

// canonicalNumber writes a number without needless zeros or sign, also one that stands in quotes: XML has no other. Whoever computes the
// hash takes it for a binary number of 64 bits, so it has no more digits than that.
func canonicalNumber(s string) (string, bool) {
	if s == "" || strings.Trim(s, "0123456789+-.eE") != "" || strings.Trim(s, "+-.eE") == "" {
		return "", false
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return "", false
	}
	if f == 0 {
		return "0", true
	}
	if size := max(f, -f); size >= 1e-4 {
		return strconv.FormatFloat(f, 'f', shortest(f), 64), true
	}
	return strconv.FormatFloat(f, 'e', -1, 64), true
}

// shortest is how many decimals a number is written with: as few as tell it apart, none for a whole one, which is written out.
func shortest(f float64) int {
	if f == float64(int64(f)) || f >= 1e18 || f <= -1e18 {
		return 0
	}
	return -1
}
