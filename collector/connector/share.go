package connector

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/dockline/dockline/collector/db"
)

// Share is what one collector has of an account that several on one database use. Each holds a part of the limits for a while, in a row of a table,
// and asks the table again before that is over; the parts never add up to more than the limits. So a call costs no transaction, but for one
// every few seconds. A part follows what its collector wants: one that only looks for changes leaves nearly all to the one that sends.
type Share struct {
	DB *db.DB
	// Account is its name in the table, Collector that of this process: another one after a restart, since it does not know what was asked before.
	Account, Collector string
	// Lease is how long a part holds; default 6 s. It is asked for again after a third of it.
	Lease time.Duration
	// Longest is how long a call may still be under way whose collector is gone; default 10 s.
	Longest time.Duration

	once                sync.Once
	turn                chan struct{} // held by who reads or writes what follows
	renewAt, validUntil time.Time
	lookAt              time.Time
	counted             AccountStats // at the last renewal
	countedAt           time.Time
}

// shareLook is after how long a collector knows what another one has heard, and how often one asks again that has less than is its due.
const shareLook = time.Second

// part is how much of the limits is this collector's.
type part struct{ calls, places int }

func (s *Share) lease() time.Duration { return cmp.Or(s.Lease, 6*time.Second) }

// lookAgain is when one looks again who has nothing of what is limited; never where nobody else has it.
func (s *Share) lookAgain() <-chan time.Time {
	if s == nil {
		return nil
	}
	return time.After(shareLook)
}

// hold sees to it that the account's part is valid. Its error is a *Fault.
func (s *Share) hold(ctx context.Context, a *Account) error {
	if s == nil || a.Limits == (Limits{}) {
		return nil
	}
	if err := s.lock(ctx); err != nil {
		return notMade(a.Name, "its time is over", err)
	}
	defer s.unlock()
	now := a.Now()
	if now.Before(s.renewAt) {
		return nil
	}
	err := s.renew(ctx, a, now)
	switch {
	case err == nil:
	case now.Before(s.validUntil):
		s.renewAt = now.Add(shareLook) // what it has holds on
	default:
		return notMade(a.Name, "the database does not say how much of its limits is this collector's", err)
	}
	return nil
}

// lock lets one at a time ask the database; the others wait for what it says, no longer than they have time.
func (s *Share) lock(ctx context.Context) error {
	s.once.Do(func() { s.turn = make(chan struct{}, 1) })
	select {
	case s.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Share) unlock() { <-s.turn }

// claim is one collector's row.
type claim struct {
	collector      string
	has, wants     part
	expires, frees int64
}

// renew asks for a part: as much as is fair, of what nobody else has.
func (s *Share) renew(ctx context.Context, a *Account, now time.Time) error {
	wants := s.wants(a, now)
	var mine, due part
	err := s.DB.Write(ctx, func(tx *db.Tx) error {
		if err := tx.Lock(ctx, "account/"+s.Account); err != nil {
			return err
		}
		at, err := tx.Now(ctx)
		if err != nil {
			return err
		}
		others, had, err := s.others(ctx, tx, at.UnixMicro())
		if err != nil {
			return err
		}
		live := []claim{{collector: s.Collector, wants: wants}}
		left := part{a.Limits.Calls, a.Limits.Parallel}
		for _, c := range others {
			left.calls, left.places = left.calls-c.has.calls, left.places-c.has.places
			if c.expires > at.UnixMicro() {
				live = append(live, c)
			}
		}
		// What does not divide goes to another one each time.
		turn := int(at.UnixNano() / int64(s.lease()))
		due = part{fair(a.Limits.Calls, s.Collector, live, turn, func(c claim) int { return c.wants.calls }),
			fair(a.Limits.Parallel, s.Collector, live, turn, func(c claim) int { return c.wants.places })}
		mine = part{max(0, min(due.calls, left.calls)), max(0, min(due.places, left.places))}
		// What is in use is given up when it ends: until then it is nobody else's.
		kept := a.lower(mine, had, now)
		expires := at.Add(s.lease())
		return tx.Upsert(ctx, db.Insert{Table: "account_share", Columns: []string{"account", "collector", "calls", "places", "want_calls", "want_places", "expires_at", "frees_at"},
			Conflict: []string{"account", "collector"}, Update: []string{"calls", "places", "want_calls", "want_places", "expires_at", "frees_at"},
			Rows: [][]any{{s.Account, s.Collector, kept.calls, kept.places, wants.calls, wants.places, expires.UnixMicro(),
				expires.Add(max(a.Limits.Per, cmp.Or(s.Longest, 10*time.Second))).UnixMicro()}}})
	})
	if err != nil {
		return err
	}
	a.raise(mine)
	s.renewAt, s.validUntil = now.Add(s.lease()/3), now.Add(s.lease())
	if mine.calls < due.calls || mine.places < due.places {
		s.renewAt = now.Add(shareLook)
	}
	return nil
}

// others are the rows of the other collectors that count, and what this one has by the table.
func (s *Share) others(ctx context.Context, tx *db.Tx, now int64) (others []claim, had part, err error) {
	if _, err := tx.Exec(ctx, `DELETE FROM account_share WHERE account = ? AND frees_at <= ?`, s.Account, now); err != nil {
		return nil, had, err
	}
	rows, err := tx.Query(ctx, `SELECT collector, calls, places, want_calls, want_places, expires_at, frees_at FROM account_share WHERE account = ?`, s.Account)
	if err != nil {
		return nil, had, err
	}
	defer rows.Close()
	for rows.Next() {
		var c claim
		if err := rows.Scan(&c.collector, &c.has.calls, &c.has.places, &c.wants.calls, &c.wants.places, &c.expires, &c.frees); err != nil {
			return nil, had, err
		}
		if c.collector == s.Collector {
			had = c.has
			continue
		}
		others = append(others, c)
	}
	return others, had, rows.Err()
}

// wants is what this collector could use: twice what it used since it asked last and a little more, or everything where it had to wait.
func (s *Share) wants(a *Account, now time.Time) part {
	st := a.Stats()
	used, since := st.Calls-s.counted.Calls, now.Sub(s.countedAt)
	w := part{a.Limits.Calls, a.Limits.Parallel}
	if st.Waited == s.counted.Waited && st.waiting == 0 && !s.countedAt.IsZero() && since > 0 {
		w.calls = min(w.calls, int(2*float64(used)*a.Limits.Per.Seconds()/since.Seconds())+2)
		w.places = min(w.places, 2*st.most+1)
	}
	s.counted, s.countedAt = st, now
	return w
}

// fair is a collector's part of a limit: each gets what it wants, and where that is too much an equal part of what those leave who want less.
func fair(limit int, collector string, live []claim, turn int, wants func(claim) int) int {
	slices.SortFunc(live, func(a, b claim) int { return cmp.Compare(a.collector, b.collector) })
	turned := slices.Concat(live[turn%len(live):], live[:turn%len(live)])
	slices.SortStableFunc(turned, func(a, b claim) int { return cmp.Compare(wants(a), wants(b)) })
	for i, c := range turned {
		part := min(wants(c), limit/(len(turned)-i))
		if c.collector == collector {
			return part
		}
		limit -= part
	}
	return 0
}

// GiveUp gives back what this collector has, when it ends and no call is under way.
func (s *Share) GiveUp(ctx context.Context, a *Account) error {
	if s == nil {
		return nil
	}
	a.prepare()
	if err := s.lock(ctx); err != nil {
		return err
	}
	defer s.unlock()
	s.renewAt, s.validUntil = time.Time{}, time.Time{}
	used := a.lower(part{}, part{a.Limits.Calls, a.Limits.Parallel}, a.Now())
	err := s.DB.Write(ctx, func(tx *db.Tx) error {
		at, err := tx.Now(ctx)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `UPDATE account_share SET calls = ?, places = 0, expires_at = ?, frees_at = ? WHERE account = ? AND collector = ?`,
			used.calls, at.UnixMicro(), at.Add(a.Limits.Per).UnixMicro(), s.Account, s.Collector)
		return err
	})
	if err != nil {
		return fmt.Errorf("account %s: give up this collector's part: %w", s.Account, err)
	}
	return nil
}
