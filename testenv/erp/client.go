package erp

import (
	"context"
	"net/http"
	"net/url"

	"github.com/dockline/dockline/testenv/sandbox"
)

// Client is a person at the ERP's screen, or a check: it meets no faults. A refusal is a *sandbox.Refusal.
type Client struct{ sandbox.Client }

// NewClient speaks to the ERP at a base address; token may be empty.
func NewClient(baseURL, token string) *Client {
	return &Client{sandbox.Client{URL: baseURL, Token: token}}
}

// CreateOrder makes a draft.
func (c *Client) CreateOrder(ctx context.Context, in NewOrder) (Order, error) {
	var out Order
	err := c.Do(ctx, http.MethodPost, "/api/sales-orders", in, &out)
	return out, err
}

// ImportOrder hands an order in: it comes back confirmed, or cancelled with the ERP's reason for not taking it.
func (c *Client) ImportOrder(ctx context.Context, in NewOrder) (Order, error) {
	var out Order
	err := c.Do(ctx, http.MethodPost, "/api/order-imports", in, &out)
	return out, err
}

// OrdersOf lists the sales orders with a customer's reference.
func (c *Client) OrdersOf(ctx context.Context, reference string) ([]Order, error) {
	return sandbox.All[Order](ctx, &c.Client, "/api/sales-orders?customer_reference="+url.QueryEscape(reference))
}

// ConfirmOrder confirms a draft: the order is accepted, or for a blocked customer rejected.
func (c *Client) ConfirmOrder(ctx context.Context, number string) (Order, error) {
	var out Order
	err := c.Do(ctx, http.MethodPost, "/api/sales-orders/"+url.PathEscape(number)+"/confirm", nil, &out)
	return out, err
}

// CancelOrder cancels what is open of an order.
func (c *Client) CancelOrder(ctx context.Context, number, reason string) (Order, error) {
	var out Order
	err := c.Do(ctx, http.MethodPost, "/api/sales-orders/"+url.PathEscape(number)+"/cancel", map[string]string{"reason": reason}, &out)
	return out, err
}

// Order reads one order.
func (c *Client) Order(ctx context.Context, number string) (Order, error) {
	var out Order
	err := c.Do(ctx, http.MethodGet, "/api/sales-orders/"+url.PathEscape(number), nil, &out)
	return out, err
}

// Orders lists all sales orders, oldest first.
func (c *Client) Orders(ctx context.Context) ([]Order, error) {
	return sandbox.All[Order](ctx, &c.Client, "/api/sales-orders")
}

// Issues lists all goods issues.
func (c *Client) Issues(ctx context.Context) ([]GoodsIssue, error) {
	return sandbox.All[GoodsIssue](ctx, &c.Client, "/api/goods-issues")
}

// Invoices lists all invoices.
func (c *Client) Invoices(ctx context.Context) ([]Invoice, error) {
	return sandbox.All[Invoice](ctx, &c.Client, "/api/invoices")
}

// IssueReversals lists what took goods issues back, InvoiceReversals what took invoices back.
func (c *Client) IssueReversals(ctx context.Context) ([]Reversal, error) {
	return sandbox.All[Reversal](ctx, &c.Client, "/api/goods-issue-reversals")
}

// InvoiceReversals lists what took invoices back.
func (c *Client) InvoiceReversals(ctx context.Context) ([]Reversal, error) {
	return sandbox.All[Reversal](ctx, &c.Client, "/api/invoice-reversals")
}

// ClosePeriod closes all days up to one, YYYY-MM-DD; "" opens all.
func (c *Client) ClosePeriod(ctx context.Context, through string) error {
	return c.Do(ctx, http.MethodPost, "/api/periods", Period{ClosedThrough: through}, nil)
}

// Adjustments lists all stock adjustments.
func (c *Client) Adjustments(ctx context.Context) ([]Adjustment, error) {
	return sandbox.All[Adjustment](ctx, &c.Client, "/api/stock-adjustments")
}

// Amendments lists all amendments of orders.
func (c *Client) Amendments(ctx context.Context) ([]Amendment, error) {
	return sandbox.All[Amendment](ctx, &c.Client, "/api/order-amendments")
}

// Backorders lists the documents that hold remainders.
func (c *Client) Backorders(ctx context.Context) ([]Backorder, error) {
	return sandbox.All[Backorder](ctx, &c.Client, "/api/backorders")
}

// ReleaseBackorder says that what a backorder holds can be delivered now.
func (c *Client) ReleaseBackorder(ctx context.Context, number string) (Backorder, error) {
	var out Backorder
	err := c.Do(ctx, http.MethodPost, "/api/backorders/"+url.PathEscape(number)+"/release", nil, &out)
	return out, err
}

// Stock lists the book of a site; an empty site is all.
func (c *Client) Stock(ctx context.Context, site string) ([]StockLine, error) {
	var out struct{ Items []StockLine }
	err := c.Do(ctx, http.MethodGet, "/api/stock?site="+url.QueryEscape(site), nil, &out)
	return out.Items, err
}

// Items lists the master data of items.
func (c *Client) Items(ctx context.Context) ([]Item, error) {
	return sandbox.All[Item](ctx, &c.Client, "/api/items")
}

// Customers lists the master data of customers.
func (c *Client) Customers(ctx context.Context) ([]Customer, error) {
	return sandbox.All[Customer](ctx, &c.Client, "/api/customers")
}

// Calls lists all that the ERP was told, refused calls too.
func (c *Client) Calls(ctx context.Context) ([]sandbox.Call, error) {
	return sandbox.All[sandbox.Call](ctx, &c.Client, "/api/calls")
}
