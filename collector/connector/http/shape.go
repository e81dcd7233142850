package http

import (
	"context"
	"encoding/json"
	nethttp "net/http"
	"slices"

	"github.com/dockline/dockline/collector/connector"
)

// shape is how the system is asked how its records are made, nil where it does not tell.
type shape struct {
	request *request
	fields  *expression
}

func (c *compiler) shape(s *shapeSource) *shape {
	if s == nil {
		return nil
	}
	return &shape{request: c.request("shape", s.Request, nil, nethttp.MethodGet), fields: c.required("shape.fields", s.Fields, anyList, bodyVars)}
}

// Shape asks the system, where the definition says how.
func (c *Connector) Shape(ctx context.Context) (connector.Shape, error) {
	of := c.definition.shape
	if of == nil {
		return nil, nil
	}
	got, err := c.do(ctx, of.request, values{}, "")
	if err != nil {
		return nil, err
	}
	text, err := of.fields.json(ctx, got.read())
	if err != nil {
		return nil, err
	}
	var fields []struct {
		Name     string   `json:"name"`
		Type     string   `json:"type"`
		Required bool     `json:"required"`
		Values   []string `json:"values"`
	}
	if err := json.Unmarshal(text, &fields); err != nil {
		return nil, of.fields.mapping(err)
	}
	out := make(connector.Shape, len(fields))
	for _, f := range fields {
		slices.Sort(f.Values)
		out[f.Name] = connector.Field{Type: f.Type, Required: f.Required, Values: f.Values}
	}
	return out, nil
}
