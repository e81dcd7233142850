package wmssql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// copying is a copy that goes on: the tables as they were at the slot's beginning.
type copying struct {
	tx    *sql.Tx
	begin lsn
	horizon
	left []*state
	// since is from when on deletions of a stream's rows may have been missed; zero where it was never followed.
	since map[*state]time.Time
}

// beginCopy makes the slot anew and opens its snapshot. That this agent owns the slot is in the journal before it is made.
func (f *follower) beginCopy(ctx context.Context, why string) error {
	c := f.c
	s := c.cursor.Slot
	if s != nil && s.Name != f.set.Slot {
		if err := dropSlot(ctx, f.session, s.Name); err != nil {
			return err // it would fill the server's disk
		}
	}
	if s == nil || s.Name != f.set.Slot {
		s = &slotCursor{Name: f.set.Slot}
		c.cursor.Slot = s
	}
	if why != "" {
		s.lost(c.now(), why)
		c.log.Warn("the slot is begun anew, and its tables are read again", "slot", f.set.Slot, "why", why)
	}
	s.Done, s.Tx, s.Skip = "", "", 0
	system, err := systemOf(ctx, f.session)
	if err != nil {
		return err
	}
	s.System = system
	work := &copying{since: map[*state]time.Time{}}
	for _, st := range f.states {
		if p := st.progress; st.aside == nil {
			work.since[st] = p.Watched
			if p.Now, p.Copied = nil, false; p.Watched.IsZero() {
				p.Watched = c.now()
			}
			work.left = append(work.left, st)
		}
	}
	if err := c.out.keep(ctx); err != nil {
		return err
	}
	if err := c.stream.Flush(ctx); err != nil {
		return err
	}
	if work.horizon, err = c.horizon(ctx); err != nil {
		return err
	}
	if err := dropSlot(ctx, f.session, f.set.Slot); err != nil {
		return err
	}
	snapshot := ""
	if work.begin, snapshot, err = makeSlot(ctx, f.session, f.set.Slot); err != nil {
		return err
	}
	if work.tx, err = c.db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true}); err != nil {
		return postgres.failed("beginning the copy", err)
	}
	f.copy = work
	if _, err := work.tx.ExecContext(ctx, "SET TRANSACTION SNAPSHOT "+literal(snapshot)); err != nil {
		return postgres.failed("beginning the copy", err)
	}
	return nil
}

// copyOn reads some pages of the copy; done says that it is whole, and the slot may be followed.
func (f *follower) copyOn(ctx context.Context) (done bool, err error) {
	c, work := f.c, f.copy
	c.in = work.tx
	defer func() { c.in = nil }()
	for range pagesInTurn {
		if len(work.left) == 0 {
			break
		}
		if err := f.copyPage(ctx, work.left[0]); err != nil {
			return false, err
		}
	}
	if err := c.out.flush(ctx, nil); err != nil || len(work.left) > 0 {
		return false, err
	}
	for _, st := range f.states {
		st.progress.Copied = st.aside == nil
	}
	c.cursor.Slot.Done = work.begin.String()
	f.copy = nil
	return true, errors.Join(work.tx.Rollback(), c.out.keep(ctx))
}

func (f *follower) copyPage(ctx context.Context, st *state) error {
	c, work, p := f.c, f.copy, st.progress
	if p.Now == nil {
		st.began = c.now()
		r := &reading{Thorough: true, Open: work.Oldest, Seen: work.horizon.Now}
		if work.Held {
			r.Open = earlier(p.Open, work.Oldest)
		}
		if !st.whole {
			r.At = c.from(st, st.table.columns[st.table.watermark].typ, p.Open, work.horizon.Now)
		}
		p.Now = r
	}
	more, err := c.page(ctx, st)
	if err != nil || more {
		return err
	}
	if since := work.since[st]; !since.IsZero() && st.Deletes == deletesTakeBack {
		if err := c.lookForVanished(ctx, st, since); err != nil {
			return err
		}
	}
	c.end(st)
	work.left = work.left[1:]
	return nil
}

// where says whether a copy is to be made, and why where something was lost.
func (f *follower) where(ctx context.Context) (why string, again bool, err error) {
	c := f.c
	s := c.cursor.Slot
	is, err := slotOf(ctx, c.db, f.set.Slot)
	if err != nil {
		return "", false, err
	}
	system, err := systemOf(ctx, f.session)
	if err != nil {
		return "", false, err
	}
	switch {
	case is.there && (is.plugin != "pgoutput" || is.database != c.setup.Database.Name):
		return "", false, setupFault("slot "+f.set.Slot, "it is one of plugin %s in database %s; write another name under database.replication.slot", is.plugin, is.database)
	case is.there && is.active != 0:
		return "", false, &databaseFault{faultBusy, "slot " + f.set.Slot, fmt.Errorf("process %d of the server is following it; if that is not an earlier life of this plugin, another agent has the same slot: give each its own", is.active)}
	case is.there && (s == nil || s.Name != f.set.Slot):
		return "", false, setupFault("slot "+f.set.Slot, "it is there already, and this agent did not make it; write another name under database.replication.slot, or, where nobody needs it, let an administrator run: SELECT pg_drop_replication_slot(%s)", literal(f.set.Slot))
	case s == nil || s.Name != f.set.Slot || s.Done == "":
		return "", true, nil
	case s.System != system:
		return "this is another database cluster than before", true, nil
	case !is.there:
		if gone := f.watch.gaveUp(); gone != "" {
			return gone, true, nil
		}
		return "somebody dropped it", true, nil
	case is.lost:
		return "the server has removed log that it needed (max_slot_wal_keep_size)", true, nil
	case is.confirmed > s.done():
		return "somebody else has read from it, or this agent's data is older than it was", true, nil
	}
	for _, st := range f.states {
		if st.aside == nil && !st.progress.Copied {
			return "", true, nil
		}
	}
	return "", false, nil
}

// followOrLeave follows the slot, or drops one that an earlier configuration had: it would fill the server's disk.
func (c *capture) followOrLeave(ctx context.Context) error {
	if c.follower != nil {
		return c.follower.step(ctx)
	}
	s := c.cursor.Slot
	if s == nil || c.now().Before(c.leaveAt) {
		return nil
	}
	if c.setup.dialect == postgres {
		if err := c.openReader(); err != nil {
			return nil // the streams say so
		}
		limited, cancel := c.limited(ctx)
		defer cancel()
		if _, err := c.db.ExecContext(limited, dropQuery, s.Name); err != nil {
			c.leaveAt, c.leaveFault = c.now().Add(retryMax), err
			return nil
		}
	}
	c.cursor.Slot, c.leaveFault = nil, nil
	return c.out.keep(ctx)
}
