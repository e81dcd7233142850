package connector

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Limits are what one account at a target may be asked for. The zero value of a field is no limit.
type Limits struct {
	// Calls are how many requests may begin within Per; after a pause all of them at once.
	Calls int
	Per   time.Duration
	// Parallel is how many calls may be under way at once.
	Parallel int
}

// Account is one account at a target, as all flows share it: postings, changes, probes, snapshots. It keeps to the account's limits, leaves the
// target alone while it asks for patience, and while it does not answer. Several connectors may share one.
type Account struct {
	Name   string
	Limits Limits
	Now    func() time.Time
	// OpenAfter is after how many technical faults in a row, of whatever flow, the target is left alone; default 3. OpenFirst and OpenLongest
	// bound for how long; default 1 s and 5 s.
	OpenAfter              int
	OpenFirst, OpenLongest time.Duration

	once  sync.Once
	slots chan struct{}

	mu          sync.Mutex
	begun       []time.Time // of the last Calls requests, as a ring
	at          int
	pausedUntil time.Time
	breaker     Breaker
	stats       AccountStats
}

// AccountStats counts since the start, except for what is now.
type AccountStats struct {
	// Calls were begun, Waited of them had to wait for the rate or for a place, and Refused were not made because the target was left alone.
	Calls, Waited, Refused int64
	UnderWay               int64
	// PausedUntil is how long the target asked for patience, OpenUntil until when it is left alone since it does not answer.
	PausedUntil, OpenUntil time.Time
}

// longestPause is the longest that a target is left alone because it asks for it; a broken gateway may ask for days.
const longestPause = 15 * time.Minute

func (a *Account) prepare() {
	a.once.Do(func() {
		if a.Now == nil {
			a.Now = time.Now
		}
		if a.Limits.Parallel > 0 {
			a.slots = make(chan struct{}, a.Limits.Parallel)
		}
		if a.Limits.Calls > 0 && a.Limits.Per > 0 {
			a.begun = make([]time.Time, a.Limits.Calls)
		}
		a.breaker = Breaker{Threshold: a.OpenAfter, First: a.OpenFirst, Longest: a.OpenLongest}
		if a.breaker.Threshold == 0 {
			a.breaker.Threshold = 3
		}
		if a.breaker.First == 0 {
			a.breaker.First = time.Second
		}
		if a.breaker.Longest == 0 {
			a.breaker.Longest = 5 * time.Second
		}
	})
}

// Stats is a copy.
func (a *Account) Stats() AccountStats {
	a.prepare()
	a.mu.Lock()
	defer a.mu.Unlock()
	s := a.stats
	s.PausedUntil, s.OpenUntil = a.pausedUntil, a.breaker.OpenUntil
	if a.breaker.Closed() {
		s.OpenUntil = time.Time{}
	}
	return s
}

// Allow says what the target may be asked now: see Breaker. It is refused too while the target asks for patience.
func (a *Account) Allow() Verdict {
	a.prepare()
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.Now().Before(a.pausedUntil) {
		return Refused
	}
	return a.breaker.Allow(a.Now())
}

// Patience is until when the target asked to be left alone; zero, or past, for not at all.
func (a *Account) Patience() time.Time {
	a.prepare()
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.pausedUntil
}

// Heard tells the account what became of a call: nil and what is no technical fault are answers. It says whether the target is left alone now,
// and whether this answer ended that.
func (a *Account) Heard(err error) (open, closed bool) {
	a.prepare()
	a.mu.Lock()
	defer a.mu.Unlock()
	var f *Fault
	if err == nil || errors.As(err, &f) && f.Class != docklinev1.FaultClass_FAULT_CLASS_TECHNICAL && f.Class != docklinev1.FaultClass_FAULT_CLASS_UNSPECIFIED {
		return false, a.breaker.Answered()
	}
	if f != nil && f.Code == accountResting {
		return !a.breaker.Closed(), false // nobody asked the target
	}
	if f != nil && f.RetryAfter > 0 {
		a.pausedUntil = a.Now().Add(min(f.RetryAfter, longestPause))
	}
	return a.breaker.Failed(a.Now()), false
}

// Probed tells the account that a probe was answered: one posting may be tried.
func (a *Account) Probed() {
	a.prepare()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.breaker.Probed()
}

// accountResting is the code of a call that was not made because the target is left alone.
const accountResting = "target_resting"

// enter waits for a place; the caller leaves with what it returns.
func (a *Account) enter(ctx context.Context) (leave func(), err error) {
	a.prepare()
	if a.slots != nil {
		select {
		case a.slots <- struct{}{}:
		default:
			a.note(func(s *AccountStats) { s.Waited++ })
			select {
			case a.slots <- struct{}{}:
			case <-ctx.Done():
				return nil, notMade(a.Name, "no place was free in time", ctx.Err())
			}
		}
	}
	a.note(func(s *AccountStats) { s.UnderWay++ })
	return func() {
		a.note(func(s *AccountStats) { s.UnderWay-- })
		if a.slots != nil {
			<-a.slots
		}
	}, nil
}

func (a *Account) note(f func(*AccountStats)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f(&a.stats)
}

// pace waits until one more request may begin.
func (a *Account) pace(ctx context.Context) error {
	a.prepare()
	pause := a.reserve()
	if pause <= 0 {
		return ended(ctx, a.Name)
	}
	if end, ok := ctx.Deadline(); ok && time.Until(end) < pause {
		return notMade(a.Name, fmt.Sprintf("the rate of its account lets it go in %s", pause.Round(time.Millisecond)), context.DeadlineExceeded)
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ended(ctx, a.Name)
	}
}

// ended is the fault of a call whose time is over before its request began, nil where it is not.
func ended(ctx context.Context, account string) error {
	if err := ctx.Err(); err != nil {
		return notMade(account, "its time is over", err)
	}
	return nil
}

// reserve takes the next place in the row and says how long it is until then: no more than Calls within any Per.
func (a *Account) reserve() time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.stats.Calls++
	if len(a.begun) == 0 {
		return 0
	}
	now := a.Now()
	begin := now
	if earliest := a.begun[a.at].Add(a.Limits.Per); !a.begun[a.at].IsZero() && earliest.After(now) {
		begin = earliest
		a.stats.Waited++
	}
	a.begun[a.at] = begin
	a.at = (a.at + 1) % len(a.begun)
	return begin.Sub(now)
}

func notMade(account, why string, err error) *Fault {
	return &Fault{Class: docklinev1.FaultClass_FAULT_CLASS_TECHNICAL, Code: accountResting, Text: "the call to " + account + " was not made: " + why,
		Remedy: "It is tried again by itself.", Err: err}
}

// accountKey is where a call carries its account.
type accountKey struct{}

// Pace is called by a connector before each request: it waits until the account of the call lets one more begin. Its error is a *Fault.
func Pace(ctx context.Context) error {
	if a, ok := ctx.Value(accountKey{}).(*Account); ok {
		return a.pace(ctx)
	}
	return ended(ctx, "the system")
}
