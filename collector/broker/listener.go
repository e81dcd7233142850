package broker

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime/debug"
	"sync"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/listeners"

	"github.com/dockline/dockline/proto/wire"
)

// listener takes the place of the library's own, which stops for good on the first error of Accept, waits without limit for a CONNECT
// and does not recover.
type listener struct {
	b  *Broker
	wg sync.WaitGroup

	mu     sync.Mutex
	closed bool
	open   map[*conn]struct{}
}

// conn is one client's connection.
type conn struct {
	net.Conn
	address  string // without the port
	identity wire.Identity
	// certificate is the client's own.
	certificate *x509.Certificate
	fault       error // why there is no identity, or why it does not count
	handed      bool  // it is somebody else's from now on
	settled     bool  // no longer pending; guarded by Broker.mu
	clientID    string
	client      *mqtt.Client
	done        chan struct{} // closed when the library has finished with it
}

// writeTimeout is how long a client may take nothing.
const writeTimeout = 15 * time.Second

func (c *conn) Write(p []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// SetDeadline is how the library extends a client's keep alive: reading only, since writing has a limit of its own.
func (c *conn) SetDeadline(t time.Time) error { return c.SetReadDeadline(t) }

// cut ends the connection without a word. That it had ended already is no news.
func (c *conn) cut() {
	if secure, ok := c.Conn.(*tls.Conn); ok {
		_ = secure.NetConn().Close()
	}
}

func (l *listener) ID() string       { return "dockline" }
func (l *listener) Address() string  { return l.b.Addr() }
func (l *listener) Protocol() string { return "mqtts" }

func (l *listener) Init(*slog.Logger) error {
	l.open = make(map[*conn]struct{})
	l.wg.Add(1) // for Serve
	return nil
}

// Serve accepts until Close. It is called in a goroutine of its own.
func (l *listener) Serve(establish listeners.EstablishFn) {
	defer l.wg.Done()
	wait := time.Duration(0)
	for {
		raw, err := l.b.listen.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			wait = min(max(2*wait, 5*time.Millisecond), time.Second)
			l.b.config.Log.Warn("accept", "err", err, "again_in", wait)
			time.Sleep(wait)
			continue
		}
		wait = 0
		l.wg.Add(1)
		go func() {
			defer l.wg.Done()
			l.handle(raw, establish)
		}()
	}
}

// Close stops accepting, cuts every connection and waits until all are done. The library's own way of ending them may lock up.
func (l *listener) Close(listeners.CloseFn) {
	l.mu.Lock()
	l.closed = true
	for c := range l.open {
		c.cut()
	}
	l.mu.Unlock()
	if err := l.b.listen.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		l.b.config.Log.Warn("close the broker's port", "err", err)
	}
	l.wg.Wait()
}

func (l *listener) handle(raw net.Conn, establish listeners.EstablishFn) {
	b := l.b
	c := &conn{Conn: tls.Server(raw, b.config.TLS), address: host(raw), done: make(chan struct{})}
	if !l.admit(c) {
		b.refused.Add(1)
		_ = raw.Close()
		return
	}
	defer l.release(c)
	defer func() {
		if p := recover(); p != nil {
			b.panics.Add(1)
			b.config.Log.Error("a connection ended by a fault of the broker", "client", c.clientID, "remote", raw.RemoteAddr().String(), "err", fmt.Sprint(p), "stack", string(debug.Stack()))
		}
	}()
	// One limit for the handshake and the CONNECT; the library sets its own from the keep alive once it knows it.
	if err := raw.SetDeadline(time.Now().Add(b.config.ConnectTimeout)); err != nil {
		return
	}
	if err := c.handshake(b.config.ConnectTimeout); err != nil {
		b.refuse(c, "", err)
		return
	}
	if secure := c.Conn.(*tls.Conn); forTheDoor(secure) {
		if c.handed = b.config.Enrol != nil; c.handed {
			b.config.Enrol(secure)
		}
		return
	}
	if c.fault == nil && b.config.Check != nil {
		c.fault = b.config.Check(c.certificate, c.identity)
	}
	err := establish(l.ID(), c)
	b.mu.Lock()
	known := c.settled
	b.mu.Unlock()
	if !known && err != nil {
		b.refuse(c, "", err)
	}
}

// forTheDoor says whether somebody has come who speaks no MQTT: he wants a certificate, or the agent.
func forTheDoor(c *tls.Conn) bool {
	p := c.ConnectionState().NegotiatedProtocol
	return p == wire.EnrolProtocol || p == wire.InstallProtocol
}

// handshake proves the client's certificate and reads its identity. A certificate of ours without one is told so after its CONNECT.
func (c *conn) handshake(timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	secure := c.Conn.(*tls.Conn)
	if err := secure.HandshakeContext(ctx); err != nil {
		return err
	}
	if forTheDoor(secure) {
		return nil
	}
	c.certificate = secure.ConnectionState().PeerCertificates[0]
	c.identity, c.fault = wire.CertificateIdentity(c.certificate)
	return nil
}

// admit counts a new connection in, unless there are too many unknown ones, or the broker stops.
func (l *listener) admit(c *conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	b := l.b
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.pending[c.address] >= b.config.MaxPending || b.waiting >= 4*b.config.MaxPending {
		return false
	}
	b.pending[c.address]++
	b.waiting++
	l.open[c] = struct{}{}
	return true
}

// release forgets a connection that the library has finished with.
func (l *listener) release(c *conn) {
	if !c.handed {
		c.cut()
	}
	l.mu.Lock()
	delete(l.open, c)
	l.mu.Unlock()
	b := l.b
	b.mu.Lock()
	defer b.mu.Unlock()
	defer close(c.done)
	b.settle(c)
	if b.live[c.clientID] == c {
		delete(b.live, c.clientID)
		b.config.Log.Info("client gone", "client", c.clientID, "remote", c.RemoteAddr().String())
		// The library keeps a client whose connection ended on the way in; found later, it would be taken for the next one.
		if kept, ok := b.server.Clients.Get(c.clientID); ok && kept == c.client {
			b.server.UnsubscribeClient(kept)
			b.server.Clients.Delete(c.clientID)
		}
	}
}

// settle takes a connection out of the count of unknown ones. Broker.mu is held.
func (b *Broker) settle(c *conn) {
	if c.settled {
		return
	}
	c.settled = true
	b.waiting--
	if b.pending[c.address]--; b.pending[c.address] == 0 {
		delete(b.pending, c.address)
	}
}

// refuse counts and logs a connection that was not let in.
func (b *Broker) refuse(c *conn, clientID string, why error) {
	b.refused.Add(1)
	if ok, more := b.warned.allow(time.Now()); ok {
		b.config.Log.Warn("connection refused", "client", clientID, "remote", c.RemoteAddr().String(), "err", why, "unlogged", more)
	}
}

func host(c net.Conn) string {
	address := c.RemoteAddr().String()
	if h, _, err := net.SplitHostPort(address); err == nil {
		return h
	}
	return address
}
