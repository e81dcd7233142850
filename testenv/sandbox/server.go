package sandbox

import (
	"errors"
	"net"
	"net/http"
	"sync"
	"time"
)

// Server serves a handler at one loopback address and can be stopped and started there: while it is stopped connections are
// refused.
type Server struct {
	handler http.Handler

	mu      sync.Mutex
	address string
	running *http.Server
	served  chan struct{}
}

// NewServer prepares a server for address, "127.0.0.1:0" being any free port. Nothing listens until Start.
func NewServer(address string, h http.Handler) *Server {
	return &Server{handler: h, address: address}
}

// Start listens; the first one settles the port. Starting a running server does nothing.
func (s *Server) Start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running != nil {
		return nil
	}
	l, err := net.Listen("tcp", s.address)
	if err != nil {
		return err
	}
	s.address = l.Addr().String()
	s.running = &http.Server{Handler: s.handler, ReadHeaderTimeout: 10 * time.Second}
	s.served = make(chan struct{})
	go func(server *http.Server, served chan struct{}) {
		defer close(served)
		if err := server.Serve(l); err != nil && !errors.Is(err, http.ErrServerClosed) {
			l.Close()
		}
	}(s.running, s.served)
	return nil
}

// Stop closes the listener and cuts every connection, as a crash would.
func (s *Server) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running == nil {
		return
	}
	s.running.Close()
	<-s.served
	s.running = nil
}

// Running says whether the server listens.
func (s *Server) Running() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.running != nil
}

// URL is the base address, "http://127.0.0.1:40123"; the port is 0 before the first Start where it was asked to be free.
func (s *Server) URL() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return "http://" + s.address
}
