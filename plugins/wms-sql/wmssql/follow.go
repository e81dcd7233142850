package wmssql

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

const (
	// takesInTurn is how often changes are taken from the line before polled streams have their turn.
	takesInTurn = 50
	// keptAfter and keptEvery are how far, and how long, the slot moves on before the journal is told so although there was nothing to tell.
	keptAfter, keptEvery = 16 << 20, time.Minute
)

// follower reads the streams that come by replication: first a copy of their tables in the snapshot in which the slot begins, then what the slot says.
// What the journal has acknowledged is what the server is told it may forget.
type follower struct {
	c      *capture
	set    Replication
	states []*state
	watch  *slotWatch
	// more has a sign when there is something to take from the line.
	more chan struct{}

	// durable is how far the journal has everything; sent are the positions of batches without an answer.
	durable atomic.Uint64
	mu      sync.Mutex
	sent    []lsn
	line    *walLine // guarded by mu, written by the capture's own goroutine alone

	session *pgconn.PgConn // holds the snapshot of a copy
	copy    *copying
	applier

	retry    time.Time
	failures int
	asked    *asked
	askAt    time.Time
	lookAt   time.Time
	kept     lsn
	keptAt   time.Time
}

// asked is a horizon with the position that is to be reached before it counts.
type asked struct {
	horizon
	at lsn
}

func newFollower(c *capture) *follower {
	f := &follower{c: c, set: *c.setup.Database.Replication, more: make(chan struct{}, 1)}
	for _, st := range c.states {
		if st.From == fromReplication {
			f.states = append(f.states, st)
		}
	}
	if s := c.cursor.Slot; s != nil {
		f.durable.Store(uint64(s.done()))
	}
	f.watch = newSlotWatch(f)
	c.out.sending = f.sending
	c.stream.OnAck(f.acknowledged)
	return f
}

// sending notes where the slot is when a batch is given to the host.
func (f *follower) sending() {
	f.mu.Lock()
	defer f.mu.Unlock()
	at := lsn(0)
	if s := f.c.cursor.Slot; s != nil {
		at = s.done()
	}
	f.sent = append(f.sent, at)
	f.kept, f.keptAt = at, f.c.now()
}

// acknowledged: the journal has a batch, and with it everything up to where the slot was.
func (f *follower) acknowledged(*docklinev1.CaptureAck) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.sent) == 0 {
		return
	}
	at := uint64(f.sent[0])
	f.sent = f.sent[1:]
	if at > f.durable.Load() {
		f.durable.Store(at)
	}
}

// close lets go of the line, the copy and the session.
func (f *follower) close() {
	f.mu.Lock()
	line := f.line
	f.line = nil
	f.mu.Unlock()
	if line != nil {
		line.close()
	}
	f.endCopy()
	f.applier = applier{}
	f.asked = nil
}

func (f *follower) endCopy() {
	if f.copy != nil {
		_ = f.copy.tx.Rollback() // it read, and has nothing to keep
		f.copy = nil
	}
	if f.session != nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = f.session.Close(ctx) // whatever it says, it is gone
		f.session = nil
	}
}

// step goes on with what is due. Like a polled stream's, its trouble is waited out and shown.
func (f *follower) step(ctx context.Context) error {
	if f.c.now().Before(f.retry) {
		return nil
	}
	err := f.turn(ctx)
	if ctx.Err() != nil {
		return nil
	}
	if _, trouble := classOf(err); err != nil && !trouble {
		return err
	}
	f.note(err)
	return nil
}

// due is how long nothing is due.
func (f *follower) due() time.Duration {
	if wait := f.retry.Sub(f.c.now()); wait > 0 {
		return wait
	}
	if f.copy != nil {
		return 0
	}
	return min(f.c.setup.Poll, statusEvery)
}

// note keeps how a turn ended.
func (f *follower) note(err error) {
	class, _ := classOf(err)
	for _, st := range f.states {
		if st.fault = st.aside; st.fault == nil {
			st.fault = err
		}
	}
	if err == nil {
		f.failures, f.retry = 0, time.Time{}
		f.c.reports.reached(f.c.now())
		return
	}
	if s := f.c.cursor.Slot; s != nil && isCode(err, "42704") && f.lineOpen() {
		s.lost(f.c.now(), "the publication was not there when rows of its tables were written")
		s.Done = ""
	}
	f.close()
	f.failures++
	f.retry = f.c.now().Add(min(retryMin<<min(f.failures-1, 10), retryMax))
	f.c.log.Warn("the slot could not be followed", "slot", f.set.Slot, "err", err, "again_at", f.retry.Format(time.RFC3339))
	if class == faultRights {
		f.c.reopen()
	}
}

func (f *follower) lineOpen() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.line != nil
}

func (f *follower) turn(ctx context.Context) error {
	if err := f.c.openReader(); err != nil {
		return err
	}
	if !f.lineOpen() && f.copy == nil {
		if err := f.connect(ctx); err != nil {
			return err
		}
	}
	if f.copy != nil {
		done, err := f.copyOn(ctx)
		if err != nil || !done {
			return err
		}
		if err := f.begin(ctx); err != nil {
			return err
		}
	}
	if !f.lineOpen() {
		return nil // no table fits
	}
	return f.follow(ctx)
}

// connect finds out where to begin: at the slot where it was left, or with a copy.
func (f *follower) connect(ctx context.Context) error {
	limited, cancel := f.c.limited(ctx)
	defer cancel()
	fit, err := f.look(limited)
	if err != nil || fit == 0 {
		return err
	}
	session, err := connectWAL(limited, f.c.setup.Database)
	if err != nil {
		return err
	}
	f.session = session
	why, again, err := f.where(limited)
	if err != nil {
		return err
	}
	if again {
		return f.beginCopy(ctx, why)
	}
	return f.begin(limited)
}

// begin starts the line where everything was told.
func (f *follower) begin(ctx context.Context) error {
	limited, cancel := f.c.limited(ctx)
	defer cancel()
	s := f.c.cursor.Slot
	line, err := startWAL(limited, f.session, f.set, s.done(), &f.durable, f.more)
	if err != nil {
		return postgres.failed("following slot "+f.set.Slot, err)
	}
	f.session = nil // it is the line's
	f.mu.Lock()
	f.line = line
	f.mu.Unlock()
	f.applier = applier{relations: map[uint32]*relation{}}
	now := f.c.now()
	f.askAt, f.lookAt = now, now.Add(f.lookEvery())
	return nil
}

// follow works on what has come.
func (f *follower) follow(ctx context.Context) error {
	if err := f.lookAgain(ctx); err != nil || !f.lineOpen() {
		return err
	}
	for range takesInTurn {
		messages, err := f.line.take()
		if err != nil {
			if err := f.c.out.flush(ctx, nil); err != nil {
				return err
			}
			return postgres.failed("following slot "+f.set.Slot, err)
		}
		if len(messages) == 0 {
			break
		}
		for _, m := range messages {
			if err := f.apply(ctx, m); err != nil {
				return err
			}
		}
	}
	if err := f.c.out.flush(ctx, nil); err != nil {
		return err
	}
	return f.moveOn(ctx)
}

// moveOn asks which transactions are open, believes the answer once everything before it was told, and lets the journal know how far the slot is.
func (f *follower) moveOn(ctx context.Context) error {
	s, now := f.c.cursor.Slot, f.c.now()
	if f.asked == nil && !now.Before(f.askAt) {
		h, err := f.c.horizon(ctx)
		if err != nil {
			return err
		}
		limited, cancel := f.c.limited(ctx)
		defer cancel()
		var text string
		if err := f.c.db.QueryRowContext(limited, "SELECT pg_current_wal_insert_lsn()::text").Scan(&text); err != nil {
			return postgres.failed("asking for the position of the log", err)
		}
		at, err := parseLSN(text)
		if err != nil {
			return err
		}
		f.asked, f.askAt = &asked{h, at}, now.Add(f.c.tellEvery())
		f.line.ask()
	}
	if f.asked != nil && !f.open && s.done() >= f.asked.at {
		for _, st := range f.states {
			if st.aside == nil {
				p := st.progress
				if p.Seen = f.asked.Now; !f.asked.Held {
					p.Open = f.asked.Oldest
				}
				st.who, st.lag = f.asked.Who, f.asked.Now.Sub(f.asked.Oldest)
			}
		}
		f.asked = nil
	}
	if at := s.done(); at > f.kept+keptAfter || at > f.kept && now.Sub(f.keptAt) >= keptEvery {
		return f.c.out.keep(ctx)
	}
	return nil
}

// lookEvery is how often it is looked whether tables and publication are as they were: every half minute, or twenty times as long as poll if that is less.
func (f *follower) lookEvery() time.Duration {
	return min(max(20*f.c.setup.Poll, time.Second), 30*time.Second)
}

// lookAgain looks now and then whether the tables are as they were: one that is not is set aside, one that is again begins with a copy.
func (f *follower) lookAgain(ctx context.Context) error {
	if f.c.now().Before(f.lookAt) {
		return nil
	}
	f.lookAt = f.c.now().Add(f.lookEvery())
	limited, cancel := f.c.limited(ctx)
	defer cancel()
	if _, err := f.look(limited); err != nil {
		return err
	}
	for _, st := range f.states {
		if st.aside == nil && !st.progress.Copied {
			f.close()
			return nil
		}
	}
	return nil
}

// look holds each stream against the database, and says how many fit. One that does not is set aside: its changes are passed over, and its table is
// read anew when it fits again.
func (f *follower) look(ctx context.Context) (fit int, err error) {
	for _, st := range f.states {
		err := f.fits(ctx, st)
		switch class, trouble := classOf(err); {
		case err == nil:
			st.aside = nil
			fit++
		case !trouble || class == faultAway || class == faultBusy:
			return fit, err
		default:
			f.setAside(st, err)
		}
	}
	if fit == 0 {
		return 0, f.states[0].aside
	}
	return fit, nil
}

func (f *follower) setAside(st *state, err error) {
	if st.aside == nil {
		f.c.log.Warn("a table is not as configured, and is not followed", "stream", st.Name, "err", err)
	}
	st.aside, st.progress.Copied = err, false
}

// isCode says whether the server's answer has an SQLSTATE.
func isCode(err error, code string) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && e.Code == code
}
