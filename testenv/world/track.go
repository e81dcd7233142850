package world

import (
	"context"
	"encoding/json"
	"net/url"
)

// Track is an order as the API shows it, with everything that belongs to it.
type Track struct {
	Status     string         `json:"status"`
	Events     []TrackEvent   `json:"events"`
	Postings   []TrackPosting `json:"postings"`
	Exceptions []Exception    `json:"exceptions"`
}

// TrackEvent is one event of an order.
type TrackEvent struct {
	ID    string `json:"id"`
	Kind  string `json:"kind"`
	Event struct {
		Tenant        string `json:"tenant"`
		Site          string `json:"site"`
		CorrelationID string `json:"correlation_id"`
		Traceparent   string `json:"traceparent"`
		DoubleOf      string `json:"double_of"`
	} `json:"event"`
}

// TrackPosting is one posting of an order.
type TrackPosting struct {
	Target        string          `json:"target"`
	Kind          string          `json:"kind"`
	Key           string          `json:"key"`
	State         string          `json:"state"`
	CorrelationID string          `json:"correlation_id"`
	Document      json.RawMessage `json:"document"`
}

// Track asks for an order.
func (w *World) Track(ctx context.Context, number string) (Track, error) {
	var t Track
	err := w.get(ctx, "api/v1/orders/"+url.PathEscape(number), &t)
	return t, err
}
