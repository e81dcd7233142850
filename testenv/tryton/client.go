// Package tryton is a Tryton as a person's client sees it, told and read by its JSON-RPC alone, and the way to it, on which calls can
// be made to fail. It shares nothing with the connector, so that it can check the connector's work.
package tryton

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"github.com/dockline/dockline/testenv"
)

// Object is a record as Tryton sends it.
type Object = map[string]any

// Client is logged in and knows the master data by code.
type Client struct {
	Database testenv.TrytonDatabase
	// Products, Customers: the record of each code. Sites: each warehouse's id. Bins: by site and code, the locations right below
	// its storage zone.
	Products, Customers map[string]Object
	Sites               map[string]int64
	Bins                map[string]map[string]int64

	authorization string
	// counted is the newest inventory of the first day: what came later are counts.
	counted int64
}

// Open logs in and looks the master data up.
func Open(ctx context.Context, db testenv.TrytonDatabase) (*Client, error) {
	c := &Client{Database: db, Products: map[string]Object{}, Customers: map[string]Object{}, Sites: map[string]int64{}, Bins: map[string]map[string]int64{}}
	key, err := c.raw(ctx, "common.db.login", db.Login, Object{"password": db.Password})
	if err != nil {
		return nil, err
	}
	pair, ok := key.([]any)
	if !ok || len(pair) != 2 {
		return nil, fmt.Errorf("tryton: log-in as %s: answered with %v", db.Login, key)
	}
	c.authorization = "Session " + base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%s:%v:%v", db.Login, pair[0], pair[1]))
	return c, c.learn(ctx)
}

func (c *Client) learn(ctx context.Context) error {
	products, err := c.List(ctx, "product.product", nil, nil, "code", "default_uom", "default_uom.symbol", "list_price", "lot_required")
	if err != nil {
		return err
	}
	for _, p := range products {
		c.Products[Text(p["code"])] = p
	}
	customers, err := c.List(ctx, "party.party", []any{[]any{"code", "like", "C-%"}}, nil, "code", "addresses", "customer_payment_term")
	if err != nil {
		return err
	}
	for _, p := range customers {
		c.Customers[Text(p["code"])] = p
	}
	warehouses, err := c.List(ctx, "stock.location", []any{[]any{"type", "=", "warehouse"}}, nil, "code", "storage_location")
	if err != nil {
		return err
	}
	for _, w := range warehouses {
		site := Text(w["code"])
		c.Sites[site], c.Bins[site] = ID(w["id"]), map[string]int64{}
		bins, err := c.List(ctx, "stock.location", []any{[]any{"parent", "=", w["storage_location"]}}, nil, "code")
		if err != nil {
			return err
		}
		for _, b := range bins {
			c.Bins[site][Text(b["code"])] = ID(b["id"])
		}
	}
	opening, err := c.List(ctx, "stock.inventory", nil, nil, "id")
	for _, i := range opening {
		c.counted = max(c.counted, ID(i["id"]))
	}
	return err
}

// Do calls a method of a model, such as sale.sale.confirm; about is added to the context. A change that Tryton's database was too
// busy for was rolled back, and a person presses the button again.
func (c *Client) Do(ctx context.Context, method string, about Object, params ...any) (any, error) {
	all := Object{"company": 1, "employee": 1}
	maps.Copy(all, about)
	for again := 0; ; again++ {
		result, err := c.raw(ctx, "model."+method, append(slices.Clone(params), all)...)
		if err == nil || !strings.Contains(err.Error(), "database is locked") || again == 20 {
			return result, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// List returns the records of a model that match a domain, by id.
func (c *Client) List(ctx context.Context, model string, domain []any, about Object, fields ...string) ([]Object, error) {
	if domain == nil {
		domain = []any{}
	}
	result, err := c.Do(ctx, model+".search_read", about, domain, 0, nil, [][]string{{"id", "ASC"}}, fields)
	if err != nil {
		return nil, err
	}
	var out []Object
	list, _ := result.([]any)
	for _, r := range list {
		if record, ok := r.(Object); ok {
			out = append(out, record)
		}
	}
	return out, nil
}

// byID lists the records with these ids.
func (c *Client) byID(ctx context.Context, model string, ids []int64, fields ...string) (map[int64]Object, error) {
	out := map[int64]Object{}
	if len(ids) == 0 {
		return out, nil
	}
	found, err := c.List(ctx, model, []any{[]any{"id", "in", ids}}, nil, fields...)
	for _, r := range found {
		out[ID(r["id"])] = r
	}
	return out, err
}

func (c *Client) raw(ctx context.Context, method string, params ...any) (any, error) {
	text, err := json.Marshal(Object{"id": 1, "method": method, "params": params})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.Database.URL, bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", c.authorization)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var answer struct{ Result, Error any }
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return nil, fmt.Errorf("tryton: %s: %s: %w", method, resp.Status, err)
	}
	if answer.Error != nil {
		return nil, fmt.Errorf("tryton: %s: %w", method, errors.New(fmt.Sprint(answer.Error)))
	}
	return answer.Result, nil
}

// ID is a record's id.
func ID(v any) int64 {
	n, _ := v.(float64)
	return int64(n)
}

// IDs are those of the records that a field lists.
func IDs(v any) []int64 {
	list, _ := v.([]any)
	var out []int64
	for _, id := range list {
		out = append(out, ID(id))
	}
	return out
}

// Text is a field's text, "" where it is empty.
func Text(v any) string {
	s, _ := v.(string)
	return s
}

// Number is a quantity, of which Tryton keeps a float: to millionths.
func Number(v any) decimal.Decimal {
	n, _ := v.(float64)
	return decimal.New(int64(math.Round(n*1e6)), -6)
}

// sub is a record that another one points to, read along with it.
func sub(r Object, name string) Object {
	inner, _ := r[name+"."].(Object)
	return inner
}

// pointed is the id in a field like "sale.line,17", 0 where it is of another model.
func pointed(v any, model string) (id int64) {
	if number, ok := strings.CutPrefix(Text(v), model+","); ok {
		if _, err := fmt.Sscan(number, &id); err != nil {
			return 0
		}
	}
	return id
}
