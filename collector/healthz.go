package collector

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"
)

const (
	// askAgain is how long an answer holds, so that who asks often does not make the database work.
	askAgain = 5 * time.Second
	// longestAnswer is what a database may take to be called well.
	longestAnswer = 5 * time.Second
)

// healthz answers 200 while the database takes writes, else 503: a collector that only listens is not a healthy one. It tells
// strangers no more than that.
type healthz struct {
	well func(context.Context) error
	log  *slog.Logger

	mu  sync.Mutex
	at  time.Time
	err error
}

func (h *healthz) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	if h.ask() != nil {
		http.Error(w, "the database takes no writes; the collector's log says why", http.StatusServiceUnavailable)
		return
	}
	_, _ = w.Write([]byte("ok\n")) // who hung up does not want it
}

// ask asks the database, for all who want to know at that moment.
func (h *healthz) ask() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.at.IsZero() && time.Since(h.at) < askAgain {
		return h.err
	}
	ctx, cancel := context.WithTimeout(context.Background(), longestAnswer)
	defer cancel()
	if h.err = h.well(ctx); h.err != nil {
		h.log.Error("not healthy", "err", h.err)
	}
	h.at = time.Now()
	return h.err
}
