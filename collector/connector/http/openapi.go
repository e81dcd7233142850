package http

import (
	"encoding/json"
	"fmt"
	"maps"
	nethttp "net/http"
	"slices"
	"strings"

	"github.com/dockline/dockline/proto/configfile"
)

// openAPI is what a scaffold needs of an OpenAPI 3 document (spec.openapis.org): operations, their bodies and answers, the ways to log in.
type openAPI struct {
	OpenAPI    string                          `json:"openapi" yaml:"openapi"`
	Info       struct{ Title, Version string } `json:"info" yaml:"info"`
	Paths      map[string]map[string]any       `json:"paths" yaml:"paths"`
	Components map[string]map[string]any       `json:"components" yaml:"components"`
}

// operation is one of its operations.
type operation struct {
	id, method, path, summary string
	deprecated                bool
	parameters                []any
	body, answer              map[string]any // schemas, resolved
}

func parseOpenAPI(name string, text []byte) (*openAPI, error) {
	d := &openAPI{}
	var err error
	if trimmed := strings.TrimSpace(string(text)); strings.HasPrefix(trimmed, "{") {
		err = json.Unmarshal(text, d)
	} else {
		err = configfile.Unmarshal(text, d)
	}
	if err != nil {
		return nil, fmt.Errorf("%s is neither JSON nor YAML: %w", name, err)
	}
	if !strings.HasPrefix(d.OpenAPI, "3.") {
		return nil, fmt.Errorf("%s is no OpenAPI 3 document: openapi is %q; a Swagger 2.0 document must be converted first", name, d.OpenAPI)
	}
	return d, nil
}

// resolve follows references within the document, as far as a few steps.
func (d *openAPI) resolve(v any) map[string]any {
	for range 8 {
		m, _ := v.(map[string]any)
		to, _ := m["$ref"].(string)
		if to == "" {
			return m
		}
		section, name, _ := strings.Cut(strings.TrimPrefix(to, "#/components/"), "/")
		v = d.Components[section][name]
	}
	return nil
}

// schema is a schema, with what allOf adds.
func (d *openAPI) schema(v any) map[string]any {
	s := d.resolve(v)
	parts, _ := s["allOf"].([]any)
	if len(parts) == 0 {
		return s
	}
	all := map[string]any{"type": "object"}
	properties, required := map[string]any{}, []any{}
	for _, part := range parts {
		p := d.schema(part)
		maps.Copy(properties, asMap(p["properties"]))
		list, _ := p["required"].([]any)
		required = append(required, list...)
	}
	all["properties"], all["required"] = properties, required
	return all
}

func asMap(v any) map[string]any { m, _ := v.(map[string]any); return m }

func textOf(v any) string { s, _ := v.(string); return s }

// operations are all, by path and method; one without an id is named by these.
func (d *openAPI) operations() (list []operation) {
	for _, path := range slices.Sorted(maps.Keys(d.Paths)) {
		shared, _ := d.Paths[path]["parameters"].([]any)
		for _, method := range []string{"get", "post", "put", "patch", "delete"} {
			m := asMap(d.Paths[path][method])
			if m == nil {
				continue
			}
			o := operation{id: textOf(m["operationId"]), method: strings.ToUpper(method), path: path, summary: firstLine(textOf(m["summary"]), textOf(m["description"]))}
			if o.id == "" {
				o.id = o.method + " " + path
			}
			o.deprecated, _ = m["deprecated"].(bool)
			own, _ := m["parameters"].([]any)
			for _, p := range slices.Concat(shared, own) {
				o.parameters = append(o.parameters, d.resolve(p))
			}
			o.body = d.content(m["requestBody"])
			for _, status := range []string{"200", "201", "202", "2XX", "default"} {
				if o.answer = d.content(answerOf(asMap(m["responses"]), status)); o.answer != nil {
					break
				}
			}
			list = append(list, o)
		}
	}
	return list
}

func answerOf(responses map[string]any, status string) any { return responses[status] }

// content is the schema of a body or an answer in JSON.
func (d *openAPI) content(v any) map[string]any {
	kinds := asMap(d.resolve(v)["content"])
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		if strings.Contains(kind, "json") {
			return d.schema(asMap(kinds[kind])["schema"])
		}
	}
	return nil
}

func firstLine(texts ...string) string {
	for _, text := range texts {
		if line, _, _ := strings.Cut(strings.TrimSpace(text), "\n"); line != "" {
			if len(line) > 100 {
				line = strings.ToValidUTF8(line[:100], "") + "..."
			}
			return line
		}
	}
	return ""
}

// placeholders are the names in braces of a path.
func (o operation) placeholders() (names []string) {
	for rest := o.path; ; {
		_, after, found := strings.Cut(rest, "{")
		if !found {
			return names
		}
		name, end, _ := strings.Cut(after, "}")
		names, rest = append(names, name), end
	}
}

// reads says whether it only reads: what GET asks for, and a search by POST.
func (o operation) reads() bool {
	if o.method == nethttp.MethodGet {
		return true
	}
	name := strings.ToLower(o.id + " " + o.path)
	return o.method == nethttp.MethodPost && slices.ContainsFunc([]string{"search", "retrieve", "query", "find", "list"}, func(word string) bool { return strings.Contains(name, word) })
}
