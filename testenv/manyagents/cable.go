package manyagents

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// cable carries the connections of many sites to one broker, counts what passes, and can be cut: testenv.Line without its shapes, holds and
// queues, which take a hundred kilobytes for a connection.
type cable struct {
	target   string
	listener net.Listener
	up, down atomic.Int64

	mu   sync.Mutex
	cut  bool
	open map[net.Conn]struct{}
	wait sync.WaitGroup
}

func openCable(target string) (*cable, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	c := &cable{target: target, listener: listener, open: map[net.Conn]struct{}{}}
	c.wait.Go(c.accept)
	return c, nil
}

func (c *cable) addr() string { return c.listener.Addr().String() }

func (c *cable) accept() {
	for {
		near, err := c.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // no more files for a moment
			time.Sleep(10 * time.Millisecond)
			continue
		}
		c.wait.Go(func() { c.carry(near) })
	}
}

// carry joins a connection with one to the target until either ends.
func (c *cable) carry(near net.Conn) {
	if !c.enter(near) {
		return
	}
	defer c.leave(near)
	far, err := net.DialTimeout("tcp", c.target, 5*time.Second)
	if err != nil || !c.enter(far) {
		return
	}
	defer c.leave(far)
	var back sync.WaitGroup
	back.Go(func() { pass(near, far, &c.down) })
	pass(far, near, &c.up)
	back.Wait()
}

// pass moves what comes until either end has gone, and then ends both.
func pass(to, from net.Conn, count *atomic.Int64) {
	defer to.Close()
	defer from.Close()
	buffer := make([]byte, 2<<10)
	for {
		n, err := from.Read(buffer)
		count.Add(int64(n))
		if n > 0 {
			if _, failed := to.Write(buffer[:n]); failed != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func (c *cable) enter(conn net.Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cut {
		_ = conn.Close() // it was never used
		return false
	}
	c.open[conn] = struct{}{}
	return true
}

func (c *cable) leave(conn net.Conn) {
	_ = conn.Close() // it may be closed already
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.open, conn)
}

// set breaks the cable or mends it.
func (c *cable) set(cut bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cut = cut; cut {
		for conn := range c.open {
			_ = conn.Close() // who uses it notices
		}
	}
}

func (c *cable) close() {
	_ = c.listener.Close() // nobody comes any more
	c.set(true)
	c.wait.Wait()
}
