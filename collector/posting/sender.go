package posting

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Sender sends the postings of one target account and settles what became of them. Of several senders of one target, in any
// number of collectors, one works at a time. The zero value of a duration or number stands for its default.
type Sender struct {
	DB        *db.DB
	Target    string
	Connector connector.Connector
	// Account is shared with all that uses the same account; nil is one of its own, with the limits below.
	Account *connector.Account
	// Holder is the collector's name, the same after a restart.
	Holder   string
	Cases    Cases
	Receipts Receipts
	// Parallel is how many postings of different serial keys are under way at once; default 1, which does everything in one order.
	Parallel int
	// CallTimeout bounds looking and applying of one posting; default 30 s.
	CallTimeout time.Duration
	// Lease is how long a posting stays with a sender that is not heard of; default 45 s. It must be longer than CallTimeout.
	Lease time.Duration
	// Wake tells of postings that this process made; without it they are found after Idle (default 250 ms), the longest that Run waits when there
	// was nothing to do.
	Wake db.Signal
	Idle time.Duration
	// Scan is how often all planned postings are looked through for one that may go; default 5 s. Most are made ready at once.
	Scan time.Duration
	// Recheck is how often a blocked or diverged posting is read back, to see whether people put it right; default 10 min.
	Recheck time.Duration
	// RetryFirst and RetryLongest bound the wait after a technical fault; default 1 s and 2 min.
	RetryFirst, RetryLongest time.Duration
	// OpenAfter is after how many technical faults in a row the target is left alone; default 3. OpenFirst and OpenLongest
	// bound for how long; default 1 s and 5 s.
	OpenAfter              int
	OpenFirst, OpenLongest time.Duration
	// TellAfter is how long a target takes nothing before the postings that were not tried carry its fault too; default 5 s.
	TellAfter time.Duration
	// Days says which days are open for posting; nil tells the target no day.
	Days Days
	// AlarmAfter is how long a target may be out of reach before that is an exception; default 1 min.
	AlarmAfter time.Duration
	Now        func() time.Time
	// Random spreads retries, from [0, 1); it must be safe for concurrent use.
	Random func() float64
	Log    *slog.Logger

	once      sync.Once
	token     string // names this process's leases
	sawOpen   bool   // the target was left alone, and nothing was let go since
	mu        sync.Mutex
	stats     Stats
	tempo     time.Duration // what a call takes, 0 before the first
	leaseEnd  time.Time
	lastScan  time.Time
	downSince time.Time
	tenants   []string // those that had postings to it
	alarmed   bool
	outage    outage
	settled   bool // an alarm of a former process was closed
}

// Stats counts since the start, except for what is now.
type Stats struct {
	Sent, Confirmed, Rejected, Unknown, Retried, Late int64
	// Open is until when the target is left alone; zero when it is not. Fault is the last technical one.
	Open  time.Time
	Fault string
	// Paused: a person said that nothing is sent to it.
	Paused bool
}

// Stats is safe to call beside Run.
func (s *Sender) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stats
}

func (s *Sender) count(f func(*Stats)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(&s.stats)
}

func (s *Sender) prepare() {
	set := func(d *time.Duration, to time.Duration) {
		if *d == 0 {
			*d = to
		}
	}
	set(&s.CallTimeout, 30*time.Second)
	set(&s.Lease, s.CallTimeout+15*time.Second)
	set(&s.Idle, 250*time.Millisecond)
	set(&s.Scan, 5*time.Second)
	set(&s.Recheck, 10*time.Minute)
	set(&s.RetryFirst, time.Second)
	set(&s.RetryLongest, 2*time.Minute)
	set(&s.OpenFirst, time.Second)
	set(&s.OpenLongest, 5*time.Second)
	set(&s.TellAfter, 5*time.Second)
	set(&s.AlarmAfter, time.Minute)
	s.Parallel = max(1, s.Parallel)
	if s.OpenAfter == 0 {
		s.OpenAfter = 3
	}
	if s.Now == nil {
		s.Now = time.Now
	}
	if s.Random == nil {
		s.Random = rand.Float64
	}
	if s.Log == nil {
		s.Log = slog.New(slog.DiscardHandler)
	}
	s.token = s.Holder + "/" + uuid.NewString()
	if s.Account == nil {
		s.Account = &connector.Account{Name: s.Target, Now: s.Now, OpenAfter: s.OpenAfter, OpenFirst: s.OpenFirst, OpenLongest: s.OpenLongest}
	}
}

// senderLease is how long a sender that died keeps another collector's from working. It is only about who works: what must
// not happen twice hangs on the lease of the posting's row.
const senderLease = 15 * time.Second

// longestPause is the longest that a target is left alone because it asks for it; a broken gateway may ask for days.
const longestPause = 15 * time.Minute

// Run steps until ctx ends. Errors of the database are waited out; it returns one only when nothing has worked for minutes.
func (s *Sender) Run(ctx context.Context) error {
	s.once.Do(s.prepare)
	defer func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		s.DB.Release(end, "posting/"+s.Target, s.Holder) // else it runs out by itself
	}()
	for failures := 0; ; {
		n, err := s.Step(ctx)
		if ctx.Err() != nil {
			return nil
		}
		wait := s.Idle
		switch {
		case err != nil:
			failures++
			if failures > 20 {
				return fmt.Errorf("send to %s: %w", s.Target, err)
			}
			s.Log.Error("postings cannot be sent now", "target", s.Target, "err", err)
			wait = min(time.Duration(failures)*time.Second, 15*time.Second)
		case n > 0:
			failures = 0
			continue
		default:
			failures = 0
		}
		select {
		case <-ctx.Done():
			return nil
		case <-s.woken(failures):
		case <-time.After(wait):
		}
	}
}

// woken is where Run hears of new postings, unless it waits because of an error.
func (s *Sender) woken(failures int) <-chan struct{} {
	if failures > 0 {
		return nil
	}
	return s.Wake.Told()
}

// Step does what can be done now and returns how many postings it moved on; 0 means that there was nothing to do. It ends
// within CallTimeout and what the database takes.
func (s *Sender) Step(ctx context.Context) (int, error) {
	s.once.Do(s.prepare)
	if s.Lease <= s.CallTimeout {
		return 0, fmt.Errorf("posting %s: the lease of %s must be longer than a call of %s", s.Target, s.Lease, s.CallTimeout)
	}
	now := s.Now()
	if held, err := s.hold(ctx, now); err != nil || !held {
		return 0, err
	}
	w, err := s.look(ctx, now)
	if err != nil {
		return 0, err
	}
	n := 0
	if w.due {
		if n, err = s.tellDue(ctx, now); err != nil {
			return 0, err
		}
	}
	if w.expired || now.Sub(s.lastScan) >= s.Scan || now.Before(s.lastScan) {
		if err := s.recover(ctx, now); err != nil {
			return n, err
		}
		s.lastScan = now
		w.work = true
	}
	if w.job && !w.paused {
		taken, err := s.workJob(ctx, now)
		if n += taken; err != nil {
			return n, err
		}
		w.work = true
	}
	s.count(func(st *Stats) { st.Paused = w.paused })
	if w.paused {
		return n, nil
	}
	if err := s.Account.Meet(ctx); err != nil {
		return n, fmt.Errorf("posting %s: %w", s.Target, err)
	}
	if s.sawOpen && s.Account.Allow() == connector.Everything { // another flow heard the target
		if err := s.answered(ctx); err != nil {
			return n, err
		}
	}
	if now.Before(s.Account.Patience()) {
		return n, s.waitOut(ctx, now) // a target that asks for patience for long is one that does not take anything
	}
	if s.outage.marked && s.downSince.IsZero() && (s.outage.heard || !w.work) {
		cleared, err := s.clear(ctx, now)
		if n += cleared; err != nil {
			return n, err
		}
	}
	if !w.work {
		return n, nil
	}
	limit, depth := s.Parallel, s.depth()
	switch s.Account.Allow() {
	case connector.Refused:
		return n, s.waitOut(ctx, now)
	case connector.Probing:
		if !s.probe(ctx) {
			return n, s.waitOut(ctx, s.Now())
		}
		limit, depth = 1, 1
	case connector.Single:
		limit, depth = 1, 1
	}
	// After the database was put back a call that it knows nothing of may still be at work: what is not there yet means nothing, so only
	// what is to be read back goes on.
	fromReady := now.Sub(w.restored) >= s.Connector.SettleTime()
	sent, err := s.send(ctx, limit, depth, fromReady)
	return n + sent, err
}

// hold takes or keeps the target's lease, writing only when a third of it is gone.
func (s *Sender) hold(ctx context.Context, now time.Time) (bool, error) {
	if left := s.leaseEnd.Sub(now); left > senderLease*2/3 && left <= senderLease {
		return true, nil
	}
	held, err := s.DB.Lease(ctx, "posting/"+s.Target, s.Holder, senderLease)
	if err != nil {
		return false, fmt.Errorf("posting %s: %w", s.Target, err)
	}
	if now.After(s.leaseEnd) { // another may have worked meanwhile
		s.outage, s.downSince = outage{marked: true}, time.Time{}
	}
	s.leaseEnd = time.Time{}
	if held {
		s.leaseEnd = now.Add(senderLease)
	}
	return held, nil
}

// waiting says what there is to do.
type waiting struct {
	due, expired, work, job, paused bool
	// restored is when the database was last put back to an older state, zero for never.
	restored time.Time
}

// look reads what there is to do, so that an idle sender writes nothing.
func (s *Sender) look(ctx context.Context, now time.Time) (w waiting, err error) {
	err = s.DB.Read(ctx, func(tx *db.Tx) error {
		var due, expired, work, job, paused int64
		err := tx.QueryRow(ctx, `SELECT
			CASE WHEN EXISTS (SELECT 1 FROM posting WHERE target = ? AND case_due = 1) THEN 1 ELSE 0 END,
			CASE WHEN EXISTS (SELECT 1 FROM posting WHERE target = ? AND state = 'sending' AND lease_until <= ?) THEN 1 ELSE 0 END,
			CASE WHEN EXISTS (SELECT 1 FROM posting WHERE target = ? AND state = 'ready' AND ready_at <= ?)
				OR EXISTS (SELECT 1 FROM posting WHERE target = ? AND state IN `+lookedAt+` AND ready_at <= ?) THEN 1 ELSE 0 END,
			CASE WHEN EXISTS (SELECT 1 FROM posting_job WHERE target = ? AND state = '`+JobRunning+`') THEN 1 ELSE 0 END,
			CASE WHEN EXISTS (SELECT 1 FROM posting_pause WHERE target = ?) THEN 1 ELSE 0 END`,
			s.Target, s.Target, now.UnixMicro(), s.Target, now.UnixMicro(), s.Target, now.UnixMicro(), s.Target, s.Target).Scan(&due, &expired, &work, &job, &paused)
		if err != nil {
			return err
		}
		w = waiting{due: due != 0, expired: expired != 0, work: work != 0, job: job != 0, paused: paused != 0}
		_, w.restored, err = tx.Incarnation(ctx, false)
		return err
	})
	if err != nil {
		return w, fmt.Errorf("posting %s: look for work: %w", s.Target, err)
	}
	return w, nil
}

// probe asks the connector whether the target is there again.
func (s *Sender) probe(ctx context.Context) bool {
	call, cancel := context.WithTimeout(ctx, min(s.CallTimeout, 10*time.Second))
	defer cancel()
	if _, err := s.Connector.Probe(call); err != nil {
		if ctx.Err() == nil {
			s.failed(err)
		}
		return false
	}
	s.Account.Probed()
	return true
}

// failed notes a technical fault of the target.
func (s *Sender) failed(err error) {
	now, text := s.Now(), err.Error()
	was := s.sawOpen
	open, _ := s.Account.Heard(technically(err))
	s.sawOpen = s.sawOpen || open
	if s.downSince.IsZero() {
		s.downSince = now
	}
	if open && !was {
		s.Log.Warn("target does not answer; it is tried again every few seconds", "target", s.Target, "err", text)
	}
	s.count(func(st *Stats) {
		st.Fault = text
		st.Open = time.Time{}
		if open {
			st.Open = s.Account.Stats().OpenUntil
		}
	})
}

// technically is an error as a technical one: a probe that is answered with a refusal tells that nothing can be sent.
func technically(err error) error {
	if f, ok := errors.AsType[*connector.Fault](err); ok && f.Class != docklinev1.FaultClass_FAULT_CLASS_TECHNICAL {
		c := *f
		c.Class = docklinev1.FaultClass_FAULT_CLASS_TECHNICAL
		return &c
	}
	return err
}

func (s *Sender) knows(tenant string) {
	if !slices.Contains(s.tenants, tenant) {
		s.tenants = append(s.tenants, tenant)
		s.settled = false
	}
}
