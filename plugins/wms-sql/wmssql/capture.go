package wmssql

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/dockline/dockline/plugins"
	"github.com/dockline/dockline/plugins/mapping"
)

const (
	// pagesInTurn is how much of a stream is read before the next one has its turn.
	pagesInTurn = 20
	// Trouble is waited out for retryMin, then ever longer up to retryMax.
	retryMin, retryMax = time.Second, time.Minute
	// A thorough reading is repeated so that it takes a tenth of the time, but at least this often.
	thoroughMost = 5 * time.Minute
	// nullsEvery is how often rows without a watermark are looked for, forgetEvery how often the memory is trimmed.
	nullsEvery, forgetEvery = 5 * time.Minute, time.Hour
)

// capture is the reading of the database: a loop around step.
type capture struct {
	setup  *setup
	start  plugins.Start
	cursor *cursor
	memory *memory
	out    *outgoing
	stream plugins.Stream
	now    func() time.Time
	log    *slog.Logger

	db, writer *sql.DB
	// in is where pages are read in place of db: the snapshot of a copy.
	in       *sql.Tx
	states   []*state
	follower *follower
	board    *board
	// leaveAt is when it is tried again to drop a slot that is followed no longer, leaveFault why that failed.
	leaveAt    time.Time
	leaveFault error
	forgotten  time.Time
	reports    reports
}

// state is one stream as it goes.
type state struct {
	*stream
	progress *progress
	table    *table
	binding  *mapping.Binding
	// retry is when it is tried again, after a number of failures in a row; fault is the last.
	retry    time.Time
	failures int
	fault    error
	// next is when it is looked at again, thorough when it is due to be read from the horizon, began when the present reading did.
	next, thorough, began time.Time
	nulls, vanished       time.Time
	unmarked              bool
	// lag is how long the oldest open transaction had been so when the last reading began, and who holds it.
	lag time.Duration
	who string
	// aside is why a replicated stream does not fit its table: its changes are passed over until a copy can be made.
	aside error
	published
}

func newCapture(ctx context.Context, s *setup, start plugins.Start, out plugins.Stream, now func() time.Time, log *slog.Logger) (*capture, error) {
	cur, err := parseCursor(start.Cursor)
	if err != nil {
		return nil, err
	}
	m, err := openMemory(ctx, start.DataDir, cur.Batch)
	if err != nil {
		return nil, err
	}
	if !cur.Again.IsZero() {
		if err := m.forgetSince(ctx, cur.Again); err != nil {
			return nil, errors.Join(err, m.close())
		}
		cur.Again = time.Time{}
	}
	c := &capture{setup: s, start: start, cursor: cur, memory: m, stream: out, now: now, log: log, forgotten: now()}
	c.board = &board{stream: out}
	c.out = &outgoing{cursor: cur, memory: m, stream: out, start: start, now: now}
	for _, st := range s.streams {
		p := cur.progress(st.Name)
		if st.Outbox != nil {
			p.Now = nil // what was told and not acknowledged comes again, to be acknowledged
		}
		if st.From != fromReplication {
			p.Copied, p.Watched = false, time.Time{}
		}
		c.states = append(c.states, &state{stream: st, progress: p, vanished: now()})
	}
	if slices.ContainsFunc(c.states, func(st *state) bool { return st.From == fromReplication }) {
		c.follower = newFollower(c)
	}
	return c, nil
}

// close lets go of the databases.
func (c *capture) close() error {
	if c.follower != nil {
		c.follower.close()
	}
	errs := []error{c.memory.close()}
	for _, db := range []*sql.DB{c.db, c.writer} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	return errors.Join(errs...)
}

// run reads until ctx ends.
func (c *capture) run(ctx context.Context) error {
	var more <-chan struct{}
	if c.follower != nil {
		more = c.follower.more
		watching, stop := context.WithCancel(ctx)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			c.follower.watch.run(watching)
		}()
		defer func() {
			stop()
			<-ended
		}()
	}
	for {
		wait, err := c.step(ctx)
		if err != nil && ctx.Err() == nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-more:
		case <-time.After(wait):
		}
	}
}

// step gives each stream its turn, and says how long nothing is due. A trouble of the database is waited out and shown; any other ends the capture.
func (c *capture) step(ctx context.Context) (time.Duration, error) {
	for _, st := range c.states {
		now := c.now()
		if st.From == fromReplication || now.Before(st.retry) || now.Before(st.next) {
			continue
		}
		err := c.turn(ctx, st)
		if ctx.Err() != nil {
			return 0, nil
		}
		if _, trouble := classOf(err); err != nil && !trouble {
			return 0, err
		}
		c.note(st, err)
	}
	if err := c.followOrLeave(ctx); err != nil {
		return 0, err
	}
	if err := c.complete(ctx); err != nil {
		return 0, err
	}
	if err := c.trim(ctx); err != nil {
		return 0, err
	}
	wait := c.setup.Poll
	for _, st := range c.states {
		if st.From != fromReplication {
			wait = min(wait, max(st.next.Sub(c.now()), st.retry.Sub(c.now()), 0))
		}
	}
	if c.follower != nil {
		wait = min(wait, c.follower.due())
	}
	return wait, c.report()
}

// note keeps how a turn of a stream ended.
func (c *capture) note(st *state, err error) {
	st.fault = err
	class, _ := classOf(err)
	if err == nil {
		st.failures = 0
		c.reports.reached(c.now())
		return
	}
	st.failures++
	st.retry = c.now().Add(min(retryMin<<min(st.failures-1, 10), retryMax))
	c.log.Warn("the database could not be read", "stream", st.Name, "err", err, "again_at", st.retry.Format(time.RFC3339))
	switch class {
	case faultSchema, faultOther:
		st.table = nil // look at its columns again
	case faultRights:
		c.reopen() // the password may be another by now
	}
}

// reopen closes the databases, to open them with what then holds.
func (c *capture) reopen() {
	for _, db := range []**sql.DB{&c.db, &c.writer} {
		if *db != nil {
			if err := (*db).Close(); err != nil {
				c.log.Warn("closing the database", "err", err)
			}
			*db = nil
		}
	}
}

// turn reads on in a stream: some pages of the reading that is going on, or of a new one.
func (c *capture) turn(ctx context.Context, st *state) error {
	if err := c.prepare(ctx, st); err != nil {
		return err
	}
	if st.progress.Now == nil {
		if err := c.begin(ctx, st); err != nil {
			return err
		}
	}
	if st.began.IsZero() { // an earlier life began it
		st.began = c.now()
	}
	for range pagesInTurn {
		more, err := c.page(ctx, st)
		if err != nil {
			return err
		}
		if !more {
			if err := c.out.flush(ctx, nil); err != nil {
				return err
			}
			c.end(st)
			return c.lookAround(ctx, st)
		}
	}
	return c.out.flush(ctx, nil)
}

// prepare opens the database and looks at the stream's columns, where that is due.
func (c *capture) prepare(ctx context.Context, st *state) error {
	err := c.openReader()
	if err != nil {
		return err
	}
	if c.writer == nil && st.Outbox != nil {
		if c.writer, err = c.setup.open(true); err != nil {
			return err
		}
	}
	if st.table != nil {
		return nil
	}
	limited, cancel := c.limited(ctx)
	defer cancel()
	t, err := inspect(limited, c.db, c.setup.dialect, st.stream)
	if err != nil {
		return err
	}
	binding, faults := st.mapping.Bind(t.names())
	if len(faults) > 0 {
		return schemaFault(st.what(), "column %s: %s", faults[0].Column, faults[0].Text)
	}
	st.table, st.binding = t, binding
	return nil
}

func (c *capture) openReader() (err error) {
	if c.db == nil {
		c.db, err = c.setup.open(false)
	}
	return err
}

// limited gives one statement its time, and a little more for the database to end it by itself.
func (c *capture) limited(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, c.setup.Statement+5*time.Second)
}

// trim forgets now and then what need not be remembered: what can still be read again must.
func (c *capture) trim(ctx context.Context) error {
	now := c.now()
	if now.Sub(c.forgotten) < forgetEvery {
		return nil
	}
	before := now.Add(-c.setup.Remember)
	for _, st := range c.states {
		if !st.progress.Begun {
			return nil
		}
		before = earlier(before, st.progress.Open.Add(-c.setup.Overlap-24*time.Hour))
		if st.Vanished != nil {
			before = earlier(before, now.Add(-st.Vanished.Within))
		}
	}
	c.forgotten = now
	return c.memory.forget(ctx, before)
}

// open makes a pool for the database, for readers or for a writer.
func (s *setup) open(writer bool) (*sql.DB, error) {
	login := s.Database.Login
	if writer && s.Commands.User != "" {
		login = s.Commands.Login
	}
	password, err := login.password()
	if err != nil {
		return nil, &databaseFault{faultRights, "the password of " + login.User, err}
	}
	db, err := s.dialect.open(s.Database, login, password, s.Config, writer)
	if err != nil {
		return nil, s.dialect.failed("opening the database", err)
	}
	db.SetMaxOpenConns(2)
	db.SetMaxIdleConns(2)
	db.SetConnMaxLifetime(30 * time.Minute)
	return db, nil
}
