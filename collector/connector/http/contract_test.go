package http_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	nethttp "net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// contract is a published OpenAPI 3.0 document that requests and answers are held against. Stricter than it: a property that it does not name is
// refused, and so is one in a request that only answers may bear.
type contract struct {
	operations       []contracted
	requests, answer *jsonschema.Compiler

	mu      sync.Mutex
	seen    map[string]int // operations that were asked for
	schemas map[string]*jsonschema.Schema
}

type contracted struct {
	method, id string
	path       []string
	request    string // the name of the body's schema
	answers    map[string]string
	query      []string
}

func openContract(t *testing.T, text []byte) *contract {
	t.Helper()
	var doc struct {
		Paths      map[string]map[string]json.RawMessage
		Components struct{ Schemas map[string]any }
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	c := &contract{seen: map[string]int{}, schemas: map[string]*jsonschema.Schema{}}
	for _, side := range []struct {
		to      **jsonschema.Compiler
		request bool
	}{{&c.requests, true}, {&c.answer, false}} {
		*side.to = jsonschema.NewCompiler()
		whole := map[string]any{"components": map[string]any{"schemas": strict(doc.Components.Schemas, side.request, true)}}
		if err := (*side.to).AddResource("contract.json", whole); err != nil {
			t.Fatal(err)
		}
	}
	type body struct {
		Content map[string]struct {
			Schema struct {
				Ref string `json:"$ref"`
			}
		}
	}
	for path, methods := range doc.Paths {
		for method, raw := range methods {
			var o struct {
				OperationID string
				Parameters  []struct{ Name, In string }
				RequestBody body
				Responses   map[string]body
			}
			if json.Unmarshal(raw, &o) != nil || o.OperationID == "" {
				continue
			}
			one := contracted{method: strings.ToUpper(method), id: o.OperationID, path: strings.Split(path, "/"), request: o.RequestBody.Content["application/json"].Schema.Ref, answers: map[string]string{}}
			for _, p := range o.Parameters {
				if p.In == "query" {
					one.query = append(one.query, p.Name)
				}
			}
			for status, answer := range o.Responses {
				one.answers[status] = answer.Content["application/json"].Schema.Ref
			}
			c.operations = append(c.operations, one)
		}
	}
	return c
}

// strict is a schema of OpenAPI 3.0 as one of JSON Schema. top is a map of schemas rather than one.
func strict(v any, request, top bool) any {
	switch v := v.(type) {
	case []any:
		out := make([]any, len(v))
		for i, each := range v {
			out[i] = strict(each, request, false)
		}
		return out
	case map[string]any:
		out := map[string]any{}
		for name, each := range v {
			switch {
			case top:
				out[name] = strict(each, request, false)
			case name == "properties":
				properties := map[string]any{}
				for p, s := range each.(map[string]any) {
					only, _ := s.(map[string]any)["readOnly"].(bool)
					if properties[p] = strict(s, request, false); request && only {
						properties[p] = false
					}
				}
				out[name] = properties
			case name == "nullable" || name == "readOnly" || name == "example" || name == "discriminator" || name == "description" || strings.HasPrefix(name, "x-"):
			case name == "items" || name == "additionalProperties" || name == "allOf" || name == "anyOf" || name == "oneOf" || name == "not":
				out[name] = strict(each, request, false)
			default:
				out[name] = each
			}
		}
		if _, open := v["additionalProperties"]; !top && v["properties"] != nil && !open {
			out["additionalProperties"] = false
		}
		if nullable, _ := v["nullable"].(bool); nullable && !top {
			return map[string]any{"anyOf": []any{out, map[string]any{"type": "null"}}}
		}
		return out
	}
	return v
}

func (c *contract) operation(method, path string) *contracted {
	parts := strings.Split(path, "/")
	var found *contracted
	for i, o := range c.operations {
		if o.method != method || len(o.path) != len(parts) {
			continue
		}
		fits, fixed := true, true
		for at, part := range o.path {
			if strings.HasPrefix(part, "{") {
				fixed = false
			} else if part != parts[at] {
				fits = false
			}
		}
		if fits && (found == nil || fixed) {
			found = &c.operations[i]
		}
	}
	return found
}

// hold is nil where a body is as the schema wants it.
func (c *contract) hold(compiler *jsonschema.Compiler, side, ref string, body []byte) error {
	if ref == "" {
		if len(body) > 0 {
			return fmt.Errorf("a body where none belongs: %s", body)
		}
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	schema := c.schemas[side+ref]
	if schema == nil {
		var err error
		if schema, err = compiler.Compile("contract.json" + ref); err != nil {
			return err
		}
		c.schemas[side+ref] = schema
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return err
	}
	return schema.Validate(value)
}

// asked holds a request against the contract.
func (c *contract) asked(r *nethttp.Request, body []byte) (*contracted, error) {
	o := c.operation(r.Method, r.URL.Path)
	if o == nil {
		return nil, fmt.Errorf("%s %s is no operation", r.Method, r.URL.Path)
	}
	for name := range r.URL.Query() {
		if !slices.Contains(o.query, name) {
			return nil, fmt.Errorf("%s: %s is no parameter", o.id, name)
		}
	}
	if len(body) > 0 && r.Header.Get("Content-Type") != "application/json" {
		return nil, fmt.Errorf("%s: the body is %s", o.id, r.Header.Get("Content-Type"))
	}
	c.mu.Lock()
	c.seen[o.id]++
	c.mu.Unlock()
	if err := c.hold(c.requests, "request", o.request, body); err != nil {
		return nil, fmt.Errorf("%s: request %s: %w", o.id, body, err)
	}
	return o, nil
}

// told holds an answer against it; the contract has one schema for success and error.
func (c *contract) told(o *contracted, body []byte) error {
	ref := o.answers["200"]
	if err := c.hold(c.answer, "answer", ref, body); err != nil {
		return fmt.Errorf("%s: answer %s: %w", o.id, body, err)
	}
	return nil
}

func (c *contract) used() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Sorted(maps.Keys(c.seen))
}

// The contract can refuse: what it does not know, what is too long, of another type, missing, or not the client's to say.
func TestContractRefuses(t *testing.T) {
	c := openContract(t, specFile(t, squareContract))
	for body, good := range map[string]bool{
		`{"idempotency_key": "k", "order": {"location_id": "L1", "line_items": [{"quantity": "1"}]}}`: true,
		`{"idempotency_key": "k", "order": {"location_id": "L1", "reference_id": null}}`:              true,
		`{"order": {"line_items": []}}`:                                                       false, // location_id is missing
		`{"order": {"location_id": "L1", "id": "X"}}`:                                         false, // Square's to say
		`{"order": {"location_id": "L1", "reference": "X"}}`:                                  false, // unknown
		`{"order": {"location_id": "L1", "reference_id": 17}}`:                                false,
		`{"order": {"location_id": "L1", "line_items": [{}]}}`:                                false,
		`{"order": {"location_id": "L1", "reference_id": "` + strings.Repeat("x", 41) + `"}}`: false,
	} {
		r, err := nethttp.NewRequest("POST", "http://square/v2/orders", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		if _, err := c.asked(r, []byte(body)); (err == nil) != good {
			t.Errorf("%s: %v", body, err)
		}
	}
	if err := c.told(c.operation("POST", "/v2/orders"), []byte(`{"errors": [{"category": "API_ERROR", "code": "MADE_UP"}]}`)); err == nil {
		t.Error("an answer with a code that there is not is taken")
	}
	if c.operation("GET", "/v2/orderz") != nil {
		t.Error("an operation that there is not")
	}
}
