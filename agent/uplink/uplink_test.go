package uplink_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dockline/dockline/agent/journal"
	"github.com/dockline/dockline/agent/uplink"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/wire"
)

// pass lets time pass in the bubble and waits until nothing moves.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestEventsArriveAndAreTrimmed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, c := openJournal(t), newCentre(t)
		capture(t, j, 0, 2500)
		u, l := start(t, uplink.Config{Journal: store{j}}, c)
		pass(time.Minute)
		if c.count() != 0 || u.Stats().Connected {
			t.Fatal("something was sent while there was no line")
		}
		l.connect()
		pass(time.Second)
		if c.count() != 2500 || j.Stats().Events != 0 {
			t.Errorf("%d events arrived, %d are held; want 2500 and none: %+v", c.count(), j.Stats().Events, u.Stats())
		}
		for _, e := range c.envelopes() {
			if e.Live {
				t.Fatal("the backlog is sent as live")
			}
		}
		capture(t, j, 2500, 1)
		pass(time.Second)
		if last := c.envelopes()[len(c.envelopes())-1]; c.count() != 2501 || !last.Live || last.Count != 1 || j.Stats().Events != 0 {
			t.Errorf("a new event: %d arrived, live %v", c.count(), last.Live)
		}
		if s := u.Stats(); s.Resent != 0 || s.InFlight != 0 || !s.Greeted || s.Sent != uint64(len(c.envelopes())) {
			t.Errorf("stats %+v", s)
		}
	})
}

// The broker's word deletes nothing: without an Ack the same envelope is sent again, later and later, and stays in the journal.
// Shows: S52
func TestKeptUntilTheCollectorHasIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, c := openJournal(t), newCentre(t)
		capture(t, j, 0, 10)
		_, l := start(t, uplink.Config{Journal: store{j}}, c)
		deaf := true
		c.silent = func(name string) bool { return deaf && name == wire.Events }
		began := time.Now()
		l.connect()
		var times []time.Duration
		for seen := 0; time.Since(began) < 200*time.Second; pass(100 * time.Millisecond) {
			c.mu.Lock()
			if len(c.got) > seen {
				seen = len(c.got)
				times = append(times, time.Since(began).Round(time.Second))
			}
			c.mu.Unlock()
		}
		if got := fmt.Sprint(times); got != "[0s 5s 15s 35s 1m15s 2m15s 3m15s]" {
			t.Errorf("sent at %s", got)
		}
		if j.Stats().Events != 10 {
			t.Fatalf("%d events are held, want all 10", j.Stats().Events)
		}
		c.set(func() { deaf = false })
		pass(time.Minute)
		if j.Stats().Events != 0 || c.count() != 10 {
			t.Errorf("%d events are held after the Ack, %d arrived", j.Stats().Events, c.count())
		}
	})
}

func TestHelloAgainUntilAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, c := openJournal(t), newCentre(t)
		capture(t, j, 0, 10)
		_, l := start(t, uplink.Config{Journal: store{j}}, c)
		deaf := true
		c.silent = func(string) bool { return deaf }
		l.connect()
		pass(22 * time.Second)
		if len(c.greetings()) != 5 || len(c.envelopes()) != 0 {
			t.Errorf("%d hellos and %d envelopes within 22 s, want 5 and none", len(c.greetings()), len(c.envelopes()))
		}
		c.set(func() { deaf = false })
		pass(5 * time.Second)
		if c.count() != 10 {
			t.Errorf("%d events arrived", c.count())
		}
		h := c.greetings()[0]
		if len(h.Epochs) != 1 || h.Epochs[0].LastSeq != 10 || h.Session == "" || !h.SentAt.IsValid() {
			t.Errorf("hello %v", h)
		}
	})
}

// Large packs fill the window by their weight, not by their number: the agent's memory is bounded.
func TestLargePacksFillTheWindowByWeight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, c := openJournal(t), newCentre(t)
		_, l := start(t, uplink.Config{Journal: store{j}, Window: 64}, c)
		deaf := true
		c.silent = func(name string) bool { return deaf && name == wire.Events }
		l.connect()
		pass(time.Second)
		noise := rand.NewChaCha8([32]byte{1})
		for n := range 40 { // after the greeting: live, so nothing but window and weight bounds them
			body := make([]byte, 300<<10) // no compression makes it smaller
			noise.Read(body)
			e := &docklinev1.Event{Id: fmt.Sprint(n), Tenant: tenant, Site: site, Source: "wms", Kind: docklinev1.EventKind_EVENT_KIND_RECORD_REFUSED, Subject: "x",
				Payload: &docklinev1.Event_DeadLetter{DeadLetter: &docklinev1.DeadLetter{Raw: body}}}
			if err := j.Append(context.Background(), journal.Entry{Plugin: "wms", Events: []*docklinev1.Event{e}}); err != nil {
				t.Fatal(err)
			}
		}
		pass(time.Second)
		if n := len(c.envelopes()); n < 13 || n > 22 {
			t.Errorf("%d envelopes of 300 kB on their way, want 4 MB and a step of eight at most", n)
		}
		c.set(func() { deaf = false })
		pass(time.Minute)
		if c.count() != 40 || j.Stats().Events != 0 {
			t.Errorf("%d events arrived, %d are held", c.count(), j.Stats().Events)
		}
	})
}

// No more envelopes are on their way than the window holds, and a quarter of it is kept for what is captured now.
func TestLiveGoesAheadOfTheBacklog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, c := openJournal(t), newCentre(t)
		capture(t, j, 0, 5000)
		u, l := start(t, uplink.Config{Journal: store{j}, Window: 8}, c)
		deaf, first, refused := true, 0, 0
		c.silent = func(name string) bool {
			return deaf && name == wire.Events && len(c.got) > 20 && !c.got[len(c.got)-1].Live
		}
		l.connect()
		pass(time.Second)
		if n := len(c.envelopes()); n != 26 {
			t.Fatalf("%d envelopes after 20 answers, want 6 more: a window of 8 less a quarter", n)
		}
		c.set(func() { first = len(c.events) })
		for n := range 20 {
			capture(t, j, 5000+n, 1)
			pass(10 * time.Millisecond)
			if c.count() != first+n+1 {
				t.Fatalf("live event %d has not arrived although only backlog is not answered", n)
			}
		}
		if got, least := j.Stats().Events, uint64(5020-first); got < least {
			t.Errorf("%d events are held, want %d at least; nothing may be trimmed behind a hole", got, least)
		}
		c.set(func() {
			deaf = false
			c.refuse = func(e *docklinev1.Envelope) *docklinev1.Refusal {
				if refused++; refused <= 6 {
					return &docklinev1.Refusal{Reason: docklinev1.RefusalReason_REFUSAL_REASON_BUSY}
				}
				return nil
			}
		})
		pass(6 * time.Second)
		if s := u.Stats(); s.Refusals != 6 || s.InFlight > 6 {
			t.Errorf("stats %+v", s)
		}
		pass(time.Minute)
		if c.count() != 5020 || j.Stats().Events != 0 {
			t.Errorf("%d events arrived, %d are held", c.count(), j.Stats().Events)
		}
		c.set(func() {
			for id, n := range c.events {
				if n != 1 {
					t.Errorf("event %s was taken %d times although no Ack was lost", id, n)
				}
			}
		})
	})
}

// An Ack with another CRC than ours: the disk was rolled back. All is sent again from a new epoch, behind a new Hello.
func TestForkOnAnAckThatIsNotOurs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, c := openJournal(t), newCentre(t)
		capture(t, j, 0, 100)
		u, l := start(t, uplink.Config{Journal: store{j}}, c)
		c.set(func() { c.lie = true })
		l.connect()
		pass(time.Second)
		if len(c.greetings()) != 2 || u.Stats().Forks != 1 {
			t.Fatalf("%d hellos, %d forks; want 2 and 1", len(c.greetings()), u.Stats().Forks)
		}
		if h := c.greetings()[1]; len(h.Epochs) != 2 || h.Epochs[0].MovedTo != h.Epochs[1].Epoch || h.Session != c.greetings()[0].Session {
			t.Errorf("second hello %v", h)
		}
		first := 0
		c.set(func() { first = c.events["0"] })
		if j.Stats().Events != 0 || first != 2 {
			t.Errorf("%d events are held, the first arrived %d times", j.Stats().Events, first)
		}
		// A collector that goes on lying does not make the journal copy itself without end.
		for n := range 20 {
			c.set(func() { c.lie = true })
			capture(t, j, 100+n, 1)
			pass(time.Second)
		}
		if forks := u.Stats().Forks; forks > 1 {
			t.Errorf("%d forks within a minute", forks)
		}
		pass(2 * time.Minute)
		if c.count() != 120 || j.Stats().Events != 0 {
			t.Errorf("%d events arrived, %d are held", c.count(), j.Stats().Events)
		}
	})
}

// What comes down is stored before it is reported as held; the report comes soon and once for all that came together.
func TestCommandsAreStoredThenReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, c := openJournal(t), newCentre(t)
		var commands, receipts uint64
		broken := errors.New("disk")
		_, l := start(t, uplink.Config{
			Journal:   store{j},
			Heartbeat: func() *docklinev1.Heartbeat { return &docklinev1.Heartbeat{JournalEvents: 7} },
			Positions: func() (incarnation string, held, known uint64) {
				c.set(func() { held, known = commands, receipts })
				return "one", held, known
			},
			OnCommands: func(list *docklinev1.CommandList) error {
				c.mu.Lock()
				defer c.mu.Unlock()
				if broken != nil {
					return broken
				}
				commands = list.Commands[len(list.Commands)-1].Position
				return nil
			},
			OnReceipts: func(list *docklinev1.ReceiptList) error {
				c.set(func() { receipts = list.Receipts[0].Position })
				return nil
			},
		}, c)
		l.connect()
		pass(time.Second)
		before := len(c.heartbeats())
		c.tell(wire.Command, &docklinev1.CommandList{Commands: []*docklinev1.Command{{Key: "release/SO1", Position: 1}}})
		pass(time.Second)
		if len(c.heartbeats()) != before {
			t.Error("commands that could not be stored were reported")
		}
		c.set(func() { broken = nil })
		for position := range uint64(3) {
			c.tell(wire.Command, &docklinev1.CommandList{Commands: []*docklinev1.Command{{Key: "release/SO1", Position: position + 1}}})
		}
		c.tell(wire.Receipt, &docklinev1.ReceiptList{Receipts: []*docklinev1.EventReceipt{{EventId: "1", Position: 9}}})
		pass(300 * time.Millisecond)
		if len(c.heartbeats()) != before+1 {
			t.Fatalf("%d heartbeats for all that came together, want 1", len(c.heartbeats())-before)
		}
		s := c.heartbeats()[before]
		if s.CommandsThrough != 3 || s.ReceiptsThrough != 9 || s.Incarnation != "one" || !s.Online || s.JournalEvents != 7 || s.Site != site || !s.SentAt.IsValid() {
			t.Errorf("heartbeat %v", s)
		}
		pass(60 * time.Second)
		if n := len(c.heartbeats()) - before - 1; n != 6 {
			t.Errorf("%d heartbeats in a minute, want 6", n)
		}
	})
}

// Every connection is a session of its own, and its will names it, so that a late will never flips a newer one.
func TestWillNamesItsSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, c := openJournal(t), newCentre(t)
		u, l := start(t, uplink.Config{Journal: store{j}}, c)
		seen := map[string]bool{}
		for n := range 5 {
			l.connect()
			pass(time.Second)
			h, s := c.greetings()[len(c.greetings())-1], c.heartbeats()[len(c.heartbeats())-1]
			if len(c.greetings()) != n+1 || l.lastWill().Online || l.lastWill().Session != h.Session || s.Session != h.Session || seen[h.Session] {
				t.Errorf("connection %d: hello %q, status %q, will %v", n, h.Session, s.Session, l.lastWill())
			}
			if !u.Stats().Greeted || u.Stats().Session != h.Session {
				t.Errorf("stats %+v", u.Stats())
			}
			seen[h.Session] = true
			l.cut()
			pass(time.Second)
			if u.Stats().Connected {
				t.Error("connected without a line")
			}
		}
	})
}

// Messages are lost in both directions and the line falls at random; every event arrives and the journal drains.
// Shows: S52
func TestBadLine(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := rand.New(rand.NewPCG(seed, 5))
				j, c := openJournal(t), newCentre(t)
				_, l := start(t, uplink.Config{Journal: store{j}, Window: 1 + r.IntN(8)}, c)
				l.lose = lossy(seed, 2+r.IntN(10))
				events := 0
				for range 40 {
					count := 1 + r.IntN(150)
					capture(t, j, events, count)
					events += count
					switch r.IntN(6) {
					case 0:
						l.cut()
					case 1, 2:
						if !l.isUp() {
							l.connect()
						}
					}
					pass(time.Duration(r.IntN(8000)) * time.Millisecond)
				}
				if !l.isUp() {
					l.connect()
				}
				for range 200 {
					if j.Stats().Events == 0 {
						break
					}
					pass(10 * time.Second)
				}
				if c.count() != events || j.Stats().Events != 0 {
					t.Errorf("%d of %d events arrived, %d are held", c.count(), events, j.Stats().Events)
				}
			})
		})
	}
}

// stuck is a journal on a full disk: what waits to be packed cannot be, and everybody who asks for it is told so.
type stuck struct {
	store
	full *atomic.Bool
}

func (s stuck) Next(after uplink.Position, limit int) ([]*docklinev1.Envelope, error) {
	envelopes, err := s.store.Next(after, limit)
	if err == nil && len(envelopes) == 0 && s.full.Load() {
		err = journal.ErrFull
	}
	return envelopes, err
}

// What the disk has no room to pack must not keep the backlog from being sent: its acknowledgements are what makes room.
func TestTheBacklogIsSentWhileTheDiskIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, c := openJournal(t), newCentre(t)
		for n := range 300 { // more than a window of packs
			capture(t, j, n*100, 100)
		}
		full := &atomic.Bool{}
		full.Store(true)
		_, l := start(t, uplink.Config{Journal: stuck{store{j}, full}}, c)
		l.connect()
		pass(10 * time.Second)
		if c.count() != 30_000 || j.Stats().Events != 0 {
			t.Errorf("%d events arrived, %d are held", c.count(), j.Stats().Events)
		}
		full.Store(false)
		capture(t, j, 30_000, 1)
		pass(3 * time.Second)
		if c.count() != 30_001 {
			t.Errorf("%d events arrived after there was room again", c.count())
		}
	})
}
