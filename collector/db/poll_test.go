package db_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dockline/dockline/collector/db"
)

// Poll goes on at once while there is more, waits else, is woken, and waits longer after each error.
func TestPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var wake db.Signal
		var at []time.Duration
		began := time.Now()
		results := []struct {
			more bool
			err  error
		}{{true, nil}, {false, nil}, {false, nil}, {false, errors.New("gone")}, {true, errors.New("gone")}, {false, nil}}
		step := func(context.Context) (bool, error) {
			at = append(at, time.Since(began))
			r := results[len(at)-1]
			if len(at) == 2 {
				wake.Set()
			}
			if len(at) == len(results) {
				cancel()
			}
			return r.more, r.err
		}
		if err := db.Poll(ctx, &wake, 50*time.Millisecond, nil, "test", step); err != nil {
			t.Errorf("Poll = %v", err)
		}
		want := []time.Duration{0, 0, 0, 50 * time.Millisecond, 150 * time.Millisecond, 350 * time.Millisecond}
		for i := range want {
			if i >= len(at) || at[i] != want[i] {
				t.Fatalf("steps at %v, want %v", at, want)
			}
		}
	})
}
