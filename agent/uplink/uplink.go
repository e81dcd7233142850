// Package uplink sends the journal's envelopes to the collector until it has them, and takes what comes down the same line.
package uplink

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/wire"
)

// Line is a connection to the broker that comes back by itself; *wire.Conn is one.
type Line interface {
	Publish(ctx context.Context, m wire.Message) error
	Close(ctx context.Context) error
}

// LineStats is what a Line may also say of itself; *wire.Conn does.
type LineStats interface{ Stats() wire.Stats }

// Position is a place in the journal: behind this Seq of this epoch; the zero Position is behind all that is acknowledged.
type Position struct {
	Epoch string
	Seq   uint64
}

// Journal is what is sent from.
type Journal interface {
	// Epochs says what is held, for a Hello.
	Epochs() []*docklinev1.EpochRange
	// End names the place behind all that is held now; nothing behind it is in a pack with anything before it.
	End() (*docklinev1.EpochRange, error)
	// Next returns up to limit envelopes behind a position; none if there are none.
	Next(after Position, limit int) ([]*docklinev1.Envelope, error)
	// Urgent returns up to limit envelopes behind a position that hold an urgent event and are not acknowledged.
	Urgent(after Position, limit int) ([]*docklinev1.Envelope, error)
	// Split puts two packs in the place of one that no broker has taken, because it is too large, and returns their envelopes.
	Split(epoch string, lastSeq uint64) ([]*docklinev1.Envelope, error)
	// UseDictionary has what is packed from now on made with a dictionary that the collector knows; 0 is none.
	UseDictionary(id uint32)
	// Changed is closed when Next or Urgent has more to give.
	Changed() <-chan struct{}
	// Trim takes an Ack. With fork the Ack is about other events than ours, and Fork must follow.
	Trim(ack *docklinev1.Ack) (fork bool, err error)
	// Resume compares what the collector has with what hello said. With fork, Fork must follow.
	Resume(hello *docklinev1.Hello, reply *docklinev1.HelloReply) (fork bool, err error)
	// Fork takes all that is held over to a new epoch.
	Fork(reason string) error
}

// Config of an uplink. All functions are called from one goroutine, except where it is said.
type Config struct {
	Tenant, Site string
	// Version of the agent.
	Version string
	// Machine says where it runs; it is part of Hello.
	Machine *docklinev1.Machine
	// Line is the base of the connection: URL, TLS, KeepAlive, MaxBackoff. The uplink fills the rest.
	Line wire.Config
	// Dial makes the connection (wire.Dial).
	Dial    func(ctx context.Context, config wire.Config) (Line, error)
	Journal Journal
	// Heartbeat says how the site is; the uplink fills identity, session, time and positions. It may be called from several
	// goroutines.
	Heartbeat func() *docklinev1.Heartbeat
	// Positions says which commands and receipts are stored, and to which incarnation of the collector's database that belongs.
	// It may be called from several goroutines.
	Positions func() (incarnation string, commands, receipts uint64)
	// MasterThrough is the highest version of master data stored; nil is none. It may be called from several goroutines.
	MasterThrough func() uint64
	// OnHelloReply comes before anything else of the session. After an error Hello is sent again.
	OnHelloReply func(*docklinev1.HelloReply) error
	// OnCommands, OnReceipts and OnMaster return when what they were given is durable. After an error the collector sends it again.
	OnCommands func(*docklinev1.CommandList) error
	OnReceipts func(*docklinev1.ReceiptList) error
	OnMaster   func(*docklinev1.MasterList) error
	// Window is how many envelopes may be unanswered (64).
	Window int
	// RateLimit is the most that the line is to carry, in bits a second; 0 is no limit. What is live or urgent does not wait for it.
	RateLimit int
	// HeartbeatEvery is the time between heartbeats (10 s).
	HeartbeatEvery time.Duration
	// Now is the clock (time.Now).
	Now func() time.Time
	// Random is where ids of sessions come from (crypto/rand).
	Random io.Reader
	// Log is where a person looks when nothing arrives (nowhere).
	Log *slog.Logger
}

const (
	helloAgain = 5 * time.Second
	// firstResend is after how long an envelope without an Ack is sent again; the time doubles up to lastResend.
	firstResend = 5 * time.Second
	lastResend  = time.Minute
	// statusDelay gathers what is stored in short order into one heartbeat.
	statusDelay = 200 * time.Millisecond
	// pauseTime is after how long something of our own that did not work is tried again.
	pauseTime = time.Second
	// forkPause is the least time between forks: a collector gone mad must not make the journal copy itself without end.
	forkPause = time.Minute
	closeWait = 3 * time.Second
)

// Stats says how the line has fared since the start.
type Stats struct {
	// Connected: there is a link to the broker. Greeted: the collector has answered on it, so events flow.
	Connected, Greeted bool
	Session            string
	// InFlight is how many envelopes are unanswered.
	InFlight int
	// TooLarge counts events of this session that the broker does not take even alone; TooLargeText names one. They stay here.
	TooLarge     int
	TooLargeText string
	// Splits counts packs that were divided because the broker does not take them whole.
	Splits uint64
	// Denied is why the broker refused the last message on this link, "" where it takes them.
	Denied string
	// Line is how the connection fares.
	Line wire.Stats
	// Sent counts envelopes, Resent those of them that had been sent before in the same session.
	Sent, Resent  uint64
	Acks, Forks   uint64
	Refusals      uint64
	LastRefusal   string
	LastAckAt     time.Time
	LastGreetedAt time.Time
	// ClockOffset is by how much the collector's clock is ahead of ours, to the accuracy of the line; valid after the first reply.
	ClockOffset time.Duration
	// CollectorVersion is what the collector said with its last reply, "" from one that does not say.
	CollectorVersion string
}

// Uplink is a loop: Run it once.
type Uplink struct {
	c      Config
	inbox  chan any        // up, down, wire.Message, in the order in which the line tells
	out    chan *sending   // to the senders
	sent   chan *sending   // back from them
	wakeup <-chan struct{} // the journal's Changed
	s      *session        // the session that is up, else nil
	forked time.Time       // the last fork
	pace   pace
	// more starts another sender; underWay is how many messages are with the senders.
	more              func()
	senders, underWay int
	line              LineStats         // what the line says of itself, nil where it says nothing
	mu                sync.Mutex        // guards what follows
	born              *docklinev1.Hello // of the connection that is being made
	// beat numbers the heartbeats of that connection.
	beat  uint64
	stats Stats
}

// up says that a connection stands and its Hello was sent.
type up struct{ hello *docklinev1.Hello }

type down struct{ reason error }

// sending is one message on its way.
type sending struct {
	message wire.Message
	session *session
	flight  *flight // nil for hello and status
	what    *bool   // set false when the sending ended
	err     error
}

// New makes an uplink.
func New(c Config) *Uplink {
	if c.Window <= 0 {
		c.Window = 64
	}
	if c.HeartbeatEvery <= 0 {
		c.HeartbeatEvery = 10 * time.Second
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Random == nil {
		c.Random = rand.Reader
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Dial == nil {
		c.Dial = func(ctx context.Context, config wire.Config) (Line, error) { return wire.Dial(ctx, config) }
	}
	// As many messages as can be under way at once fit into the channels, so that the loop never waits for a sender. One session
	// may have ended while its messages are still with the senders, hence twice.
	room := 2 * (c.Window + 2)
	return &Uplink{c: c, inbox: make(chan any, 64), out: make(chan *sending, room), sent: make(chan *sending, room), pace: pace{rate: float64(c.RateLimit) / 8}}
}

// Run keeps the line until ctx ends.
func (u *Uplink) Run(ctx context.Context) error {
	config := u.c.Line
	config.ClientID = wire.ClientID(u.c.Tenant, u.c.Site)
	config.Subscribe = []string{u.down(wire.AckName), u.down(wire.Command), u.down(wire.Receipt), u.down(wire.Master)}
	config.MakeWill, config.Birth = u.makeWill, u.birth
	if config.Log == nil {
		config.Log = u.c.Log
	}
	asked := ctx
	group, ctx := errgroup.WithContext(asked)
	tell := func(what any) {
		select {
		case u.inbox <- what:
		case <-ctx.Done():
		}
	}
	config.OnUp = func() { tell(up{u.hello()}) }
	config.OnDown = func(reason error) { tell(down{reason}) }
	config.OnMessage = func(m wire.Message) { tell(m) }
	line, err := u.c.Dial(ctx, config)
	if err != nil {
		return fmt.Errorf("uplink: %w", err)
	}
	u.mu.Lock()
	u.line, _ = line.(LineStats)
	u.mu.Unlock()
	u.more = func() { group.Go(func() error { return u.send(ctx, line) }) }
	group.Go(func() error { return u.loop(ctx) })
	err = group.Wait()
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeWait)
	defer cancel()
	if err := line.Close(closing); err != nil {
		u.c.Log.Debug("uplink: close the line", "err", err)
	}
	if asked.Err() != nil { // whatever a sender made of that
		return nil
	}
	return err
}

func (u *Uplink) up(name string) string   { return wire.UpTopic(u.c.Tenant, u.c.Site, name) }
func (u *Uplink) down(name string) string { return wire.DownTopic(u.c.Tenant, u.c.Site, name) }

func (u *Uplink) send(ctx context.Context, line Line) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case s := <-u.out:
			s.err = line.Publish(ctx, s.message)
			select {
			case u.sent <- s:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
}

func (u *Uplink) loop(ctx context.Context) error {
	for {
		u.land()
		timer := time.NewTimer(max(0, u.step(u.c.Now())))
		select {
		case <-ctx.Done():
		case what := <-u.inbox:
			u.handle(what, u.c.Now())
		case s := <-u.sent:
			u.landed(s, u.c.Now())
		case <-u.wakeup:
			u.wakeup = nil
		case <-timer.C:
		}
		timer.Stop()
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// land takes note of every Publish that has ended.
func (u *Uplink) land() {
	for {
		select {
		case s := <-u.sent:
			u.landed(s, u.c.Now())
		default:
			return
		}
	}
}

// makeWill begins the session of a connection and says what the broker is to tell when it falls: that this very session is gone.
func (u *Uplink) makeWill() *wire.Message {
	u.mu.Lock()
	u.born, u.beat = &docklinev1.Hello{Tenant: u.c.Tenant, Site: u.c.Site, Session: newSession(u.c.Random)}, 0
	session := u.born.Session
	u.mu.Unlock()
	m := u.message(wire.Status, true, &docklinev1.Heartbeat{Tenant: u.c.Tenant, Site: u.c.Site, Session: session, AgentVersion: u.c.Version})
	return &m
}

// birth is what goes first on a connection: that we are here, and what we hold.
func (u *Uplink) birth() []wire.Message {
	u.mu.Lock()
	session := u.born.Session
	u.mu.Unlock()
	hello := u.makeHello(session)
	u.mu.Lock()
	u.born = hello
	u.mu.Unlock()
	return []wire.Message{u.status(session), u.message(wire.Hello, false, hello)}
}

// nextBeat numbers a heartbeat within its session.
func (u *Uplink) nextBeat() uint64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.beat++
	return u.beat
}

func (u *Uplink) hello() *docklinev1.Hello {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.born
}

func newSession(random io.Reader) string {
	id := make([]byte, 16)
	if _, err := io.ReadFull(random, id); err != nil { // crypto/rand never fails
		panic("uplink: no randomness: " + err.Error())
	}
	return hex.EncodeToString(id)
}

// Stats of this moment.
func (u *Uplink) Stats() Stats {
	u.mu.Lock()
	defer u.mu.Unlock()
	stats := u.stats
	if u.line != nil {
		stats.Line = u.line.Stats()
	}
	return stats
}

// note changes the statistics.
func (u *Uplink) note(f func(*Stats)) {
	u.mu.Lock()
	defer u.mu.Unlock()
	f(&u.stats)
}
