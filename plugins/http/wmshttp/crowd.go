package wmshttp

import (
	"crypto/tls"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// crowd lets no more than so many connections be open. Where another one comes, it gets the place of the one that has waited longest without a request;
// where all are at work, it waits.
type crowd struct {
	net.Listener
	places chan struct{}
	closed chan struct{}
	once   sync.Once
	// turned are the connections that came when there was no place.
	turned atomic.Int64

	mu sync.Mutex
	// waiting are the connections that have no request, and since when.
	waiting map[*guest]waits
}

// waits says since when a connection has no request, and whether it has ever had one.
type waits struct {
	since time.Time
	fresh bool
}

// freshFor is how long a connection may take to its first byte, a handshake of TLS among it, before its place may go to another.
const freshFor = 250 * time.Millisecond

func newCrowd(l net.Listener, most int) *crowd {
	return &crowd{Listener: l, places: make(chan struct{}, most), closed: make(chan struct{}), waiting: make(map[*guest]waits)}
}

// Accept implements net.Listener.
func (c *crowd) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if !c.enter() {
		_ = conn.Close()
		return nil, net.ErrClosed
	}
	g := &guest{Conn: conn}
	g.leave = sync.OnceFunc(func() {
		c.mu.Lock()
		delete(c.waiting, g)
		c.mu.Unlock()
		<-c.places
	})
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting[g] = waits{time.Now(), true}
	return g, nil
}

// enter waits for a place; false where the listener is closed.
func (c *crowd) enter() bool {
	select {
	case c.places <- struct{}{}:
		return true
	default:
	}
	c.turned.Add(1)
	again := time.NewTicker(freshFor / 10)
	defer again.Stop()
	for {
		c.makeRoom()
		select {
		case c.places <- struct{}{}:
			return true
		case <-c.closed:
			return false
		case <-again.C:
		}
	}
}

// makeRoom ends the connection that has waited longest. Nothing of a request is lost with it: there is none.
func (c *crowd) makeRoom() {
	var longest *guest
	c.mu.Lock()
	for g, w := range c.waiting {
		if w.fresh && time.Since(w.since) < freshFor {
			continue
		}
		if longest == nil || w.since.Before(c.waiting[longest].since) {
			longest = g
		}
	}
	c.mu.Unlock()
	if longest != nil {
		_ = longest.Close()
	}
}

// state is told by the server what a connection does.
func (c *crowd) state(conn net.Conn, state http.ConnState) {
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	g, ok := conn.(*guest)
	if !ok {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch state {
	case http.StateIdle:
		c.waiting[g] = waits{time.Now(), false}
	case http.StateActive, http.StateHijacked, http.StateClosed:
		delete(c.waiting, g)
	}
}

// Close implements net.Listener.
func (c *crowd) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Listener.Close()
}

type guest struct {
	net.Conn
	leave func()
}

// Close implements net.Conn.
func (g *guest) Close() error {
	defer g.leave()
	return g.Conn.Close()
}
