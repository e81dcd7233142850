// Package sim is Dockline's whole road in one process and one goroutine: real journals, uplinks and inboxes of several sites, the real
// stages of a collector on SQLite, and an ERP and a CRM in memory, over lines, disks, clocks and people that a seed makes up. The same
// seed gives the same day, to the byte. DESIGN.md says what is real, what is checked, and what cannot be found here.
package sim

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"time"
)

// Config is one simulated day.
type Config struct {
	Seed uint64
	// Dir is where the day's folders are made; "" is memory where the system has a folder in memory.
	Dir string
	// Plant is a mistake to be found; "" is none.
	Plant Plant
	// Again is how often a settled day is told once more, whole, to see that nothing comes of it.
	Again int
	// Database is the URL of an empty PostgreSQL database for the centre; "" is an SQLite of its own. One that is named is never put back.
	Database string
	// Trace gets every line of the trace; nil is nobody.
	Trace io.Writer
}

// Result is what a day came to.
type Result struct {
	Seed uint64
	// Hash is that of the whole trace.
	Hash string
	// Steps are the scheduler's, Orders those that the ERP accepted, Events those that the log has of sites.
	Steps, Orders, Events int
	// Faults counts what was done to the world, by name.
	Faults map[string]int
	// Broken are the promises that did not hold, one sentence each; none is a good day.
	Broken []string
	// Tail are the last lines of the trace.
	Tail []string
}

// broken is how a step says that a promise does not hold.
type broken struct{ text string }

func (b *broken) Error() string { return b.text }

// Run simulates one day. The error is the simulation's own; a promise of the product that does not hold is in the result.
func Run(ctx context.Context, c Config) (r *Result, err error) {
	dir, err := os.MkdirTemp(memory(c.Dir), "dockline-sim-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	w, err := newWorld(ctx, c, dir)
	if err != nil {
		return nil, fmt.Errorf("seed %d: %w", c.Seed, err)
	}
	defer func() { err = errors.Join(err, w.close()) }()
	failed := w.day(ctx)
	if failed == nil {
		failed = w.settle(ctx)
	}
	if failed == nil {
		failed = w.checkWhole(ctx)
	}
	if failed == nil && c.Again > 0 {
		failed = w.again(ctx)
	}
	if failed == nil {
		failed = w.later(ctx)
	}
	r = &Result{Seed: c.Seed, Steps: w.steps, Orders: len(w.office.orders), Events: w.logged, Faults: w.faults, Broken: w.broken}
	if b, ok := errors.AsType[*broken](failed); ok {
		r.Broken = append(r.Broken, b.text)
	} else if failed != nil {
		return nil, fmt.Errorf("seed %d after %d steps: %w\n%s", c.Seed, w.steps, failed, strings.Join(w.trace.last(), "\n"))
	}
	for _, text := range r.Broken {
		w.trace.add(w.now, "broken: %s", text)
	}
	r.Hash, r.Tail = w.trace.hash(), w.trace.last()
	return r, nil
}

// memory is a folder whose syncs cost nothing: what a power cut leaves of a real disk is tested elsewhere.
func memory(dir string) string {
	if dir != "" {
		return dir
	}
	if info, err := os.Stat("/dev/shm"); err == nil && info.IsDir() {
		return "/dev/shm"
	}
	return ""
}

// stream makes a source of chance of its own for each user, so that one who asks more often does not change the luck of others.
func stream(seed uint64, user string) *rand.Rand {
	return rand.New(rand.NewChaCha8(key(seed, user)))
}

// ids is a source of random bytes.
func ids(seed uint64, user string) io.Reader { return rand.NewChaCha8(key(seed, user)) }

func key(seed uint64, user string) (k [32]byte) {
	copy(k[:], fmt.Sprintf("%016x%s", seed, user))
	return k
}

// morning is when every day begins.
var morning = time.Date(2026, 5, 4, 6, 0, 0, 0, time.UTC)
