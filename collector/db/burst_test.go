package db

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

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
