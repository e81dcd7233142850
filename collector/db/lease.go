package db

import (
	"context"
	"fmt"
	"time"
)

// Lease takes or prolongs the named lease for holder and says whether holder has it for ttl from now. A lease keeps several
// collectors from doing the same work; it does not protect data, since a holder may outlive it: what must not happen twice
// takes a Lock, or checks, in its own transaction.
func (d *DB) Lease(ctx context.Context, name, holder string, ttl time.Duration) (bool, error) {
	var held bool
	err := d.Write(ctx, func(tx *Tx) error {
		now, err := d.now(ctx, tx)
		if err != nil {
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
