package http_test

import (
	"encoding/json"
	"fmt"
	nethttp "net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	connectorhttp "github.com/dockline/dockline/collector/connector/http"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// told is, by kind, the payload as a definition writes it.
var told = map[string]string{
	"quote.approved":         `Quote{number: item.number, customer: "C-1", lines: [Line{item: "A", quantity: Quantity{value: "2"}}]}`,
	"order.submitted":        `Order{number: item.number, lines: [Line{item: "A", quantity: Quantity{value: "2"}}]}`,
	"order.accepted":         `Order{number: item.number, lines: [Line{item: "A", quantity: Quantity{value: "2"}}]}`,
	"order.changed":          `Order{number: item.number, lines: [Line{item: "A", quantity: Quantity{value: "3"}}]}`,
	"order.rejected":         `Order{number: item.number, reason: "credit"}`,
	"order.cancelled":        `OrderCancelled{number: item.number}`,
	"order.cancel_requested": `CancelRequest{number: item.number, requester: "portal"}`,
	"order.cancel_refused":   `CancelRequest{number: item.number, reason: "has left"}`,
	"order.held":             `Hold{number: item.number, code: "credit"}`,
	"order.hold_released":    `Hold{number: item.number, code: "credit"}`,
	"backorder.created":      `Backorder{number: item.number, lines: [Line{order: "SO1", item: "A", quantity: Quantity{value: "2"}}]}`,
	"backorder.released":     `Backorder{number: item.number, lines: [Line{order: "SO1", item: "A", quantity: Quantity{value: "2"}}]}`,
	"invoice.posted":         `Invoice{number: item.number, order: "SO1", total: "12.50"}`,
	"invoice.voided":         `InvoiceVoid{number: item.number, order: "SO1"}`,
	"credit_memo.posted":     `CreditMemo{number: item.number, returns: ["RMA-7"], total: "12.50"}`,
	"shipment.voided":        `ShipmentVoid{number: item.number, site: "dc-east", did_not_occur: true}`,
	"transport.milestone":    `Transport{tracking: item.number, code: "X3", milestone: "arrived"}`,
	"transport.delayed":      `Transport{tracking: item.number, eta: timestamp(item.at), cause: "weather"}`,
	"transport.refused":      `Transport{tracking: item.number}`,
	"transport.lost":         `Transport{tracking: item.number, claim: "CL-1"}`,
	"transport.damaged":      `Transport{tracking: item.number, evidence: ["https://evidence.example/1.jpg"]}`,
	"delivery.proved":        `Delivery{tracking: item.number, signer: "M", latitude: "48.1", longitude: "11.5"}`,
	"inbound.advised":        `Inbound{advice: item.number, purchase_order: "PO1"}`,
	"count.approved":         `CountApproval{number: item.number, decision: "approve"}`,
	"return.requested":       `ReturnAuthorisation{number: item.number, order: "SO1"}`,
	"return.authorised":      `ReturnAuthorisation{number: item.number, receipt: "RC-3", receipt_site: "dc-east"}`,
	"return.denied":          `ReturnAuthorisation{number: item.number}`,
	"return.cancelled":       `ReturnAuthorisation{number: item.number}`,
	"error.declared":         `ErrorDeclaration{event_id: item.number, reason: "did_not_occur"}`,
}

// A definition can tell every kind that a system at the centre may, and each is valid. Shows: S39
func TestADefinitionTellsEveryKindOfTheCentre(t *testing.T) {
	var changes []map[string]any
	var rules strings.Builder
	for kind, payload := range told {
		changes = append(changes, map[string]any{"kind": kind, "number": "N-" + kind, "at": "2026-03-02T16:30:00Z"})
		fmt.Fprintf(&rules, "    - {when: 'item.kind == %q', kind: %s, subject: 'item.number', key: 'item.kind', revision: '\"1\"', payload: '%s'}\n", kind, kind, payload)
	}
	server := httptest.NewServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, _ *nethttp.Request) {
		if err := json.NewEncoder(w).Encode(map[string]any{"changes": changes, "next": "9"}); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(server.Close)
	c, err := connectorhttp.New(connectorhttp.Config{URL: server.URL, Definition: definition(t, rules.String())})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	got, err := c.Changes(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[docklinev1.EventKind]bool{}
	for _, e := range got.Events {
		if f := event.Validate(e); f != nil || e.GetDeadLetter() != nil {
			t.Errorf("%s: %v, %v", e.GetSubject(), e, f)
		}
		seen[e.GetKind()] = true
	}
	if len(seen) != len(told) || len(told) < 29 {
		t.Errorf("%d of %d kinds", len(seen), len(told))
	}
}

// What comes from a dock, or from Dockline itself, is no system's at the centre to tell; a payload of another kind is no payload.
func TestADefinitionIsHeldToTheKindsOfTheCentre(t *testing.T) {
	for kind, says := range map[string]string{"pick.confirmed": "comes from a site", "agent.health": "Dockline itself", "stock.snapshot": "comes from a site", "pick.dreamt": "is no kind", "order.held": "payload"} {
		rule := fmt.Sprintf("    - {when: 'true', kind: %s, subject: 'item.number', key: 'item.kind', revision: '\"1\"', payload: 'OrderCancelled{number: item.number}'}\n", kind)
		_, err := connectorhttp.New(connectorhttp.Config{URL: "http://127.0.0.1:1", Definition: definition(t, rule)})
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

// definition writes one that only reads changes.
func definition(t *testing.T, rules string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "centre.yaml")
	text := `system: centre
title: A system that tells of everything
probe: {path: '"/"'}
changes:
  path: '"/changes"'
  items: 'body.changes'
  next: 'string(body.next)'
  occurred_at: 'timestamp(item.at)'
  events:
` + rules
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}
