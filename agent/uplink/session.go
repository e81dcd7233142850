package uplink

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/wire"
)

// session is one connection, from its Hello to its end. Only the loop touches it.
type session struct {
	id      string
	hello   *docklinev1.Hello
	greeted bool // the collector has answered Hello
	// incarnation is the collector's database as its answer named it.
	incarnation string
	helloDue    time.Time
	statusDue   time.Time
	// receipts are gathered until the next heartbeat.
	receipts *docklinev1.ReceiptList
	// helloing and reporting: a Hello, a heartbeat is on its way.
	helloing, reporting bool
	// end is where the journal stood when the collector answered: what is behind it is live, what is before it the backlog.
	end   *docklinev1.EpochRange
	lanes [lanes]lane
	// ahead are packs that another lane will come upon again: urgent ones, and parts of one that was too large.
	ahead   map[key]bool
	breadth breadth
	paced   time.Time // the backlog waits for the rate until then
	flights map[key]*flight
	begun   uint64 // how many flights there were
	// rested is since when all that was sent is answered, zero where it is not; sweep is how long that may be so before Hello is said again
	// because something is still held.
	rested time.Time
	sweep  time.Duration
	// tooLarge: something stays here because the broker does not take it.
	tooLarge bool
}

// inOrder are the flights as they began.
func (s *session) inOrder() []*flight {
	return slices.SortedFunc(maps.Values(s.flights), func(a, b *flight) int { return cmp.Compare(a.number, b.number) })
}

// The lanes in which envelopes go, the first first: packs with an urgent event, then what was captured since the collector answered,
// then what was held before.
const (
	urgentLane = iota
	liveLane
	backlogLane
	lanes
)

// lane is how far the journal has been handed out in one of them. empty: there was no more when it was last asked, and for all but the
// backlog it has not changed since.
type lane struct {
	at    Position
	empty bool
	pause time.Time // do not ask the journal before: it could not say
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
	number      uint64
	message     wire.Message
	sending     bool
	live        bool
	urgent      bool
	patient     bool          // it waits for the rate: backlog without anything urgent
	launched    time.Time     // the last time
	times       int           // how often it was sent
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
			m := message()
			u.pace.spend(now, len(m.Payload))
			if !u.post(&sending{message: m, session: s, what: busy}) {
				at = now.Add(pauseTime)
			}
		}
		if at.Before(next) && !*busy {
			next = at
		}
		return at
	}
	s.statusDue = due(s.statusDue, &s.reporting, func() wire.Message {
		if err := u.storeReceipts(s); err != nil {
			u.c.Log.Warn("uplink: before a heartbeat", "err", err)
		}
		if s.greeted && u.begun(s) {
			s.greeted, s.helloDue = false, now
			u.note(func(st *Stats) { st.Greeted = false })
		}
		return u.status(s.id)
	}, u.c.HeartbeatEvery)
	if !s.greeted {
		s.helloDue = due(s.helloDue, &s.helloing, func() wire.Message {
			s.hello = u.makeHello(s.id)
			return u.message(wire.Hello, false, s.hello)
		}, helloAgain)
		return next.Sub(now)
	}
	u.fill(s, now)
	if again := u.sweep(s, now); again.Before(next) {
		next = again
	}
	for _, l := range s.lanes {
		if l.pause.After(now) && l.pause.Before(next) {
			next = l.pause
		}
	}
	for _, f := range s.inOrder() {
		if f.sending {
			continue
		}
		if !now.Before(f.due) {
			if wait := u.pace.wait(now); f.patient && wait > 0 {
				f.due = now.Add(wait)
			} else {
				u.note(func(st *Stats) { st.Resent++ })
				u.launch(s, f, now)
			}
		}
		if !f.sending && f.due.Before(next) {
			next = f.due
		}
	}
	if s.paced.After(now) && s.paced.Before(next) {
		next = s.paced
	}
	u.note(func(st *Stats) { st.InFlight = len(s.flights) })
	return next.Sub(now)
}

// begun tells whether the journal has begun an epoch since Hello. Where nothing has come in it no envelope tells the collector of it, and what
// a heartbeat says of an epoch that it does not know it cannot place; and where something has, it does not know what that epoch follows.
func (u *Uplink) begun(s *session) bool {
	epochs := u.c.Journal.Epochs()
	if len(epochs) == 0 {
		return false
	}
	newest := epochs[len(epochs)-1].Epoch
	return !slices.ContainsFunc(s.hello.GetEpochs(), func(e *docklinev1.EpochRange) bool { return e.Epoch == newest })
}

// sweep says Hello again where everything was answered long ago and is not acknowledged to its end: what the collector had is gone, with a
// database that was put back, and it asks for nothing. Its answer to what Hello says settles what is sent again. It returns when to look again.
func (u *Uplink) sweep(s *session, now time.Time) time.Time {
	if len(s.flights) > 0 || s.tooLarge {
		s.rested = time.Time{}
		return now.Add(time.Hour)
	}
	if s.rested.IsZero() {
		s.rested = now
	}
	s.sweep = max(s.sweep, lastResend)
	if at := s.rested.Add(s.sweep); now.Before(at) {
		return at
	}
	s.rested = now
	if !u.holds() {
		return now.Add(s.sweep)
	}
	u.c.Log.Warn("uplink: all that is held was answered and is not acknowledged to its end; hello again", "after", s.sweep)
	s.greeted, s.helloDue, s.sweep = false, now, min(2*s.sweep, time.Hour)
	u.note(func(st *Stats) { st.Greeted = false })
	return now
}

// holds tells whether the journal has events that no Ack has covered to their end.
func (u *Uplink) holds() bool {
	return slices.ContainsFunc(u.c.Journal.Epochs(), func(e *docklinev1.EpochRange) bool { return e.Acknowledged < e.LastSeq })
}

// begins sets the lanes to the beginning of what is held.
func (u *Uplink) begins(s *session) (err error) {
	if s.end, err = u.c.Journal.End(); err != nil {
		return err
	}
	s.flights, s.ahead, s.lanes = map[key]*flight{}, map[key]bool{}, [lanes]lane{}
	s.lanes[liveLane].at = Position{Epoch: s.end.Epoch, Seq: s.end.LastSeq}
	return nil
}

// fill brings envelopes on their way as far as the window allows. A quarter of it is kept free of backlog.
func (u *Uplink) fill(s *session, now time.Time) {
	if u.wakeup == nil {
		s.lanes[urgentLane].empty, s.lanes[liveLane].empty = false, false
		u.wakeup = u.c.Journal.Changed()
	}
	for number := range s.lanes {
		l := &s.lanes[number]
		for free := u.room(s, number, now); free > 0 && !l.empty && !now.Before(l.pause); free = u.room(s, number, now) {
			if err := u.takeOff(s, number, free, now); err != nil {
				// The other lanes go on: on a full disk what is new cannot be packed, and what was packed before must go all the same.
				u.c.Log.Error("uplink: read the journal", "err", err)
				l.pause = now.Add(pauseTime)
			}
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

// room is how many envelopes of a lane may be sent now.
func (u *Uplink) room(s *session, number int, now time.Time) int {
	free, most := min(u.c.Window-len(s.flights), fillStep), flightBytes
	if number == backlogLane {
		most = flightBytes * 3 / 4
	}
	if s.weight() >= most {
		return 0
	}
	if number != backlogLane {
		return free
	}
	patient := 0
	for _, f := range s.flights {
		if f.patient {
			patient++
		}
		if f.urgent && f.sending && f.times == 1 {
			return 0 // senders work side by side: what is urgent must not be overtaken
		}
	}
	free = min(free, s.breadth.now-patient)
	if u.pace.rate == 0 || free <= 0 {
		return free
	}
	if wait := u.pace.wait(now); wait > 0 {
		s.paced = now.Add(wait)
		return 0
	}
	return 1 // how large it is, is known when it is read
}

// takeOff sends up to limit envelopes of one lane, and notes whether that was all.
func (u *Uplink) takeOff(s *session, number, limit int, now time.Time) error {
	l, read := &s.lanes[number], u.c.Journal.Next
	if number == urgentLane {
		read = u.c.Journal.Urgent
	}
	envelopes, err := read(l.at, limit)
	if err != nil {
		return err
	}
	l.empty = len(envelopes) == 0
	for _, e := range envelopes {
		behind := e.EpochOrdinal > s.end.Ordinal || e.Epoch == s.end.Epoch && e.FirstSeq > s.end.LastSeq
		if number == backlogLane && behind {
			l.empty = true
			return nil
		}
		l.at = Position{Epoch: e.Epoch, Seq: e.LastSeq}
		k := key{e.Epoch, e.LastSeq}
		if s.ahead[k] {
			delete(s.ahead, k)
			continue
		}
		if s.flights[k] != nil {
			continue
		}
		if e.Urgent {
			s.ahead[k] = true
		}
		u.begin(s, e, behind, now)
	}
	return nil
}

// begin brings an envelope on its way for the first time in this session.
func (u *Uplink) begin(s *session, e *docklinev1.Envelope, live bool, now time.Time) {
	e.Tenant, e.Site, e.Live = u.c.Tenant, u.c.Site, live
	s.begun++
	f := &flight{number: s.begun, epoch: e.Epoch, first: e.FirstSeq, last: e.LastSeq, live: live, urgent: e.Urgent, patient: !live && !e.Urgent, wait: firstResend, message: u.message(wire.Events, false, e)}
	s.flights[key{e.Epoch, e.LastSeq}] = f
	u.launch(s, f, now)
}

func (u *Uplink) launch(s *session, f *flight, now time.Time) {
	if !u.post(&sending{message: f.message, session: s, flight: f, what: &f.sending}) {
		f.due = now.Add(pauseTime)
		return
	}
	f.launched = now
	f.times++
	u.pace.spend(now, len(f.message.Payload))
	u.note(func(st *Stats) { st.Sent++ })
}

// post gives a message to the senders. There is room for all that one session can have under way and more; where there is none
// the senders are stuck with an older one, and the message is due again.
func (u *Uplink) post(s *sending) bool {
	select {
	case u.out <- s:
		*s.what = true
		u.underWay++
		u.staff()
		return true
	default:
		return false
	}
}

// staff starts a sender where all have something to do. A Publish ends with the broker's answer, so what is in flight together needs a goroutine
// each; a site at rest has one or two, not as many as its window is wide.
func (u *Uplink) staff() {
	if u.more != nil && u.underWay > u.senders && u.senders < u.c.Window+2 {
		u.senders++
		u.more()
	}
}

// landed takes note that a Publish has ended. The broker's word means nothing for an envelope: only from here on its Ack is awaited.
func (u *Uplink) landed(sent *sending, now time.Time) {
	*sent.what = false
	u.underWay--
	f := sent.flight
	if f != nil {
		f.due = now.Add(f.wait)
		f.wait = min(2*f.wait, lastResend)
	}
	if sent.session != u.s {
		return
	}
	denied, refused := "", (*wire.Refused)(nil)
	switch {
	case errors.As(sent.err, &refused):
		denied = refused.Error()
	case f != nil && errors.Is(sent.err, wire.ErrTooLarge):
		u.tooLarge(sent.session, f, sent.err, now)
	}
	u.note(func(st *Stats) { st.Denied = denied })
	if sent.err != nil {
		level := u.c.Log.Debug
		if !errors.Is(sent.err, wire.ErrDown) {
			level = u.c.Log.Warn
		}
		level("uplink: publish", "topic", sent.message.Topic, "bytes", len(sent.message.Payload), "err", sent.err)
	}
}

// tooLarge divides a pack that the broker does not take. An event that it does not take even alone leaves the window, so that nothing
// waits behind it, stays in the journal, and is reported; the next session tries it again.
func (u *Uplink) tooLarge(s *session, f *flight, reason error, now time.Time) {
	k := key{f.epoch, f.last}
	if s.flights[k] != f {
		return // it was acknowledged meanwhile, or the collector has been greeted anew
	}
	delete(s.flights, k)
	s.ahead[k] = true
	text := fmt.Sprintf("event %d of epoch %s: %v", f.last, f.epoch, reason)
	if f.first < f.last {
		parts, err := u.c.Journal.Split(f.epoch, f.last)
		if err == nil {
			u.note(func(st *Stats) { st.Splits++ })
			for _, e := range parts {
				s.ahead[key{e.Epoch, e.LastSeq}] = true
				u.begin(s, e, f.live, now)
			}
			return
		}
		text = fmt.Sprintf("events %d to %d of epoch %s: %v; they cannot be sent apart: %v", f.first, f.last, f.epoch, reason, err)
	}
	u.refused(text)
	s.tooLarge = true
	u.note(func(st *Stats) { st.TooLarge += int(f.last - f.first + 1); st.TooLargeText = text })
}

func (u *Uplink) refused(text string) {
	u.note(func(st *Stats) { st.Refusals++; st.LastRefusal = text })
}
