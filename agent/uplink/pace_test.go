package uplink_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dockline/dockline/agent/uplink"
	"github.com/dockline/dockline/proto/wire"
)

// A pack with an urgent event goes before all others, whole, wherever in the backlog it is, and only once.
func TestUrgentPackGoesFirstAndWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, c := openJournal(t), newCentre(t)
		capture(t, j, 0, 3000)
		urgent := large(3000, 100, 10)
		urgent[40].Urgent = true
		add(t, j, urgent...)
		capture(t, j, 3100, 3000)
		u, l := start(t, uplink.Config{Journal: store{j}}, c)
		l.connect()
		pass(time.Minute)
		got := c.envelopes()
		var places []int
		for place, e := range got {
			if e.Urgent {
				places = append(places, place)
				if e.Count < 2 || e.Live {
					t.Errorf("%d to %d is urgent, live %v", e.FirstSeq, e.LastSeq, e.Live)
				}
			}
		}
		if len(places) != 1 || places[0] != 0 {
			t.Errorf("urgent packs came at places %d of %d", places, len(got))
		}
		if c.count() != 6100 || j.Stats().Events != 0 || u.Stats().Resent != 0 {
			t.Errorf("%d events arrived, %d are held: %+v", c.count(), j.Stats().Events, u.Stats())
		}
		now := large(6100, 1, 10)
		now[0].Urgent = true
		add(t, j, now...)
		pass(time.Second)
		if last := c.envelopes(); len(last) != len(got)+1 || !last[len(got)].Urgent || !last[len(got)].Live {
			t.Errorf("an urgent event captured now came %d times", len(last)-len(got))
		}
	})
}

// The rate limit holds the backlog, heartbeats and all, to so many bits a second; what is live or urgent does not wait for it.
func TestRateLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const bits = 256_000
		j, c := openJournal(t), newCentre(t)
		for n := range 40 {
			add(t, j, large(n*100, 100, 200)...)
		}
		urgent := large(4000, 1, 200)
		urgent[0].Urgent = true
		add(t, j, urgent...)
		_, l := start(t, uplink.Config{Journal: store{j}, RateLimit: bits}, c)
		began := time.Now()
		l.connect()
		pass(100 * time.Millisecond)
		if !c.envelopes()[0].Urgent {
			t.Error("the urgent event waited for the rate")
		}
		live := 0
		for second := 1; c.count() < 4001+live; second++ {
			pass(700 * time.Millisecond)
			add(t, j, large(5000+live, 1, 200)...)
			live++
			pass(50 * time.Millisecond)
			there := 0
			c.set(func() { there = c.events[fmt.Sprint(5000+live-1)] })
			if there != 1 {
				t.Fatalf("second %d: the live event waits", second)
			}
			sent := 0
			for _, e := range c.envelopes() {
				sent += len(e.Pack)
			}
			// A quarter of a second's bytes may go at once, and one pack more than is left of them.
			if allowed := int(time.Since(began).Seconds()*bits/8) + bits/32 + 40_000; sent > allowed {
				t.Fatalf("%d bytes after %s, %d are allowed", sent, time.Since(began), allowed)
			}
			if second > 100 {
				t.Fatalf("%d events after %s", c.count(), time.Since(began))
			}
		}
		// About 800 KB: at 32 KB/s they take 25 seconds, not much less and not much more.
		if took := time.Since(began); took < 18*time.Second || took > 40*time.Second {
			t.Errorf("the backlog took %s", took)
		}
	})
}

// Without a limit, too, a thin line is not filled with backlog: an event captured now is there within seconds.
func TestThinLineIsFoundOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, c := openJournal(t), newCentre(t)
		for n := range 300 {
			add(t, j, large(n*100, 100, 150)...)
		}
		_, l := start(t, uplink.Config{Journal: store{j}}, c)
		l.limit(32_000, 0)
		l.connect()
		pass(10 * time.Second)
		for n := range 20 {
			add(t, j, large(40_000+n, 1, 150)...)
			captured := time.Now()
			for there := false; !there; {
				pass(50 * time.Millisecond)
				c.set(func() { there = c.events[fmt.Sprint(40_000+n)] > 0 })
				if time.Since(captured) > 4*time.Second {
					t.Fatalf("live event %d is not there after %s, %d of the backlog are", n, time.Since(captured), c.count())
				}
			}
			pass(2 * time.Second)
		}
		before := c.count()
		pass(10 * time.Second)
		if n := c.count() - before; n < 1000 {
			t.Errorf("%d events of the backlog in 10 s: the line is hardly used", n)
		}
		l.limit(0, 0)
		pass(time.Minute)
		if c.count() != 30_020 || j.Stats().Events != 0 {
			t.Errorf("%d events arrived, %d are held", c.count(), j.Stats().Events)
		}
	})
}

// A pack that the broker does not take is divided until it fits. An event that does not fit even alone is reported and stays, and
// nothing waits behind it.
func TestPacketLimitIsObeyed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, c := openJournal(t), newCentre(t)
		for n := range 30 {
			add(t, j, large(n*100, 100, 300)...)
		}
		for n := range 20 {
			add(t, j, large(3000+n*100, 1, 60_000)...)
			add(t, j, large(3001+n*100, 99, 20)...)
		}
		u, l := start(t, uplink.Config{Journal: store{j}, Window: 4}, c)
		l.limit(0, 8000)
		l.connect()
		pass(5 * time.Minute)
		s := u.Stats()
		if c.count() != 3000+20*99 || s.TooLarge != 20 || s.TooLargeText == "" || s.Splits == 0 || s.InFlight != 0 {
			t.Errorf("%d events arrived, want all but 20: %+v", c.count(), s)
		}
		capture(t, j, 9000, 1)
		pass(time.Second)
		if c.count() != 3000+20*99+1 {
			t.Error("a live event waits behind those that do not fit")
		}
		// A broker that takes more: everything arrives, and only once.
		l.cut()
		pass(time.Second)
		if u.Stats().TooLarge != 0 {
			t.Errorf("without a link, %d do not fit", u.Stats().TooLarge)
		}
		l.limit(0, 1<<20)
		l.connect()
		pass(time.Minute)
		if c.count() != 5001 || j.Stats().Events != 0 || u.Stats().TooLarge != 0 || u.Stats().Forks != 0 {
			t.Errorf("%d of 5001 events arrived, %d are held: %+v", c.count(), j.Stats().Events, u.Stats())
		}
	})
}

// What the broker says no to is told in the statistics until it takes something again.
func TestDeniedIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, c := openJournal(t), newCentre(t)
		u, l := start(t, uplink.Config{Journal: store{j}}, c)
		l.connect()
		pass(time.Second)
		l.deny(&wire.Refused{Code: 0x87, Text: "not authorised"})
		capture(t, j, 0, 1)
		pass(100 * time.Millisecond)
		if u.Stats().Denied == "" || c.count() != 0 {
			t.Errorf("%+v", u.Stats())
		}
		l.deny(nil)
		pass(time.Minute)
		if u.Stats().Denied != "" || c.count() != 1 {
			t.Errorf("%d arrived: %+v", c.count(), u.Stats())
		}
	})
}
