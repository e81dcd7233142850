package posting

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/db"
)

// Timing is how soon a posting is to be told, and whether somebody waits for the answer.
type Timing string

const (
	// Synchronous: somebody waits for the verdict. It goes ahead of all others.
	Synchronous Timing = "synchronous"
	// NearRealTime: as soon as it can be, which is the default.
	NearRealTime Timing = "near_real_time"
	// Batch: at its hour.
	Batched Timing = "batch"
)

// ahead is how much further in front in the row a posting stands for which somebody waits.
const ahead = time.Hour

// schedule takes the timing that is wanted now.
func (r *row) schedule(d Desired) {
	r.Timing, r.notBefore, r.within, r.Priority = d.Timing, 0, d.Within.Microseconds(), d.Priority
	if !d.NotBefore.IsZero() {
		r.notBefore = d.NotBefore.UnixMicro()
	}
	r.touch()
}

// turn is when a posting that waits for nothing else may be sent.
func (r *row) turn(now int64) int64 {
	if r.Timing == Synchronous {
		return now - ahead.Microseconds()
	}
	return max(now, r.notBefore)
}

// Took is how long postings of one kind to one target took, from when they were wanted, or from their hour on, to when they were confirmed.
type Took struct {
	Target string         `json:"target"`
	Kind   connector.Kind `json:"kind"`
	Class  Timing         `json:"class"`
	// N were confirmed, Late of them took longer than they may.
	N    int64 `json:"n"`
	Late int64 `json:"late"`
	// Within is how long they may take, 0 for no promise. P50, P95 and Longest are what they took.
	Within  time.Duration `json:"within"`
	P50     time.Duration `json:"p50"`
	P95     time.Duration `json:"p95"`
	Longest time.Duration `json:"longest"`
	// Waiting are wanted, may be sent, and are not confirmed; Overdue of them have waited longer than they may.
	Waiting int64 `json:"waiting"`
	Overdue int64 `json:"overdue"`
}

// atMostTook bounds how many postings Timings looks at, the newest first.
const atMostTook = 100_000

// Timings says, by target, kind and class, how long postings took that were confirmed since then, and how many wait.
func Timings(ctx context.Context, tx *db.Tx, tenant string, since, now time.Time) ([]Took, error) {
	type group struct {
		target string
		kind   connector.Kind
		class  Timing
	}
	groups := make(map[group]*Took)
	took := make(map[group][]time.Duration)
	of := func(g group) *Took {
		if groups[g] == nil {
			groups[g] = &Took{Target: g.target, Kind: g.kind, Class: g.class}
		}
		return groups[g]
	}
	rows, err := tx.Query(ctx, `SELECT target, kind, timing, not_before, time_allowed, wanted_at, confirmed_at, state FROM posting
		WHERE tenant = ? AND confirmed_at >= ? AND wanted_at > 0 AND state IN ('confirmed', 'diverged', 'correcting') ORDER BY confirmed_at DESC LIMIT ?`, tenant, since.UnixMicro(), atMostTook)
	if err == nil {
		err = eachTiming(rows, func(g timingRow) {
			key := group{g.target, g.kind, g.class}
			t, d := of(key), time.Duration(g.confirmed-max(g.wanted, g.notBefore))*time.Microsecond
			t.N++
			t.Within = max(t.Within, g.allowed)
			if g.allowed > 0 && d > g.allowed {
				t.Late++
			}
			took[key] = append(took[key], max(0, d))
		})
	}
	if err != nil {
		return nil, fmt.Errorf("posting: timing: %w", err)
	}
	rows, err = tx.Query(ctx, `SELECT target, kind, timing, not_before, time_allowed, wanted_at, confirmed_at, state FROM posting
		WHERE tenant = ? AND state IN ('planned', 'ready', 'sending', 'unknown', 'rejected', 'blocked') AND not_before <= ? LIMIT ?`, tenant, now.UnixMicro(), atMostTook)
	if err == nil {
		err = eachTiming(rows, func(g timingRow) {
			t := of(group{g.target, g.kind, g.class})
			t.Waiting++
			t.Within = max(t.Within, g.allowed)
			if g.allowed > 0 && time.Duration(now.UnixMicro()-max(g.wanted, g.notBefore))*time.Microsecond > g.allowed {
				t.Overdue++
			}
		})
	}
	if err != nil {
		return nil, fmt.Errorf("posting: timing: %w", err)
	}
	out := make([]Took, 0, len(groups))
	for key, t := range groups {
		if all := took[key]; len(all) > 0 {
			slices.Sort(all)
			t.P50, t.P95, t.Longest = all[len(all)/2], all[min(len(all)-1, len(all)*95/100)], all[len(all)-1]
		}
		out = append(out, *t)
	}
	slices.SortFunc(out, func(a, b Took) int {
		return cmp.Or(cmp.Compare(a.Target, b.Target), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Class, b.Class))
	})
	return out, nil
}

type timingRow struct {
	target                       string
	kind                         connector.Kind
	class                        Timing
	notBefore, wanted, confirmed int64
	allowed                      time.Duration
}

func eachTiming(rows *sql.Rows, f func(timingRow)) error {
	defer rows.Close()
	for rows.Next() {
		var g timingRow
		var allowed int64
		var s State
		if err := rows.Scan(&g.target, &g.kind, &g.class, &g.notBefore, &allowed, &g.wanted, &g.confirmed, &s); err != nil {
			return err
		}
		if g.class == "" {
			g.class = NearRealTime
		}
		g.allowed = time.Duration(allowed) * time.Microsecond
		f(g)
	}
	return rows.Err()
}

// Verdict waits for what the target says of a posting: until it is confirmed, refused or needs a person, or the time is over, when it is
// returned as it stands. Who waits says that it is synchronous, so that it goes ahead of the others.
func Verdict(ctx context.Context, d *db.DB, tenant string, ref Ref, patience time.Duration) (*Entry, error) {
	end := time.Now().Add(patience)
	for {
		var found []Entry
		err := d.Read(ctx, func(tx *db.Tx) (err error) {
			found, err = entries(collect(tx.Query(ctx, `SELECT `+columns+` FROM posting WHERE natural_key = ? AND kind = ? AND target = ? AND tenant = ?`, ref.Key, ref.Kind, ref.Target, tenant)))
			return err
		})
		if err != nil {
			return nil, err
		}
		if len(found) > 0 {
			switch e := found[0]; e.State {
			case Confirmed, Rejected, Blocked, Diverged, Superseded:
				return &e, nil
			default:
				if !time.Now().Before(end) {
					return &e, nil
				}
			}
		} else if !time.Now().Before(end) {
			return nil, fmt.Errorf("%s: %w", ref, ErrAbsent)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}
