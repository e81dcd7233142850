package tryton

import (
	"context"
	"fmt"

	"github.com/dockline/dockline/testenv/erp"
)

// Order makes a sale with all that a person's client fills in, quotes and confirms it. Its lines are named by their ids, as Tryton
// numbers none.
func (c *Client) Order(ctx context.Context, in erp.NewOrder) (erp.Order, error) {
	customer, known := c.Customers[in.Customer]
	addresses, _ := customer["addresses"].([]any)
	if !known || len(addresses) == 0 {
		return erp.Order{}, fmt.Errorf("tryton: there is no customer %q with an address", in.Customer)
	}
	warehouse, known := c.Sites[in.Site]
	if !known {
		return erp.Order{}, fmt.Errorf("tryton: there is no warehouse %q", in.Site)
	}
	var lines []Object
	for _, l := range in.Lines {
		p, known := c.Products[l.Item]
		if !known {
			return erp.Order{}, fmt.Errorf("tryton: there is no product %q", l.Item)
		}
		price := p["list_price"]
		if l.UnitPrice != nil {
			price = Object{"__class__": "Decimal", "decimal": l.UnitPrice.String()}
		}
		lines = append(lines, Object{"product": p["id"], "quantity": l.Quantity.InexactFloat64(), "unit": p["default_uom"], "unit_price": price})
	}
	made, err := c.Do(ctx, "sale.sale.create", nil, []Object{{"reference": in.CustomerReference, "party": customer["id"], "invoice_address": addresses[0],
		"shipment_address": addresses[0], "payment_term": customer["customer_payment_term"], "warehouse": warehouse, "lines": []any{[]any{"create", lines}}}})
	if err != nil {
		return erp.Order{}, err
	}
	return c.confirm(ctx, IDs(made))
}

// confirm presses the buttons up to a sale in process. Tryton processes it in a second transaction, which may fail unseen: then a
// person presses that button too.
func (c *Client) confirm(ctx context.Context, sale []int64) (erp.Order, error) {
	for _, button := range []string{"quote", "confirm"} {
		if _, err := c.Do(ctx, "sale.sale."+button, nil, sale); err != nil {
			return erp.Order{}, err
		}
	}
	for again := 0; ; again++ {
		found, err := c.orders(ctx, []any{[]any{"id", "in", sale}})
		switch {
		case err != nil:
			return erp.Order{}, err
		case len(found) != 1:
			return erp.Order{}, fmt.Errorf("tryton: %d sales %v", len(found), sale)
		case found[0].Status != statusUnprocessed:
			return found[0], nil
		case again == 5:
			return found[0], fmt.Errorf("tryton: sale %s stays confirmed and is not processed", found[0].Number)
		}
		if _, err := c.Do(ctx, "sale.sale.process", nil, sale); err != nil {
			return erp.Order{}, err
		}
	}
}

// Authorise makes a return of an order as a person does: a sale with negative quantities, by item, that names the order it comes from.
func (c *Client) Authorise(ctx context.Context, order string, quantities map[string]float64) (number string, err error) {
	found, err := c.List(ctx, "sale.sale", []any{[]any{"number", "=", order}}, nil, "party", "invoice_address", "shipment_address", "payment_term", "warehouse", "lines")
	if err != nil || len(found) != 1 {
		return "", fmt.Errorf("tryton: %d orders %s: %w", len(found), order, err)
	}
	of := found[0]
	prices, err := c.List(ctx, "sale.line", []any{[]any{"sale", "=", of["id"]}}, nil, "product", "unit", "unit_price")
	if err != nil {
		return "", err
	}
	var lines []Object
	for item, n := range quantities {
		for _, l := range prices {
			if ID(l["product"]) == ID(c.Products[item]["id"]) {
				lines = append(lines, Object{"product": l["product"], "quantity": n, "unit": l["unit"], "unit_price": l["unit_price"]})
			}
		}
	}
	made, err := c.Do(ctx, "sale.sale.create", nil, []Object{{"origin": fmt.Sprintf("sale.sale,%d", ID(of["id"])), "reference": "return of " + order, "party": of["party"],
		"invoice_address": of["invoice_address"], "shipment_address": of["shipment_address"], "payment_term": of["payment_term"], "warehouse": of["warehouse"],
		"lines": []any{[]any{"create", lines}}}})
	if err != nil {
		return "", err
	}
	returned, err := c.confirm(ctx, IDs(made))
	return returned.Number, err
}
