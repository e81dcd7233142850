package host

import (
	"context"
	"io"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

const (
	// rateBurst is for how long a plugin may save up its rate: the first reading of a large table is no flood.
	rateBurst = 500 * time.Second
	// eventBytes is what one event counts for; a larger one counts for several.
	eventBytes = 1 << 10
	// A plugin may write so much a second to its log before it is read more slowly, and statuses at such a rate.
	logBytes, statusRate = 1 << 20, 20
)

// pace is a bucket of tokens that fills at a rate. Its clock is the monotonic one: a step of the wall clock neither gives nor takes.
type pace struct {
	rate, most float64
	level      float64
	filled     time.Time
}

func newPace(rate, burst float64) *pace {
	return &pace{rate: rate, most: burst, level: burst, filled: time.Now()}
}

// take uses n tokens and says how long to wait for them.
func (p *pace) take(n float64) time.Duration {
	now := time.Now()
	p.level = min(p.level+now.Sub(p.filled).Seconds()*p.rate, p.most) - n
	p.filled = now
	if p.level >= 0 {
		return 0
	}
	return time.Duration(-p.level / p.rate * float64(time.Second))
}

// flood holds a plugin that tells without end to its rate, so that it fills neither the journal nor the time of the others. The plugin
// waits for its answers meanwhile; nothing of what it tells is lost.
type flood struct {
	rate int
	told func(slowed bool)
	pace *pace
}

func newFlood(rate int, told func(slowed bool)) *flood {
	if rate <= 0 {
		return nil
	}
	return &flood{rate: rate, told: told, pace: newPace(float64(rate), float64(rate)*rateBurst.Seconds())}
}

// wait returns when events may go on, or either context ends.
func (f *flood) wait(ctx, stopping context.Context, events []*docklinev1.Event) {
	if f == nil || len(events) == 0 {
		return
	}
	// The first and the last stand for all: to size each would cost more than to keep it.
	size := (proto.Size(events[0]) + proto.Size(events[len(events)-1])) / 2
	long := f.pace.take(float64(len(events) * (1 + size/eventBytes)))
	if long == 0 {
		if f.pace.level > f.pace.most/100 { // not at once, or the condition would come and go with every batch
			f.told(false)
		}
		return
	}
	f.told(true)
	pause(ctx, stopping, long)
}

func pause(ctx, stopping context.Context, long time.Duration) {
	timer := time.NewTimer(long)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	case <-stopping.Done():
	}
}

// pacedReader reads a plugin's output no faster than an agent can afford; the plugin that writes more waits in its pipe.
type pacedReader struct {
	io.ReadCloser
	exited <-chan struct{} // a dead plugin's last words are read at once

	mu   sync.Mutex
	pace *pace
}

func newPacedReader(r io.ReadCloser, exited <-chan struct{}) *pacedReader {
	return &pacedReader{ReadCloser: r, exited: exited, pace: newPace(logBytes, 4*logBytes)}
}

func (r *pacedReader) Read(b []byte) (int, error) {
	n, err := r.ReadCloser.Read(b)
	r.mu.Lock()
	long := r.pace.take(float64(n))
	r.mu.Unlock()
	if long > 0 {
		timer := time.NewTimer(long)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.exited:
		}
	}
	return n, err
}
