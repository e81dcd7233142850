package testenv

import (
	"io"
	"net"
	"time"
)

// Shape makes a Line as slow as a real one. The zero Shape changes nothing.
type Shape struct {
	// Delay is how long a byte travels one way: half of the round trip.
	Delay time.Duration
	// BytesPerSecond is what each way carries at most, 0 for no bound.
	BytesPerSecond float64
}

// Shape sets what connections made from now on are like.
func (l *Line) Shape(s Shape) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.shape = s
}

// Up counts the bytes that have passed towards the target.
func (l *Line) Up() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.up
}

// onTheWay is how much of one direction may be under way: more than any bandwidth times delay that is of use here, so that the delay
// alone never bounds the rate.
const onTheWay = 4 << 20

// chunk is what was read at once, and when it arrives.
type chunk struct {
	data []byte
	due  time.Time
}

// copy carries one direction until either end breaks.
func (l *Line) copy(to io.Writer, from io.Reader) (int64, error) {
	l.mu.Lock()
	shape := l.shape
	l.mu.Unlock()
	if shape == (Shape{}) {
		return io.Copy(to, from)
	}
	const size = 16 << 10
	queue := make(chan chunk, onTheWay/size)
	stop, broken := make(chan struct{}), make(chan struct{})
	go func() {
		if shape.read(from, size, queue, stop) != io.EOF {
			close(broken)
		}
		close(queue)
	}()
	defer close(stop)
	var n int64
	for c := range queue {
		select {
		case <-time.After(time.Until(c.due)):
		case <-broken: // what was under way is lost with the line
			return n, net.ErrClosed
		}
		written, err := to.Write(c.data)
		n += int64(written)
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// read fills the queue at the shape's rate until from ends, and says how it did.
func (s Shape) read(from io.Reader, size int, queue chan<- chunk, stop <-chan struct{}) error {
	var free time.Time // when the line has carried all that was read before
	for {
		data := make([]byte, size)
		n, err := from.Read(data)
		if n > 0 {
			now := time.Now()
			if free.Before(now) {
				free = now
			}
			if s.BytesPerSecond > 0 {
				free = free.Add(time.Duration(float64(n) / s.BytesPerSecond * float64(time.Second)))
			}
			select {
			case queue <- chunk{data[:n], free.Add(s.Delay)}:
			case <-stop:
				return io.EOF
			}
			// A sender sees a full line: no more is read than it has carried, but for what a router would hold.
			time.Sleep(time.Until(free.Add(-20 * time.Millisecond)))
		}
		if err != nil {
			return err
		}
	}
}
