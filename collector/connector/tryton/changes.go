package tryton

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/dockline/dockline/collector/connector"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

const (
	// pageSize is how many records one call of Changes looks at, of each model.
	pageSize = 200
	// stampFormat has a fixed width, so that texts compare as times do.
	stampFormat = "2006-01-02T15:04:05.000000Z"
)

// position is what a cursor holds.
type position struct {
	Sales    sweep `json:"sales"`
	Invoices sweep `json:"invoices"`
	// Opportunities are those of a CRM, which tells of nothing else.
	Opportunities sweep `json:"opportunities,omitzero"`
	// Born is the newest change that the first sweep of sales saw: orders that were closed before are not Dockline's.
	Born string `json:"born,omitempty"`
}

// sweep goes over the records of a model whose stamp is From or newer, by id, and begins anew behind the newest that it saw. A
// stamp is the beginning of a transaction: one that commits late appears behind records that were seen before, so each sweep
// begins an overlap earlier and tells by Seen what it knows.
type sweep struct {
	From  string `json:"from,omitempty"`
	After int64  `json:"after,omitempty"`
	// Newest is the newest stamp of this sweep so far.
	Newest string `json:"newest,omitempty"`
	// Seen holds the stamps of the records within the overlap, by id.
	Seen map[int64]string `json:"seen,omitempty"`
}

// Changes reports orders that were accepted or cancelled and invoices that were posted. The cursor holds where each sweep stands
// and which records of the overlap it has reported.
func (c *Connector) Changes(ctx context.Context, since connector.Cursor) (connector.Changes, error) {
	var at position
	if len(since) > 0 {
		if err := json.Unmarshal(since, &at); err != nil {
			return connector.Changes{}, technical("bad_cursor", "the cursor is not one of this connector's", "begin anew without a cursor", err)
		}
	}
	if c.settings.Opportunities {
		return c.opportunityChanges(ctx, at)
	}
	sales, moreSales, err := c.page(ctx, modelSale, &at.Sales, []any{"number", "!=", nil}, nil)
	if err != nil {
		return connector.Changes{}, err
	}
	if at.Born == "" && !moreSales {
		at.Born = cmp.Or(at.Sales.Newest, time.Time{}.Format(stampFormat))
	}
	invoices, moreInvoices, err := c.page(ctx, modelInvoice, &at.Invoices, []any{"type", "=", "out"}, nil)
	if err != nil {
		return connector.Changes{}, err
	}
	born := cmp.Or(at.Born, "9") // after all times, until the first sweep has ended
	events, err := c.saleEvents(ctx, sales, born)
	if err != nil {
		return connector.Changes{}, err
	}
	posted, err := c.invoiceEvents(ctx, invoices, born)
	if err != nil {
		return connector.Changes{}, err
	}
	at.Sales.close(moreSales, c.settings.Overlap)
	at.Invoices.close(moreInvoices, c.settings.Overlap)
	cursor, err := json.Marshal(at)
	if err != nil {
		return connector.Changes{}, technical("bad_cursor", "the cursor cannot be written", "report it", err)
	}
	events = append(events, posted...)
	slices.SortStableFunc(events, func(a, b *docklinev1.Event) int { return a.OccurredAt.AsTime().Compare(b.OccurredAt.AsTime()) })
	return connector.Changes{Events: events, Cursor: cursor, More: moreSales || moreInvoices}, nil
}

// opportunityChanges reports those that were converted or won.
func (c *Connector) opportunityChanges(ctx context.Context, at position) (connector.Changes, error) {
	ids, more, err := c.page(ctx, modelOpportunity, &at.Opportunities, []any{"state", "in", []string{"converted", "won"}}, nil)
	if err != nil {
		return connector.Changes{}, err
	}
	events, err := c.quoteEvents(ctx, ids)
	if err != nil {
		return connector.Changes{}, err
	}
	at.Opportunities.close(more, c.settings.Overlap)
	cursor, err := json.Marshal(at)
	if err != nil {
		return connector.Changes{}, technical("bad_cursor", "the cursor cannot be written", "report it", err)
	}
	return connector.Changes{Events: events, Cursor: cursor, More: more}, nil
}

// page returns the ids of the next records of a sweep that were not seen with this stamp before.
func (c *Connector) page(ctx context.Context, model string, s *sweep, only []any, about map[string]any) (ids []int64, more bool, err error) {
	domain := []any{only, []any{"id", ">", s.After}}
	if s.From != "" {
		from, err := time.Parse(stampFormat, s.From)
		if err != nil {
			return nil, false, technical("bad_cursor", "the cursor is not one of this connector's", "begin anew without a cursor", err)
		}
		t := datetime(from)
		domain = append(domain, []any{"OR", []any{"write_date", ">=", t}, []any{[]any{"write_date", "=", nil}, []any{"create_date", ">=", t}}})
	}
	found, err := c.client.searchRead(ctx, model, about, domain, pageSize, "create_date", "write_date")
	if err != nil {
		return nil, false, err
	}
	if s.Seen = maps.Clone(s.Seen); s.Seen == nil {
		s.Seen = map[int64]string{}
	}
	for _, r := range found {
		id, stamp := r.id("id"), stampOf(r)
		if s.Seen[id] != stamp {
			ids = append(ids, id)
		}
		s.Seen[id], s.Newest, s.After = stamp, max(s.Newest, stamp), id
	}
	return ids, len(found) == pageSize, nil
}

func stampOf(r row) string {
	at := r.time("write_date")
	if at.IsZero() {
		at = r.time("create_date")
	}
	return at.Format(stampFormat)
}

// close ends a sweep that has come to its end: the next begins an overlap before the newest record.
func (s *sweep) close(more bool, overlap time.Duration) {
	if more || s.Newest == "" {
		return
	}
	newest, err := time.Parse(stampFormat, s.Newest)
	if err != nil {
		return // the next page says so
	}
	s.From, s.After = max(s.From, newest.Add(-overlap).Format(stampFormat)), 0
	maps.DeleteFunc(s.Seen, func(_ int64, stamp string) bool { return stamp < s.From })
}
