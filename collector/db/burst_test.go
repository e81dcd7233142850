package db

import (
	"context"
	"database/sql"
	"testing"
	"testing/synctest"
	"time"
)

// On SQLite there is one writer. Who goes first has the next turn, however many have waited for longer.
func TestWhoGoesFirstHasTheNextTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &DB{write: make(chan *session, 1), first: make(chan *session)}
		d.write <- &session{conn: &sql.Conn{}}
		_, release, err := d.session(t.Context(), access{write: true})
		if err != nil {
			t.Fatal(err)
		}
		var order []string
		wait := func(name string, a access) {
			_, done, err := d.session(t.Context(), a)
			if err != nil {
				t.Error(err)
				return
			}
			order = append(order, name)
			done()
		}
		for range 8 {
			go wait("write", access{write: true})
		}
		synctest.Wait()
		go wait("first", access{write: true, first: true})
		synctest.Wait()
		release()
		synctest.Wait()
		if len(order) != 9 || order[0] != "first" {
			t.Errorf("the turns went to %v", order)
		}
	})
}

// A Write waits while a burst goes on, and no longer than it is held to; without one it does not wait at all.
func TestAWriteGivesWayToABurst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		waited := func(d *DB) time.Duration {
			began := time.Now()
			d.giveWay(t.Context())
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
