package sandbox

import (
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Mode is one way in which a request may fail.
type Mode string

const (
	// Fine is no fault.
	Fine Mode = ""
	// ErrorBefore answers 500 and does nothing.
	ErrorBefore Mode = "error_before"
	// LostAnswer does what was asked and closes the connection without an answer.
	LostAnswer Mode = "lost_answer"
	// TimeoutBefore does nothing and does not answer.
	TimeoutBefore Mode = "timeout_before"
	// TimeoutAfter does what was asked and does not answer.
	TimeoutAfter Mode = "timeout_after"
	// Busy answers 503 with Retry-After and does nothing.
	Busy Mode = "busy"
)

var modes = []Mode{ErrorBefore, LostAnswer, TimeoutBefore, TimeoutAfter, Busy}

// Faults says how often and how a sandbox fails.
type Faults struct {
	// Rate is the share of requests that fail, 0 to 1, spread evenly over the modes.
	Rate float64 `json:"rate"`
	// Modes limits the modes; empty is all.
	Modes []Mode `json:"modes,omitempty"`
	// Latency is what every answer takes at least.
	Latency time.Duration `json:"latency"`
	// Hang is how long a request that times out is held before its connection is closed; 0 is 30 s.
	Hang time.Duration `json:"hang"`
	// RetryAfter is what a busy sandbox asks for, whole seconds; 0 is 1 s.
	RetryAfter time.Duration `json:"retry_after"`
}

// OperatorHeader marks a request of a person at the sandbox's own screen, or of a check: it meets no faults.
const OperatorHeader = "X-Sandbox-Operator"

// Injector decides for each request whether and how it fails. The same seed and the same order of requests give the same faults.
type Injector struct {
	mu     sync.Mutex
	random *rand.Rand
	faults Faults
	queue  []Mode
	counts map[Mode]int

	switches switches
}

// NewInjector starts with these faults.
func NewInjector(seed uint64, f Faults) *Injector {
	return &Injector{random: rand.New(rand.NewPCG(seed, 0xfa17)), faults: f, counts: map[Mode]int{}}
}

// Set changes the faults from the next request on.
func (i *Injector) Set(f Faults) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.faults = f
}

// Faults returns the faults in force.
func (i *Injector) Faults() Faults {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.faults
}

// Next forces the modes of the next requests that write (not GET), in this order, before the rate is asked again.
func (i *Injector) Next(modes ...Mode) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.queue = append(i.queue, modes...)
}

// Forget takes back what Next forced and has not come yet, and says how many that were.
func (i *Injector) Forget() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	left := len(i.queue)
	i.queue = nil
	return left
}

// Counts says how many requests met each mode, those without a fault under Fine.
func (i *Injector) Counts() map[Mode]int {
	i.mu.Lock()
	defer i.mu.Unlock()
	counts := make(map[Mode]int, len(i.counts))
	for m, n := range i.counts {
		counts[m] = n
	}
	return counts
}

func (i *Injector) decide(r *http.Request) (Mode, Faults) {
	i.mu.Lock()
	defer i.mu.Unlock()
	mode := Fine
	switch {
	case r.Header.Get(OperatorHeader) != "":
	case len(i.queue) > 0 && r.Method != http.MethodGet:
		mode, i.queue = i.queue[0], i.queue[1:]
	case i.random.Float64() < i.faults.Rate:
		from := i.faults.Modes
		if len(from) == 0 {
			from = modes
		}
		mode = from[i.random.IntN(len(from))]
	}
	i.counts[mode]++
	return mode, i.faults
}

type faultKey struct{}

// FaultOf is the fault that the request of this context meets, for the journal of calls.
func FaultOf(ctx context.Context) Mode {
	mode, _ := ctx.Value(faultKey{}).(Mode)
	return mode
}

// Wrap lets requests below /api/ fail; others pass.
func (i *Injector) Wrap(next http.Handler) http.Handler {
	failing := i.Fail(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, "/api/") {
			next.ServeHTTP(w, r)
			return
		}
		failing.ServeHTTP(w, r)
	})
}

// Fail lets every request fail as the faults in force say.
func (i *Injector) Fail(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mode, faults := i.decide(r)
		if faults.Latency > 0 && r.Header.Get(OperatorHeader) == "" {
			hold(r, faults.Latency)
		}
		switch mode {
		case Fine:
			i.serve(next, w, r)
		case ErrorBefore:
			WriteError(w, http.StatusInternalServerError, "internal", "the database connection was lost")
		case Busy:
			w.Header().Set("Retry-After", strconv.Itoa(max(1, int(faults.RetryAfter/time.Second))))
			WriteError(w, http.StatusServiceUnavailable, "busy", "too much to do, come again")
		case TimeoutBefore:
			_, _ = io.Copy(io.Discard, r.Body) // only a request that was read whole tells when its client goes away
			hang(r, faults)
		case LostAnswer, TimeoutAfter:
			next.ServeHTTP(&discard{header: http.Header{}}, r.WithContext(context.WithValue(r.Context(), faultKey{}, mode)))
			if mode == TimeoutAfter {
				hang(r, faults)
			}
			panic(http.ErrAbortHandler)
		}
	})
}

// hang holds the request until its client has gone or the limit is reached, and ends it without an answer.
func hang(r *http.Request, f Faults) {
	limit := f.Hang
	if limit == 0 {
		limit = 30 * time.Second
	}
	hold(r, limit)
	panic(http.ErrAbortHandler)
}

func hold(r *http.Request, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.Context().Done():
	}
}

// discard takes an answer that nobody will hear.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }
func (d *discard) WriteHeader(int)             {}
