package fleet

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/dockline/dockline/collector/db"
)

// Keeper keeps what nobody says by himself: that this collector listens, which sites have fallen silent, and that history ends; and it has
// the daily close made. Several may work on one database.
type Keeper struct {
	DB *db.DB
	// Holder is the collector's name, Listening whether it has its line to the broker.
	Holder    string
	Listening func() bool
	// OfflineAfter is how long after its last word a site counts as offline. 0 is 20 s.
	OfflineAfter time.Duration
	// KeepHistory is how long points of a site's history stay. 0 is 30 days.
	KeepHistory time.Duration
	// Every is the time between two looks (2 s), CloseEvery between two daily closes (1 min).
	Every, CloseEvery time.Duration
	// Close makes the daily close; nil for none.
	Close func(context.Context) (int, error)
	// Now is the clock by which presence was written; nil is time.Now.
	Now func() time.Time
	// Log may be nil.
	Log *slog.Logger

	listening bool
	closeDue  time.Time
	pruneDue  time.Time
	wake      db.Signal
}

const (
	// listenerGone is how old the word of a collector may be that listens.
	listenerGone = 15 * time.Second
	keepSessions = 30 * 24 * time.Hour
)

// Run keeps until ctx ends.
func (k *Keeper) Run(ctx context.Context) error {
	return db.Poll(ctx, &k.wake, cmp.Or(k.Every, 2*time.Second), k.Log, "keep the fleet", func(ctx context.Context) (bool, error) { return false, k.Step(ctx) })
}

// Step looks once.
func (k *Keeper) Step(ctx context.Context) error {
	now := time.Now()
	if k.Now != nil {
		now = k.Now()
	}
	err := k.DB.Write(ctx, func(tx *db.Tx) error {
		if err := k.listen(ctx, tx, now); err != nil {
			return err
		}
		return k.silence(ctx, tx, now)
	})
	if err != nil {
		return fmt.Errorf("fleet: %w", err)
	}
	if !now.Before(k.pruneDue) {
		k.pruneDue = now.Add(time.Hour)
		if err := k.prune(ctx, now); err != nil {
			return fmt.Errorf("fleet: %w", err)
		}
	}
	if k.Close != nil && !now.Before(k.closeDue) {
		k.closeDue = now.Add(cmp.Or(k.CloseEvery, time.Minute))
		_, err = k.Close(ctx)
	}
	return err
}

// listen says that this collector has its line, and since when.
func (k *Keeper) listen(ctx context.Context, tx *db.Tx, now time.Time) error {
	was := k.listening
	if k.listening = k.Listening(); !k.listening {
		if !was {
			return nil
		}
		_, err := tx.Exec(ctx, `DELETE FROM listener WHERE holder = ? AND EXISTS (SELECT 1 FROM listener o WHERE o.holder <> listener.holder)`, k.Holder)
		return err
	}
	since := `listener.since`
	if !was {
		since = `excluded.since`
	}
	_, err := tx.Exec(ctx, `INSERT INTO listener (holder, since, seen_at) VALUES (?, ?, ?)
		ON CONFLICT (holder) DO UPDATE SET seen_at = excluded.seen_at, since = `+since, k.Holder, now.UnixMicro(), now.UnixMicro())
	return err
}

// silence gives the history of a site that has fallen silent a point at its last word, or where nobody listened before, at the moment
// from which on somebody did.
func (k *Keeper) silence(ctx context.Context, tx *db.Tx, now time.Time) error {
	if !k.listening {
		return nil
	}
	limit := now.Add(-offlineAfter(k.OfflineAfter)).UnixMicro()
	rows, err := tx.Query(ctx, `SELECT p.tenant, p.site, p.session, p.seen_at, p.point_at, l.since FROM presence p, (SELECT min(since) AS since FROM listener WHERE seen_at > ?) l
		WHERE p.online = 1 AND p.seen_at < ? AND l.since < ? AND p.point_mark <> p.session || ' silent'`, now.Add(-listenerGone).UnixMicro(), limit, limit)
	if err != nil {
		return err
	}
	defer rows.Close()
	points := db.Insert{Table: "site_point", Columns: []string{"tenant", "site", "at", "online", "backlog", "oldest_at", "severity", "mark"}, Conflict: []string{"tenant", "site", "at"}}
	marks := db.Update{Table: "presence", Key: []string{"tenant", "site", "session", "seen_at"}, Set: []string{"point_at", "point_mark"}}
	for rows.Next() {
		var tenant, site, session string
		var seen, point, since int64
		if err := rows.Scan(&tenant, &site, &session, &seen, &point, &since); err != nil {
			return err
		}
		at := max(seen, point, since) + 1
		points.Rows = append(points.Rows, []any{tenant, site, at, 0, 0, 0, int64(failing), "silent"})
		marks.Rows = append(marks.Rows, []any{tenant, site, session, seen, at, session + " silent"})
	}
	if err := rows.Err(); err != nil {
		return err
	}
	rows.Close()
	if _, err := tx.UpdateAll(ctx, marks); err != nil {
		return err
	}
	_, err = tx.InsertAbsent(ctx, points)
	return err
}

// prune ends history; the newest point of a site stays.
func (k *Keeper) prune(ctx context.Context, now time.Time) error {
	return k.DB.Write(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(ctx, `DELETE FROM site_point WHERE at < ? AND at < (SELECT p.point_at FROM presence p WHERE p.tenant = site_point.tenant AND p.site = site_point.site)`,
			now.Add(-cmp.Or(k.KeepHistory, 30*24*time.Hour)).UnixMicro())
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `DELETE FROM site_session WHERE followed_at < ?`, now.Add(-keepSessions).UnixMicro()); err != nil {
			return err
		}
		oldest := now.AddDate(0, 0, -2*closeDays).Format(time.DateOnly)
		for _, table := range []string{"site_day_said", "site_day_log", "site_day_close"} {
			if _, err := tx.Exec(ctx, `DELETE FROM `+table+` WHERE day < ?`, oldest); err != nil {
				return err
			}
		}
		_, err = tx.Exec(ctx, `DELETE FROM listener WHERE seen_at < ?`, now.Add(-24*time.Hour).UnixMicro())
		return err
	})
}

func offlineAfter(d time.Duration) time.Duration { return cmp.Or(d, 20*time.Second) }
