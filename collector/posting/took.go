package posting

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/db"
)

// TookBounds are the times by which Histograms counts; the last count is of what took longer than all of them.
var TookBounds = []time.Duration{100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second,
	30 * time.Second, time.Minute, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour}

// Histogram is how long the postings of one kind took that were ever confirmed, from when they were wanted, or from their hour on.
type Histogram struct {
	Tenant, Target string
	Kind           connector.Kind
	Site           string
	Class          Timing
	// Counts has one number for each of TookBounds, of those that took longer than the bound before, and one for those that took longer than all.
	Counts []int64
	// N were confirmed, Late of them took longer than they may; Sum is what they took together.
	N, Late int64
	Sum     time.Duration
}

// timed is one row of the table.
type timed struct {
	tenant, target, kind, site, class string
	bound                             int64
}

// noteTook counts what postings took that are confirmed now.
func noteTook(ctx context.Context, tx *db.Tx, confirmed []*row) error {
	type sum struct{ n, late, ms int64 }
	sums := make(map[timed]*sum)
	for _, r := range confirmed {
		if r.wantedAt == 0 {
			continue
		}
		took := max(0, time.Duration(r.confirmedAt-max(r.wantedAt, r.notBefore))*time.Microsecond)
		key := timed{r.Tenant, r.Target, string(r.Kind), r.Site, string(cmp.Or(r.Timing, NearRealTime)), boundOf(took)}
		s := sums[key]
		if s == nil {
			s = &sum{}
			sums[key] = s
		}
		s.n, s.ms = s.n+1, s.ms+took.Milliseconds()
		if r.within > 0 && took.Microseconds() > r.within {
			s.late++
		}
	}
	if len(sums) == 0 {
		return nil
	}
	keys := make([]timed, 0, len(sums))
	for key := range sums {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b timed) int { return cmp.Compare(fmt.Sprint(a), fmt.Sprint(b)) }) // two senders lock them in one order
	for part := range slices.Chunk(keys, atOnce) {
		var args []any
		for _, k := range part {
			s := sums[k]
			args = append(args, k.tenant, k.target, k.kind, k.site, k.class, k.bound, s.n, s.late, s.ms)
		}
		_, err := tx.Exec(ctx, `INSERT INTO posting_timing (tenant, target, kind, site, class, bound, n, late, milliseconds) VALUES `+
			strings.TrimSuffix(strings.Repeat("(?, ?, ?, ?, ?, ?, ?, ?, ?), ", len(part)), ", ")+
			` ON CONFLICT (tenant, target, kind, site, class, bound) DO UPDATE SET n = posting_timing.n + excluded.n, late = posting_timing.late + excluded.late,
			milliseconds = posting_timing.milliseconds + excluded.milliseconds`, args...)
		if err != nil {
			return fmt.Errorf("posting: count what they took: %w", err)
		}
	}
	return nil
}

// boundOf is the least bound that a time does not exceed, in milliseconds, 0 where it exceeds all.
func boundOf(took time.Duration) int64 {
	for _, b := range TookBounds {
		if took <= b {
			return b.Milliseconds()
		}
	}
	return 0
}

// Histograms are those of all tenants, in a fixed order; by site, or with the sites of a tenant together under none.
func Histograms(ctx context.Context, tx *db.Tx, bySite bool) (out []*Histogram, err error) {
	query := `SELECT tenant, target, kind, site, class, bound, n, late, milliseconds FROM posting_timing ORDER BY tenant, target, kind, site, class, bound`
	if !bySite {
		query = `SELECT tenant, target, kind, '', class, bound, SUM(n), SUM(late), SUM(milliseconds) FROM posting_timing GROUP BY tenant, target, kind, class, bound ORDER BY tenant, target, kind, class, bound`
	}
	rows, err := tx.Query(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("posting: what they took: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		h := &Histogram{Counts: make([]int64, len(TookBounds)+1)}
		var bound, n, late, ms int64
		if err := rows.Scan(&h.Tenant, &h.Target, &h.Kind, &h.Site, &h.Class, &bound, &n, &late, &ms); err != nil {
			return nil, err
		}
		if last := len(out) - 1; last >= 0 && out[last].same(h) {
			h = out[last]
		} else {
			out = append(out, h)
		}
		at := slices.IndexFunc(TookBounds, func(b time.Duration) bool { return b.Milliseconds() == bound })
		if at < 0 {
			at = len(TookBounds)
		}
		h.Counts[at] += n
		h.N, h.Late, h.Sum = h.N+n, h.Late+late, h.Sum+time.Duration(ms)*time.Millisecond
	}
	return out, rows.Err()
}

func (h *Histogram) same(o *Histogram) bool {
	return h.Tenant == o.Tenant && h.Target == o.Target && h.Kind == o.Kind && h.Site == o.Site && h.Class == o.Class
}

// Took is how long it took to be confirmed, or has been waited for; zero before its hour.
func (e *Entry) Took(now time.Time) time.Duration {
	from, to := e.WantedAt, now
	if e.NotBefore.After(from) {
		from = e.NotBefore
	}
	if e.State == Confirmed {
		to = e.ConfirmedAt
	}
	return max(0, to.Sub(from))
}
