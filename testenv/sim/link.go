package sim

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/agent/uplink"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/wire"
)

// line is one site's connection to the broker.
type line struct {
	up      bool
	session int
	retryAt time.Time
	will    wire.Message
	// out are the messages whose PUBACK has not come.
	out []uplink.Out
}

// packet is one message between a site and the centre.
type packet struct {
	number int
	due    time.Time
	site   *site
	down   bool
	m      wire.Message
}

func (p *packet) String() string {
	direction := "up"
	if p.down {
		direction = "down"
	}
	name := p.m.Topic[strings.LastIndex(p.m.Topic, "/")+1:]
	return direction + " " + p.site.name + " " + name + " " + brief(p.m.Payload)
}

// carry puts a message on the line, which may lose, double or delay it.
func (w *world) carry(s *site, down bool, m wire.Message) {
	copies := 1
	switch {
	case w.chance(w.weather.lose):
		copies = 0
		w.fault(messageLost)
	case w.chance(w.weather.double):
		copies = 2
		w.fault(messageDoubled)
	}
	for range copies {
		w.packets++
		p := &packet{number: w.packets, due: w.now.Add(time.Duration(1+w.r.IntN(40)) * time.Millisecond), site: s, down: down, m: m}
		if w.chance(w.weather.late) {
			p.due = w.now.Add(time.Duration(w.r.IntN(20_000)) * time.Millisecond)
			w.fault(messageLate)
		}
		w.trace.add(w.now, "send %d %v", p.number, p)
		w.inFlight = append(w.inFlight, p)
	}
}

// deliver hands over one message that is due, any of them: the line keeps no order. It says whether there was one.
func (w *world) deliver() bool {
	var due []int
	for i, p := range w.inFlight {
		if !p.due.After(w.now) {
			due = append(due, i)
		}
	}
	if len(due) == 0 {
		return false
	}
	i := due[w.r.IntN(len(due))]
	p := w.inFlight[i]
	w.inFlight = slices.Delete(w.inFlight, i, i+1)
	switch {
	case !p.down:
		w.trace.add(w.now, "arrive %d", p.number)
		if w.config.Again > 0 && strings.HasSuffix(p.m.Topic, "/"+wire.Events) {
			w.arrived = append(w.arrived, p.m)
		}
		w.centre.hear(p.m)
	case p.site.line.up:
		w.trace.add(w.now, "arrive %d", p.number)
		p.site.hear(p.m)
	default:
		w.trace.add(w.now, "nobody hears %d", p.number)
	}
	return true
}

// hear takes a message from the collector.
func (s *site) hear(m wire.Message) {
	w := s.world
	answer := &docklinev1.Answer{}
	if strings.HasSuffix(m.Topic, wire.AckName) && proto.Unmarshal(m.Payload, answer) == nil {
		switch a := answer.GetAnswer().(type) {
		case *docklinev1.Answer_HelloReply:
			w.incarnation = a.HelloReply.GetIncarnation()
			w.trace.add(w.now, "%s: is greeted by %.8s, which has %s", s.name, w.incarnation, ranges(a.HelloReply.GetReceived()))
		case *docklinev1.Answer_Ack:
			w.trace.add(w.now, "%s: %.8s has epoch %.8s through %d", s.name, a.Ack.GetIncarnation(), a.Ack.GetEpoch(), a.Ack.GetWatermark())
		case *docklinev1.Answer_Refusal:
			w.trace.add(w.now, "%s: refused: %s", s.name, a.Refusal.GetText())
		}
	}
	s.hand.Take(m)
}

func ranges(epochs []*docklinev1.EpochRange) string {
	var out []string
	for _, e := range epochs {
		for _, r := range e.GetRanges() {
			out = append(out, fmt.Sprintf("%.8s %d-%d", e.GetEpoch(), r.GetFirst(), r.GetLast()))
		}
	}
	return strings.Join(out, ", ")
}

// connect makes a site's connection, with its birth going first.
func (s *site) connect() {
	w := s.world
	will, birth := s.hand.Connect()
	s.line.up, s.line.will = true, will
	s.line.session++
	w.trace.add(w.now, "%s: link %d is up", s.name, s.line.session)
	for _, m := range birth {
		w.carry(s, false, m)
	}
	s.hand.Up()
}

// cut ends it; the broker tells of it sooner or later.
func (s *site) cut(why string) {
	if !s.line.up {
		return
	}
	w := s.world
	w.trace.add(w.now, "%s: link %d falls: %s", s.name, s.line.session, why)
	s.line.up = false
	s.line.retryAt = w.now.Add(time.Duration(w.r.IntN(30_000)) * time.Millisecond)
	for _, out := range s.line.out {
		out.Landed(wire.ErrDown)
	}
	s.line.out = nil
	s.hand.Down(wire.ErrDown)
	w.carry(s, false, s.line.will)
}

// work lets the uplink do what is due, and the broker answer what it has.
func (s *site) work() {
	w := s.world
	if !s.line.up {
		if s.recovered && !w.now.Before(s.line.retryAt) {
			s.connect()
		}
		return
	}
	for i := 0; i < len(s.line.out); {
		if w.r.IntN(2) == 0 {
			i++
			continue
		}
		out := s.line.out[i]
		s.line.out = slices.Delete(s.line.out, i, i+1)
		out.Landed(nil)
		s.pubacked(out)
	}
	for _, out := range s.hand.Step() {
		w.trace.add(w.now, "%s: publish %v", s.name, out)
		w.carry(s, false, out.Message)
		s.line.out = append(s.line.out, out)
	}
}
