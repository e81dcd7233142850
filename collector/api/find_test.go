package api_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/collector/api"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/eventlog"
	"github.com/dockline/dockline/collector/policy"
	"github.com/dockline/dockline/collector/reconcile"
	"github.com/dockline/dockline/collector/state"
	. "github.com/dockline/dockline/collector/state/statetest"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
	"github.com/dockline/dockline/testenv"
)

// told fills a database with events, and folds them.
func told(t *testing.T, d *db.DB, events ...*docklinev1.Event) {
	t.Helper()
	p := policy.Default()
	log := &eventlog.Log{DB: d,
		Keys: func(e *docklinev1.Event) (touches []eventlog.Touch) {
			for _, touch := range state.Keys(e, p.Mapping) {
				touches = append(touches, eventlog.Touch(touch))
			}
			return touches
		},
		Links: func(e *docklinev1.Event) (links []eventlog.Link) {
			for _, l := range state.Links(e) {
				links = append(links, eventlog.Link(l))
			}
			return links
		}}
	err := d.Write(t.Context(), func(tx *db.Tx) error {
		if _, err := tx.InsertAbsent(t.Context(), db.Insert{Table: "site", Columns: []string{"tenant", "id", "created_at"}, Conflict: []string{"tenant", "id"}, Rows: [][]any{{Tenant, Site, 1}}}); err != nil {
			return err
		}
		var recorded []eventlog.Recorded
		for _, e := range events {
			recorded = append(recorded, eventlog.Recorded{Event: e})
		}
		_, err := log.Append(t.Context(), tx, recorded)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	worker := &reconcile.Worker{DB: d, Policy: p, Now: func() time.Time { return Morning.Add(time.Hour) }}
	for n := 1; n > 0; {
		if n, err = worker.Step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func central(kind docklinev1.EventKind, key string, e *docklinev1.Event) *docklinev1.Event {
	e.Tenant, e.Source, e.Kind, e.SourceKey, e.SourceRevision, e.Subject, e.OccurredAt = Tenant, ERP, kind, key, "1", key, timestamppb.New(Morning)
	e.Id = event.ID(event.Cause{Tenant: Tenant, Source: ERP, SourceKey: key, Revision: "1", Kind: event.KindName(kind)})
	return e
}

// sale is an order with everything that it leads to, by whatever name.
func sale() []*docklinev1.Event {
	shipment := Shipment(40, "SH-1", Unit(L("SO1", "1", "A", "2"), "00340123450000000017"))
	shipment.GetShipment().BillOfLading = "BOL-5"
	return []*docklinev1.Event{Accepted("SO1", "1", L("", "1", "A", "2")), Accepted("SO2", "1", L("", "1", "A", "2")), shipment, Invoice("INV-9", "SO1", "SH-1"),
		central(docklinev1.EventKind_EVENT_KIND_RETURN_AUTHORISED, "RMA-7", &docklinev1.Event{Payload: &docklinev1.Event_ReturnAuthorisation{
			ReturnAuthorisation: &docklinev1.ReturnAuthorisation{Number: "RMA-7", Order: "SO1", Customer: "C-1001", Lines: []*docklinev1.Line{L("SO1", "1", "A", "1")}}}}),
		central(docklinev1.EventKind_EVENT_KIND_CREDIT_MEMO_POSTED, "CN-3", &docklinev1.Event{Payload: &docklinev1.Event_CreditMemo{
			CreditMemo: &docklinev1.CreditMemo{Number: "CN-3", Order: "SO1", Returns: []string{"RMA-7"}, Invoice: "INV-9"}}}),
		Delayed(60, "c1", "1Z-UNKNOWN")}
}

func search(t *testing.T, h http.Handler, value string) []api.Hit {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(context.Background(), http.MethodGet, "/api/v1/search?q="+url.QueryEscape(value), nil))
	var found api.Found
	if err := json.Unmarshal(w.Body.Bytes(), &found); err != nil || w.Code != http.StatusOK {
		t.Fatalf("search for %q: %d %s", value, w.Code, w.Body)
	}
	return found.Hits
}

// TestEachNameFindsTheInstance: order, customer's reference, shipment, SSCC, tracking number, RMA, invoice (and bill of lading, credit memo) lead to the one order with its
// status, customer and correlation id; case does not matter, and a beginning is enough where it is not too short.
//
// Shows: S63
func TestEachNameFindsTheInstance(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		told(t, d, sale()...)
		h := api.New(api.Config{DB: d})
		for kind, value := range map[string]string{"order": "SO1", "shipment": "SH-1", "unit": "00340123450000000017", "tracking": "T-SH-1", "return": "RMA-7", "invoice": "INV-9",
			"bill_of_lading": "BOL-5", "credit_memo": "CN-3"} {
			for _, written := range []string{value, " " + strings.ToLower(value) + " "} {
				hits := search(t, h, written)
				if len(hits) == 0 || hits[0].Key != "order/SO1" || hits[0].Type != kind || hits[0].Name != value || !hits[0].Exact || hits[0].Customer != "C-1001" ||
					hits[0].Site != Site || hits[0].Status == "" || hits[0].CorrelationID != event.CorrelationID(Tenant, "SO1") {
					t.Errorf("%s %q leads to %+v", kind, written, hits)
				}
				for _, hit := range hits {
					if hit.CorrelationID != event.CorrelationID(Tenant, "SO1") {
						t.Errorf("%s %q: %+v is of another case", kind, written, hit)
					}
				}
			}
		}
		for _, written := range []string{"340123450000000017", "(00)340123450000000017"} { // the site wrote it as the label has it
			if hits := search(t, h, written); len(hits) != 2 || hits[0].Key != "order/SO1" || !hits[0].Exact {
				t.Errorf("the SSCC %s leads to %+v", written, hits)
			}
		}
		if hits := search(t, h, "po-77"); len(hits) != 2 || hits[0].Key != "order/SO1" || hits[1].Key != "order/SO2" { // the customer gave both orders one reference
			t.Errorf("the customer's reference leads to %+v", hits)
		}
		if hits := search(t, h, "00340123"); len(hits) != 2 || hits[0].Key != "order/SO1" || hits[0].Exact || hits[1].Key != "shipment/dc-east/SH-1" {
			t.Errorf("the beginning of an SSCC leads to %+v", hits)
		}
		for _, value := range []string{"INV", "no such thing", "%", "_______"} {
			if hits := search(t, h, value); len(hits) != 0 {
				t.Errorf("%q leads to %+v", value, hits)
			}
		}
		if hits := search(t, h, "1Z-UNKNOWN"); len(hits) != 1 || hits[0].Status != "waits" || hits[0].Type != "tracking" {
			t.Errorf("a tracking number that nothing has leads to %+v", hits)
		}
		told(t, d, Tracked(41, "SH-2", "1", "T-A", L("SO2", "1", "A", "2")), Tracked(41, "SH-2", "2", "T-B", L("SO2", "1", "A", "2")))
		if hits := search(t, h, "T-A"); len(hits) != 2 || !hits[0].Former || hits[0].Key != "order/SO2" {
			t.Errorf("the tracking number that was corrected leads to %+v", hits)
		}
	})
}

// TestAnEventThatNamesNoOrderBelongsToIt: what a carrier said of a tracking number is on the order's track, with the order's correlation id, and what was declared an error says so
// and names what is right.
func TestAnEventThatNamesNoOrderBelongsToIt(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		delayed := Delayed(60, "c9", "T-SH-1")
		told(t, d, append(sale(), delayed, InError(61, "d1", delayed, "right"))...)
		sequencer := &eventlog.Sequencer{DB: d, Holder: "test"}
		if _, err := sequencer.Step(t.Context()); err != nil {
			t.Fatal(err)
		}
		h := api.New(api.Config{DB: d})
		var e struct {
			CorrelationID string            `json:"correlation_id"`
			ToldInError   []json.RawMessage `json:"told_in_error"`
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/api/v1/events/"+delayed.GetId(), nil))
		if err := json.Unmarshal(w.Body.Bytes(), &e); err != nil || e.CorrelationID != event.CorrelationID(Tenant, "SO1") || len(e.ToldInError) != 1 ||
			!strings.Contains(string(e.ToldInError[0]), `"right"`) {
			t.Errorf("the event: %v %s", err, w.Body)
		}
		w = httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/api/v1/orders/SO1", nil))
		if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), delayed.GetId()) {
			t.Errorf("the order's track lacks what the carrier said: %d %s", w.Code, w.Body)
		}
	})
}

// A trailer, a seal, a claim and a receipt lead to the shipment, return or delivery that has them.
//
// Shows: S63
func TestTrailersSealsClaimsAndReceiptsAreFound(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		ship := Shipment(40, "SH-1", L("SO1", "1", "A", "2"))
		ship.GetShipment().Trailer, ship.GetShipment().Seal = "TRAIL-55", "SEAL-8812"
		lost := Said(docklinev1.EventKind_EVENT_KIND_TRANSPORT_LOST, 900, "L1", Names{Shipment: "SH-1"}, "not on the truck")
		lost.GetTransport().Claim = "CLAIM-31"
		told(t, d, Accepted("SO1", "1", L("", "1", "A", "2")), Keyed(ship, "SH-1"), Keyed(lost, "L1"),
			Inbound(docklinev1.EventKind_EVENT_KIND_RECEIPT_RECEIVED, 60, "GR1", &docklinev1.Inbound{Number: "GRN-900", PurchaseOrder: "PO-4", Lines: []*docklinev1.Line{L("", "1", "A", "5")}}),
			Load(docklinev1.EventKind_EVENT_KIND_TRAILER_SEALED, 70, "LD1", "SH-2", "SH-3"),
			Back(docklinev1.EventKind_EVENT_KIND_RETURN_RECEIVED, 80, "B1", "RMA-1", "RR-77", L("SO1", "1", "A", "1")),
			Back(docklinev1.EventKind_EVENT_KIND_RETURN_RECEIVED, 90, "B2", "", "RR-78", L("", "", "A", "1")))
		h := api.New(api.Config{DB: d})
		for value, want := range map[string]string{"trail-55": "trailer shipment/dc-east/SH-1", "SEAL-8812": "seal shipment/dc-east/SH-1", "CLAIM-31": "claim shipment/dc-east/SH-1",
			"GRN-900": "receipt inbound/dc-east/PO-4", "TR-7": "trailer shipment/dc-east/SH-2, trailer shipment/dc-east/SH-3", "RR-77": "receipt return/RMA-1", "RR-78": "receipt blind_return/dc-east/RR-78"} {
			var got []string
			for _, hit := range search(t, h, value) {
				got = append(got, hit.Type+" "+hit.Key)
			}
			if text := strings.Join(got, ", "); text != want {
				t.Errorf("%q leads to %q, not to %q", value, text, want)
			}
		}
	})
}
