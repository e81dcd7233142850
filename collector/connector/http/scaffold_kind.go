package http

import (
	"fmt"
	"maps"
	nethttp "net/http"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/dockline/dockline/collector/connector"
)

// ourReference are the names under which systems keep the reference of somebody else, the best first.
var ourReference = []string{"externalreference", "externalid", "externaldocumentnumber", "referenceid", "referencenumber", "reference", "clientreference", "customerreference"}

// numbers are the names under which a record bears its number.
var numbers = []string{"number", "documentnumber", "no", "id", "uid", "code", "name"}

// fieldNames are the names that systems have for fields of ours.
var fieldNames = map[string][]string{
	"order": {"order", "ordernumber", "orderid", "salesorder", "salesorderid", "salesordernumber"}, "number": {"ordernumber"},
	"site": {"site", "siteid", "location", "locationid", "locationcode", "warehouse", "warehouseid"}, "customer": {"customer", "customerid", "customernumber"},
	"carrier": {"carrier", "carriername"}, "tracking": {"tracking", "trackingnumber", "packagetrackingnumber"}, "shipment": {"shipment", "shipmentid", "shipmentnumber"},
	"reason": {"reason", "note", "comment", "memo"}, "text": {"text", "description", "subject"}, "status": {"status", "state"},
	"item": {"item", "itemid", "itemnumber", "sku", "product", "productid", "catalogobjectid", "variantid"}, "quantity": {"quantity", "qty"}, "delta": {"quantity", "qty", "delta"},
	"unit": {"unit", "uom", "unitofmeasure"}, "lot": {"lot", "lotnumber", "batch", "batchnumber"}, "bin": {"bin", "bincode"},
	"departed_at": {"shippedat", "shipmentdate", "departedat", "occurredat"}, "as_of": {"occurredat", "asof", "countedat"}, "ordered_at": {"orderdate", "orderedat"},
	"received_at": {"receivedat", "receiptdate"}, "lines": {"lines", "lineitems", "items", "orderlines"},
}

// auth says how the document wants requests to be proved.
func (w *scaffolding) auth() {
	for _, name := range slices.Sorted(maps.Keys(w.doc.Components["securitySchemes"])) {
		s := w.doc.resolve(w.doc.Components["securitySchemes"][name])
		flows := asMap(s["flows"])
		switch {
		case flows["clientCredentials"] != nil:
			w.line(0, "# CHECK: collector.yaml names auth.client_id, auth.client_secret_file and auth.token_url: %s", oneLine(textOf(asMap(flows["clientCredentials"])["tokenUrl"])))
			w.line(0, "auth: {oauth2: {grant: client_credentials}}")
			return
		case flows != nil:
			w.line(0, "# CHECK: %s is OAuth 2 with a person's consent. Put a long-lived token into the file of auth.bearer_file, or have", oneLine(name))
			w.line(0, "# auth: {oauth2: {grant: refresh_token}} and name auth.client_id, auth.refresh_token_file and auth.token_url in collector.yaml.")
			return
		case textOf(s["type"]) == "apiKey":
			w.line(0, "# CHECK: collector.yaml names the file of the key in auth.secrets.")
			where := "headers"
			if textOf(s["in"]) == "query" {
				where = "query"
			}
			w.line(0, "auth: {secrets: [key], %s: %s}", where, quoted("{"+celText(textOf(s["name"]))+": secret.key}"))
			return
		case textOf(s["scheme"]) == "basic" || textOf(s["scheme"]) == "bearer":
			w.line(0, "# CHECK: collector.yaml names auth.bearer_file, or auth.user and auth.password_file: %s.", oneLine(name))
			return
		}
	}
}

// request writes method, path, query and body of an operation.
func (w *scaffolding) request(indent int, o operation, usual string, body func(map[string]any, int) string) {
	if o.method != first(usual, nethttp.MethodGet) {
		w.line(indent, "method: %s", o.method)
	}
	path := celText(o.path)
	for _, name := range o.placeholders() {
		w.line(indent, "# CHECK %s", oneLine(name))
		path = strings.ReplaceAll(path, "{"+name+"}", `" + escape(`+celText("CHECK "+name)+`) + "`)
	}
	w.line(indent, "path: %s", quoted(strings.TrimSuffix(path, ` + ""`)))
	var query []string
	for _, p := range o.parameters {
		parameter := asMap(p)
		if required, _ := parameter["required"].(bool); required && textOf(parameter["in"]) == "query" {
			query = append(query, celText(textOf(parameter["name"]))+`: "CHECK"`)
		}
	}
	if len(query) > 0 {
		w.line(indent, "query: %s", quoted("{"+strings.Join(query, ", ")+"}"))
	}
	if o.body == nil || o.method == nethttp.MethodGet {
		return
	}
	if body == nil {
		body = func(schema map[string]any, depth int) string { return w.value(schema, "", nil, depth) }
	}
	w.line(indent, "body: |")
	for text := range strings.SplitSeq(body(o.body, 0), "\n") {
		w.line(indent+1, "%s", text)
	}
}

func (w *scaffolding) kind(kind connector.Kind, find, create operation) {
	variable, message := documentOf[kind].variable, documentOf[kind].message.ProtoReflect().Descriptor()
	w.line(1, "%s:", kind)
	w.line(2, "style: create-once")
	w.line(2, "find: # %s: CHECK that it finds what was made under posting.key, however long ago", oneLine(find.id))
	w.request(3, find, nethttp.MethodGet, nil)
	list, _ := itemsOf(w.doc, find.answer)
	w.line(3, "# CHECK: where the system leaves the list out when there is none, say so: '!has(body.x) && body.size() == 0 ? [] : body.x'.")
	w.line(3, "items: %s", quoted(list.expression))
	reference := bestOf(list.properties, ourReference)
	if reference == "" {
		w.line(3, "# CHECK: no field of the answer is called like somebody else's reference; name the one that holds posting.key.")
		reference = "CHECK_reference"
	}
	w.line(3, "match: %s", quoted(fmt.Sprintf(`has(item.%s) && item.%s == posting.key`, celField(reference), celField(reference))))
	number := bestOf(list.properties, numbers)
	w.line(3, "document: {kind: %s, number: %s}", kind, quoted("string(item."+celField(first(number, "id"))+")"))
	w.line(3, "# CHECK: compare the record with what the posting wants; until then each is shown to a person.")
	w.line(3, "complete: 'false'")
	w.line(3, "difference: '\"the definition does not compare it yet\"'")
	w.line(2, "apply:")
	w.line(3, "- # %s", oneLine(create.id))
	w.request(4, create, nethttp.MethodPost, func(schema map[string]any, depth int) string { return w.value(schema, variable, message, depth) })
}

// celField is a property as CEL selects it. A name that CEL cannot write selects what is not there, which is a fault that names it.
func celField(name string) string {
	if name == "" || strings.ContainsFunc(name, func(r rune) bool {
		return r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	}) || name[0] >= '0' && name[0] <= '9' || slices.Contains([]string{"in", "as", "break", "const", "continue", "else", "false", "for", "function", "if", "import", "let", "loop", "package", "namespace", "null", "return", "true", "var", "void", "while"}, name) {
		return "CHECK_" + plainName(name)
	}
	return name
}

// bestOf is the property whose name stands first among the names.
func bestOf(properties map[string]any, names []string) string {
	for _, name := range names {
		for _, p := range slices.Sorted(maps.Keys(properties)) {
			if plainName(p) == name {
				return p
			}
		}
	}
	return ""
}

type answerList struct {
	expression string
	properties map[string]any // of an item
}

// itemsOf is where an answer has its records, and whether it is a list of them.
func itemsOf(d *openAPI, answer map[string]any) (answerList, bool) {
	if textOf(answer["type"]) == "array" {
		return answerList{"body", asMap(d.schema(answer["items"])["properties"])}, true
	}
	properties := asMap(answer["properties"])
	var best answerList
	most := 0
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		p := d.schema(properties[name])
		item := d.schema(p["items"])
		if textOf(p["type"]) != "array" || item["properties"] == nil || strings.Contains(plainName(name), "error") {
			continue
		}
		n := 1 + len(asMap(item["properties"])) // the records themselves rather than what is told beside them
		if bestOf(asMap(item["properties"]), ourReference) != "" {
			n += 1000
		}
		if n > most {
			field := celField(name)
			best, most = answerList{"body." + field, asMap(item["properties"])}, n
		}
	}
	if most > 0 {
		return best, true
	}
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		if p := d.schema(properties[name]); p["properties"] != nil {
			field := celField(name)
			return answerList{"[body." + field + "]", asMap(p["properties"])}, false
		}
	}
	return answerList{"[body]", properties}, false
}

// value is an expression that gives what a schema wants, of a message of ours where there is one.
func (w *scaffolding) value(v any, variable string, message protoreflect.MessageDescriptor, depth int) string {
	s := w.doc.schema(v)
	switch textOf(s["type"]) {
	case "array":
		if item := w.doc.schema(s["items"]); item["properties"] != nil && depth < 5 {
			return "[" + w.value(item, variable, message, depth+1) + "]"
		}
		return "[]"
	case "integer", "number":
		return "0"
	case "boolean":
		return "false"
	case "string":
		if list, _ := s["enum"].([]any); len(list) > 0 {
			return celText(textOf(list[0]))
		}
		return `"CHECK"`
	}
	properties := asMap(s["properties"])
	required, _ := s["required"].([]any)
	if depth > 5 { // a schema that contains itself
		return "{}"
	}
	indent := strings.Repeat("  ", depth+1)
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		value, ours := w.mapped(name, properties[name], variable, message, depth)
		if !ours && !slices.Contains(required, any(name)) {
			within := w.doc.schema(properties[name])
			if variable == "" || within["properties"] == nil || depth >= 3 {
				continue
			}
			// An object that is not required is begun where something of ours belongs into it.
			if value = w.value(properties[name], variable, message, depth+1); !strings.Contains(value, "posting.") && !strings.Contains(value, "l.") {
				continue
			}
		} else if !ours {
			value = w.value(properties[name], variable, message, depth+1)
		}
		lines = append(lines, indent+celText(name)+": "+value)
	}
	if len(lines) == 0 {
		return "{}"
	}
	return "{\n" + strings.Join(lines, ",\n") + "\n" + strings.Repeat("  ", depth) + "}"
}

// mapped is what a property holds of the posting, by its name and type.
func (w *scaffolding) mapped(name string, v any, variable string, message protoreflect.MessageDescriptor, depth int) (string, bool) {
	if message == nil {
		return "", false
	}
	s, plain := w.doc.schema(v), plainName(name)
	kind := textOf(s["type"])
	if variable != "l" && kind == "string" && s["enum"] == nil && (plain == "idempotencykey" || slices.Contains(ourReference, plain)) {
		return "posting.key", true
	}
	for _, field := range slices.Sorted(maps.Keys(fieldNames)) {
		f := message.Fields().ByName(protoreflect.Name(field))
		if f == nil || !slices.Contains(fieldNames[field], plain) {
			continue
		}
		at := variable + "." + field
		switch {
		case field == "lines" && kind == "array" && f.IsList():
			return at + ".map(l, " + w.value(s["items"], "l", f.Message(), depth+1) + ")", true
		case f.IsList():
			continue
		case f.Kind() == protoreflect.MessageKind && f.Message().Name() == "Quantity":
			at += ".value"
		case f.Kind() == protoreflect.MessageKind && f.Message().Name() == "Timestamp" && kind == "string":
			return "string(" + at + ")", true
		case f.Kind() != protoreflect.StringKind:
			continue
		}
		switch {
		case kind == "string" && s["enum"] == nil:
			return at, true
		case kind == "number":
			return "double(" + at + ")", true
		case kind == "integer" && (field == "quantity" || field == "delta"):
			return "int(double(" + at + "))", true
		}
	}
	return "", false
}
