package testenv

import (
	"errors"
	"net"
	"sync"
	"time"
)

// Line is a TCP line to one address that can be cut: cutting breaks what is connected and refuses what comes, and Hold leaves
// everything connected while nothing passes.
type Line struct {
	target   string
	listener net.Listener

	mu    sync.Mutex
	open  map[net.Conn]struct{}
	cut   bool
	held  bool
	moved *sync.Cond
	bytes int64
	up    int64
	shape Shape
	wait  sync.WaitGroup
}

// OpenLine listens on a free loopback port and carries everything to target.
func OpenLine(target string) (*Line, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	l := &Line{target: target, listener: listener, open: map[net.Conn]struct{}{}}
	l.moved = sync.NewCond(&l.mu)
	l.wait.Add(1)
	go l.accept()
	return l, nil
}

// Addr is where clients connect.
func (l *Line) Addr() string { return l.listener.Addr().String() }

// Target changes where new connections lead, for a far end that came back on another port.
func (l *Line) Target(address string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.target = address
}

// Cut breaks the line or mends it.
func (l *Line) Cut(cut bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut = cut
	if cut {
		for conn := range l.open {
			_ = conn.Close()
		}
	}
	l.moved.Broadcast()
}

// IsCut says whether the line is cut.
func (l *Line) IsCut() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cut
}

// Hold stops everything on the line without either end noticing, or lets it go on.
func (l *Line) Hold(held bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held = held
	l.moved.Broadcast()
}

// Bytes counts what has passed, both ways together.
func (l *Line) Bytes() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.bytes
}

// Close ends the line and everything on it.
func (l *Line) Close() {
	_ = l.listener.Close()
	l.Hold(false)
	l.Cut(true)
	l.wait.Wait()
}

func (l *Line) accept() {
	defer l.wait.Done()
	for {
		near, err := l.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(10 * time.Millisecond)
			continue
		}
		l.wait.Add(1)
		go l.carry(near)
	}
}

func (l *Line) carry(near net.Conn) {
	defer l.wait.Done()
	defer near.Close()
	if !l.enter(near) {
		return
	}
	defer l.leave(near)
	l.mu.Lock()
	target := l.target
	l.mu.Unlock()
	far, err := net.DialTimeout("tcp", target, 5*time.Second)
	if err != nil || !l.enter(far) {
		return
	}
	defer far.Close()
	defer l.leave(far)
	done := make(chan struct{}, 2)
	for i, way := range [][2]net.Conn{{far, near}, {near, far}} {
		go func() {
			_, _ = l.copy(way[0], &gate{l, way[1], i == 0}) // a broken line ends both ways alike
			_ = near.Close()
			_ = far.Close()
			done <- struct{}{}
		}()
	}
	<-done
	<-done
}

func (l *Line) enter(c net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cut {
		_ = c.Close()
		return false
	}
	l.open[c] = struct{}{}
	return true
}

func (l *Line) leave(c net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.open, c)
}

// gate holds back what was read while the line is held.
type gate struct {
	line *Line
	conn net.Conn
	// up is towards the target.
	up bool
}

func (g *gate) Read(p []byte) (int, error) {
	n, err := g.conn.Read(p)
	g.line.mu.Lock()
	defer g.line.mu.Unlock()
	for g.line.held && !g.line.cut {
		g.line.moved.Wait()
	}
	if g.line.cut {
		return 0, net.ErrClosed
	}
	g.line.bytes += int64(n)
	if g.up {
		g.line.up += int64(n)
	}
	return n, err
}
