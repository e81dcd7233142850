package scanner

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

const (
	// A reader that cannot be reached is called again after retryMin, then ever later up to retryMax.
	retryMin, retryMax = 500 * time.Millisecond, 30 * time.Second
	dialWithin         = 10 * time.Second
)

// runTCP calls a reader again and again, or waits for readers to call.
func (h *hub) runTCP(ctx context.Context, group *sync.WaitGroup, in *Input) error {
	if in.TCP.Listen != "" {
		return h.listen(ctx, group, in)
	}
	d := h.find(ctx, group, in, in.ID)
	return h.again(ctx, in, func() error {
		dialer := net.Dialer{Timeout: dialWithin, KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 3}}
		conn, err := dialer.DialContext(ctx, "tcp", in.TCP.Connect)
		if err != nil {
			return err
		}
		h.reports.reached(in.ID, nil)
		return h.talk(ctx, d, in, conn)
	})
}

// again opens a line anew whenever it breaks.
func (h *hub) again(ctx context.Context, in *Input, open func() error) error {
	for pause := retryMin; ctx.Err() == nil; pause = min(2*pause, retryMax) {
		began := time.Now()
		err := open()
		if ctx.Err() != nil {
			return nil
		}
		if err == nil || errors.Is(err, io.EOF) {
			err = errors.New("it has hung up")
		}
		h.reports.reached(in.ID, err)
		if time.Since(began) > retryMax {
			pause = retryMin
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
	}
	return nil
}

// listen takes readers that call.
func (h *hub) listen(ctx context.Context, group *sync.WaitGroup, in *Input) error {
	return h.again(ctx, in, func() error {
		listener, err := (&net.ListenConfig{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 3}}).Listen(ctx, "tcp", in.TCP.Listen)
		if err != nil {
			return err
		}
		defer context.AfterFunc(ctx, func() { _ = listener.Close() })()
		defer func() { _ = listener.Close() }()
		h.reports.reached(in.ID, nil)
		h.reports.listens(in.ID, listener.Addr().String())
		h.log.Info("readers may call", "input", in.ID, "address", listener.Addr().String())
		callers := &callers{lines: map[string]net.Conn{}, most: in.TCP.Most}
		for {
			conn, err := listener.Accept()
			if err != nil {
				return err
			}
			h.called(ctx, group, in, callers, conn)
		}
	})
}

// callers are the connections of one input, by reader.
type callers struct {
	mu    sync.Mutex
	lines map[string]net.Conn
	most  int
}

// join enters a connection. A reader that was there before is cut off: it lost its radio and calls again. false: there are too many.
func (c *callers) join(id string, conn net.Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if former := c.lines[id]; former != nil {
		_ = former.Close()
	} else if len(c.lines) >= c.most {
		return false
	}
	c.lines[id] = conn
	return true
}

func (c *callers) leave(id string, conn net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lines[id] == conn {
		delete(c.lines, id)
	}
}

func (h *hub) called(ctx context.Context, group *sync.WaitGroup, in *Input, callers *callers, conn net.Conn) {
	id := in.ID + "@" + conn.RemoteAddr().String()
	if in.TCP.TellApart == byAddress {
		host, _, _ := net.SplitHostPort(conn.RemoteAddr().String())
		id = in.ID + "@" + host
	}
	if !callers.join(id, conn) {
		h.reports.crowded(h.now(), in.ID)
		_ = conn.Close()
		return
	}
	d := h.find(ctx, group, in, id)
	if d == nil {
		if ctx.Err() == nil {
			h.reports.crowded(h.now(), in.ID)
		}
		callers.leave(id, conn)
		_ = conn.Close()
		return
	}
	group.Go(func() {
		defer h.release(d)
		defer callers.leave(id, conn)
		_ = h.talk(ctx, d, in, conn)
	})
}

// talk reads scans from a line and writes feedback to it, until the line breaks or ctx ends.
func (h *hub) talk(ctx context.Context, d *device, in *Input, line io.ReadWriteCloser) error {
	t := newTeller(line, func() {
		h.reports.slow(h.now(), d.id)
		_ = line.Close()
	})
	d.attach(t, true)
	stop := context.AfterFunc(ctx, func() {
		<-d.finished // the last answers have come
		t.close()
		_ = line.Close()
	})
	defer func() {
		d.detach(t)
		if stop() {
			t.close()
			_ = line.Close()
		}
	}()
	return h.readScans(ctx, d, in, line)
}

func (h *hub) readScans(ctx context.Context, d *device, in *Input, line io.Reader) error {
	f := newFramer(in.Frame)
	buffer := make([]byte, 4096)
	for {
		n, err := line.Read(buffer)
		f.feed(h.now(), buffer[:n], func(scan []byte) { d.offer(ctx, scan) })
		if err != nil {
			f.reset()
		}
		h.reports.garbage(h.now(), in.ID, f.garbage)
		f.garbage = 0
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			return nil
		}
	}
}
