package scanner

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/plugins"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

const (
	// throughEvery is how often it is told how far everything has been told; lag is what a reader's goroutine may need until its event is in the queue.
	throughEvery = 30 * time.Second
	lag          = 10 * time.Second
	// finishWithin is how long the journal may take for what people have scanned when the plugin is asked to end: less than a host waits until it kills.
	finishWithin = 8 * time.Second
	// mostDevices bounds how many readers are known at once.
	mostDevices = 2000
	// streamName is the plugin's one stream.
	streamName = "scans"
)

// handed is an event on its way to the journal, and who waits for its answer; without an event it only says how far all is told.
type handed struct {
	event    *docklinev1.Event
	at       time.Time
	answered func(stored)
}

// stored is what became of one.
type stored struct {
	err     error  // it was not given to the host
	refused string // the host keeps it as a dead letter
	warning string
}

// hub hands events of all readers to the host, one after the other, and gives each reader its answer.
type hub struct {
	setup *setup
	out   plugins.Stream
	now   func() time.Time
	log   *slog.Logger
	store *store

	queue chan handed
	// ended is closed when no answer will come any longer.
	ended chan struct{}

	mu       sync.Mutex
	flight   []handed // in the order of their batches
	devices  map[string]*device
	stopping bool           // no further device is made
	busy     sync.WaitGroup // devices; none is added once stopping
	reports  reports
}

func newHub(s *setup, out plugins.Stream, st *store, now func() time.Time, log *slog.Logger) *hub {
	h := &hub{setup: s, out: out, now: now, log: log, store: st, queue: make(chan handed, 2*mostDevices), ended: make(chan struct{}), devices: map[string]*device{}}
	h.reports.init()
	out.OnAck(h.acknowledged)
	return h
}

// run gives what is in the queue to the host until ctx ends, then waits for the answers to what is in flight.
func (h *hub) run(ctx context.Context) error {
	defer close(h.ended)
	tick := time.NewTicker(throughEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return h.finish()
		case next := <-h.queue:
			if err := h.emit(ctx, next); err != nil {
				return err
			}
		case <-tick.C:
			if err := h.emit(ctx, handed{at: h.now()}); err != nil {
				return err
			}
		}
	}
}

// finish gives the host what people have scanned before the stop, and waits for the answers: readers that have theirs end. It does not wait for a host
// that has gone, nor longer than a host waits for it.
func (h *hub) finish() error {
	ctx, cancel := context.WithTimeout(context.Background(), finishWithin)
	defer cancel()
	h.mu.Lock()
	h.stopping = true
	h.mu.Unlock()
	idle := make(chan struct{})
	go func() {
		h.busy.Wait()
		close(idle)
	}()
	err := h.answerAll(ctx, idle)
	if err != nil {
		h.log.Warn("events were not answered before the stop", "err", err)
	}
	for {
		select {
		case next := <-h.queue:
			next.answer(stored{err: errEnding})
		default:
			return nil
		}
	}
}

// answerAll hands events over until idle is closed, ctx ends, or the host has gone.
func (h *hub) answerAll(ctx context.Context, idle <-chan struct{}) error {
	flushed := make(chan error, 1)
	flush := func() { flushed <- h.out.Flush(ctx) }
	go flush()
	for flushing := true; ; {
		select {
		case <-idle:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case err := <-flushed:
			if flushing = false; err != nil {
				return err
			}
		case next := <-h.queue:
			if err := h.emit(ctx, next); err != nil {
				return err
			}
			if !flushing {
				flushing = true
				go flush()
			}
		}
	}
}

var errEnding = errors.New("the agent is stopping")

func (h *hub) emit(ctx context.Context, next handed) error {
	batch := &docklinev1.CaptureBatch{}
	if next.event != nil {
		batch.Events = []*docklinev1.Event{next.event}
	} else {
		batch.CompleteThrough = []*docklinev1.CompleteThrough{{Stream: streamName, Time: timestamppb.New(next.at.Add(-lag)), MovesStock: true}}
	}
	h.mu.Lock()
	h.flight = append(h.flight, next)
	h.mu.Unlock()
	err := h.out.Emit(ctx, batch)
	if err == nil {
		return nil
	}
	h.mu.Lock()
	h.flight = h.flight[:len(h.flight)-1]
	h.mu.Unlock()
	next.answer(stored{err: err})
	if ctx.Err() != nil || errors.Is(err, plugins.ErrTooLarge) {
		return nil // who calls sees it, too
	}
	return err
}

// acknowledged is called for every batch in its order.
func (h *hub) acknowledged(ack *docklinev1.CaptureAck) {
	h.mu.Lock()
	if len(h.flight) == 0 {
		h.mu.Unlock()
		return
	}
	first := h.flight[0]
	h.flight = h.flight[1:]
	h.mu.Unlock()
	var s stored
	if r := ack.GetRefused(); len(r) > 0 {
		s.refused = r[0].GetText()
	}
	if w := ack.GetWarnings(); len(w) > 0 {
		s.warning = w[0].GetText()
	}
	first.answer(s)
}

func (n handed) answer(s stored) {
	if n.answered != nil {
		n.answered(s)
	}
}
