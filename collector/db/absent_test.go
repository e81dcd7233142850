package db_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/testenv"
)

func identityRows(from, to int) db.Insert {
	ins := db.Insert{Table: "event_identity", Columns: []string{"tenant", "id", "body_hash", "log_id"}, Conflict: []string{"tenant", "id"}}
	for n := from; n < to; n++ {
		ins.Rows = append(ins.Rows, []any{"t", fmt.Sprintf("%06d", n), []byte{1}, n})
	}
	return ins
}

// Rows that are new are counted and put in, whether all of them are, some, or none, and what else the transaction did stays.
func TestCountAbsent(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		total := int64(0)
		for i, c := range []struct{ from, to, want int }{
			{0, 200, 200}, {200, 210, 10}, {205, 405, 195}, {100, 300, 0}, {405, 505, 100}, {505, 505, 0}, {504, 600, 95},
		} {
			err := d.Write(t.Context(), func(tx *db.Tx) error {
				before := db.Insert{Table: "dirty", Columns: []string{"tenant", "fold_key"}, Rows: [][]any{{"t", fmt.Sprint(i)}}}
				if err := tx.InsertAll(t.Context(), before); err != nil {
					return err
				}
				n, err := tx.CountAbsent(t.Context(), identityRows(c.from, c.to))
				if n != int64(c.want) {
					t.Errorf("%d to %d: %d new, want %d", c.from, c.to, n, c.want)
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			total += int64(c.want)
			if got := count(t, d, `SELECT count(*) FROM event_identity`); got != total {
				t.Fatalf("%d rows, want %d", got, total)
			}
			if got := count(t, d, `SELECT count(*) FROM dirty`); got != int64(i+1) {
				t.Fatalf("%d rows of the transaction itself, want %d", got, i+1)
			}
		}
	})
}

// Of two transactions that put in the same rows the second waits for the first, and finds its rows there, or, where that one was undone, not.
func TestCountAbsentWaitsForTheOther(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		for round, undone := range []bool{false, true} {
			from := 1000 * round
			stored, second := make(chan struct{}), make(chan int64, 1)
			undo := errors.New("undone")
			go func() {
				<-stored
				var n int64
				if err := d.Write(context.WithoutCancel(t.Context()), func(tx *db.Tx) (err error) {
					n, err = tx.CountAbsent(t.Context(), identityRows(from+50, from+150))
					return err
				}); err != nil {
					t.Error(err)
				}
				second <- n
			}()
			err := d.Write(t.Context(), func(tx *db.Tx) error {
				n, err := tx.CountAbsent(t.Context(), identityRows(from, from+100))
				if err != nil || n != 100 {
					return fmt.Errorf("%d new: %w", n, err)
				}
				close(stored)
				if undone {
					return undo
				}
				return nil
			})
			want := int64(50)
			if undone {
				want = 100
			}
			if err != nil && !errors.Is(err, undo) {
				t.Fatal(err)
			}
			if n := <-second; n != want {
				t.Errorf("undone %v: %d new, want %d", undone, n, want)
			}
		}
	})
}

// Rows of which most columns are the same in all are put in like any others, in statements of every length, NULL and conflicts included.
func TestRowsThatAreMuchTheSame(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		ins := db.Insert{Table: "receipt", Columns: []string{"tenant", "site", "event_id", "version", "position", "level", "body"}, Conflict: []string{"tenant", "event_id"}}
		for _, rows := range []int{15, 16, 150, 400} {
			ins.Rows = nil
			for n := range rows {
				ins.Rows = append(ins.Rows, []any{"t", "dc-east", fmt.Sprintf("%06d", n), 1, nil, 2, []byte(fmt.Sprint(n))})
			}
			err := d.Write(t.Context(), func(tx *db.Tx) error {
				before, err := tx.CountAbsent(t.Context(), ins)
				if err != nil {
					return err
				}
				again, err := tx.CountAbsent(t.Context(), ins)
				if again != 0 || before == 0 {
					t.Errorf("%d rows: %d new, then %d", rows, before, again)
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			for n := range rows {
				if n%37 == 0 && count(t, d, `SELECT count(*) FROM receipt WHERE tenant = 't' AND site = 'dc-east' AND event_id = ? AND version = 1 AND position IS NULL AND level = 2 AND body = ?`,
					fmt.Sprintf("%06d", n), []byte(fmt.Sprint(n))) != 1 {
					t.Errorf("%d rows: row %d is not what was put in", rows, n)
				}
			}
			if got := count(t, d, `SELECT count(*) FROM receipt`); got != int64(rows) {
				t.Errorf("%d rows, want %d", got, rows)
			}
		}
	})
}
