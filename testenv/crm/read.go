package crm

import (
	"context"
	"net/http"

	"github.com/dockline/dockline/testenv/sandbox"
)

// Product is what /api/about answers with.
const (
	Product = "sandbox-crm"
	Version = "1.0"
)

func (s *Server) reads(mux *http.ServeMux) {
	get := func(path string, answer func(w http.ResponseWriter, r *http.Request)) {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) {
			s.mu.Lock()
			defer s.mu.Unlock()
			answer(w, r)
		})
	}
	get("/health", func(w http.ResponseWriter, r *http.Request) {
		sandbox.Write(w, http.StatusOK, map[string]bool{"ok": true})
	})
	get("/api/about", func(w http.ResponseWriter, r *http.Request) {
		sandbox.Write(w, http.StatusOK, map[string]string{"product": Product, "version": Version})
	})
	get("/api/customers", func(w http.ResponseWriter, r *http.Request) { sandbox.WritePage(w, r, s.store.customers) })
	get("/api/calls", func(w http.ResponseWriter, r *http.Request) {
		sandbox.WritePage(w, r, sandbox.CallsOf(r, s.store.calls))
	})
	s.readOpportunities(get)
	get("/api/orders", func(w http.ResponseWriter, r *http.Request) {
		var orders []Order
		for _, number := range s.store.orderList {
			if o := s.store.orders[number]; sandbox.Matches(r, "status", o.Status) && sandbox.Matches(r, "customer", o.Customer) && sandbox.Since(r, o.ChangedAt) {
				orders = append(orders, o)
			}
		}
		sandbox.WritePage(w, r, orders)
	})
	get("/api/orders/{number}", func(w http.ResponseWriter, r *http.Request) {
		order, known := s.store.orders[r.PathValue("number")]
		if !known {
			sandbox.WriteError(w, http.StatusNotFound, "not_found", "there is no order "+r.PathValue("number"))
			return
		}
		w.Header().Set("ETag", etag(order.Revision))
		sandbox.Write(w, http.StatusOK, order)
	})
	get("/api/cases", func(w http.ResponseWriter, r *http.Request) {
		var cases []Case
		for _, number := range s.store.caseList {
			c := s.store.cases[number]
			if sandbox.Matches(r, "external_reference", c.ExternalReference) && sandbox.Matches(r, "status", c.Status) && sandbox.Matches(r, "order", c.Order) && sandbox.Since(r, s.store.changed[c.Number]) {
				cases = append(cases, c)
			}
		}
		sandbox.WritePage(w, r, cases)
	})
}

// Client is a person at the CRM's screen, or a check: it meets no faults.
type Client struct{ sandbox.Client }

// NewClient speaks to the CRM at a base address; token may be empty.
func NewClient(baseURL, token string) *Client {
	return &Client{sandbox.Client{URL: baseURL, Token: token}}
}

// Orders lists all records of orders, oldest first.
func (c *Client) Orders(ctx context.Context) ([]Order, error) {
	return sandbox.All[Order](ctx, &c.Client, "/api/orders")
}

// Cases lists all cases, oldest first.
func (c *Client) Cases(ctx context.Context) ([]Case, error) {
	return sandbox.All[Case](ctx, &c.Client, "/api/cases")
}

// Offer opens an opportunity.
func (c *Client) Offer(ctx context.Context, customer string, lines ...OpportunityLine) (o Opportunity, err error) {
	return o, c.Do(ctx, http.MethodPost, "/api/opportunities", map[string]any{"customer": customer, "lines": lines}, &o)
}

// ChangeOpportunity changes the fields that are named: status, order.
func (c *Client) ChangeOpportunity(ctx context.Context, number string, fields map[string]string) error {
	return c.Do(ctx, http.MethodPatch, "/api/opportunities/"+number, fields, nil)
}

// Customers lists the accounts.
func (c *Client) Customers(ctx context.Context) ([]Customer, error) {
	return sandbox.All[Customer](ctx, &c.Client, "/api/customers")
}

// Calls lists all that the CRM was told, refused calls too.
func (c *Client) Calls(ctx context.Context) ([]sandbox.Call, error) {
	return sandbox.All[sandbox.Call](ctx, &c.Client, "/api/calls")
}
