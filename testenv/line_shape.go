package testenv

import (
	"net"
	"time"
)

const (
	// lineChunk is what passes a line at once; on a slow one it is what passes in lineTick.
	lineChunk = 32 << 10
	lineTick  = 50 * time.Millisecond
	// lineQueue bounds the chunks on their way along a long line.
	lineQueue = 256
)

// shape is how fast and how long a line is; zero is as this machine.
type shape struct {
	bytesPerSecond int
	latency        time.Duration
}

// parcel is a chunk on its way.
type parcel struct {
	data []byte
	due  time.Time
}

// Shape gives the line a rate in kbit/s for each direction, over all connections together, and a time that everything takes
// each way; 0 takes either away again. A slow line takes from a sender what it has carried; the system's own buffers lie before that, as a modem's do.
func (l *Line) Shape(kbits int, latency time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.shape = shape{bytesPerSecond: kbits * 1000 / 8, latency: latency}
}

// pump carries one direction of a connection until it breaks.
func (l *Line) pump(to, from net.Conn, w way) {
	queue := make(chan parcel, lineQueue)
	go func() {
		defer close(queue)
		for {
			data, err := l.receive(from, w)
			if err != nil {
				return
			}
			queue <- parcel{data, l.carriedAt(w, len(data))}
		}
	}()
	for p := range queue {
		wait(p.due)
		if _, err := to.Write(p.data); err != nil {
			_ = from.Close()
			for range queue { // the reader must not stay behind
			}
			return
		}
	}
}

// receive reads the next chunk; what arrives on a held line waits, and on a cut one is lost.
func (l *Line) receive(from net.Conn, w way) ([]byte, error) {
	l.mu.Lock()
	size := lineChunk
	if rate := l.shape.bytesPerSecond; rate > 0 {
		size = min(size, max(256, rate*int(lineTick/time.Millisecond)/1000))
	}
	l.mu.Unlock()
	buffer := make([]byte, size)
	n, err := from.Read(buffer)
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.held[w] && !l.cut {
		l.moved.Wait()
	}
	if l.cut {
		return nil, net.ErrClosed
	}
	l.bytes[w] += int64(n)
	if n > 0 {
		err = nil // it comes again
	}
	return buffer[:n], err
}

// carriedAt waits until n bytes have left one end and says when they arrive at the other.
func (l *Line) carriedAt(w way, n int) time.Time {
	l.mu.Lock()
	now := time.Now()
	left := l.free[w]
	if left.Before(now) {
		left = now
	}
	if rate := l.shape.bytesPerSecond; rate > 0 {
		left = left.Add(time.Duration(n) * time.Second / time.Duration(rate))
	}
	l.free[w] = left
	arrives := left.Add(l.shape.latency)
	l.mu.Unlock()
	wait(left)
	return arrives
}

func wait(until time.Time) {
	if d := time.Until(until); d > 0 {
		time.Sleep(d)
	}
}
