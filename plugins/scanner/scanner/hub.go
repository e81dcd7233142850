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
	// flushWithin is how long the journal may take for what is in flight when the plugin is asked to end.
	flushWithin = 15 * time.Second
	// mostDevices bounds how many readers are known at once.
	mostDevices = 2000
	// streamName is the plugin's one stream.
	streamName = "scans"
)

// handed is an event on its way to the journal, and the reader that waits for it; without a device it only says how far all is told.
type handed struct {
	device *device
	event  *docklinev1.Event
	at     time.Time
	// settled is called when the host has answered; nil where a device waits.
	settled func()
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

	mu      sync.Mutex
	flight  []handed // in the order of their batches
	devices map[string]*device
	reports reports
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

// finish refuses what was not given to the host yet, and waits for the rest.
func (h *hub) finish() error {
	for {
		select {
		case next := <-h.queue:
			next.answer(stored{err: errEnding})
			continue
		default:
		}
		break
	}
	ctx, cancel := context.WithTimeout(context.Background(), flushWithin)
	defer cancel()
	if err := h.out.Flush(ctx); err != nil {
		h.log.Warn("events were sent and not answered", "err", err)
	}
	return nil
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
	if ctx.Err() != nil {
		return nil // run sees it, too
	}
	if errors.Is(err, plugins.ErrTooLarge) {
		return nil
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

// answer never blocks: a reader has one event on its way, and room for its answer.
func (n handed) answer(s stored) {
	if n.device != nil {
		n.device.answered <- s
	}
	if n.settled != nil && s.err == nil {
		n.settled()
	}
}
