package epcis

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// Flaw is one departure from the standard: in which field of the event or document, and what is wrong there.
type Flaw struct{ Field, Text string }

func (f Flaw) String() string {
	if f.Field == "" {
		return f.Text
	}
	return f.Field + ": " + f.Text
}

// Check holds an event against the form that EPCIS 2.0 gives it: which fields each type has and needs, words of CBV, times, URIs. It says nothing of
// whether Dockline understands it. An Importer does not ask it: what it understands of an event with a flaw elsewhere is worth having.
func Check(c *Captured) []Flaw {
	if c.Flaw != "" {
		return []Flaw{{"", c.Flaw}}
	}
	k := &check{}
	k.event(c.Event)
	return k.flaws
}

// check gathers the flaws of one event.
type check struct{ flaws []Flaw }

func (k *check) flaw(field, format string, args ...any) {
	k.flaws = append(k.flaws, Flaw{field, fmt.Sprintf(format, args...)})
}

// Fields of an event by its type; those of every event, and what may stand in them.
var (
	everyField  = set(`@context type eventTime recordTime eventTimeZoneOffset eventID certificationInfo errorDeclaration`)
	commonField = `action bizStep disposition readPoint bizLocation bizTransactionList sourceList destinationList sensorElementList `
	typeFields  = map[string]map[string]bool{
		ObjectEvent:         set(commonField + `epcList quantityList persistentDisposition ilmd`),
		AggregationEvent:    set(commonField + `parentID childEPCs childQuantityList`),
		AssociationEvent:    set(commonField + `parentID childEPCs childQuantityList`),
		TransactionEvent:    set(commonField + `parentID epcList quantityList`),
		TransformationEvent: set(commonField[len("action "):] + `inputEPCList inputQuantityList outputEPCList outputQuantityList transformationID persistentDisposition ilmd`),
	}
	metadataTypes = fieldTypes(`time startTime endTime`, (*check).time, `deviceID deviceMetadata rawData dataProcessingMethod bizRules`, (*check).uri)
	reportTypes   = fieldTypes(`time`, (*check).time,
		`deviceID deviceMetadata rawData dataProcessingMethod bizRules microorganism chemicalSubstance coordinateReferenceSystem uriValue`, (*check).uri,
		`value minValue maxValue meanValue sDev percRank percValue`, (*check).number, `exception component stringValue hexBinaryValue uom`, (*check).plain, `type`, (*check).measured, `booleanValue`, (*check).flag)
	// measures are GS1's web vocabulary of what sensors measure.
	measures = words("", "", `AbsoluteHumidity AbsorbedDose AbsorbedDoseRate Acceleration Radioactivity Altitude AmountOfSubstance AmountOfSubstancePerUnitVolume Angle
		AngularAcceleration AngularMomentum AngularVelocity Area Capacitance Conductance Conductivity Count Density Dimensionless DoseEquivalent
		DoseEquivalentRate DynamicViscosity ElectricCharge ElectricCurrent ElectricCurrentDensity ElectricFieldStrength Energy Exposure Force
		Frequency Illuminance Inductance Irradiance KinematicViscosity Length LinearMomentum Luminance LuminousFlux LuminousIntensity MagneticFlux
		MagneticFluxDensity MagneticVectorPotential Mass MassConcentration MassFlowRate MassPerAreaTime MemoryCapacity MolalityOfSolute MolarEnergy
		MolarMass MolarVolume Power Pressure RadiantFlux RadiantIntensity RelativeHumidity Resistance Resistivity SolidAngle SpecificVolume Speed
		SurfaceDensity SurfaceTension Temperature Time Torque Voltage Volume VolumeFlowRate VolumeFraction VolumetricFlux Wavenumber`)
	offsetForm = regexp.MustCompile(`^[+-]((0[0-9]|1[0-3]):[0-5][0-9]|14:00)$`)
	unitForm   = regexp.MustCompile(`^[A-Z0-9]{2,3}$`)
)

type fieldCheck = func(k *check, field string, v any)

// fieldTypes pairs lists of names with what is asked of them.
func fieldTypes(pairs ...any) map[string]fieldCheck {
	found := map[string]fieldCheck{}
	for i := 0; i < len(pairs); i += 2 {
		for _, name := range strings.Fields(pairs[i].(string)) {
			found[name] = pairs[i+1].(fieldCheck)
		}
	}
	return found
}

func (k *check) event(o *Object) {
	kind := text(o.Get("type"))
	fields, known := typeFields[kind]
	switch {
	case kind == "":
		k.flaw("type", "is missing")
	case !known && !isURI(kind):
		k.flaw("type", "%q is no type of event, nor a URI of another vocabulary", kind)
	}
	for _, name := range []string{"eventTime", "eventTimeZoneOffset"} {
		if o.Get(name) == nil {
			k.flaw(name, "is missing")
		}
	}
	for _, m := range o.all() {
		if known && !everyField[m.name] && !fields[m.name] && !isURI(m.name) {
			k.flaw(m.name, "is no field of %s; a field of one's own has a prefix: ex:%s", kind, m.name)
			continue
		}
		if of, ok := eventTypes[m.name]; ok {
			of(k, m.name, m.value)
		}
	}
	if known {
		k.needs(kind, o)
	}
}

// needs are the fields that a type cannot be without.
func (k *check) needs(kind string, o *Object) {
	filled := func(name string) bool { return len(list(o.Get(name))) > 0 }
	there := func(name string) bool { _, ok := o.Get(name).([]any); return ok }
	if kind != TransformationEvent && o.Get("action") == nil {
		k.flaw("action", "is missing")
	}
	deletes := text(o.Get("action")) == actionDelete
	switch kind {
	case ObjectEvent:
		if !there("epcList") && !filled("quantityList") && (!filled("sensorElementList") || o.Get("readPoint") == nil) {
			k.flaw("epcList", "neither epcList nor quantityList says which things; sensor data alone needs a readPoint")
		}
		if o.Get("ilmd") != nil && text(o.Get("action")) != actionAdd {
			k.flaw("ilmd", "goes with action ADD only")
		}
	case AggregationEvent, AssociationEvent:
		if !deletes && !filled("childEPCs") && !filled("childQuantityList") {
			k.flaw("childEPCs", "neither childEPCs nor childQuantityList says which things")
		}
		if kind == AssociationEvent && o.Get("parentID") == nil {
			k.flaw("parentID", "is missing")
		}
	case TransactionEvent:
		if !filled("bizTransactionList") {
			k.flaw("bizTransactionList", "is missing")
		}
		if !deletes && !there("epcList") && !filled("quantityList") {
			k.flaw("epcList", "neither epcList nor quantityList says which things")
		}
	case TransformationEvent:
		in, out := filled("inputEPCList") || filled("inputQuantityList"), filled("outputEPCList") || filled("outputQuantityList")
		if !in && !out || (!in || !out) && o.Get("transformationID") == nil {
			k.flaw("inputEPCList", "what went in and what came out must both be named, or one of them beside a transformationID")
		}
	}
}

// eventTypes are what is asked of the fields of an event.
var eventTypes = map[string]fieldCheck{
	"eventTime": (*check).time, "recordTime": (*check).time, "eventID": (*check).uri, "parentID": (*check).uri, "transformationID": (*check).uri,
	"eventTimeZoneOffset": func(k *check, at string, v any) {
		if !offsetForm.MatchString(text(v)) {
			k.flaw(at, "%s is no offset such as +02:00", shown(v))
		}
	},
	"certificationInfo": func(k *check, at string, v any) {
		if _, many := v.([]any); many {
			(*check).uris(k, at, v)
		} else {
			k.uri(at, v)
		}
	},
	"action": func(k *check, at string, v any) {
		if a := text(v); a != actionAdd && a != actionObserve && a != actionDelete {
			k.flaw(at, "%s is none of OBSERVE, ADD and DELETE", shown(v))
		}
	},
	"bizStep": wordOf(bizSteps), "disposition": wordOf(dispositions),
	"epcList": uniqueURIs, "inputEPCList": uniqueURIs, "outputEPCList": uniqueURIs, "childEPCs": (*check).uris,
	"quantityList": quantities, "childQuantityList": quantities, "inputQuantityList": quantities, "outputQuantityList": quantities,
	"readPoint": place, "bizLocation": place,
	"bizTransactionList": eachObject(func(k *check, at string, o *Object) {
		k.closed(at, o, "type", "bizTransaction")
		k.optional(at, o, "type", wordOf(transactionTypes))
		k.required(at, o, "bizTransaction", (*check).uri)
	}),
	"sourceList": parties("source"), "destinationList": parties("destination"),
	"persistentDisposition": func(k *check, at string, v any) {
		o := k.object(at, v)
		k.closed(at, o, "set", "unset")
		if o != nil && len(list(o.Get("set"))) == 0 && len(list(o.Get("unset"))) == 0 {
			k.flaw(at, "has neither set nor unset")
		}
		for _, name := range []string{"set", "unset"} {
			k.optional(at, o, name, func(k *check, at string, v any) { k.each(at, v, wordOf(dispositions)) })
		}
	},
	"sensorElementList": eachObject(sensorElement),
	"ilmd": func(k *check, at string, v any) {
		for _, name := range k.object(at, v).Names() {
			if !isURI(name) {
				k.flaw(at+"."+name, "has no prefix; master data is told in words of a vocabulary: cbvmda:%s", name)
			}
		}
	},
	"errorDeclaration": func(k *check, at string, v any) {
		o := k.object(at, v)
		k.open(at, o, map[string]fieldCheck{"declarationTime": (*check).time, "reason": wordOf(errorReasons), "correctiveEventIDs": (*check).uris})
		if o != nil && o.Get("declarationTime") == nil {
			k.flaw(at+".declarationTime", "is missing")
		}
	},
}

func sensorElement(k *check, at string, o *Object) {
	k.open(at, o, map[string]fieldCheck{
		"sensorMetadata": func(k *check, at string, v any) { k.open(at, k.object(at, v), metadataTypes) },
		"sensorReport": eachObject(func(k *check, at string, o *Object) {
			k.open(at, o, reportTypes)
			if o.Get("type") == nil {
				k.flaw(at+".type", "is missing")
			}
		})})
	if o != nil && len(list(o.Get("sensorReport"))) == 0 {
		k.flaw(at+".sensorReport", "is missing")
	}
}

func (k *check) measured(at string, v any) {
	if word := text(v); !measures.words[word] && (!isURI(word) || strings.Contains(word, "gs1.org/voc/")) {
		k.flaw(at, "%s is no measurement of GS1's web vocabulary, nor a URI of another", shown(v))
	}
}

func quantities(k *check, at string, v any) {
	k.each(at, v, func(k *check, at string, v any) {
		o := k.object(at, v)
		k.closed(at, o, "epcClass", "quantity", "uom")
		k.required(at, o, "epcClass", (*check).uri)
		k.optional(at, o, "quantity", (*check).number)
		k.optional(at, o, "uom", func(k *check, at string, v any) {
			if !unitForm.MatchString(text(v)) {
				k.flaw(at, "%s is no code of UN/ECE Recommendation 20 such as KGM", shown(v))
			}
		})
	})
}

func parties(field string) fieldCheck {
	return eachObject(func(k *check, at string, o *Object) {
		k.closed(at, o, "type", field)
		k.required(at, o, "type", wordOf(partyTypes))
		k.required(at, o, field, (*check).uri)
	})
}

func place(k *check, at string, v any) { k.required(at, k.object(at, v), "id", (*check).uri) }

// wordOf asks for a word of one of CBV's lists, or a URI of another's.
func wordOf(v *vocabulary) fieldCheck {
	return func(k *check, at string, value any) {
		word := text(value)
		switch {
		case v.words[word]:
		case !isURI(word):
			k.flaw(at, "%s is no word of CBV, nor a URI of another vocabulary", shown(value))
		case strings.HasPrefix(word, "urn:epcglobal:cbv"), strings.HasPrefix(word, v.uri) && !v.words[strings.TrimPrefix(word, v.uri)]:
			k.flaw(at, "%q is no word of CBV 2.0", word)
		}
	}
}

func eachObject(of func(k *check, at string, o *Object)) fieldCheck {
	return func(k *check, at string, v any) {
		k.each(at, v, func(k *check, at string, v any) {
			if o := k.object(at, v); o != nil {
				of(k, at, o)
			}
		})
	}
}

func uniqueURIs(k *check, at string, v any) {
	k.uris(at, v)
	for i, a := range list(v) {
		if slices.Contains(list(v)[:i], a) && text(a) != "" {
			k.flaw(at, "%q stands there twice", text(a))
			return
		}
	}
}

func (k *check) each(at string, v any, of fieldCheck) {
	all, ok := v.([]any)
	if !ok {
		k.flaw(at, "is no list")
	}
	for i, one := range all {
		of(k, fmt.Sprintf("%s[%d]", at, i), one)
	}
}

func (k *check) uris(at string, v any) { k.each(at, v, (*check).uri) }

func (k *check) object(at string, v any) *Object {
	o := object(v)
	if o == nil {
		k.flaw(at, "is no object")
	}
	return o
}

// closed: no other members.
func (k *check) closed(at string, o *Object, names ...string) {
	for _, name := range o.Names() {
		if !slices.Contains(names, name) {
			k.flaw(at+"."+name, "is not known here; there are %s", strings.Join(names, ", "))
		}
	}
}

// open: other members have a prefix.
func (k *check) open(at string, o *Object, known map[string]fieldCheck) {
	for _, m := range o.all() {
		if of, ok := known[m.name]; ok {
			of(k, at+"."+m.name, m.value)
		} else if !isURI(m.name) {
			k.flaw(at+"."+m.name, "is not known here; a field of one's own has a prefix")
		}
	}
}

func (k *check) required(at string, o *Object, name string, of fieldCheck) {
	if o != nil && o.Get(name) == nil {
		k.flaw(at+"."+name, "is missing")
	}
	k.optional(at, o, name, of)
}

func (k *check) optional(at string, o *Object, name string, of fieldCheck) {
	if v := o.Get(name); v != nil {
		of(k, at+"."+name, v)
	}
}

func (k *check) time(at string, v any) {
	if _, err := parseTime(text(v)); err != nil {
		k.flaw(at, "%s is no time such as 2026-11-26T08:00:00.000+01:00", shown(v))
	}
}

func (k *check) uri(at string, v any) {
	if !isURI(text(v)) {
		k.flaw(at, "%s is no URI", shown(v))
	}
}

func (k *check) number(at string, v any) {
	if _, ok := v.(json.Number); !ok {
		k.flaw(at, "%s is no number", shown(v))
	}
}

func (k *check) plain(at string, v any) {
	if _, ok := v.(string); !ok {
		k.flaw(at, "%s is no text", shown(v))
	}
}

func (k *check) flag(at string, v any) {
	if _, ok := v.(bool); !ok {
		k.flaw(at, "%s is neither true nor false", shown(v))
	}
}

// isURI is whether a text names its scheme, or a prefix of the document's.
func isURI(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.IsAbs()
}

// shown is a value in a message.
func shown(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		return "this"
	}
	if len(raw) > 80 {
		return strings.ToValidUTF8(string(raw[:80]), "") + "..."
	}
	return string(raw)
}

// CheckDocument holds the head of a document, all but its events, against the form of an EPCISDocument. An error is of a text that is no JSON.
func CheckDocument(from io.Reader) ([]Flaw, error) {
	r := &reader{decoder: newDecoder(from)}
	k := &check{}
	seen := map[string]bool{}
	err := r.within(func(name string) error {
		if seen[name] {
			k.flaw(name, "stands twice in the document")
		}
		seen[name] = true
		if name == "epcisBody" {
			return r.within(func(name string) error {
				if name == "eventList" {
					seen["eventList"] = true
				}
				return r.skip()
			})
		}
		if name == "epcisHeader" {
			return r.skip()
		}
		r.allow()
		v, err := r.value(1)
		k.head(name, v)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("byte %d: %w", r.json.InputOffset(), err)
	}
	if _, err := r.json.Token(); !errors.Is(err, io.EOF) {
		k.flaw("", "something stands behind the document")
	}
	for _, name := range []string{"@context", "type", "schemaVersion", "creationDate", "epcisBody"} {
		if !seen[name] {
			k.flaw(name, "is missing")
		}
	}
	if seen["epcisBody"] && !seen["eventList"] {
		k.flaw("epcisBody.eventList", "is missing")
	}
	return k.flaws, nil
}

func (k *check) head(name string, v any) {
	switch name {
	case "type":
		if text(v) != "EPCISDocument" {
			k.flaw(name, "%s: an EPCISDocument is taken, and nothing else", shown(v))
		}
	case "schemaVersion":
		if version := text(v); version != "2" && !strings.HasPrefix(version, "2.") {
			k.flaw(name, "%s: documents of EPCIS 2.0 are taken", shown(v))
		}
	case "creationDate":
		k.time(name, v)
	case "@context", "id", "instanceIdentifier", "sender", "receiver":
	default:
		if !isURI(name) {
			k.flaw(name, "is no field of a document; a field of one's own has a prefix")
		}
	}
}
