package erp

import (
	"maps"
	"reflect"
	"slices"
	"strings"
)

// SchemaField is how one field of a document is made, as /api/schema tells it.
type SchemaField struct {
	Name     string   `json:"name"`
	Type     string   `json:"type"`
	Required bool     `json:"required"`
	Values   []string `json:"values,omitempty"`
}

// schema is what the documents are made of, and what a test has changed of it.
type schema struct{ changed map[string]*SchemaField }

// documents are told by their own structs, so that what is told cannot fall behind.
var described = map[string]any{"sales_order": Order{}, "sales_order_line": OrderLine{}, "goods_issue": GoodsIssue{}, "invoice": Invoice{}, "stock_adjustment": Adjustment{}}

func (s *schema) fields() []SchemaField {
	all := map[string]*SchemaField{}
	for document, of := range described {
		made := reflect.TypeOf(of)
		for i := range made.NumField() {
			name, more, _ := strings.Cut(made.Field(i).Tag.Get("json"), ",")
			if name == "" || name == "-" {
				continue
			}
			f := &SchemaField{Name: document + "." + name, Type: made.Field(i).Type.Kind().String(), Required: !strings.Contains(more, "omitempty")}
			if f.Name == "sales_order.status" {
				f.Values = []string{"cancelled", "open", "shipped"}
			}
			all[f.Name] = f
		}
	}
	maps.Copy(all, s.changed)
	var out []SchemaField
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if all[name] != nil {
			out = append(out, *all[name])
		}
	}
	return out
}

// ChangeSchema tells a field otherwise from now on, as after an update of the ERP; nil takes it away. What documents are made of stays as it is.
func (s *Server) ChangeSchema(name string, f *SchemaField) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.schema.changed == nil {
		s.schema.changed = map[string]*SchemaField{}
	}
	if s.schema.changed[name] = f; f != nil {
		f.Name = name
	}
}
