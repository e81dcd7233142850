package db

import (
	"context"
	"sync/atomic"
	"time"
)

// burst lets what can wait give way to what a site's line waits for. On SQLite there is one writer, and a site that sends its backlog
// gets an answer for a window of envelopes at a time: behind every loop's transaction in turn it would wait seconds for each. On
// PostgreSQL it is the processor that they share.
type burst struct {
	last atomic.Int64 // when it last went on, in Unix nanoseconds
}

const (
	// burstQuiet is after how long without another Burst it is over: longer than a site takes to send its next envelopes.
	burstQuiet = 250 * time.Millisecond
	// burstMost is the longest that a Write gives way, so that nothing stands still behind sites that send without end.
	burstMost = time.Second
	burstLook = 5 * time.Millisecond
)

// Burst says that more of what was just written by WriteFirst is to come at once: each Write gives way to it for a moment.
func (d *DB) Burst() { d.burst.last.Store(d.clock().UnixNano()) }

// Bursting says whether a Write would give way now.
func (d *DB) Bursting() bool { return d.burst.going(d.clock()) }

func (b *burst) going(now time.Time) bool {
	return now.UnixNano()-b.last.Load() < int64(burstQuiet)
}

// giveWay waits until the burst is over, for burstMost at most. Where the clock is somebody else's it does not: that one moves only when
// whoever calls has returned.
func (d *DB) giveWay(ctx context.Context) {
	if d.Now != nil || !d.Bursting() {
		return
	}
	look := time.NewTicker(burstLook)
	defer look.Stop()
	enough := time.NewTimer(burstMost)
	defer enough.Stop()
	for d.Bursting() {
		select {
		case <-look.C:
		case <-enough.C:
			return
		case <-ctx.Done():
			return
		}
	}
}
