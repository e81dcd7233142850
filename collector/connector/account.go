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
	// Share divides the limits among the collectors that use the account, and tells them of its patience and its silence; nil where there is but one.
	Share *Share

	once sync.Once

	mu          sync.Mutex
	begun       []time.Time   // when the requests of the last Per began, or will
	part        part          // of the limits, where there is a Share
	free        chan struct{} // closed when a place may have become free
	pausedUntil time.Time
	breaker     Breaker
	untold      bool // the other collectors do not know yet what was heard
	stats       AccountStats
}

// AccountStats counts since the start, except for what is now.
type AccountStats struct {
	// Calls were begun, Waited of them had to wait for the rate or for a place, and Refused were not made because the target was left alone.
	Calls, Waited, Refused int64
	UnderWay               int64
	// PausedUntil is how long the target asked for patience, OpenUntil until when it is left alone since it does not answer.
	PausedUntil, OpenUntil time.Time

	waiting int // for a place, or for their turn
	most    int // how many calls were under way at most since the part was given
}

// longestPause is the longest that a target is left alone because it asks for it; a broken gateway may ask for days.
const longestPause = 15 * time.Minute

func (a *Account) prepare() {
	a.once.Do(func() {
		if a.Now == nil {
			a.Now = time.Now
		}
		a.free = make(chan struct{})
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
		closed = a.breaker.Answered()
		a.untold = a.untold || closed
		return false, closed
	}
	if f != nil && f.Unasked {
		return !a.breaker.Closed(), false // nobody asked the target
	}
	if f != nil && f.RetryAfter > 0 {
		a.pausedUntil = a.Now().Add(min(f.RetryAfter, longestPause))
	}
	open = a.breaker.Failed(a.Now())
	a.untold = a.untold || open || f != nil && f.RetryAfter > 0
	return open, false
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
	for waited := false; ; waited = true {
		if err := a.Share.hold(ctx, a); err != nil {
			return nil, err
		}
		taken, free := a.take(waited)
		if taken {
			return a.leave, nil
		}
		a.note(func(s *AccountStats) { s.waiting++ })
		select {
		case <-free:
		case <-a.Share.lookAgain():
		case <-ctx.Done():
			err = notMade(a.Name, "no place was free in time", ctx.Err())
		}
		a.note(func(s *AccountStats) { s.waiting-- })
		if err != nil {
			return nil, err
		}
	}
}

// take takes a place, or says where it is told that one may be free.
func (a *Account) take(waited bool) (bool, <-chan struct{}) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if places, limited := a.places(); limited && a.stats.UnderWay >= int64(places) {
		if !waited {
			a.stats.Waited++
		}
		return false, a.free
	}
	a.stats.UnderWay++
	a.stats.most = max(a.stats.most, int(a.stats.UnderWay))
	return true, nil
}

func (a *Account) leave() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.stats.UnderWay--
	a.freed()
}

// freed tells all that wait for a place to look again; the caller holds the lock.
func (a *Account) freed() {
	close(a.free)
	a.free = make(chan struct{})
}

func (a *Account) note(f func(*AccountStats)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f(&a.stats)
}

// pace waits until one more request may begin.
func (a *Account) pace(ctx context.Context) error {
	a.prepare()
	for {
		if err := a.Share.hold(ctx, a); err != nil {
			return err
		}
		pause, ok := a.reserve()
		if !ok { // all of the rate is the other collectors' for the moment
			if err := a.rest(ctx, a.Share.lookAgain()); err != nil {
				return err
			}
			continue
		}
		if pause <= 0 {
			return ended(ctx, a.Name)
		}
		if end, ok := ctx.Deadline(); ok && time.Until(end) < pause {
			return notMade(a.Name, fmt.Sprintf("the rate of its account lets it go in %s", pause.Round(time.Millisecond)), context.DeadlineExceeded)
		}
		if err := a.rest(ctx, time.After(pause)); err != nil {
			return err
		}
		return a.Share.hold(ctx, a) // it may have waited for longer than its part holds
	}
}

// rest waits for its turn, or until its time is over.
func (a *Account) rest(ctx context.Context, turn <-chan time.Time) error {
	a.note(func(s *AccountStats) { s.waiting++ })
	defer a.note(func(s *AccountStats) { s.waiting-- })
	select {
	case <-turn:
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

// reserve takes the next place in the row and says how long it is until then: no more than the rate allows within any Per. It is false where none
// of the rate is this collector's now.
func (a *Account) reserve() (time.Duration, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	calls, limited := a.calls()
	if !limited {
		a.stats.Calls++
		return 0, true
	}
	if calls == 0 {
		return 0, false
	}
	a.stats.Calls++
	now := a.Now()
	begin := now
	a.forget(now)
	if n := len(a.begun); n >= calls {
		if earliest := a.begun[n-calls].Add(a.Limits.Per); earliest.After(now) {
			begin = earliest
			a.stats.Waited++
		}
	}
	a.begun = append(a.begun, begin)
	return begin.Sub(now), true
}

// forget drops the requests that began longer ago than counts; the caller holds the lock.
func (a *Account) forget(now time.Time) {
	n := 0
	for n < len(a.begun) && !a.begun[n].Add(a.Limits.Per).After(now) {
		n++
	}
	a.begun = append(a.begun[:0], a.begun[n:]...)
}

func notMade(account, why string, err error) *Fault {
	return &Fault{Class: docklinev1.FaultClass_FAULT_CLASS_TECHNICAL, Code: accountResting, Text: "the call to " + account + " was not made: " + why,
		Remedy: "It is tried again by itself.", Unasked: true, Err: err}
}

// accountKey is where a call carries its account.
type accountKey struct{}

// Pace is called by a connector before each request: it waits until the account of the call lets one more begin. Its error is a *Fault.
func Pace(ctx context.Context) error {
	countRequest(ctx)
	if ask, ok := ctx.Value(paceKey{}).(func(context.Context) error); ok {
		return ask(ctx)
	}
	if a, ok := ctx.Value(accountKey{}).(*Account); ok {
		return a.pace(ctx)
	}
	return ended(ctx, "the system")
}

// paceKey is where a call carries who is asked in the place of an account.
type paceKey struct{}

// WithPace has Pace ask somebody else, as a connector in a process of its own does that has no account. Its error is a *Fault.
func WithPace(ctx context.Context, ask func(context.Context) error) context.Context {
	return context.WithValue(ctx, paceKey{}, ask)
}

// Charge counts requests of the call that were made without asking: those that come next wait for them.
func Charge(ctx context.Context, requests int) {
	a, _ := ctx.Value(accountKey{}).(*Account)
	for i := range requests {
		countRequest(ctx)
		if a != nil && (a.Limits.Calls == 0 || i < a.Limits.Calls) {
			a.prepare()
			a.reserve()
		}
	}
}
