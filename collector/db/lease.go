package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// Lease takes or prolongs the named lease for holder and says whether holder has it for ttl from now. A lease keeps several
// collectors from doing the same work; it does not protect data, since a holder may outlive it: what must not happen twice
// takes a Lock, or checks, or calls Prolong, in its own transaction.
func (d *DB) Lease(ctx context.Context, name, holder string, ttl time.Duration) (bool, error) {
	var held bool
	err := d.Write(ctx, func(tx *Tx) error {
		held = false
		now, err := d.now(ctx, tx)
		if err != nil {
			return err
		}
		// Who waits for another's lease looks often: that must not cost a commit each time.
		var by string
		var until int64
		err = tx.QueryRow(ctx, `SELECT holder, expires_at FROM lease WHERE name = ?`, name).Scan(&by, &until)
		if err == nil && by != holder && until > now || err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		n, err := tx.Exec(ctx, `INSERT INTO lease (name, holder, expires_at) VALUES (?, ?, ?)
			ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at
			WHERE lease.holder = excluded.holder OR lease.expires_at <= ?`, name, holder, now+ttl.Microseconds(), now)
		held = n == 1
		return err
	})
	if err != nil {
		return false, fmt.Errorf("lease %s: %w", name, err)
	}
	return held, nil
}

// Prolong gives holder another ttl from now, where nobody else has taken the lease since holder took it, and says whether that is so: then
// nobody else gets it until the transaction has ended. So what the transaction writes is written by the only one who works. That the lease
// was over for a while does no harm where nobody has taken it.
func (tx *Tx) Prolong(ctx context.Context, name, holder string, ttl time.Duration) (held bool, err error) {
	now, err := tx.d.now(ctx, tx)
	if err != nil {
		return false, fmt.Errorf("lease %s: %w", name, err)
	}
	n, err := tx.Exec(ctx, `UPDATE lease SET expires_at = ? WHERE name = ? AND holder = ?`, now+ttl.Microseconds(), name, holder)
	if err != nil {
		return false, fmt.Errorf("lease %s: %w", name, err)
	}
	return n == 1, nil
}

// Release gives the lease back, so that another collector need not wait for its end.
func (d *DB) Release(ctx context.Context, name, holder string) error {
	err := d.Write(ctx, func(tx *Tx) error {
		_, err := tx.Exec(ctx, `DELETE FROM lease WHERE name = ? AND holder = ?`, name, holder)
		return err
	})
	if err != nil {
		return fmt.Errorf("release lease %s: %w", name, err)
	}
	return nil
}

// GiveBack is Release at the end of a loop, whose context is over. A lease that cannot be given back runs out by itself.
func (d *DB) GiveBack(ended context.Context, name, holder string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ended), 2*time.Second)
	defer cancel()
	_ = d.Release(ctx, name, holder) // it runs out by itself
}

// Now is the time by the clock that all collectors share.
func (tx *Tx) Now(ctx context.Context) (time.Time, error) {
	micros, err := tx.d.now(ctx, tx)
	return time.UnixMicro(micros), err
}

// now is Unix microseconds by the clock that all collectors share.
func (d *DB) now(ctx context.Context, tx *Tx) (int64, error) {
	if d.Now != nil || !d.postgres {
		clock := d.Now
		if clock == nil {
			clock = time.Now
		}
		return clock().UnixMicro(), nil
	}
	var now int64
	err := tx.QueryRow(ctx, `SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint`).Scan(&now)
	return now, err
}
