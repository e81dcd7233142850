package wire

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"sync"
	"sync/atomic"
	"time"
)

// Message is one MQTT message. It is sent with QoS 1.
type Message struct {
	Topic   string
	Payload []byte
	Retain  bool
}

// Config says where to dial and what to do there. All callbacks come from one goroutine, in this order for every connection: MakeWill,
// Birth, OnUp, OnMessage any number of times, OnDown. A callback that blocks holds up the next one, but not Publish.
type Config struct {
	// URL is mqtts://host:port (also ssl, tls) or, without TLS, mqtt://host:port (also tcp). Ports default to 8883 and 1883.
	URL      string
	ClientID string
	// TLS must hold the client's certificate for mqtts; LoadTLS makes one.
	TLS *tls.Config
	// MakeTLS gives the configuration of the connection that is about to be made, where authorities change while we run. It goes before
	// TLS, which stands in where it returns nil.
	MakeTLS func() *tls.Config
	// Proxy is what the connection goes through, if anything.
	Proxy Proxy
	// KeepAlive is 10 s unless set, in whole seconds, 600 s at most. A link that is dead without a word is noticed within twice of it.
	KeepAlive time.Duration
	// Subscribe lists filters that are subscribed before Birth is sent, with QoS 1.
	Subscribe []string
	// Will is what the broker says for us when the link falls, and when we close.
	Will *Message
	// MakeWill gives the will of the connection that is about to be made, where it differs from one to the next. It goes before Will.
	MakeWill func() *Message
	// Birth gives the messages that are sent first on every connection, in their order, before OnUp.
	Birth     func() []Message
	OnMessage func(Message)
	OnUp      func()
	// OnDown gets the reason; it comes only after OnUp.
	OnDown func(error)
	// ReceiveMaximum is how many messages with QoS 1 the broker may send ahead of their acknowledgement, 1024 unless set.
	ReceiveMaximum uint16
	// QueueBytes bounds what waits for OnMessage, 16 MiB unless set. Beyond it a message with QoS 1 waits at the broker, one with
	// QoS 0 is dropped and counted.
	QueueBytes int
	// Prompt acknowledges at once, at the level of TCP, what the broker sends (Linux). It is for who has to answer without delay over a line
	// where a few small packets more cost nothing.
	Prompt bool
	// MaxBackoff is the longest pause between attempts to connect, 5 s unless set.
	MaxBackoff time.Duration
	// TakeoverPause is how long the connection stays away after another one has taken its client id, 5 min unless set; it doubles
	// with every time that this happens again, up to twelve times as long.
	TakeoverPause time.Duration
	Log           *slog.Logger
}

// Stats says how a connection has fared since Dial.
type Stats struct {
	Connected bool
	// Connections made, and attempts that failed.
	Connections, Failures uint64
	Published, Received   uint64
	// Dropped messages did not fit into QueueBytes.
	Dropped uint64
	// LastError is the last reason why there was no link, also when there is one now.
	LastError string
	// TakenOver counts how often another connection has taken this client id. TakenOverAt is the last time, zero where there was
	// none, or where a link has since held as long as it had stayed away. Until NextAttempt nothing is tried.
	TakenOver   uint64
	TakenOverAt time.Time
	NextAttempt time.Time
	// ShortLinks counts the links in a row that held less than a minute, until one holds longer. Some brokers, Mosquitto 2.0.11 among
	// them, do not say that a session is taken over: then this is all there is to see of it.
	ShortLinks int
}

var (
	// ErrDown: there is no link to the broker, or it fell before the broker's answer came.
	ErrDown = errors.New("no link to the broker")
	// ErrTooLarge: the broker does not take a packet of this size. It was not sent.
	ErrTooLarge = errors.New("larger than the broker takes")
)

// Refused is the broker's no to a connection, a subscription or a message.
type Refused struct {
	// Code is the reason code of MQTT 5, section 2.4: 0x87 not authorised, 0x97 quota exceeded, 0x99 payload format invalid.
	Code byte
	Text string
}

func (r *Refused) Error() string {
	return fmt.Sprintf("the broker refused with reason 0x%02x %s", r.Code, r.Text)
}

const (
	firstPause  = 500 * time.Millisecond
	steady      = 2 * time.Second // a link that held this long was a good one: pauses start again from the first
	queueFloor  = 2048            // what a small message counts in QueueBytes
	codeTaken   = 0x8e            // session taken over
	shortLink   = time.Minute
	dialTimeout = 10 * time.Second
	// greetTimeout is how long the broker may take to answer for subscriptions and births. It has let us in, so it is there: when a whole fleet
	// comes back at once it is slow, and who gives up then makes it slower.
	greetTimeout = 30 * time.Second
	// takeoverGrowth bounds how much longer than the first the pause after a takeover becomes.
	takeoverGrowth = 12
)

// Conn keeps a connection to a broker: clean start and no session on every connection, so that nothing but the journal and the
// collector's tables remembers anything. It is safe for concurrent use.
type Conn struct {
	config Config
	url    *url.URL
	stop   context.CancelFunc
	done   chan struct{}

	mu        sync.Mutex
	link      *link     // nil where there is none
	linkedAt  time.Time // of the last link
	maxPacket uint32
	lastError string
	taken     takeover
	short     int

	connections, failures, published, received, dropped atomic.Uint64
}

// Dial returns at once and connects, and connects again, in the background until ctx ends or Close is called. An error is a fault in
// config only.
func Dial(ctx context.Context, config Config) (*Conn, error) {
	u, err := url.Parse(config.URL)
	if err != nil {
		return nil, fmt.Errorf("dial: %w", err)
	}
	secure, known := schemes[u.Scheme]
	switch {
	case !known || u.Hostname() == "":
		return nil, fmt.Errorf("dial: %q is not of the form mqtts://host:port or mqtt://host:port", config.URL)
	case secure && config.TLS == nil:
		return nil, fmt.Errorf("dial: %q needs a TLS configuration", config.URL)
	case config.ClientID == "":
		return nil, errors.New("dial: no client id")
	}
	if err := config.Proxy.Check(); err != nil {
		return nil, fmt.Errorf("dial: proxy: %w", err)
	}
	if config.KeepAlive <= 0 {
		config.KeepAlive = 10 * time.Second
	}
	config.KeepAlive = min(max(config.KeepAlive, time.Second), 600*time.Second)
	if config.ReceiveMaximum == 0 {
		config.ReceiveMaximum = 1024
	}
	if config.QueueBytes <= 0 {
		config.QueueBytes = 16 << 20
	}
	if config.MaxBackoff <= 0 {
		config.MaxBackoff = 5 * time.Second
	}
	if config.TakeoverPause <= 0 {
		config.TakeoverPause = 5 * time.Minute
	}
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	ctx, stop := context.WithCancel(ctx)
	c := &Conn{config: config, url: u, stop: stop, done: make(chan struct{})}
	go c.run(ctx)
	return c, nil
}

// run makes one link after the other until ctx ends.
func (c *Conn) run(ctx context.Context) {
	defer close(c.done)
	wait := time.Duration(0)
	for attempt := 1; ; attempt++ {
		if !pause(ctx, wait) {
			return
		}
		began := time.Now()
		up, err := c.once(ctx)
		if ctx.Err() != nil {
			return
		}
		c.note(up, err)
		held := time.Since(began)
		if up && held >= steady {
			attempt = 1
		}
		c.shorten(up, held)
		wait = backoff(attempt, c.config.MaxBackoff)
		if refused := (*Refused)(nil); errors.As(err, &refused) && refused.Code == codeTaken {
			wait = c.takenOver(up)
		}
	}
}

// shorten counts links that did not hold.
func (c *Conn) shorten(up bool, held time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case up && held >= shortLink:
		c.short = 0
	case up:
		c.short++
	}
}

// takeover is what is known of other connections that took this client id.
type takeover struct {
	count uint64
	at    time.Time     // the last time
	pause time.Duration // that followed it
	until time.Time
}

// takenOver notes that another connection has taken this client id, and says how long to stay away. To fight for it would make both
// useless, and what the other one is doing there a person must find out.
func (c *Conn) takenOver(up bool) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	t, now := &c.taken, time.Now()
	longest := takeoverGrowth * c.config.TakeoverPause
	if t.pause = min(2*t.pause, longest); t.pause == 0 || up && now.Sub(c.linkedAt) >= t.pause {
		t.pause = c.config.TakeoverPause
	}
	wait := time.Duration(float64(t.pause) * (0.8 + 0.2*rand.Float64()))
	t.count, t.at, t.until = t.count+1, now, now.Add(wait)
	c.config.Log.Error("another connection has taken this client id: is this identity in use on a second host? Stop one of the two, then restart the other",
		"client", c.config.ClientID, "next attempt in", wait.Round(time.Millisecond))
	return wait
}

// note logs why there is no link, once for a reason and not once for an attempt.
func (c *Conn) note(up bool, err error) {
	if !up {
		c.failures.Add(1)
	}
	c.mu.Lock()
	news := up || c.lastError != err.Error()
	c.lastError = err.Error()
	c.mu.Unlock()
	if news {
		c.config.Log.Warn("no link to the broker", "broker", c.url.Redacted(), "client", c.config.ClientID, "err", err)
	}
}

// backoff is the pause after so many attempts: none before the first, 0.2 to 0.5 s before the second, then doubled up to most, of which
// between 40 and 100 % are used, so that a fleet does not come back in the same moment.
func backoff(attempt int, most time.Duration) time.Duration {
	if attempt == 0 {
		return 0
	}
	longest := min(firstPause<<min(attempt-1, 16), most)
	return time.Duration(float64(longest) * (0.4 + 0.6*rand.Float64()))
}

func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// Publish sends a message with QoS 1 and returns when the broker has answered for it, which means only that. It returns at once with
// ErrDown when there is no link or the link falls, with ErrTooLarge for what the broker would not take, and with a *Refused when the
// broker says no.
func (c *Conn) Publish(ctx context.Context, m Message) error {
	l := c.current()
	if l == nil {
		return fmt.Errorf("publish: %w", ErrDown)
	}
	if err := l.publish(ctx, m); err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	c.published.Add(1)
	return nil
}

func (c *Conn) current() *link {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.link
}

// Connected says whether there is a link, subscribed and with its birth sent.
func (c *Conn) Connected() bool {
	l := c.current()
	return l != nil && l.ctx.Err() == nil
}

// MaxPacket is the largest packet in bytes that the broker said it takes, 0 where it has not said. It stays known when the link falls.
func (c *Conn) MaxPacket() uint32 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.maxPacket
}

// Stats says how the connection has fared.
func (c *Conn) Stats() Stats {
	connected := c.Connected()
	c.mu.Lock()
	defer c.mu.Unlock()
	stats := Stats{
		Connected: connected, Connections: c.connections.Load(), Failures: c.failures.Load(), Published: c.published.Load(),
		Received: c.received.Load(), Dropped: c.dropped.Load(), LastError: c.lastError, TakenOver: c.taken.count,
	}
	if held := c.link != nil && time.Since(c.linkedAt) >= c.taken.pause; !held {
		stats.TakenOverAt = c.taken.at
	}
	if c.link == nil || time.Since(c.linkedAt) < shortLink {
		stats.ShortLinks = c.short
	}
	if c.link == nil && time.Now().Before(c.taken.until) {
		stats.NextAttempt = c.taken.until
	}
	return stats
}

// Close says goodbye to the broker, which then speaks our will, and waits until no callback runs, or ctx ends.
func (c *Conn) Close(ctx context.Context) error {
	c.stop()
	select {
	case <-c.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("close: %w", ctx.Err())
	}
}
