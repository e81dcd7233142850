// Package manyagents is many sites in one process, each with a journal, an uplink, a certificate and a connection of its own: the agent's own
// packages, without plugins, inbox and pages. What sites can share they do: the authority's pool, the text of events, and one line that can
// be cut for all of them.
package manyagents

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dockline/dockline/collector/identity"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Config says which sites there are and where they connect.
type Config struct {
	// Tenant of all; they are First and the N-1 that follow it.
	Tenant   string
	First, N int
	// Broker is host:port, with TLS.
	Broker string
	// Authority signs for them.
	Authority *identity.Authority
	// Dir is an empty folder for their journals.
	Dir string
	// Window is how many envelopes of a site may be unanswered (4: a site of these holds a few packs).
	Window int
	// Heartbeat is the time between two of them (10 s, the agent's).
	Heartbeat time.Duration
	// Event is the n-th event of a site.
	Event func(site string, n uint64) *docklinev1.Event
}

// Agents are such sites at work.
type Agents struct {
	c     Config
	line  *cable
	sites []*site
	stop  context.CancelFunc
	group *errgroup.Group
	ctx   context.Context

	captured atomic.Uint64
}

// Name of the n-th site.
func Name(n int) string { return fmt.Sprintf("site-%05d", n) }

// openTogether is how many journals are opened, or written to, at once: a disk syncs several files in the time of one.
const openTogether = 16

// Open makes keys, certificates and journals. No site connects yet.
func Open(ctx context.Context, c Config) (a *Agents, err error) {
	if c.Window == 0 {
		c.Window = 4
	}
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	a = &Agents{c: c, stop: stop, sites: make([]*site, c.N)}
	a.group, a.ctx = errgroup.WithContext(running)
	defer func() {
		if err != nil {
			err = errors.Join(err, a.Close())
		}
	}()
	if a.line, err = openCable(c.Broker); err != nil {
		return a, err
	}
	pool := c.Authority.Pool()
	return a, together(ctx, c.N, func(i int) (err error) {
		a.sites[i], err = openSite(a, Name(c.First+i), filepath.Join(c.Dir, Name(c.First+i)), pool)
		return err
	})
}

// together calls f for each of n, some at once.
func together(ctx context.Context, n int, f func(i int) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(openTogether)
	for i := range n {
		g.Go(func() error {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return f(i)
		})
	}
	return g.Wait()
}

// Run has the first n sites of these connect, and those that have not yet.
func (a *Agents) Run(n int) {
	for _, s := range a.sites[:min(n, len(a.sites))] {
		if s.running {
			continue
		}
		s.running = true
		a.group.Go(func() error {
			if err := s.uplink.Run(a.ctx); err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			return nil
		})
	}
}

// Cut breaks the line of all, or mends it.
func (a *Agents) Cut(cut bool) { a.line.set(cut) }

// Capture has each site put events into its journal, so many a call, and returns when all of it is synced.
func (a *Agents) Capture(ctx context.Context, events, perCall int) error {
	return together(ctx, len(a.sites), func(i int) error { return a.sites[i].capture(ctx, events, perCall) })
}

// Trickle has one site after the other capture one event, each once within a time.
func (a *Agents) Trickle(ctx context.Context, within time.Duration) error {
	every := time.NewTicker(max(time.Microsecond, within/time.Duration(len(a.sites))))
	defer every.Stop()
	var g errgroup.Group
	for _, s := range a.sites {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-every.C:
		}
		g.Go(func() error { return s.capture(ctx, 1, 1) })
	}
	return g.Wait()
}

// Stats is how all are at a moment.
type Stats struct {
	Sites, Connected, Greeted int
	// Captured events are durable in the journals, of which Held are not acknowledged. Commits are those of the journals.
	Captured, Held, Commits uint64
	// Links were made, Attempts counts those that failed too.
	Links, Attempts uint64
	// Sent counts envelopes, Resent those that went again, Refusals and Forks what the collector had to object.
	Sent, Resent, Refusals, Forks uint64
	// Up and Down are bytes on the line, TLS included.
	Up, Down int64
	// JournalBytes is what the files take. Goroutines are those of this process.
	JournalBytes int64
	Goroutines   int
	// LastRefusal and LastError are of any of them.
	LastRefusal, LastError string
}

// Stats of this moment.
func (a *Agents) Stats() Stats {
	t := Stats{Sites: len(a.sites), Up: a.line.up.Load(), Down: a.line.down.Load(), Captured: a.captured.Load(), Goroutines: runtime.NumGoroutine()}
	for _, s := range a.sites {
		if s == nil {
			continue
		}
		j, u := s.journal.Stats(), s.uplink.Stats()
		t.Held += j.Events
		t.Commits += j.Commits
		t.JournalBytes += j.Bytes
		if u.Connected {
			t.Connected++
		}
		if u.Connected && u.Greeted {
			t.Greeted++
		}
		t.Links += u.Line.Connections
		t.Attempts += u.Line.Connections + u.Line.Failures
		t.Sent, t.Resent, t.Refusals, t.Forks = t.Sent+u.Sent, t.Resent+u.Resent, t.Refusals+u.Refusals, t.Forks+u.Forks
		if u.LastRefusal != "" {
			t.LastRefusal = s.name + ": " + u.LastRefusal
		}
		if !u.Connected && u.Line.LastError != "" {
			t.LastError = s.name + ": " + u.Line.LastError
		}
	}
	return t
}

// Links are the moments since one at which sites got a link.
func (a *Agents) Links(since time.Time) (at []time.Time) {
	for _, s := range a.sites {
		s.mu.Lock()
		for _, t := range s.linked {
			if t.After(since) {
				at = append(at, t)
			}
		}
		s.mu.Unlock()
	}
	return at
}

// Close ends the connections and closes the journals.
func (a *Agents) Close() error {
	a.stop()
	err := a.group.Wait()
	if a.line != nil {
		a.line.close()
	}
	var mu sync.Mutex
	_ = together(context.Background(), len(a.sites), func(i int) error {
		if s := a.sites[i]; s != nil {
			closed := s.journal.Close()
			mu.Lock()
			err = errors.Join(err, closed)
			mu.Unlock()
		}
		return nil
	})
	return err
}
