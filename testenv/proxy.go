package testenv

import (
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// Proxy is an HTTP proxy for CONNECT on a loopback port. It knows names that no resolver does, and leads nowhere else.
type Proxy struct {
	// Credentials is user:password that it asks for, "" for none. Names gives for host:port where it leads.
	Credentials string
	Names       map[string]string

	listener net.Listener
	server   *http.Server

	mu      sync.Mutex
	tunnels int
	refused int
	open    map[net.Conn]struct{}
	wait    sync.WaitGroup
}

// Start listens.
func (p *Proxy) Start() (err error) {
	if p.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return err
	}
	p.open = map[net.Conn]struct{}{}
	p.server = &http.Server{Handler: http.HandlerFunc(p.serve), ReadHeaderTimeout: 10 * time.Second}
	p.wait.Add(1)
	go func() {
		defer p.wait.Done()
		_ = p.server.Serve(p.listener) // it ends with Close
	}()
	return nil
}

// URL is http://host:port.
func (p *Proxy) URL() string { return "http://" + p.listener.Addr().String() }

// Seen counts the connections that it made, and those that it refused.
func (p *Proxy) Seen() (tunnels, refused int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.tunnels, p.refused
}

// Close ends the proxy and everything that goes through it.
func (p *Proxy) Close() {
	_ = p.server.Close()
	p.mu.Lock()
	for conn := range p.open {
		_ = conn.Close()
	}
	p.mu.Unlock()
	p.wait.Wait()
}

func (p *Proxy) serve(w http.ResponseWriter, r *http.Request) {
	refuse := func(status int) {
		p.mu.Lock()
		p.refused++
		p.mu.Unlock()
		http.Error(w, http.StatusText(status), status)
	}
	address, known := p.Names[r.Host]
	switch {
	case r.Method != http.MethodConnect:
		refuse(http.StatusMethodNotAllowed)
		return
	case p.Credentials != "" && r.Header.Get("Proxy-Authorization") != "Basic "+base64.StdEncoding.EncodeToString([]byte(p.Credentials)):
		w.Header().Set("Proxy-Authenticate", `Basic realm="testenv"`)
		refuse(http.StatusProxyAuthRequired)
		return
	case !known:
		refuse(http.StatusForbidden)
		return
	}
	far, err := net.DialTimeout("tcp", address, 5*time.Second)
	if err != nil {
		refuse(http.StatusBadGateway)
		return
	}
	near, buffer, err := http.NewResponseController(w).Hijack()
	if err != nil {
		_ = far.Close()
		refuse(http.StatusInternalServerError)
		return
	}
	p.mu.Lock()
	p.tunnels++
	p.open[near], p.open[far] = struct{}{}, struct{}{}
	p.mu.Unlock()
	p.wait.Add(2)
	_, _ = io.WriteString(near, "HTTP/1.1 200 Connection established\r\n\r\n") // a broken line shows in the copying
	go p.carry(far, buffer, near)
	go p.carry(near, far, far)
}

// carry copies one way until it breaks, and breaks the other way too.
func (p *Proxy) carry(to net.Conn, from io.Reader, source net.Conn) {
	defer p.wait.Done()
	_, _ = io.Copy(to, from)
	_, _ = to.Close(), source.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, to)
	delete(p.open, source)
}
