package epcis

import "strings"

var (
	metadataOrder = strings.Fields(`time startTime endTime deviceID deviceMetadata rawData dataProcessingMethod bizRules`)
	reportOrder   = strings.Fields(`type exception deviceID deviceMetadata rawData dataProcessingMethod time microorganism chemicalSubstance value component
		stringValue booleanValue hexBinaryValue uriValue minValue maxValue meanValue sDev percRank percValue uom coordinateReferenceSystem`)
)

// sensors writes the sensor elements. Dockline has no events of sensors; others' hashes are checked all the same.
func (h *hasher) sensors(event *Object) {
	var found []string
	for _, v := range list(event.Get("sensorElementList")) {
		element := object(v)
		part := &hasher{context: h.context}
		if metadata := object(element.Get("sensorMetadata")); metadata != nil {
			part.b.WriteString("sensorMetadata" + h.inOrder(metadata, metadataOrder))
		}
		var reports []string
		for _, report := range list(element.Get("sensorReport")) {
			reports = append(reports, "sensorReport"+h.inOrder(object(report), reportOrder))
		}
		part.sorted(reports)
		part.b.WriteString(h.extensions(element, map[string]bool{"type": true, "sensorMetadata": true, "sensorReport": true}))
		found = append(found, "sensorElement"+part.b.String())
	}
	if len(found) > 0 {
		h.b.WriteString("sensorElementList")
		h.sorted(found)
	}
}

func (h *hasher) inOrder(o *Object, order []string) string {
	part := &hasher{context: h.context}
	skip := map[string]bool{"type": true} // where it is no field, it says that a report is a report
	for _, name := range order {
		skip[name] = true
		form := h.value
		switch name {
		case "time", "startTime", "endTime":
			form = canonicalTime
		case "type", "exception":
			form = h.measure
		case "component":
			form = h.term(components)
		}
		part.scalar(o, name, form)
	}
	return part.b.String() + h.extensions(o, skip)
}

// measure: bare words in a sensor report are of GS1's web vocabulary.
func (h *hasher) measure(s string) string {
	if !strings.Contains(s, ":") {
		return gs1Namespace + s
	}
	return h.value(s)
}
