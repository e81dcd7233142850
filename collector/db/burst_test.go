package db

import (
	"context"
	"errors"
	"path/filepath"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

// While something goes first, what gives way waits, also between its commits.
func TestWaitingToGoFirstIsABurst(t *testing.T) {
	d, err := Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "d.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	held, release := make(chan struct{}), make(chan struct{})
	ended := make(chan error, 2)
	go func() { ended <- d.Write(t.Context(), func(*Tx) error { close(held); <-release; return nil }) }()
	<-held
	if d.Bursting() {
		t.Error("a burst although nothing goes first")
	}
	go func() {
		ended <- d.WriteFirst(t.Context(), func(*Tx) error {
			if d.Bursting() {
				return errors.New("still a burst when it has its turn")
			}
			return nil
		})
	}()
	for deadline := time.Now().Add(20 * time.Second); !d.Bursting(); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatal("what waits to go first is no burst")
		}
	}
	close(release)
	for range 2 {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	if d.Bursting() {
		t.Error("still a burst when all is done")
	}
}

// A Write waits while a burst goes on, and no longer than it is held to; without one it does not wait at all.
func TestAWriteGivesWayToABurst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		waited := func(d *DB) time.Duration {
			began := time.Now()
			d.burst.giveWay(t.Context())
			return time.Since(began)
		}
		d := &DB{}
		time.Sleep(time.Hour)
		if w := waited(d); w != 0 {
			t.Errorf("without a burst it waited %s", w)
		}
		d.Burst()
		if w := waited(d); w < burstQuiet || w > burstQuiet+burstLook {
			t.Errorf("after the last of a burst it waited %s", w)
		}
		ctx, end := context.WithCancel(t.Context())
		go func() {
			for ctx.Err() == nil {
				d.Burst()
				time.Sleep(burstQuiet / 2)
			}
		}()
		synctest.Wait()
		if w := waited(d); w != burstMost {
			t.Errorf("within a burst it waited %s, not %s", w, burstMost)
		}
		end()
		time.Sleep(burstQuiet)
		synctest.Wait()
	})
}
