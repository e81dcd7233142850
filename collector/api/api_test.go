package api_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/dockline/dockline/collector/api"
	"github.com/dockline/dockline/collector/api/view/viewtest"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/fleet"
	"github.com/dockline/dockline/testenv"
)

// get asks and decodes into a JSON tree; the answer must be of this status and of the type that belongs to it.
func get(t *testing.T, h http.Handler, path string, status int) map[string]any {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	return decode(t, w, path, status)
}

func decode(t *testing.T, w *httptest.ResponseRecorder, path string, status int) map[string]any {
	t.Helper()
	kind := "application/json"
	if status >= 400 {
		kind = "application/problem+json"
	}
	if w.Code != status || w.Header().Get("Content-Type") != kind {
		t.Fatalf("%s: %d %s, want %d %s: %s", path, w.Code, w.Header().Get("Content-Type"), status, kind, w.Body)
	}
	var tree map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &tree); err != nil {
		t.Fatalf("%s: %v: %s", path, err, w.Body)
	}
	return tree
}

// at walks down a JSON tree: a name, or the place in a list.
func at(t *testing.T, tree any, path ...any) any {
	t.Helper()
	for i, step := range path {
		switch step := step.(type) {
		case string:
			m, ok := tree.(map[string]any)
			if !ok {
				t.Fatalf("%v: not an object", path[:i+1])
			}
			tree = m[step]
		case int:
			list, ok := tree.([]any)
			if !ok || step >= len(list) {
				t.Fatalf("%v: not there in %v", path[:i+1], tree)
			}
			tree = list[step]
		}
	}
	return tree
}

func expect(t *testing.T, tree any, want any, path ...any) {
	t.Helper()
	if got := at(t, tree, path...); got != want {
		t.Errorf("%v is %v (%T), want %v", path, got, got, want)
	}
}

func length(t *testing.T, tree any, want int, path ...any) {
	t.Helper()
	if list, ok := at(t, tree, path...).([]any); !ok || len(list) != want {
		t.Errorf("%v has %v, want %d", path, list, want)
	}
}

func each(t *testing.T, run func(t *testing.T, h http.Handler, day *viewtest.Day)) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) { run(t, api.New(api.Config{DB: d}), viewtest.New(t, d)) })
}

func TestSites(t *testing.T) {
	each(t, func(t *testing.T, h http.Handler, _ *viewtest.Day) {
		tree := get(t, h, "/api/v1/sites", 200)
		length(t, tree, 1, "sites")
		expect(t, tree, "dc-east", "sites", 0, "id")
		expect(t, tree, "never seen", "sites", 0, "state")
		expect(t, tree, "Never connected", "sites", 0, "health")
		expect(t, tree, "warning", "sites", 0, "severity")
		expect(t, tree, "never_seen", "sites", 0, "conditions", 0, "code")
	})
}

// A reader that goes on after `next` sees each event once, in order.
func TestEventsArePaged(t *testing.T) {
	each(t, func(t *testing.T, h http.Handler, day *viewtest.Day) {
		var kinds []string
		after := "0"
		for range 10 {
			tree := get(t, h, "/api/v1/events?limit=3&after="+after, 200)
			events := at(t, tree, "events").([]any)
			if len(events) == 0 {
				break
			}
			for i := range events {
				kinds = append(kinds, at(t, events, i, "kind").(string))
			}
			raw, _ := json.Marshal(at(t, tree, "next"))
			after = string(raw)
		}
		if got := strings.Join(kinds, " "); got != "order.accepted order.accepted pick.confirmed shipment.departed" {
			t.Errorf("the pages have %s", got)
		}
		tree := get(t, h, "/api/v1/events/"+day.Events[3].GetId(), 200)
		expect(t, tree, "shipment.departed", "kind")
		expect(t, tree, "JJD0001", "event", "shipment", "tracking")
		expect(t, tree, "RECEIPT_LEVEL_CONFIRMED", "receipt", "level")
		length(t, tree, 0, "others")
		expect(t, get(t, h, "/api/v1/events/nonesuch", 404), "Not Found", "title")
	})
}

func TestOrders(t *testing.T) {
	each(t, func(t *testing.T, h http.Handler, _ *viewtest.Day) {
		first := get(t, h, "/api/v1/orders?limit=1", 200)
		length(t, first, 1, "orders")
		second := get(t, h, "/api/v1/orders?limit=1&after="+url.QueryEscape(at(t, first, "next").(string)), 200)
		length(t, second, 1, "orders")
		last := get(t, h, "/api/v1/orders?after="+url.QueryEscape(at(t, second, "next").(string)), 200)
		length(t, last, 0, "orders")
		if at(t, first, "next") == at(t, second, "next") || at(t, last, "next") != at(t, second, "next") {
			t.Errorf("next is %v, %v, %v", at(t, first, "next"), at(t, second, "next"), at(t, last, "next"))
		}
		shipped := get(t, h, "/api/v1/orders?status=shipped", 200)
		length(t, shipped, 1, "orders")
		expect(t, shipped, viewtest.Order, "orders", 0, "number")
		expect(t, shipped, "12", "orders", 0, "state", "lines", 0, "shipped")
		if detail := at(t, get(t, h, "/api/v1/orders?status=gone", 400), "detail").(string); !strings.Contains(detail, "partially_shipped") {
			t.Errorf("a wrong status is answered by %q", detail)
		}
	})
}

// An order is answered with all that happened to it, down to the documents of the ERP.
func TestTrack(t *testing.T) {
	each(t, func(t *testing.T, h http.Handler, day *viewtest.Day) {
		tree := get(t, h, "/api/v1/orders/"+viewtest.Order, 200)
		expect(t, tree, "shipped", "status")
		length(t, tree, 3, "events")
		expect(t, tree, "pick.confirmed", "events", 1, "kind")
		expect(t, tree, "RECEIPT_LEVEL_EXCEPTION", "events", 1, "receipt", "level")
		expect(t, tree, nil, "events", 0, "receipt")
		length(t, tree, 2, "postings")
		for i := range 2 {
			expect(t, tree, day.Events[3].GetId(), "postings", i, "event_ids", 0)
			if at(t, tree, "postings", i, "target") == "erp" {
				expect(t, tree, "confirmed", "postings", i, "state")
				length(t, tree, 1, "postings", i, "documents")
			}
		}
		length(t, tree, 1, "exceptions")
		expect(t, tree, "short_pick", "exceptions", 0, "code")

		awkward := get(t, h, "/api/v1/orders/"+url.PathEscape(viewtest.Awkward), 200)
		expect(t, awkward, viewtest.Awkward, "number")
		length(t, awkward, 1, "events")
		length(t, awkward, 0, "postings")
		expect(t, get(t, h, "/api/v1/orders/SO9", 404), 404.0, "status")
	})
}

func TestPostingsExceptionsStockReceipts(t *testing.T) {
	each(t, func(t *testing.T, h http.Handler, _ *viewtest.Day) {
		length(t, get(t, h, "/api/v1/postings", 200), 2, "postings")
		length(t, get(t, h, "/api/v1/postings?target=erp&state=confirmed", 200), 1, "postings")
		length(t, get(t, h, "/api/v1/postings?target=erp&state=planned", 200), 0, "postings")
		get(t, h, "/api/v1/postings?state=done", 400)
		length(t, get(t, h, "/api/v1/exceptions?state=open", 200), 1, "exceptions")
		length(t, get(t, h, "/api/v1/exceptions?state=resolved", 200), 0, "exceptions")
		stock := get(t, h, "/api/v1/stock?site=dc-east", 200)
		length(t, stock, 1, "stock")
		expect(t, stock, "-12", "stock", 0, "state", "on_hand")
		length(t, get(t, h, "/api/v1/stock?after="+url.QueryEscape(at(t, stock, "next").(string)), 200), 0, "stock")
		length(t, get(t, h, "/api/v1/stock?site=dc-west", 200), 0, "stock")
		receipts := get(t, h, "/api/v1/receipts?site=dc-east", 200)
		length(t, receipts, 2, "receipts")
		get(t, h, "/api/v1/receipts", 400)
		get(t, h, "/api/v1/receipts?site=dc-east&after=-1", 400)
		get(t, h, "/api/v1/orders?limit=0", 400)
		get(t, h, "/api/v1/nonesuch", 404)
	})
}

// Without the token nothing is told; with it everything is.
func TestToken(t *testing.T) {
	d := testenv.SQLite(t)
	viewtest.New(t, d)
	h := api.New(api.Config{DB: d, Tokens: api.Tokens{Any: "s3cret"}})
	for header, status := range map[string]int{"": 401, "Bearer ": 401, "Bearer other": 401, "Basic s3cret": 401, "Bearer s3cret": 200, "bearer s3cret": 200} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/api/v1/sites", nil)
		r.Header.Set("Authorization", header)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		tree := decode(t, w, header, status)
		if _, told := tree["sites"]; told != (status == 200) {
			t.Errorf("%q is answered by %v", header, tree)
		}
	}
}

// Nothing can be written.
func TestForReadingOnly(t *testing.T) {
	h := api.New(api.Config{DB: testenv.SQLite(t)})
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, "/api/v1/orders/SO1", nil))
		decode(t, w, method, http.StatusMethodNotAllowed)
	}
}

// Of several tenants one must be named, and it sees nothing of the other.
func TestTenants(t *testing.T) {
	d := testenv.SQLite(t)
	h := api.New(api.Config{DB: d})
	length(t, get(t, h, "/api/v1/orders", 200), 0, "orders")
	viewtest.New(t, d)
	if _, err := (&fleet.Fleet{DB: d}).AddSite(t.Context(), fleet.Registration{Tenant: "other", ID: "x"}); err != nil {
		t.Fatal(err)
	}
	if detail := at(t, get(t, h, "/api/v1/orders", 400), "detail").(string); !strings.Contains(detail, "acme, other") {
		t.Errorf("detail is %q", detail)
	}
	get(t, h, "/api/v1/orders?tenant=nobody", 404)
	length(t, get(t, h, "/api/v1/orders?tenant=acme", 200), 2, "orders")
	for _, list := range []string{"orders", "events", "postings", "exceptions", "stock"} {
		length(t, get(t, h, "/api/v1/"+list+"?tenant=other", 200), 0, list)
	}
	get(t, h, "/api/v1/orders/"+viewtest.Order+"?tenant=other", 404)
	expect(t, get(t, h, "/api/v1/sites?tenant=other", 200), "x", "sites", 0, "id")
}
