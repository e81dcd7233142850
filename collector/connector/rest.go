package connector

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/dockline/dockline/collector/db"
)

// Meet tells the other collectors that the system asked for patience, does not answer, or answers again, and learns that from them, within a
// second. Who asks Allow or Patience meets first. Without a Share it does nothing.
func (a *Account) Meet(ctx context.Context) error {
	a.prepare()
	s := a.Share
	if s == nil {
		return nil
	}
	if err := s.lock(ctx); err != nil {
		return err
	}
	defer s.unlock()
	now := a.Now()
	a.mu.Lock()
	tell := a.untold
	a.untold = false
	paused, open := a.pausedUntil, a.breaker.OpenUntil
	if a.breaker.Closed() {
		open = time.Time{}
	}
	a.mu.Unlock()
	var err error
	switch {
	case tell:
		err = s.tell(ctx, now, paused, open)
	case now.Before(s.lookAt):
		return nil
	default:
		err = s.listen(ctx, a, now)
	}
	if err != nil {
		a.mu.Lock()
		a.untold = a.untold || tell
		a.mu.Unlock()
		return fmt.Errorf("account %s: what other collectors have heard: %w", s.Account, err)
	}
	s.lookAt = now.Add(shareLook)
	return nil
}

// tell writes down until when the system is left alone, by the clock that all share. Of two who were asked for patience the longer time holds.
func (s *Share) tell(ctx context.Context, now, paused, open time.Time) error {
	return s.DB.Write(ctx, func(tx *db.Tx) error {
		at, err := tx.Now(ctx)
		if err != nil {
			return err
		}
		until, _, err := s.read(ctx, tx)
		if err != nil {
			return err
		}
		if paused.After(now) {
			until = max(until, at.Add(paused.Sub(now)).UnixMicro())
		}
		row := []any{s.Account, until, int64(0)}
		if !open.IsZero() {
			row[2] = at.Add(open.Sub(now)).UnixMicro()
		}
		return tx.Upsert(ctx, db.Insert{Table: "account_rest", Columns: []string{"account", "paused_until", "open_until"}, Conflict: []string{"account"},
			Update: []string{"paused_until", "open_until"}, Rows: [][]any{row}})
	})
}

// listen takes up what others have written.
func (s *Share) listen(ctx context.Context, a *Account, now time.Time) error {
	return s.DB.Read(ctx, func(tx *db.Tx) error {
		at, err := tx.Now(ctx)
		if err != nil {
			return err
		}
		paused, open, err := s.read(ctx, tx)
		if err != nil {
			return err
		}
		local := func(micros int64) time.Time {
			if micros == 0 {
				return time.Time{}
			}
			return now.Add(time.UnixMicro(micros).Sub(at))
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		if !a.untold { // else what was heard since is newer
			a.pausedUntil = local(paused)
			a.breaker.Known(local(open))
		}
		return nil
	})
}

// read is the row of the account, zeros where nobody has told anything.
func (s *Share) read(ctx context.Context, tx *db.Tx) (paused, open int64, err error) {
	err = tx.QueryRow(ctx, `SELECT paused_until, open_until FROM account_rest WHERE account = ?`, s.Account).Scan(&paused, &open)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return paused, open, err
}
