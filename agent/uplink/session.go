package uplink

import (
	"errors"
	"time"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/wire"
)

// session is one connection, from its Hello to its end. Only the loop touches it.
type session struct {
	id        string
	hello     *docklinev1.Hello
	greeted   bool // the collector has answered Hello
	helloDue  time.Time
	statusDue time.Time
	// helloing and reporting: a Hello, a heartbeat is on its way.
	helloing, reporting bool
	// end is where the journal stood when the collector answered: what is behind it is live, what is before it the backlog.
	end           *docklinev1.EpochRange
	live, backlog Position
	// drained: nothing of the backlog is left to hand out.
	drained bool
	// idle: nothing live was left to hand out when the journal was last asked, and it has not changed since.
	idle    bool
	pause   time.Time // do not ask the journal before
	flights map[key]*flight
}

// key names an envelope.
type key struct {
	epoch string
	last  uint64
}

// flight is an envelope that no Ack covers yet.
type flight struct {
	epoch       string
	first, last uint64
	message     wire.Message
	sending     bool
	live        bool
	due         time.Time     // when it is sent again
	wait        time.Duration // until the time after that
}

// step does what is due and returns how long there is nothing to do.
func (u *Uplink) step(now time.Time) time.Duration {
	s := u.s
	if s == nil {
		return time.Hour
	}
	next := now.Add(time.Hour)
	due := func(at time.Time, busy *bool, message func() wire.Message, every time.Duration) time.Time {
		if !now.Before(at) && !*busy {
			at = now.Add(every)
			if !u.post(&sending{message: message(), session: s, what: busy}) {
				at = now.Add(pauseTime)
			}
		}
		if at.Before(next) && !*busy {
			next = at
		}
		return at
	}
	s.statusDue = due(s.statusDue, &s.reporting, func() wire.Message { return u.status(s.id) }, u.c.HeartbeatEvery)
	if !s.greeted {
		s.helloDue = due(s.helloDue, &s.helloing, func() wire.Message {
			s.hello = u.makeHello(s.id)
			return u.message(wire.Hello, false, s.hello)
		}, helloAgain)
		return next.Sub(now)
	}
	if !now.Before(s.pause) {
		u.fill(s, now)
	}
	if s.pause.After(now) && s.pause.Before(next) {
		next = s.pause
	}
	for _, f := range s.flights {
		if f.sending {
			continue
		}
		if !now.Before(f.due) {
			u.note(func(st *Stats) { st.Resent++ })
			u.launch(s, f, now)
		} else if f.due.Before(next) {
			next = f.due
		}
	}
	u.note(func(st *Stats) { st.InFlight = len(s.flights) })
	return next.Sub(now)
}

// fill brings envelopes on their way as far as the window allows: what is captured now first, the backlog with the rest, of which
// a quarter of the window is kept free for the former.
func (u *Uplink) fill(s *session, now time.Time) {
	if u.wakeup == nil {
		s.idle, u.wakeup = false, u.c.Journal.Changed()
	}
	live := 0
	for _, f := range s.flights {
		if f.live {
			live++
		}
	}
	for _, lane := range []bool{true, false} {
		free := u.c.Window - len(s.flights)
		done := &s.idle
		if !lane {
			done = &s.drained
			free = min(free, max(1, u.c.Window-u.c.Window/4)-(len(s.flights)-live))
		}
		for free > 0 && !*done && (s.weight() < flightBytes*3/4 || lane && s.weight() < flightBytes) {
			var n int
			var err error
			n, *done, err = u.takeOff(s, lane, min(free, fillStep), now)
			if err != nil {
				u.c.Log.Error("uplink: read the journal", "err", err)
				s.pause = now.Add(pauseTime)
				return
			}
			if lane {
				live += n
			}
			free -= n
		}
	}
}

// flightBytes is about how much may be unanswered, whatever the window: packs are a few kilobytes, but may be of half a megabyte.
const flightBytes = 4 << 20

// fillStep is how many envelopes are read before their weight is looked at.
const fillStep = 8

// weight is how many bytes are unanswered.
func (s *session) weight() (bytes int) {
	for _, f := range s.flights {
		bytes += len(f.message.Payload)
	}
	return bytes
}

// takeOff sends up to limit envelopes of one lane, and says whether that lane is empty.
func (u *Uplink) takeOff(s *session, live bool, limit int, now time.Time) (n int, empty bool, err error) {
	position := &s.backlog
	if live {
		position = &s.live
	}
	envelopes, err := u.c.Journal.Next(*position, limit)
	if err != nil {
		return 0, false, err
	}
	for _, e := range envelopes {
		if !live && (e.EpochOrdinal > s.end.Ordinal || e.Epoch == s.end.Epoch && e.FirstSeq > s.end.LastSeq) {
			return n, true, nil
		}
		*position = Position{Epoch: e.Epoch, Seq: e.LastSeq}
		k := key{e.Epoch, e.LastSeq}
		if s.flights[k] != nil {
			continue
		}
		e.Tenant, e.Site, e.Live = u.c.Tenant, u.c.Site, live
		f := &flight{epoch: e.Epoch, first: e.FirstSeq, last: e.LastSeq, live: live, wait: firstResend, message: u.message(wire.Events, false, e)}
		s.flights[k] = f
		u.launch(s, f, now)
		n++
	}
	return n, len(envelopes) == 0, nil
}

func (u *Uplink) launch(s *session, f *flight, now time.Time) {
	if !u.post(&sending{message: f.message, session: s, flight: f, what: &f.sending}) {
		f.due = now.Add(pauseTime)
		return
	}
	u.note(func(st *Stats) { st.Sent++ })
}

// post gives a message to the senders. There is room for all that one session can have under way and more; where there is none
// the senders are stuck with an older one, and the message is due again.
func (u *Uplink) post(s *sending) bool {
	select {
	case u.out <- s:
		*s.what = true
		return true
	default:
		return false
	}
}

// landed takes note that a Publish has ended. The broker's word means nothing for an envelope: only from here on its Ack is awaited.
func (u *Uplink) landed(sent *sending, now time.Time) {
	*sent.what = false
	if f := sent.flight; f != nil {
		f.due = now.Add(f.wait)
		f.wait = min(2*f.wait, lastResend)
		if errors.Is(sent.err, wire.ErrTooLarge) {
			f.due = now.Add(lastResend)
			u.refused(sent.err.Error())
		}
	}
	if sent.err != nil && sent.session == u.s {
		level := u.c.Log.Debug
		if !errors.Is(sent.err, wire.ErrDown) {
			level = u.c.Log.Warn
		}
		level("uplink: publish", "topic", sent.message.Topic, "bytes", len(sent.message.Payload), "err", sent.err)
	}
}

func (u *Uplink) refused(text string) {
	u.note(func(st *Stats) { st.Refusals++; st.LastRefusal = text })
}
