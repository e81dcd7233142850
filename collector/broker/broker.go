// Package broker is the embedded MQTT 5 broker: mochi behind a listener of ours that knows every client by its certificate.
package broker

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/dockline/dockline/proto/wire"
)

// Config of a broker.
type Config struct {
	// Listen is host:port; port 0 takes a free one.
	Listen string
	// TLS must demand and verify client certificates: there is no anonymous client.
	TLS *tls.Config
	// MaxPacketBytes is the largest packet taken, wire.MaxPacketBytes unless set; clients are told.
	MaxPacketBytes uint32
	// MaxClients is how many may be connected, 25,000 unless set.
	MaxClients int
	// MaxPending is how many connections from one address may be unknown as yet, 256 unless set; four times as many in all.
	MaxPending int
	// ConnectTimeout is how long a connection may take from its first byte to its CONNECT, 10 s unless set.
	ConnectTimeout time.Duration
	// Check says whether a certificate that is good as such is taken: it may have been revoked. Nil takes all.
	Check func(certificate *x509.Certificate, who wire.Identity) error
	// Enrol takes over the connections of wire.EnrolProtocol, whose certificate nobody has looked at, and of wire.InstallProtocol, which have none;
	// nil closes them.
	Enrol func(conn *tls.Conn)
	// OnRefused is told what was refused to somebody with a certificate of ours. It must not block.
	OnRefused func(Refused)
	Log       *slog.Logger
}

// Refused is what was refused to the holder of a certificate of ours.
type Refused struct {
	Who      wire.Identity
	ClientID string
	// Remote is the address without the port. Reason wraps ErrForeignClient or ErrForeignTopic, or is what Check said.
	Remote string
	Reason error
}

var (
	// ErrForeignClient: a client id that does not belong to the certificate.
	ErrForeignClient = errors.New("client id of another")
	// ErrForeignTopic: a topic that does not belong to the certificate.
	ErrForeignTopic = errors.New("topic of another")
)

// Stats says what the broker has seen since Open.
type Stats struct {
	Clients int
	// Accepted connections are those whose client was let in; Refused counts all others.
	Accepted, Refused uint64
	// TakenOver counts connections that ended because another one came with the same client id.
	TakenOver uint64
	// Dropped messages did not fit into the queue of a subscriber that reads too slowly. Their senders send them again.
	Dropped uint64
	// Panics of the library that cost one connection each.
	Panics uint64
}

// Broker relays between sites and collectors. It remembers retained presence, and nothing beyond its life: no promise rests on it.
type Broker struct {
	config Config
	listen net.Listener
	server *mqtt.Server

	mu      sync.Mutex
	live    map[string]*conn // by client id, from its CONNECT to its end
	blocked map[string]bool
	pending map[string]int // connections without a client id as yet, by address
	waiting int            // sum of pending

	accepted, refused, takenOver, dropped, panics atomic.Uint64
	warned                                        limiter
}

const (
	// receiveMaximum is how many messages of one client may be unanswered; the clients honour it.
	receiveMaximum = 256
	// queueLength is how many messages may wait for one subscriber.
	queueLength = 2048
	// longestKeepAlive in seconds: the library computes one and a half times of it in 16 bits. It is also what a client gets that wants none.
	longestKeepAlive = 600
	// takeoverWait is how long an older connection may take to end before the newer one is turned away.
	takeoverWait = 5 * time.Second
)

// Open binds the port. Clients are served by Run.
func Open(config Config) (*Broker, error) {
	if config.TLS == nil || config.TLS.ClientAuth != tls.RequireAndVerifyClientCert || config.TLS.ClientCAs == nil {
		return nil, errors.New("open broker: the TLS configuration must require and verify client certificates")
	}
	if config.MaxPacketBytes == 0 {
		config.MaxPacketBytes = wire.MaxPacketBytes
	}
	if config.MaxClients == 0 {
		config.MaxClients = 25_000
	}
	if config.MaxPending == 0 {
		config.MaxPending = 256
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = 10 * time.Second
	}
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	listen, err := net.Listen("tcp", config.Listen)
	if err != nil {
		return nil, fmt.Errorf("open broker: %w", err)
	}
	b := &Broker{config: config, listen: listen, live: make(map[string]*conn), blocked: make(map[string]bool), pending: make(map[string]int)}
	b.server = mqtt.New(&mqtt.Options{
		Capabilities: &mqtt.Capabilities{
			MaximumClients:             int64(config.MaxClients),
			MaximumClientWritesPending: queueLength,
			MaximumPacketSize:          config.MaxPacketBytes,
			ReceiveMaximum:             receiveMaximum,
			MaximumInflight:            1024,
			SharedSubAvailable:         1,
			MinimumProtocolVersion:     5,
			MaximumQos:                 1,
			RetainAvailable:            1,
			WildcardSubAvailable:       1,
			// No topic alias: the library would ask the ACL before it resolves one. No session and no expiry of messages.
		},
		SysTopicResendInterval: int64((365 * 24 * time.Hour).Seconds()), // nobody may read them
		Logger:                 slog.New(slog.DiscardHandler),           // it writes whole packets; what matters is logged here
	})
	if err := b.server.AddHook(&guard{b: b}, nil); err != nil {
		return nil, errors.Join(fmt.Errorf("open broker: %w", err), listen.Close())
	}
	if err := b.server.AddListener(&listener{b: b}); err != nil {
		return nil, errors.Join(fmt.Errorf("open broker: %w", err), listen.Close())
	}
	return b, nil
}

// Addr is host:port where the broker listens.
func (b *Broker) Addr() string { return b.listen.Addr().String() }

// Run serves until ctx ends, then disconnects every client and frees the port. A broker runs once.
func (b *Broker) Run(ctx context.Context) error {
	if err := b.server.Serve(); err != nil {
		return errors.Join(fmt.Errorf("run broker: %w", err), b.listen.Close())
	}
	b.config.Log.Info("broker listens", "address", b.Addr())
	<-ctx.Done()
	if err := b.server.Close(); err != nil {
		return fmt.Errorf("stop broker: %w", err)
	}
	return nil
}

// Disconnect cuts a client's line as a broken cable would, so that its will is spoken. It may come back at once.
func (b *Broker) Disconnect(clientID string) {
	b.mu.Lock()
	c := b.live[clientID]
	b.mu.Unlock()
	if c != nil {
		c.cut()
	}
}

// Review asks Check again for everybody who is connected, and cuts the line of those that it no longer takes.
func (b *Broker) Review() {
	if b.config.Check == nil {
		return
	}
	b.mu.Lock()
	var connected []*conn
	for _, c := range b.live {
		connected = append(connected, c)
	}
	b.mu.Unlock()
	for _, c := range connected {
		if err := b.config.Check(c.certificate, c.identity); err != nil {
			b.config.Log.Warn("connection cut", "client", c.clientID, "remote", c.RemoteAddr().String(), "err", err)
			c.cut()
		}
	}
}

// tell tells of a refusal, where there is somebody who wants to know.
func (b *Broker) tell(c *conn, clientID string, reason error) {
	if b.config.OnRefused != nil && c.identity.Site != "" {
		b.config.OnRefused(Refused{Who: c.identity, ClientID: clientID, Remote: c.address, Reason: reason})
	}
}

// SetBlocked cuts a client's line and keeps it cut until it is set to false: the outage drill.
func (b *Broker) SetBlocked(clientID string, blocked bool) {
	b.mu.Lock()
	if blocked {
		b.blocked[clientID] = true
	} else {
		delete(b.blocked, clientID)
	}
	b.mu.Unlock()
	if blocked {
		b.Disconnect(clientID)
	}
}

// Blocked says whether SetBlocked holds a client's line cut.
func (b *Broker) Blocked(clientID string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.blocked[clientID]
}

// Stats says what the broker has seen.
func (b *Broker) Stats() Stats {
	b.mu.Lock()
	defer b.mu.Unlock()
	return Stats{
		Clients: len(b.live), Accepted: b.accepted.Load(), Refused: b.refused.Load(), TakenOver: b.takenOver.Load(),
		Dropped: b.dropped.Load(), Panics: b.panics.Load(),
	}
}

var errBlocked = errors.New("its line is cut on purpose")

// claim makes c the one connection of its client id. An older one is ended first, and wholly, so that its will is spoken before
// anything of the newer one; the library alone could remove the newer one in its place.
func (b *Broker) claim(c *conn, cl *mqtt.Client) error {
	deadline := time.NewTimer(takeoverWait)
	defer deadline.Stop()
	for {
		b.mu.Lock()
		old := b.live[cl.ID]
		if b.blocked[cl.ID] {
			b.mu.Unlock()
			return errBlocked
		}
		if old == nil {
			c.clientID, c.client = cl.ID, cl
			b.live[cl.ID] = c
			b.settle(c)
			b.mu.Unlock()
			return nil
		}
		b.mu.Unlock()
		b.takenOver.Add(1)
		if ok, more := b.warned.allow(time.Now()); ok {
			b.config.Log.Warn("session taken over; an identity in use on two hosts shows like this", "client", cl.ID, "old", old.RemoteAddr().String(), "new", c.RemoteAddr().String(), "unlogged", more)
		}
		go old.dismiss(b.server)
		select {
		case <-old.done:
		case <-deadline.C:
			return errors.New("an older connection with this client id does not end")
		}
	}
}

// dismiss tells an older connection why it ends; one that does not listen is cut.
func (c *conn) dismiss(server *mqtt.Server) {
	cutting := time.AfterFunc(time.Second, c.cut)
	defer cutting.Stop()
	// The error repeats the code that was given.
	_ = server.DisconnectClient(c.client, packets.ErrSessionTakenOver)
}

// limiter lets a few warnings a second through and counts the rest.
type limiter struct {
	mu      sync.Mutex
	second  int64
	count   int
	skipped int
}

// allow says whether to log now, and how many were left out before.
func (l *limiter) allow(now time.Time) (ok bool, unlogged int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.second != now.Unix() {
		l.second, l.count = now.Unix(), 0
	}
	if l.count++; l.count > 20 {
		l.skipped++
		return false, 0
	}
	unlogged, l.skipped = l.skipped, 0
	return true, unlogged
}
