package http_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/connector/connectortest"
	connectorhttp "github.com/dockline/dockline/collector/connector/http"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
	"github.com/dockline/dockline/testenv/sandbox"
)

func squarePosting(kind connector.Kind, key, item string) *connector.Posting {
	p := &connector.Posting{Tenant: "test", Kind: kind, Key: key, SourceVersion: 10}
	if kind == connector.OrderCreate {
		p.Document = &docklinev1.Document{Document: &docklinev1.Document_OrderCreate{OrderCreate: &docklinev1.Order{Number: key, Customer: "CUST-1", Site: "LOC-EAST",
			Lines: []*docklinev1.Line{{OrderLine: "1", Item: item, Quantity: &docklinev1.Quantity{Value: "4"}}}}}}
		return p
	}
	p.Document = &docklinev1.Document{Document: &docklinev1.Document_StockAdjustment{StockAdjustment: &docklinev1.StockAdjustment{Count: key, Site: "LOC-EAST", Item: item, Delta: "-2.5",
		AsOf: timestamppb.Now()}}}
	return p
}

func openSquare(t *testing.T) (*square, *sandbox.Server, *connectorhttp.Connector) {
	s := &square{t: t, contract: openContract(t, specFile(t, squareContract)), stock: map[string]int64{}, answers: map[string]string{}}
	web := sandbox.NewServer("127.0.0.1:0", s)
	if err := web.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(web.Stop)
	c, err := connectorhttp.New(connectorhttp.Config{URL: web.URL(), Definition: "square", Auth: connectorhttp.Auth{BearerFile: kept(t, "EAAA-square-token")},
		SettleTime: 200 * time.Millisecond, Rate: connectorhttp.Rate{PerSecond: 10000, Burst: 1000}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return s, web, c
}

// The definition for Square passes the conformance suite against a merchant that holds every request and every answer against Square's published
// contract.
//
// Shows: S1, S69
func TestConformanceSquare(t *testing.T) {
	s, web, c := openSquare(t)
	keys := 0
	fresh := func(kind connector.Kind, item string) *connector.Posting {
		keys++
		return squarePosting(kind, fmt.Sprintf("shop/C-1/PO-%d", keys), item)
	}
	connectortest.Run(t, connectortest.Harness{
		Connector: c, HangTimeout: 300 * time.Millisecond, MaxWrites: 2,
		Posting: func(_ *testing.T, kind connector.Kind) *connector.Posting { return fresh(kind, "ITEM-BOLT") },
		Effects: func(_ *testing.T, p *connector.Posting) int { return s.effects(p) },
		UnknownItem: func(_ *testing.T, kind connector.Kind) *connector.Posting {
			return fresh(kind, "ITEM-OF-NOBODY")
		},
		Duplicate: func(_ *testing.T, p *connector.Posting) bool {
			s.mu.Lock()
			defer s.mu.Unlock()
			if p.Kind == connector.OrderCreate {
				s.take(object{"location_id": "LOC-EAST", "reference_id": p.Key, "line_items": []any{object{"catalog_object_id": "ITEM-NUT", "quantity": "1"}}})
				return true
			}
			s.number++
			s.adjust(object{"id": fmt.Sprintf("ADJ%05d", s.number), "location_id": "LOC-EAST", "catalog_object_id": "ITEM-BOLT", "reference_id": p.Key, "quantity": "1", "from_state": "NONE", "to_state": "IN_STOCK"})
			return true
		},
		Inject: func(t *testing.T, what connectortest.Injection, nth int) func() bool {
			if what == connectortest.Unreachable {
				web.Stop()
				return func() bool {
					if err := web.Start(); err != nil {
						t.Fatal(err)
					}
					return true
				}
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			s.what, s.nth = what, nth
			return func() bool {
				s.mu.Lock()
				defer s.mu.Unlock()
				struck := s.nth == 0
				s.nth = 0
				return struck
			}
		},
		Forbid: func(*testing.T) func() {
			return s.set(func() { s.denied = true }, func() { s.denied = false })
		},
		Reshape: func(*testing.T) func() {
			return s.set(func() { s.renamed = true }, func() { s.renamed = false })
		},
		Skew: func(_ *testing.T, ahead time.Duration) func() {
			return s.set(func() { s.ahead = ahead }, func() { s.ahead = 0 })
		},
		Meddle: func(_ *testing.T, p *connector.Posting) bool {
			s.mu.Lock()
			defer s.mu.Unlock()
			for _, o := range slices.Concat(s.orders, s.adjustments) {
				if o["reference_id"] == p.Key && p.Kind == connector.OrderCreate {
					o["line_items"] = []any{object{"catalog_object_id": "ITEM-NUT", "quantity": "1"}}
				} else if o["reference_id"] == p.Key {
					o["quantity"] = "77"
				}
			}
			return true
		},
		Happen: func(_ *testing.T, n int) (numbers []string) {
			s.mu.Lock()
			defer s.mu.Unlock()
			for range n {
				o := s.take(object{"location_id": "LOC-WEST", "line_items": []any{object{"catalog_object_id": "ITEM-NUT", "quantity": "2"}}})
				numbers = append(numbers, o["id"].(string))
			}
			return numbers
		},
		Book: func(*testing.T) (site, item, quantity string) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.stock["LOC-WEST/ITEM-NUT"] = 12_500_000
			return "LOC-WEST", "ITEM-NUT", "12.5"
		},
	})
	for _, what := range s.wrong {
		t.Error(what)
	}
	used := s.contract.used()
	for _, id := range []string{"BatchChangeInventory", "BatchRetrieveInventoryChanges", "BatchRetrieveInventoryCounts", "CreateOrder", "ListLocations", "SearchOrders"} {
		if !slices.Contains(used, id) {
			t.Errorf("%s was never asked for; the test shows nothing of it", id)
		}
	}
}

// Square's reference has forty characters; a longer key is found again all the same, a stock count of either sign books what it says, and an order that
// was cancelled there is told.
func TestSquareKeysAndSigns(t *testing.T) {
	s, _, c := openSquare(t)
	long := squarePosting(connector.OrderCreate, "api%2Fshop/C-1002/"+strings.Repeat("PO-4711-", 8), "ITEM-BOLT")
	apply(t, c, long)
	apply(t, c, long)
	if found, err := c.Find(t.Context(), long); err != nil || len(found) != 1 || !found[0].Complete || len(s.orders) != 1 {
		t.Errorf("found %v, %v; %d orders", found, err, len(s.orders))
	}
	random := rand.New(rand.NewPCG(8, 1))
	sum := int64(0)
	for i := range 12 {
		p := squarePosting(connector.StockAdjustment, fmt.Sprint("CC", i), "ITEM-NUT")
		delta := (random.Int64N(2000) + 1) * 1000 * (1 - 2*random.Int64N(2))
		p.Document.GetStockAdjustment().Delta = event.FormatQuantity(delta)
		sum += delta
		apply(t, c, p)
		if found, err := c.Find(t.Context(), p); err != nil || len(found) != 1 || !found[0].Complete {
			t.Errorf("%s of %s: found %v, %v", p.Key, p.Document.GetStockAdjustment().Delta, found, err)
		}
	}
	if got := s.stock["LOC-EAST/ITEM-NUT"]; got != sum {
		t.Errorf("the book is %d, want %d", got, sum)
	}
	s.mu.Lock()
	s.orders[0]["state"], s.orders[0]["version"], s.orders[0]["updated_at"] = "CANCELED", 2, stamp(time.Now().Add(time.Second))
	s.mu.Unlock()
	changes, err := c.Changes(t.Context(), nil)
	if err != nil || len(changes.Events) != 1 || changes.Events[0].GetKind() != docklinev1.EventKind_EVENT_KIND_ORDER_CANCELLED {
		t.Errorf("changes %v, %v", changes.Events, err)
	}
	if len(s.wrong) > 0 {
		t.Errorf("against the contract: %v", s.wrong)
	}
}
