package posting

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// A document bears the day on which it happened, where the books of that day are open in the target, and else the first day that is open. What
// bears another day than its own is on a list, for those who close the books. Which days are open the configuration says, or the target when it
// refuses one.

// Days gives the day, YYYY-MM-DD, of a moment, and the first day from then on that is open for posting; no earlier than notBefore, which is
// "" where the target has said nothing.
type Days func(kind connector.Kind, at time.Time, notBefore string) (day, open string)

// happenedAt is when what a document tells of happened, zero where it does not say.
func happenedAt(d *docklinev1.Document) time.Time {
	switch v := d.GetDocument().(type) {
	case *docklinev1.Document_GoodsIssue:
		if v.GoodsIssue.GetDepartedAt() != nil {
			return v.GoodsIssue.GetDepartedAt().AsTime()
		}
	case *docklinev1.Document_StockAdjustment:
		if v.StockAdjustment.GetAsOf() != nil {
			return v.StockAdjustment.GetAsOf().AsTime()
		}
	case *docklinev1.Document_ReturnReceipt:
		if v.ReturnReceipt.GetReceivedAt() != nil {
			return v.ReturnReceipt.GetReceivedAt().AsTime()
		}
	}
	return time.Time{}
}

// date gives the posting a day before it is sent; a day that was told before is told again.
func (s *Sender) date(r *row, now time.Time) (happenedOn string) {
	if s.Days == nil || r.Style == connector.Level {
		return ""
	}
	at := happenedAt(r.Document)
	if at.IsZero() || at.After(now) {
		at = now
	}
	day, open := s.Days(r.Kind, at, "")
	if r.PostingDate == "" {
		r.PostingDate = open
		r.touch()
	}
	return day
}

// nextOpen takes the day that the target named when it refused one as closed; false where it named none that is later.
func (s *Sender) nextOpen(r *row, f *connector.Fault, now time.Time) bool {
	if f == nil || f.OpenFrom == "" || f.OpenFrom <= r.PostingDate {
		return false
	}
	open := f.OpenFrom
	if s.Days != nil {
		_, open = s.Days(r.Kind, now, f.OpenFrom)
	}
	r.PostingDate = open
	return true
}

// Cutoff is a document that bears another day than its own.
type Cutoff struct {
	Tenant    string         `json:"tenant"`
	Target    string         `json:"target"`
	Kind      connector.Kind `json:"kind"`
	Reference string         `json:"reference"`
	Site      string         `json:"site,omitempty"`
	// HappenedOn is the day on which it happened, PostedOn the one that the document bears.
	HappenedOn string `json:"happened_on"`
	PostedOn   string `json:"posted_on"`
	// Reason says who closed the period: the configuration, or the target.
	Reason  string    `json:"reason"`
	NotedAt time.Time `json:"noted_at"`
}

// cutoffs are what is to be put on the list, where a posting's day is not its own, and taken off, where it is again.
type cutoffs struct{ on, off [][]any }

// cutoffKey names a posting on the list.
var cutoffKey = []string{"reference", "kind", "target", "tenant"}

func (c *cutoffs) note(r *row, happenedOn, reason string, now int64) {
	key := []any{r.reference(), string(r.Kind), r.Target, r.Tenant}
	switch {
	case happenedOn == "" || r.PostingDate == "":
	case happenedOn == r.PostingDate:
		c.off = append(c.off, key)
	default:
		c.on = append(c.on, append(key, r.Site, happenedOn, r.PostingDate, reason, now))
	}
}

func (c *cutoffs) write(ctx context.Context, tx *db.Tx) error {
	if err := tx.DeleteAll(ctx, "posting_cutoff", cutoffKey, c.off); err != nil {
		return err
	}
	if len(c.on) == 0 {
		return nil
	}
	set := []string{"site", "occurred_on", "posted_on", "reason", "noted_at"}
	return tx.Upsert(ctx, db.Insert{Table: "posting_cutoff", Columns: append(slices.Clone(cutoffKey), set...), Rows: c.on, Conflict: cutoffKey, Update: set})
}

// Cutoffs lists what bears another day than its own, the newest first; an empty target is all.
func Cutoffs(ctx context.Context, tx *db.Tx, tenant, target string, limit int) (out []Cutoff, err error) {
	if limit <= 0 {
		limit = 200
	}
	rows, err := tx.Query(ctx, `SELECT tenant, target, kind, reference, site, occurred_on, posted_on, reason, noted_at FROM posting_cutoff
		WHERE tenant = ? AND (? = '' OR target = ?) ORDER BY noted_at DESC, reference LIMIT ?`, tenant, target, target, limit)
	if err != nil {
		return nil, fmt.Errorf("posting: cut-off list: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var c Cutoff
		var noted int64
		if err := rows.Scan(&c.Tenant, &c.Target, &c.Kind, &c.Reference, &c.Site, &c.HappenedOn, &c.PostedOn, &c.Reason, &noted); err != nil {
			return nil, err
		}
		c.NotedAt = at(noted)
		out = append(out, c)
	}
	return out, rows.Err()
}
