package enrol

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/dockline/dockline/proto/wire"
)

const (
	// handshakeTime bounds a handshake, requestTime a whole request.
	handshakeTime = 10 * time.Second
	requestTime   = 30 * time.Second
	// maxOpen connections are served at once, each for requestTime at most, and of one address maxOpenOf, so that nobody keeps the door from
	// others by holding it; others are closed.
	maxOpen   = 128
	maxOpenOf = 32
	// downloadTime bounds a request for a package: eighteen megabytes over a line of 128 kbit/s take 19 minutes. maxDownloads are served at once, of
	// one address maxDownloadsOf: several sites may be behind one.
	downloadTime   = 30 * time.Minute
	maxDownloads   = 32
	maxDownloadsOf = 8
	// maxHeader bounds a request's header. net/http adds 4 KB to it.
	maxHeader = 4 << 10
)

// Door serves the connections that come to the broker's port under wire.EnrolProtocol or wire.InstallProtocol, and those of a port of its own
// where there is one.
type Door struct {
	Server *Server
	// Install answers machines that are to become sites; nil answers none.
	Install http.Handler
	// Listener is the port of its own, with TLS; nil is none.
	Listener net.Listener
	// RequestTime bounds a request, but for what it is given of a package; 0 is 30 s.
	RequestTime time.Duration

	once  sync.Once
	conns chan net.Conn
	ended chan struct{}
	open  chan struct{}
	loads chan struct{} // of open, those of wire.InstallProtocol

	mu     sync.Mutex
	of     map[string]int // how many of open are of an address
	loadOf map[string]int // and of loads
}

func (d *Door) setUp() {
	d.once.Do(func() {
		d.conns, d.ended, d.of = make(chan net.Conn), make(chan struct{}), make(map[string]int)
		d.loadOf = make(map[string]int)
		d.open, d.loads = make(chan struct{}, maxOpen), make(chan struct{}, maxDownloads)
	})
}

// knocked is a connection whose handshake is done. It hides that it is TLS from net/http, which knows no protocol of ours.
type knocked struct {
	net.Conn
	secure *tls.Conn
	leave  func()
	once   sync.Once
}

func (k *knocked) Close() error {
	k.once.Do(k.leave)
	return k.Conn.Close()
}

// enter counts a connection in, and says whether there was room for it.
func (d *Door) enter(address string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.of[address] >= maxOpenOf {
		return false
	}
	select {
	case d.open <- struct{}{}:
		d.of[address]++
		return true
	default:
		return false
	}
}

func (d *Door) leave(address string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	<-d.open
	if d.of[address]--; d.of[address] == 0 {
		delete(d.of, address)
	}
}

// load counts one in that fetches packages, and says whether there was room for it.
func (d *Door) load(address string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.loadOf[address] >= maxDownloadsOf {
		return false
	}
	select {
	case d.loads <- struct{}{}:
		d.loadOf[address]++
		return true
	default:
		return false
	}
}

func (d *Door) unload(address string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	<-d.loads
	if d.loadOf[address]--; d.loadOf[address] == 0 {
		delete(d.loadOf, address)
	}
}

// Take takes over a connection whose handshake is done. Where too many are open it is closed.
func (d *Door) Take(conn *tls.Conn) {
	d.setUp()
	address, _, _ := net.SplitHostPort(conn.RemoteAddr().String())
	if !d.enter(address) {
		_ = conn.Close()
		return
	}
	k := &knocked{Conn: conn, secure: conn, leave: func() { d.leave(address) }}
	limit := cmp.Or(d.RequestTime, requestTime)
	if conn.ConnectionState().NegotiatedProtocol == wire.InstallProtocol {
		if !d.load(address) {
			_ = k.Close()
			return
		}
		k.leave, limit = func() { d.unload(address); d.leave(address) }, downloadTime
	}
	_ = conn.SetDeadline(time.Now().Add(limit))
	select {
	case d.conns <- k:
	case <-d.ended:
		_ = k.Close()
	}
}

// Accept is net.Listener's.
func (d *Door) Accept() (net.Conn, error) {
	select {
	case c := <-d.conns:
		return c, nil
	case <-d.ended:
		return nil, net.ErrClosed
	}
}

// Close is net.Listener's.
func (d *Door) Close() error { return nil }

// Addr is net.Listener's.
func (d *Door) Addr() net.Addr { return &net.TCPAddr{} }

// Run serves until ctx ends.
func (d *Door) Run(ctx context.Context) error {
	d.setUp()
	// ReadTimeout, because net/http takes the deadline of Take away when it has read a header, and then waits for a body, also where nobody asks for it.
	server := &http.Server{Handler: http.HandlerFunc(d.serve), MaxHeaderBytes: maxHeader, ReadHeaderTimeout: handshakeTime, ReadTimeout: cmp.Or(d.RequestTime, requestTime), IdleTimeout: handshakeTime, BaseContext: func(net.Listener) context.Context { return ctx },
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			state := c.(*knocked).secure.ConnectionState()
			if state.NegotiatedProtocol == wire.InstallProtocol {
				return context.WithValue(ctx, installKey{}, true)
			}
			if certificates := state.PeerCertificates; len(certificates) > 0 {
				return context.WithValue(ctx, peerKey{}, certificates[0])
			}
			return ctx
		}}
	server.SetKeepAlivesEnabled(false)
	var accepting sync.WaitGroup
	if d.Listener != nil {
		accepting.Go(d.accept)
	}
	stop := context.AfterFunc(ctx, func() {
		close(d.ended)
		_ = server.Close()
		if d.Listener != nil {
			_ = d.Listener.Close()
		}
	})
	defer stop()
	err := server.Serve(d)
	accepting.Wait()
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// installKey marks the connections of wire.InstallProtocol.
type installKey struct{}

// serve keeps the two protocols apart: who shows no certificate is not heard about certificates.
func (d *Door) serve(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Context().Value(installKey{}) == nil:
		d.Server.ServeHTTP(w, r)
	case d.Install == nil:
		http.NotFound(w, r)
	default:
		d.Install.ServeHTTP(w, r)
	}
}

func (d *Door) accept() {
	for {
		conn, err := d.Listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			select {
			case <-d.ended:
				return
			case <-time.After(100 * time.Millisecond): // out of files, most likely
			}
			continue
		}
		go func() {
			secure := conn.(*tls.Conn)
			_ = conn.SetDeadline(time.Now().Add(handshakeTime))
			if err := secure.Handshake(); err != nil || len(secure.ConnectionState().PeerCertificates) == 0 && secure.ConnectionState().NegotiatedProtocol != wire.InstallProtocol {
				_ = conn.Close()
				return
			}
			d.Take(secure)
		}()
	}
}
