package db_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/testenv"
)

// ends fails where f does not return: what waits for a connection that is gone waits for ever.
func ends(t *testing.T, what string, f func() error) error {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		return err
	case <-time.After(30 * time.Second):
		t.Fatalf("%s does not end", what)
		return nil
	}
}

// The server may go away at any statement of a transaction, and a collector may be told to stop at any: the transaction ends with an
// error, and the next one has a connection of its own.
func TestTheServerGoesAwayWithinATransaction(t *testing.T) {
	d, err := db.Open(t.Context(), testenv.PostgreSQL(t))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	well := func() {
		t.Helper()
		err := ends(t, "the next transaction", func() error {
			return d.Write(t.Context(), func(tx *db.Tx) error { _, err := tx.Exec(t.Context(), `SELECT 1`); return err })
		})
		if err != nil {
			t.Errorf("the next transaction: %v", err)
		}
	}
	err = ends(t, "a transaction whose server is gone", func() error {
		return d.Write(t.Context(), func(tx *db.Tx) error {
			var pid int64
			if err := tx.QueryRow(t.Context(), `SELECT pg_backend_pid()::bigint`).Scan(&pid); err != nil {
				return err
			}
			if _, err := tx.Exec(t.Context(), `SELECT pg_terminate_backend(?::int)`, pid); err == nil {
				t.Error("a statement that ends its own server has an answer")
			}
			if _, err := tx.Exec(t.Context(), `SELECT 1`); err == nil {
				t.Error("a statement after it has an answer")
			}
			_, err := tx.Query(t.Context(), `SELECT 1`)
			return err
		})
	})
	if err == nil {
		t.Error("a transaction was committed without a server")
	}
	well()
	ctx, cancel := context.WithCancel(t.Context())
	err = ends(t, "a transaction that is told to stop", func() error {
		return d.Write(ctx, func(tx *db.Tx) error {
			time.AfterFunc(100*time.Millisecond, cancel)
			if _, err := tx.Exec(ctx, `SELECT pg_sleep(20)`); err == nil {
				t.Error("twenty seconds were over at once")
			}
			_, err := tx.Exec(context.WithoutCancel(ctx), `SELECT 1`)
			return errors.Join(ctx.Err(), err)
		})
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("told to stop: %v", err)
	}
	well()
}
