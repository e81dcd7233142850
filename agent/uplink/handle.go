package uplink

import (
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/wire"
)

// handle takes what the line tells.
func (u *Uplink) handle(what any, now time.Time) {
	switch w := what.(type) {
	case up:
		u.s = &session{id: w.hello.Session, hello: w.hello, helloDue: now.Add(helloAgain), statusDue: now.Add(u.c.HeartbeatEvery)}
		u.note(func(st *Stats) { st.Connected, st.Greeted, st.Session, st.Denied = true, false, w.hello.Session, "" })
	case down:
		u.c.Journal.UseDictionary(0) // the next collector may be an older one
		if u.s != nil {
			if err := u.storeReceipts(u.s); err != nil {
				u.c.Log.Warn("uplink: as the link fell", "err", err)
			}
		}
		u.s = nil
		u.note(func(st *Stats) {
			st.Connected, st.Greeted, st.InFlight, st.TooLarge, st.TooLargeText = false, false, 0, 0, ""
		})
	case wire.Message:
		if u.s == nil {
			return // The last words of a link that is gone; what they acknowledge is acknowledged again.
		}
		if err := u.take(w, now); err != nil {
			u.c.Log.Warn("uplink: message from the collector", "topic", w.Topic, "err", err)
		}
	}
}

func (u *Uplink) take(m wire.Message, now time.Time) error {
	topic, err := wire.ParseTopic(m.Topic)
	if err != nil {
		return err
	}
	switch topic.Name {
	case wire.AckName:
		answer := &docklinev1.Answer{}
		if err := proto.Unmarshal(m.Payload, answer); err != nil {
			return err
		}
		switch a := answer.Answer.(type) {
		case *docklinev1.Answer_HelloReply:
			return u.greeted(a.HelloReply, now)
		case *docklinev1.Answer_Ack:
			return u.acked(a.Ack, now)
		case *docklinev1.Answer_Refusal:
			u.takeRefusal(a.Refusal, now)
		}
	case wire.Command:
		list := &docklinev1.CommandList{}
		if err := proto.Unmarshal(m.Payload, list); err != nil || u.c.OnCommands == nil {
			return err
		}
		if err := u.c.OnCommands(list); err != nil {
			return fmt.Errorf("store commands: %w", err)
		}
		u.statusSoon(now)
	case wire.Receipt:
		list := &docklinev1.ReceiptList{}
		if err := proto.Unmarshal(m.Payload, list); err != nil || u.c.OnReceipts == nil {
			return err
		}
		return u.gatherReceipts(list, now)
	case wire.Master:
		list := &docklinev1.MasterList{}
		if err := proto.Unmarshal(m.Payload, list); err != nil || u.c.OnMaster == nil {
			return err
		}
		if err := u.c.OnMaster(list); err != nil {
			return fmt.Errorf("store master data: %w", err)
		}
		u.statusSoon(now)
	}
	return nil
}

// statusSoon tells the collector what is stored now, once for all that comes together.
func (u *Uplink) statusSoon(now time.Time) { u.statusWithin(statusDelay, now) }

func (u *Uplink) statusWithin(delay time.Duration, now time.Time) {
	if soon := now.Add(delay); u.s.statusDue.After(soon) {
		u.s.statusDue = soon
	}
}

// greeted takes the answer to Hello; from here on events are sent.
func (u *Uplink) greeted(reply *docklinev1.HelloReply, now time.Time) error {
	s := u.s
	if reply.Session != s.id || s.greeted {
		return nil
	}
	if err := u.storeReceipts(s); err != nil { // their positions are of the database before, where this is another one
		u.c.Log.Warn("uplink: before the collector's answer", "err", err)
	}
	if u.c.OnHelloReply != nil {
		if err := u.c.OnHelloReply(reply); err != nil {
			return fmt.Errorf("take the collector's answer: %w", err)
		}
	}
	fork, err := u.c.Journal.Resume(s.hello, reply)
	if err != nil {
		return fmt.Errorf("resume: %w", err)
	}
	if fork {
		return u.fork("the collector's answer to hello does not agree with this disk", now)
	}
	u.c.Journal.UseDictionary(wire.CommonDictionary(reply.Dictionaries))
	if err := u.begins(s); err != nil {
		return fmt.Errorf("resume: %w", err)
	}
	s.incarnation, s.greeted, s.tooLarge = reply.Incarnation, true, false
	most := max(1, u.c.Window-u.c.Window/4)
	s.breadth = breadth{now: min(firstBreadth, most), most: most}
	u.note(func(st *Stats) {
		st.Greeted, st.LastGreetedAt, st.TooLarge, st.TooLargeText = true, now, 0, ""
		st.CollectorVersion = reply.CollectorVersion
		if reply.SentAt.IsValid() && s.hello.SentAt.IsValid() {
			// The collector wrote SentAt between our sending and our receiving.
			sent := s.hello.SentAt.AsTime()
			st.ClockOffset = reply.SentAt.AsTime().Sub(sent.Add(now.Sub(sent) / 2))
		}
	})
	// What Hello and the birth said of positions may belong to another incarnation.
	u.statusSoon(now)
	return nil
}

// acked takes an Ack: what it covers is not sent again, and what it proves is trimmed.
func (u *Uplink) acked(ack *docklinev1.Ack, now time.Time) error {
	fork, err := u.c.Journal.Trim(ack)
	if err != nil {
		return fmt.Errorf("trim: %w", err)
	}
	if fork {
		return u.fork(fmt.Sprintf("the collector has other events through %d of epoch %s", ack.Watermark, ack.Epoch), now)
	}
	if u.s.greeted && ack.Incarnation != u.s.incarnation {
		// Behind the broker the collector has another database now, and may lack what the last one had acknowledged.
		u.c.Log.Warn("uplink: the collector's database is another one; hello again", "was", u.s.incarnation, "is", ack.Incarnation)
		u.s.greeted, u.s.helloDue = false, now
		u.note(func(st *Stats) { st.Greeted = false })
		return nil
	}
	for _, f := range u.s.inOrder() {
		if f.epoch == ack.Epoch && (f.last <= ack.Watermark || covered(f, ack.Beyond)) {
			if delete(u.s.flights, key{f.epoch, f.last}); f.times == 1 && f.patient {
				u.s.breadth.answered(f.launched, now)
			}
		}
	}
	u.note(func(st *Stats) { st.Acks++; st.LastAckAt = now })
	return nil
}

func covered(f *flight, ranges []*docklinev1.SeqRange) bool {
	for _, r := range ranges {
		if r.First <= f.first && f.last <= r.Last {
			return true
		}
	}
	return false
}

// fork takes all that is held over to a new epoch, and greets again, because what Hello said no longer holds.
func (u *Uplink) fork(reason string, now time.Time) error {
	s := u.s
	if !u.forked.IsZero() && now.Sub(u.forked) < forkPause {
		return fmt.Errorf("no fork within %s of the last one, although %s", forkPause, reason)
	}
	u.forked = now
	if err := u.c.Journal.Fork(reason); err != nil {
		return fmt.Errorf("fork: %w", err)
	}
	s.greeted, s.flights, s.helloDue = false, nil, now
	u.note(func(st *Stats) { st.Forks++; st.Greeted = false })
	return nil
}

// takeRefusal puts an envelope off. It is never dropped: the reason may be a fault at the centre that is mended one day.
func (u *Uplink) takeRefusal(r *docklinev1.Refusal, now time.Time) {
	text := fmt.Sprintf("%s: %s", r.Reason, r.Text)
	log := u.c.Log.Warn
	if r.Reason == docklinev1.RefusalReason_REFUSAL_REASON_BUSY {
		log = u.c.Log.Debug
	}
	log("uplink: the collector refused an envelope, it is sent again later", "epoch", r.Epoch, "seq", r.LastSeq, "err", text)
	u.refused(text)
	if r.Reason == docklinev1.RefusalReason_REFUSAL_REASON_BUSY {
		u.s.breadth.busy(now)
	}
	if f := u.s.flights[key{r.Epoch, r.LastSeq}]; f != nil && !f.sending {
		f.due = now.Add(f.wait)
	}
}
