package uplink_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/agent/journal"
	"github.com/dockline/dockline/agent/uplink"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/wire"
)

const tenant, site = "acme", "dc-east"

// store is a journal as the uplink wants it.
type store struct{ *journal.Journal }

func (s store) Next(after uplink.Position, limit int) ([]*docklinev1.Envelope, error) {
	return s.Journal.Next(journal.Position(after), limit)
}

func (s store) Urgent(after uplink.Position, limit int) ([]*docklinev1.Envelope, error) {
	return s.Journal.Urgent(journal.Position(after), limit)
}

func (s store) Trim(ack *docklinev1.Ack) (bool, error) {
	outcome, err := s.Journal.Trim(ack)
	return outcome == journal.ForkNeeded, err
}

func (s store) Resume(hello *docklinev1.Hello, reply *docklinev1.HelloReply) (bool, error) {
	outcome, err := s.Journal.Resume(hello, reply)
	return outcome == journal.ForkNeeded, err
}

func openJournal(t testing.TB) *journal.Journal {
	t.Helper()
	j, err := journal.Open(t.TempDir(), journal.Options{Tenant: tenant, Site: site})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := j.Close(); err != nil {
			t.Error(err)
		}
	})
	return j
}

func capture(t testing.TB, j *journal.Journal, from, count int) {
	t.Helper()
	entry := journal.Entry{Plugin: "wms", Cursor: fmt.Append(nil, from+count)}
	for n := from; n < from+count; n++ {
		entry.Events = append(entry.Events, &docklinev1.Event{
			Id: fmt.Sprint(n), Tenant: tenant, Site: site, Source: "wms", Kind: docklinev1.EventKind_EVENT_KIND_PICK_CONFIRMED, Subject: "SO00017",
		})
	}
	if err := j.Append(context.Background(), entry); err != nil {
		t.Fatal(err)
	}
}

// large are events that hardly compress, each of about so many bytes. Their ids are from on.
func large(from, count, size int) []*docklinev1.Event {
	events := make([]*docklinev1.Event, count)
	for i := range events {
		r := rand.New(rand.NewPCG(uint64(from+i), 3))
		text := make([]byte, size)
		for n := range text {
			text[n] = byte('!' + r.IntN(90))
		}
		events[i] = &docklinev1.Event{Id: fmt.Sprint(from + i), Tenant: tenant, Site: site, Source: "wms", Kind: docklinev1.EventKind_EVENT_KIND_PICK_CONFIRMED, Actor: string(text)}
	}
	return events
}

func add(t testing.TB, j *journal.Journal, events ...*docklinev1.Event) {
	t.Helper()
	if err := j.Append(context.Background(), journal.Entry{Plugin: "wms", Events: events}); err != nil {
		t.Fatal(err)
	}
}

// centre is a collector: it keeps what it takes, and answers from that.
type centre struct {
	t testing.TB

	mu       sync.Mutex
	answer   func(m wire.Message) // sends to the site
	has      map[string]map[uint64]bool
	crc      map[string]map[uint64]uint32
	events   map[string]int
	hellos   []*docklinev1.Hello
	statuses []*docklinev1.Heartbeat
	got      []*docklinev1.Envelope // all that came, in order
	// refuse, if set, says no to an envelope; silent, if set, hears it and does not answer.
	refuse func(*docklinev1.Envelope) *docklinev1.Refusal
	silent func(name string) bool
	lie    bool
	// incarnation names its database.
	incarnation string
	// dictionaries are those that it says it knows.
	dictionaries []uint32
}

func newCentre(t testing.TB) *centre {
	return &centre{t: t, incarnation: "one", has: map[string]map[uint64]bool{}, crc: map[string]map[uint64]uint32{}, events: map[string]int{}}
}

func (c *centre) tell(name string, body proto.Message) {
	payload, err := proto.Marshal(body)
	if err != nil {
		c.t.Error(err)
	}
	c.answer(wire.Message{Topic: wire.DownTopic(tenant, site, name), Payload: payload})
}

func (c *centre) reply(a *docklinev1.Answer) { c.tell(wire.AckName, a) }

func (c *centre) take(m wire.Message) {
	topic, err := wire.ParseTopic(m.Topic)
	if err != nil {
		c.t.Error(err)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch topic.Name {
	case wire.Hello:
		h := read(c.t, m, &docklinev1.Hello{})
		c.hellos = append(c.hellos, h)
		if c.silent != nil && c.silent(wire.Hello) {
			return
		}
		reply := &docklinev1.HelloReply{Session: h.Session, Incarnation: c.incarnation, SentAt: timestamppb.Now(), Dictionaries: c.dictionaries}
		for _, e := range h.Epochs {
			if a := c.ack(e.Epoch); a.Watermark > 0 {
				reply.Received = append(reply.Received, &docklinev1.EpochRange{Epoch: e.Epoch, LastSeq: a.Watermark, Ranges: []*docklinev1.SeqRange{{First: 1, Last: a.Watermark}}})
			}
		}
		c.reply(&docklinev1.Answer{Answer: &docklinev1.Answer_HelloReply{HelloReply: reply}})
	case wire.Status:
		c.statuses = append(c.statuses, read(c.t, m, &docklinev1.Heartbeat{}))
	case wire.Events:
		c.takeEnvelope(topic, read(c.t, m, &docklinev1.Envelope{}))
	default:
		c.t.Errorf("a message on %s", m.Topic)
	}
}

func read[M proto.Message](t testing.TB, m wire.Message, into M) M {
	if err := proto.Unmarshal(m.Payload, into); err != nil {
		t.Error(err)
	}
	return into
}

func (c *centre) takeEnvelope(topic wire.Topic, e *docklinev1.Envelope) {
	c.got = append(c.got, e)
	if r := wire.CheckEnvelope(topic, e); r != nil {
		c.t.Errorf("a bad envelope: %v", r)
	}
	if c.silent != nil && c.silent(wire.Events) {
		return
	}
	if c.refuse != nil {
		if r := c.refuse(e); r != nil {
			r.Epoch, r.FirstSeq, r.LastSeq = e.Epoch, e.FirstSeq, e.LastSeq
			c.reply(&docklinev1.Answer{Answer: &docklinev1.Answer_Refusal{Refusal: r}})
			return
		}
	}
	if c.has[e.Epoch] == nil {
		c.has[e.Epoch], c.crc[e.Epoch] = map[uint64]bool{}, map[uint64]uint32{}
	}
	c.crc[e.Epoch][e.LastSeq] = e.Crc
	for seq := e.FirstSeq; seq <= e.LastSeq; seq++ {
		c.has[e.Epoch][seq] = true
	}
	events, err := wire.OpenPack(e.Pack, 1<<20)
	if err != nil {
		c.t.Error(err)
	}
	for _, data := range events {
		event := &docklinev1.Event{}
		if err := proto.Unmarshal(data, event); err != nil {
			c.t.Error(err)
		}
		c.events[event.Id]++
	}
	a := c.ack(e.Epoch)
	if c.lie {
		a.Crc, c.lie = a.Crc+1, false
	}
	c.reply(&docklinev1.Answer{Answer: &docklinev1.Answer_Ack{Ack: a}})
}

// ack is the contiguous watermark of an epoch, and what lies beyond it.
func (c *centre) ack(epoch string) *docklinev1.Ack {
	a := &docklinev1.Ack{Incarnation: c.incarnation, Epoch: epoch}
	for c.has[epoch][a.Watermark+1] {
		a.Watermark++
	}
	a.Crc = c.crc[epoch][a.Watermark]
	top := a.Watermark
	for seq := range c.has[epoch] {
		top = max(top, seq)
	}
	var open *docklinev1.SeqRange
	for seq := a.Watermark + 1; seq <= top; seq++ {
		switch {
		case !c.has[epoch][seq]:
			open = nil
		case open == nil:
			open = &docklinev1.SeqRange{First: seq, Last: seq}
			a.Beyond = append(a.Beyond, open)
		default:
			open.Last = seq
		}
	}
	return a
}

// set changes the centre, or what its functions look at.
func (c *centre) set(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
}

// count is how many events arrived, each counted once.
func (c *centre) count() (n int) {
	c.set(func() { n = len(c.events) })
	return n
}

func (c *centre) envelopes() (all []*docklinev1.Envelope) {
	c.set(func() { all = slices.Clone(c.got) })
	return all
}

func (c *centre) greetings() (all []*docklinev1.Hello) {
	c.set(func() { all = slices.Clone(c.hellos) })
	return all
}

func (c *centre) heartbeats() (all []*docklinev1.Heartbeat) {
	c.set(func() { all = slices.Clone(c.statuses) })
	return all
}

// line is a connection that the test makes and cuts; it can lose what it carries.
type line struct {
	t      testing.TB
	config wire.Config
	centre *centre
	calls  chan func() // what wire's goroutine does
	lose   func() bool
	thin   chan struct{} // one message after the other; a mutex would hold up the bubble's time

	mu     sync.Mutex
	up     bool
	denied error
	// speed is how many bytes pass in a second, 0 any number; most is the largest payload taken.
	speed, most int
	will        *docklinev1.Heartbeat
}

// limit sets speed and most.
func (l *line) limit(speed, most int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.speed, l.most = speed, most
}

// deny has the broker refuse every message, or take them again.
func (l *line) deny(r *wire.Refused) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.denied = nil; r != nil {
		l.denied = r
	}
}

// start runs an uplink over a line that is still down, until the test ends.
func start(t testing.TB, c uplink.Config, centre *centre) (*uplink.Uplink, *line) {
	t.Helper()
	l := &line{t: t, centre: centre, calls: make(chan func(), 10_000), thin: make(chan struct{}, 1)}
	dialled := make(chan struct{})
	c.Tenant, c.Site, c.Version = tenant, site, "0.1.0"
	c.Dial = func(_ context.Context, config wire.Config) (uplink.Line, error) {
		l.config = config
		close(dialled)
		return l, nil
	}
	centre.answer = func(m wire.Message) { l.deliver(m) }
	u := uplink.New(c)
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	group.Go(func() {
		if err := u.Run(ctx); err != nil {
			t.Errorf("run: %v", err)
		}
	})
	<-dialled
	group.Go(func() {
		for {
			select {
			case call := <-l.calls:
				call()
			case <-ctx.Done():
				return
			}
		}
	})
	t.Cleanup(func() { cancel(); group.Wait() })
	return u, l
}

func (l *line) connect() {
	l.calls <- func() {
		will := l.config.MakeWill()
		l.mu.Lock()
		l.up, l.will = true, read(l.t, *will, &docklinev1.Heartbeat{})
		l.mu.Unlock()
		for _, m := range l.config.Birth() {
			l.centre.take(m)
		}
		l.config.OnUp()
	}
}

func (l *line) cut() {
	l.calls <- func() {
		l.mu.Lock()
		l.up = false
		l.mu.Unlock()
		l.config.OnDown(wire.ErrDown)
	}
}

func (l *line) isUp() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.up
}

func (l *line) lastWill() *docklinev1.Heartbeat {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.will
}

func (l *line) deliver(m wire.Message) {
	if l.lose != nil && l.lose() {
		return
	}
	l.calls <- func() {
		if l.isUp() {
			l.config.OnMessage(m)
		}
	}
}

func (l *line) Publish(_ context.Context, m wire.Message) error {
	if !l.isUp() {
		return wire.ErrDown
	}
	l.mu.Lock()
	denied, speed, most := l.denied, l.speed, l.most
	l.mu.Unlock()
	if denied != nil {
		return denied
	}
	if most > 0 && len(m.Payload) > most {
		return wire.ErrTooLarge
	}
	if speed > 0 {
		l.thin <- struct{}{}
		time.Sleep(time.Duration(len(m.Payload)) * time.Second / time.Duration(speed))
		<-l.thin
	}
	if retained := strings.HasSuffix(m.Topic, "/"+wire.Status); m.Retain != retained {
		l.t.Errorf("%s is retained: %v", m.Topic, m.Retain)
	}
	if l.lose == nil || !l.lose() {
		l.centre.take(m)
	}
	return nil
}

func (l *line) Close(context.Context) error { return nil }

// lossy loses one message in n.
func lossy(seed uint64, n int) func() bool {
	var mu sync.Mutex
	r := rand.New(rand.NewPCG(seed, 11))
	return func() bool {
		mu.Lock()
		defer mu.Unlock()
		return r.IntN(n) == 0
	}
}

// The codec keeps channels that belong to whoever used it first; that must not be one test's bubble.
func TestMain(m *testing.M) {
	pack, _, err := wire.SealPack([][]byte{{1}})
	if err == nil {
		_, err = wire.OpenPack(pack, 1<<20)
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}
