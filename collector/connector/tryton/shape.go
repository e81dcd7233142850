package tryton

import (
	"context"
	"slices"

	"github.com/dockline/dockline/collector/connector"
)

var _ connector.ShapeTeller = (*Connector)(nil)

// Shape is how Tryton makes the records that the connector reads and writes, as its clients are told it: a module that is installed, or an
// administrator, may add fields and make them required.
func (c *Connector) Shape(ctx context.Context) (connector.Shape, error) {
	models := []string{modelSale, modelSaleLine, modelShipment, modelReturn, modelMove, modelInvoice, modelBillLine, modelInventory}
	if c.settings.Opportunities {
		models = []string{modelOpportunity, modelParty}
	}
	out := connector.Shape{}
	for _, model := range models {
		got, err := c.client.call(ctx, "model."+model+".fields_get", nil, nil)
		if err != nil {
			return nil, err
		}
		fields, _ := got.(map[string]any)
		for name, made := range fields {
			f, _ := made.(map[string]any)
			field := connector.Field{Values: choices(f["selection"])}
			field.Type, _ = f["type"].(string)
			// What is read only is filled by Tryton itself, whoever requires it.
			required, _ := f["required"].(bool)
			readonly, _ := f["readonly"].(bool)
			field.Required = required && !readonly
			out[model+"."+name] = field
		}
	}
	return out, nil
}

// choices are the values of a selection, none where a method of the model gives them.
func choices(selection any) (out []string) {
	pairs, _ := selection.([]any)
	for _, pair := range pairs {
		p, _ := pair.([]any)
		if len(p) != 2 {
			continue
		}
		if value, ok := p[0].(string); ok && value != "" {
			out = append(out, value)
		}
	}
	slices.Sort(out)
	return out
}
