package testenv

import (
	"errors"
	"net"
	"sync"
	"time"
)

// Line is a TCP line to one address that can be cut: cutting breaks what is connected and refuses what comes, and Hold leaves
// everything connected while nothing passes. Shape makes it slow and long. Forth is toward the target, back is toward those who
// connected.
type Line struct {
	target   string
	listener net.Listener

	mu    sync.Mutex
	open  map[net.Conn]struct{}
	cut   bool
	held  map[way]bool
	moved *sync.Cond
	bytes map[way]int64
	shape shape
	// free is when what was last put on the line has left its near end.
	free map[way]time.Time
	wait sync.WaitGroup
}

// way is a direction on a line.
type way bool

const (
	forth way = true
	back  way = false
)

// OpenLine listens on a free loopback port and carries everything to target.
func OpenLine(target string) (*Line, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	l := &Line{target: target, listener: listener, open: map[net.Conn]struct{}{}, held: map[way]bool{}, bytes: map[way]int64{}, free: map[way]time.Time{}}
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
func (l *Line) Hold(held bool) { l.hold(held, forth, back) }

// HoldForth holds only what goes to the target. What is held when the line is cut is lost, as if it had never been said.
func (l *Line) HoldForth(held bool) { l.hold(held, forth) }

// HoldBack holds only what comes from the target.
func (l *Line) HoldBack(held bool) { l.hold(held, back) }

func (l *Line) hold(held bool, ways ...way) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, w := range ways {
		l.held[w] = held
	}
	l.moved.Broadcast()
}

// Bytes counts what has passed, both ways together.
func (l *Line) Bytes() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.bytes[forth] + l.bytes[back]
}

// BytesForth counts what has passed toward the target.
func (l *Line) BytesForth() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.bytes[forth]
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
	for w, ends := range map[way][2]net.Conn{back: {near, far}, forth: {far, near}} {
		go func() {
			l.pump(ends[0], ends[1], w) // a broken line ends both ways alike
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
