package api

import (
	"strings"

	"github.com/dockline/dockline/collector/api/view"
	"github.com/dockline/dockline/collector/db"
)

// Found answers GET /api/v1/search?q=VALUE&limit=N: what a name leads to, an order before its shipments.
type Found struct {
	Hits []Hit `json:"hits"`
}

// Hit is something that a name leads to.
type Hit struct {
	// Type is what the name is: order, customer_reference, shipment, tracking, unit (an SSCC or a licence plate), bill_of_lading, invoice, credit_memo, return,
	// purchase_order, advice, quote.
	Type string `json:"type"`
	Name string `json:"name"`
	// Exact: it is the name that was asked for, and not only its beginning. Former: what it leads to has another name by now.
	Exact  bool `json:"exact"`
	Former bool `json:"former,omitempty"`
	// Key is what it leads to: "order/SO00017".
	Key           string `json:"key"`
	CorrelationID string `json:"correlation_id,omitempty"`
	Status        string `json:"status,omitempty"`
	Customer      string `json:"customer,omitempty"`
	Site          string `json:"site,omitempty"`
}

// FoundOf is hits as the API tells them.
func FoundOf(hits []view.Hit) Found {
	return Found{eachOf(hits, func(h *view.Hit) Hit { return Hit(*h) })}
}

func (s *server) find(q *request) (any, error) {
	value := strings.TrimSpace(q.query.Get("q"))
	if value == "" {
		return nil, bad("Say what to look for: q=SO00017, a tracking number, an SSCC, an invoice.")
	}
	var hits []view.Hit
	err := s.DB.Read(q.Context(), func(tx *db.Tx) (err error) {
		hits, err = view.Find(q.Context(), tx, q.tenant, value, q.limit)
		return err
	})
	return FoundOf(hits), err
}
