package eventlog

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/dockline/dockline/collector/db"
)

// Sequencer numbers, after their commit, what the transactions of all collectors have written: events get their Offset in the
// log, commands and receipts that have changed their position in their site's list. One collector at a time does it.
type Sequencer struct {
	DB *db.DB
	// Holder names this process; the lease "sequencer" is taken in its name.
	Holder string
	// OnPlaced is called after a commit that numbered something. May be nil.
	OnPlaced func()
	// Poll is how often the tables are looked at when nobody calls Wake. 0 is 100 ms.
	Poll time.Duration
	// Now is the clock by which the lease is renewed; nil is time.Now.
	Now func() time.Time
	// Slog may be nil.
	Slog *slog.Logger

	wake    db.Signal
	renewed time.Time
}

func (s *Sequencer) now() time.Time {
	if s.Now == nil {
		return time.Now()
	}
	return s.Now()
}

const (
	// leaseTime is how long another collector waits before it takes over from one that died.
	leaseTime = 5 * time.Second
	// placeMost bounds one transaction.
	placeMost = 5000
)

// Wake makes Run look at the tables at once. It never blocks.
func (s *Sequencer) Wake() { s.wake.Set() }

// Run numbers until ctx ends, and then gives the lease back.
func (s *Sequencer) Run(ctx context.Context) error {
	defer s.DB.GiveBack(ctx, "sequencer", s.Holder)
	return db.Poll(ctx, &s.wake, cmp.Or(s.Poll, 100*time.Millisecond), s.Slog, "number the event log", func(ctx context.Context) (bool, error) {
		placed, err := s.Step(ctx)
		return placed >= placeMost, err
	})
}

// Step numbers what is there and returns how many rows it numbered; none where another collector holds the lease. The lease
// only spares work: the lock within the transaction keeps numbers from being given twice.
func (s *Sequencer) Step(ctx context.Context) (int, error) {
	if now := s.now(); now.Sub(s.renewed) > leaseTime/3 {
		held, err := s.DB.Lease(ctx, "sequencer", s.Holder, leaseTime)
		if err != nil || !held {
			return 0, err
		}
		s.renewed = now
	}
	waiting, err := s.anything(ctx)
	if err != nil || !waiting {
		return 0, err
	}
	placed := 0
	err = s.DB.Write(ctx, func(tx *db.Tx) error {
		placed = 0
		if err := tx.Lock(ctx, "sequencer"); err != nil {
			return err
		}
		for _, place := range []func(context.Context, *db.Tx) (int, error){placeEvents, receipts.place, commands.place} {
			n, err := place(ctx, tx)
			if err != nil {
				return err
			}
			placed = max(placed, n)
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("sequence: %w", err)
	}
	if placed > 0 && s.OnPlaced != nil {
		s.OnPlaced()
	}
	return placed, nil
}

// unplaced names something without a place of each list. It asks for a column that only the indexes of what has no place know: by EXISTS, SQLite
// goes through all places that there are, which are as many as receipts.
const unplaced = `SELECT coalesce((SELECT log_id FROM event WHERE log_offset IS NULL LIMIT 1), 0),
	coalesce((SELECT event_id FROM receipt WHERE position IS NULL LIMIT 1), ''), coalesce((SELECT command_key FROM command WHERE position IS NULL LIMIT 1), '')`

// anything looks whether there is something to number, without the cost of a writing transaction.
func (s *Sequencer) anything(ctx context.Context) (bool, error) {
	var event int64
	var receipt, command string
	err := s.DB.Read(ctx, func(tx *db.Tx) error { return tx.QueryRow(ctx, unplaced).Scan(&event, &receipt, &command) })
	if err != nil {
		return false, fmt.Errorf("sequence: %w", err)
	}
	return event > 0 || receipt != "" || command != "", nil
}

// placeEvents gives offsets in the order of log ids. A transaction that commits later may have lower log ids; its events then
// come later in the log.
func placeEvents(ctx context.Context, tx *db.Tx) (int, error) {
	var last int64
	if err := tx.QueryRow(ctx, `SELECT coalesce(max(log_offset), 0) FROM event`).Scan(&last); err != nil {
		return 0, err
	}
	n, err := tx.Exec(ctx, `UPDATE event SET log_offset = v.next FROM
		(SELECT log_id, ? + row_number() OVER (ORDER BY log_id) AS next FROM
			(SELECT log_id FROM event WHERE log_offset IS NULL ORDER BY log_id LIMIT ?) AS u) AS v
		WHERE event.log_id = v.log_id`, last, placeMost)
	return int(n), err
}

// list is a table of rows that each site gets in the order of their position. A row that changed has lost its position and gets
// a new one, so positions only grow and have holes.
type list struct {
	table, id string
	order     string
	// key is the primary key: PostgreSQL would take another index, that of the positions, if it could.
	key []string
}

var (
	receipts = list{"receipt", "event_id", "", []string{"tenant", "event_id"}}
	commands = list{"command", "command_key", ", created_at, command_key", []string{"tenant", "site", "command_key"}}
)

func (l list) place(ctx context.Context, tx *db.Tx) (int, error) {
	rows, err := l.unplaced(ctx, tx)
	if err != nil || len(rows) == 0 {
		return 0, err
	}
	counts := make(map[SiteKey]int64)
	for _, row := range rows {
		counts[SiteKey{row[0], row[1]}]++
	}
	last, err := takePositions(ctx, tx, l.table, counts)
	if err != nil {
		return 0, err
	}
	var placed [][]any
	for _, row := range rows {
		site := SiteKey{row[0], row[1]}
		last[site]++
		if len(l.key) == 2 {
			placed = append(placed, []any{row[0], row[2], last[site]})
		} else {
			placed = append(placed, []any{row[0], row[1], row[2], last[site]})
		}
	}
	if _, err := tx.UpdateAll(ctx, db.Update{Table: l.table, Key: l.key, Set: []string{"position"}, Rows: placed}); err != nil {
		return 0, err
	}
	return len(rows), nil
}

// unplaced is tenant, site and id of rows without a position.
func (l list) unplaced(ctx context.Context, tx *db.Tx) ([][3]string, error) {
	rows, err := tx.Query(ctx, `SELECT tenant, site, `+l.id+` FROM `+l.table+` WHERE position IS NULL ORDER BY tenant, site`+l.order+` LIMIT ?`, placeMost)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var found [][3]string
	for rows.Next() {
		var row [3]string
		if err := rows.Scan(&row[0], &row[1], &row[2]); err != nil {
			return nil, err
		}
		found = append(found, row)
	}
	return found, rows.Err()
}
