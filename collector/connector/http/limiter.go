package http

import (
	"context"
	"sync"
	"time"
)

// limiter lets so many requests a second pass, and a burst after a pause.
type limiter struct {
	interval time.Duration
	burst    time.Duration
	now      func() time.Time

	mu   sync.Mutex
	next time.Time
}

func newLimiter(r Rate, now func() time.Time) *limiter {
	l := &limiter{now: now}
	if r.PerSecond > 0 {
		l.interval = time.Duration(float64(time.Second) / r.PerSecond)
		l.burst = l.interval * time.Duration(max(1, r.Burst)-1)
	}
	return l
}

// wait returns when the next request may go, or with ctx's error.
func (l *limiter) wait(ctx context.Context) error {
	pause := l.reserve()
	if pause <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// reserve takes the next place in the row and says how long it is until then.
func (l *limiter) reserve() time.Duration {
	if l.interval == 0 {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	if earliest := now.Add(-l.burst); l.next.Before(earliest) {
		l.next = earliest
	}
	at := l.next
	l.next = at.Add(l.interval)
	return at.Sub(now)
}
