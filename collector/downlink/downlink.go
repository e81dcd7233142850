// Package downlink sends commands and receipts to the sites that are online, from what each says that it holds.
package downlink

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/proto/wire"
)

// Downlink sends. Several collectors may run one each on one database; the holder of the lease "downlink" works. What it has
// sent is kept in memory only: what a site holds is in its heartbeat, and a list that comes twice changes nothing there.
type Downlink struct {
	DB *db.DB
	// Holder names this process in the lease.
	Holder string
	// Publish sends one message; an error says that it may not have arrived.
	Publish func(ctx context.Context, m wire.Message) error
	// OfflineAfter is how long after its last word a site counts as offline. 0 is 20 s.
	OfflineAfter time.Duration
	// Resend is after how long a list that the site has not said to hold is sent again. 0 is 5 s.
	Resend time.Duration
	// ListLength is the most commands or receipts of one list, InFlight the most lists of a kind that a site has not said to
	// hold. 0 is 500 and 4.
	ListLength, InFlight int
	// Poll is how often the tables are looked at when nobody calls Wake. 0 is 500 ms.
	Poll time.Duration
	// Now is the clock by which seen_at was written and the lease is renewed; nil is time.Now.
	Now func() time.Time
	// Slog may be nil.
	Slog *slog.Logger

	wake    db.Signal
	renewed time.Time
	sites   map[siteKey]*site
	sent    [2]atomic.Int64
}

// Stats counts since the start of the process, what was sent again included.
type Stats struct {
	Commands, Receipts int64
}

// Stats may be called at any time.
func (d *Downlink) Stats() Stats { return Stats{d.sent[commands].Load(), d.sent[receipts].Load()} }

// Wake makes Run look at once. It never blocks.
func (d *Downlink) Wake() { d.wake.Set() }

const leaseTime = 5 * time.Second

// Run sends until ctx ends, and then gives the lease back.
func (d *Downlink) Run(ctx context.Context) error {
	defer d.DB.GiveBack(ctx, "downlink", d.Holder)
	return db.Poll(ctx, &d.wake, cmp.Or(d.Poll, 500*time.Millisecond), d.Slog, "send commands and receipts", func(ctx context.Context) (bool, error) {
		began := time.Now()
		sent, err := d.Step(ctx)
		rest(ctx, time.Since(began))
		return sent > 0, err
	})
}

// Each heartbeat of a fleet wakes the downlink, and to look takes longer the more sites there are. From shortLook on it rests as long as it has
// looked, longestRest at most: whatever waits meanwhile is found together.
const (
	shortLook   = 5 * time.Millisecond
	longestRest = 250 * time.Millisecond
)

func rest(ctx context.Context, looked time.Duration) {
	if looked < shortLook {
		return
	}
	timer := time.NewTimer(min(looked, longestRest))
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

func (d *Downlink) now() time.Time {
	if d.Now == nil {
		return time.Now()
	}
	return d.Now()
}

// Step sends the next lists to every site that is online and lacks something, and returns how many lists it sent. It is not for
// concurrent use.
func (d *Downlink) Step(ctx context.Context) (int, error) {
	if now := d.now(); now.Sub(d.renewed) > leaseTime/3 {
		held, err := d.DB.Lease(ctx, "downlink", d.Holder, leaseTime)
		if err != nil || !held {
			d.sites = nil
			return 0, err
		}
		d.renewed = now
	}
	lacking, err := d.lacking(ctx)
	if err != nil {
		return 0, fmt.Errorf("downlink: %w", err)
	}
	d.forget(lacking)
	sent := 0
	for _, p := range lacking {
		n, err := d.serve(ctx, p)
		sent += n
		if err != nil {
			return sent, fmt.Errorf("downlink to %s: %w", p.key.site, err)
		}
	}
	return sent, nil
}

type siteKey struct {
	tenant, site string
}

// presence is what a site that is online says that it holds, and whether there is more.
type presence struct {
	key     siteKey
	session string
	// through is the position that the site holds, last the last one given, more whether there is something behind through; each
	// by list.
	through, last, more [2]int64
}

// lacking reads the sites that are online and lack something.
func (d *Downlink) lacking(ctx context.Context) ([]presence, error) {
	var found []presence
	since := d.now().Add(-cmp.Or(d.OfflineAfter, 20*time.Second)).UnixMicro()
	err := d.DB.Read(ctx, func(tx *db.Tx) error {
		found = nil
		// Whoever holds what was last given lacks nothing: in a fleet at rest that is all of them, and nothing else of theirs is looked for.
		rows, err := tx.Query(ctx, `SELECT tenant, site, session, commands_through, receipts_through, commands, receipts, last_command, last_receipt FROM (
			SELECT p.tenant, p.site, p.session, p.commands_through, p.receipts_through, p.last_command, p.last_receipt,
				CASE WHEN p.last_command > p.commands_through AND EXISTS (SELECT 1 FROM command c WHERE c.tenant = p.tenant AND c.site = p.site AND c.position > p.commands_through AND c.outcome = 0) THEN 1 ELSE 0 END AS commands,
				CASE WHEN p.last_receipt > p.receipts_through AND EXISTS (SELECT 1 FROM receipt r WHERE r.tenant = p.tenant AND r.site = p.site AND r.position > p.receipts_through) THEN 1 ELSE 0 END AS receipts
			FROM (SELECT o.tenant, o.site, o.session, o.commands_through, o.receipts_through, coalesce(lc.last, 0) AS last_command, coalesce(lr.last, 0) AS last_receipt FROM presence o
				LEFT JOIN list_position lc ON lc.tenant = o.tenant AND lc.site = o.site AND lc.list = 'command'
				LEFT JOIN list_position lr ON lr.tenant = o.tenant AND lr.site = o.site AND lr.list = 'receipt'
				WHERE o.online = 1 AND o.seen_at >= ? AND (coalesce(lc.last, 0) > o.commands_through OR coalesce(lr.last, 0) > o.receipts_through)) AS p) AS s
			WHERE commands + receipts > 0 ORDER BY tenant, site`, since)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var p presence
			if err := rows.Scan(&p.key.tenant, &p.key.site, &p.session, &p.through[commands], &p.through[receipts],
				&p.more[commands], &p.more[receipts], &p.last[commands], &p.last[receipts]); err != nil {
				return err
			}
			found = append(found, p)
		}
		return rows.Err()
	})
	return found, err
}

// forget drops what was sent to sites that lack nothing now.
func (d *Downlink) forget(lacking []presence) {
	kept := make(map[siteKey]*site, len(lacking))
	for _, p := range lacking {
		kept[p.key] = d.sites[p.key]
		if kept[p.key] == nil || kept[p.key].session != p.session {
			kept[p.key] = &site{session: p.session}
		}
	}
	d.sites = kept
}
