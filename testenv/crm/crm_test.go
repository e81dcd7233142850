package crm_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/dockline/dockline/testenv/crm"
	"github.com/dockline/dockline/testenv/sandbox"
)

func open(t *testing.T, dir string) (*crm.Server, *crm.Client) {
	t.Helper()
	s, err := crm.New(crm.Config{Dir: dir, Customers: []crm.Customer{{Code: "C-1001", Name: "Adler"}}})
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(s)
	t.Cleanup(func() { web.Close(); s.Close() })
	return s, crm.NewClient(web.URL, "")
}

func refusal(err error) string {
	var r *sandbox.Refusal
	if errors.As(err, &r) {
		return r.Code
	}
	return ""
}

// The record keeps what it was last told with its source version; a conditional write meets a changed record.
func TestOrderRecord(t *testing.T) {
	dir := t.TempDir()
	s, c := open(t, dir)
	for version, status := range []string{"accepted", "partly_shipped"} {
		if err := c.Do(t.Context(), "PUT", "/api/orders/SO1", map[string]any{"source_version": version + 1, "status": status}, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Do(t.Context(), "PUT", "/api/orders/SO1", map[string]any{"status": "lost"}, nil); refusal(err) != "unknown_status" {
		t.Errorf("unknown status: %v", err)
	}
	req, err := http.NewRequestWithContext(t.Context(), "PUT", c.URL+"/api/orders/SO1", strings.NewReader(`{"status":"shipped"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("If-Match", `"1"`)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusPreconditionFailed {
		t.Errorf("a write over a changed record: status %d", resp.StatusCode)
	}
	s.Close()
	_, c = open(t, dir)
	orders, err := c.Orders(t.Context())
	if err != nil || len(orders) != 1 || orders[0].Status != "partly_shipped" || orders[0].SourceVersion != 2 || orders[0].Revision != 2 {
		t.Errorf("after restart %+v, %v", orders, err)
	}
	calls, err := c.Calls(t.Context())
	if err != nil || len(calls) != 4 || calls[2].Code != "unknown_status" || calls[3].Operator {
		t.Errorf("journal %+v, %v", calls, err)
	}
	if customers, err := c.Customers(t.Context()); err != nil || len(customers) != 1 {
		t.Errorf("customers %+v, %v", customers, err)
	}
}

// A case is opened and closed by whoever keeps its number; a second create under one reference is a second case.
func TestCases(t *testing.T) {
	_, c := open(t, t.TempDir())
	var first, second crm.Case
	body := map[string]any{"external_reference": "SO1/10/short_pick", "order": "SO1", "cause": "short_pick"}
	if err := errors.Join(c.Do(t.Context(), "POST", "/api/cases", body, &first), c.Do(t.Context(), "POST", "/api/cases", body, &second)); err != nil {
		t.Fatal(err)
	}
	if err := c.Do(t.Context(), "PATCH", "/api/cases/"+first.Number, map[string]any{"status": "closed"}, &first); err != nil {
		t.Fatal(err)
	}
	if first.Status != crm.Closed || first.ClosedAt == nil || first.Cause != "short_pick" || second.Number == first.Number {
		t.Errorf("first %+v, second %+v", first, second)
	}
	open, err := sandbox.All[crm.Case](t.Context(), &c.Client, "/api/cases?status=open")
	if err != nil || len(open) != 1 || open[0].Number != second.Number {
		t.Errorf("open cases %+v, %v", open, err)
	}
	if err := c.Do(t.Context(), "PATCH", "/api/cases/CS1", map[string]any{"status": "closed"}, nil); refusal(err) != "unknown_case" {
		t.Errorf("unknown case: %v", err)
	}
}
