package http_test

import (
	"encoding/json"
	"io"
	nethttp "net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/dockline/dockline/collector/connector"
	connectorhttp "github.com/dockline/dockline/collector/connector/http"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// The CRM is told by which names customer service finds an order: those that its definition asks for, and no others; the document has nothing
// that the definition does not write.
// Shows: S41
func TestProjectionAddsWhatTheSystemNeeds(t *testing.T) {
	var body []byte
	server := httptest.NewServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		if r.Method == nethttp.MethodPut {
			body, _ = io.ReadAll(r.Body)
			_, _ = w.Write(body)
			return
		}
		w.WriteHeader(nethttp.StatusNotFound)
	}))
	defer server.Close()
	c := open(t, connectorhttp.Config{URL: server.URL, Definition: "sandbox-crm"})
	p := &connector.Posting{Tenant: "acme", Kind: connector.OrderStatus, Key: "SO1", SourceVersion: 7,
		Document: &docklinev1.Document{Document: &docklinev1.Document_OrderStatus{OrderStatus: &docklinev1.OrderStatus{Order: "SO1", Customer: "C-1", Status: "shipped"}}},
		Names:    map[string]string{"crm/opportunity": "OPP-2", "customer/order": "PO-77", "system_of_record/sales_order": "4711", "carrier/consignment": "X1", "crm/contact": "personal"}}
	if _, err := c.Apply(t.Context(), p); err != nil && body == nil {
		t.Fatal(err)
	}
	var sent struct {
		References map[string]string `json:"references"`
	}
	if err := json.Unmarshal(body, &sent); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	if len(sent.References) != 3 || sent.References["crm/opportunity"] != "OPP-2" || sent.References["customer/order"] != "PO-77" || sent.References["system_of_record/sales_order"] != "4711" {
		t.Errorf("told %s", body)
	}
	if strings.Contains(string(body), "X1") || strings.Contains(string(body), "personal") {
		t.Errorf("told what it does not need: %s", body)
	}
}
