package uplink_test

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dockline/dockline/agent/journal"
	"github.com/dockline/dockline/agent/uplink"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Behind a broker that stays up the collector's database is put back to an empty one: no link falls, and the first Ack that names the
// new one has the site say Hello again and send what it had kept.
func TestAnotherDatabaseBehindTheSameBroker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, err := journal.Open(t.TempDir(), journal.Options{Tenant: tenant, Site: site, KeepAcknowledged: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		defer j.Close()
		c := newCentre(t)
		capture(t, j, 0, 300)
		u, l := start(t, uplink.Config{Journal: store{j}}, c)
		l.connect()
		pass(time.Second)
		if c.count() != 300 || j.Stats().Events != 0 {
			t.Fatalf("%d events arrived, %d are held", c.count(), j.Stats().Events)
		}
		c.set(func() {
			fresh := newCentre(t)
			c.incarnation, c.has, c.crc, c.events = "two", fresh.has, fresh.crc, fresh.events
		})
		capture(t, j, 300, 1)
		pass(time.Second)
		if c.count() != 301 || j.Stats().Events != 0 || len(c.greetings()) != 2 {
			t.Errorf("%d events arrived at the new database, %d are held, after %d hellos", c.count(), j.Stats().Events, len(c.greetings()))
		}
		if s := u.Stats(); !s.Greeted || s.Forks != 0 {
			t.Errorf("stats %+v", s)
		}
	})
}

// The collector's database is put back, under the same name, to where it had the beginning of what is held but not what it had acknowledged
// beyond a hole. Nobody says so, no link falls and the watermark is no lower than the site knows it: all that is held is sent again, once.
func TestWhatWasAcknowledgedBeyondAHoleIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, err := journal.Open(t.TempDir(), journal.Options{Tenant: tenant, Site: site})
		if err != nil {
			t.Fatal(err)
		}
		defer j.Close()
		c := newCentre(t)
		capture(t, j, 0, 450)
		hole := true
		c.refuse = func(e *docklinev1.Envelope) *docklinev1.Refusal {
			if hole && e.FirstSeq > 100 && e.FirstSeq <= 200 {
				return &docklinev1.Refusal{Reason: docklinev1.RefusalReason_REFUSAL_REASON_BUSY}
			}
			return nil
		}
		u, l := start(t, uplink.Config{Journal: store{j}}, c)
		l.connect()
		pass(10 * time.Second)
		if held := j.Stats().Events; held < 300 || c.count() < 300 {
			t.Fatalf("%d events are held and %d arrived, with a hole", held, c.count())
		}
		c.set(func() {
			for _, has := range c.has {
				for seq := range has {
					if seq > 200 {
						delete(has, seq)
					}
				}
			}
			hole = false
		})
		pass(3 * time.Minute)
		if held := j.Stats().Events; held != 0 {
			t.Errorf("%d events are still held, the collector has acknowledged through less", held)
		}
		sent := u.Stats().Sent
		pass(time.Hour)
		if again := u.Stats().Sent - sent; again != 0 {
			t.Errorf("%d envelopes were sent although nothing is held", again)
		}
	})
}

// rotated is a journal that has begun a new file.
type rotated struct {
	store
	begun *atomic.Bool
}

func (r rotated) Epochs() []*docklinev1.EpochRange {
	all := r.store.Epochs()
	if last := all[len(all)-1]; r.begun.Load() {
		all = append(all, &docklinev1.EpochRange{Epoch: "fresh", Ordinal: last.Ordinal + 1, Predecessor: last.Epoch, PredecessorLastSeq: last.LastSeq})
	}
	return all
}

// The journal begins a new file while a site is quiet: no envelope tells the collector of it, so the next heartbeat says Hello again, or the
// collector could not place what heartbeats say of how far the sources are.
func TestHelloAgainAfterTheJournalHasRotated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, c := openJournal(t), newCentre(t)
		begun := &atomic.Bool{}
		_, l := start(t, uplink.Config{Journal: rotated{store{j}, begun}}, c)
		capture(t, j, 0, 10)
		l.connect()
		pass(time.Minute)
		if n := len(c.greetings()); n != 1 || c.count() != 10 {
			t.Fatalf("%d hellos and %d events before anything has changed", n, c.count())
		}
		begun.Store(true)
		pass(time.Minute)
		hellos := c.greetings()
		if epochs := hellos[len(hellos)-1].Epochs; len(hellos) != 2 || epochs[len(epochs)-1].Epoch != "fresh" {
			t.Errorf("%d hellos, the last one of %v", len(hellos), epochs)
		}
	})
}
