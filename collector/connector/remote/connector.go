package remote

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/dockline/dockline/collector/connector"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Connector is a program that runs beside the collector. It is started anew, after a while, by the first call after its end.
type Connector struct {
	settings Settings
	log      *slog.Logger
	declaration
	name   string
	settle time.Duration
	master []docklinev1.MasterKind
	told   []docklinev1.MasterKind

	mu        sync.Mutex
	run       *run          // nil while it does not run
	starting  chan struct{} // closed when the start that is under way has ended; nil where none is
	failures  int           // in a row
	failure   string        // of the last run or start
	notBefore time.Time     // of the next start
	stopped   bool
	stats     Stats
}

// Stats says how the program does. Pid is 0 while it does not run.
type Stats struct {
	Program string
	Pid     int
	Starts  int
	// Failure is how it last ended, or why it did not start; "" for never.
	Failure string
}

// CodeDown is the code of a call that was not made because the program does not run.
const CodeDown = "program_down"

// steady is for how long a program must run to be started again quickly after its end.
const steady = time.Minute

// New starts the program, holds its configuration against its schema, and gives it to it. What is wrong with it is an error that names the program
// and the field. The caller closes the connector.
func New(ctx context.Context, s Settings, log *slog.Logger) (*Connector, error) {
	c := &Connector{settings: s, log: log.With("connector", s.Name)}
	r, d, err := c.launch(ctx)
	if err != nil {
		return nil, err
	}
	c.declaration, c.name, c.run = d, r.name, r
	c.settle, c.master, c.told = r.told.GetSettleTime().AsDuration(), r.told.GetMasterKinds(), r.told.GetToldKinds()
	return c, nil
}

// launch starts the program and opens it; it leaves no process behind where that fails.
func (c *Connector) launch(ctx context.Context) (*run, declaration, error) {
	r, err := start(ctx, c.settings, c.log)
	if err != nil {
		return nil, declaration{}, err
	}
	opening, cancel := context.WithTimeout(ctx, c.settings.StartTimeout)
	defer cancel()
	if err = r.open(opening, c.settings); err == nil {
		var d declaration
		if d, err = declarationOf(r.name, r.told); err == nil {
			c.log.Info("the connector's program runs", "program", r.name, "pid", r.process.Pid())
			c.mu.Lock()
			c.stats.Starts++
			c.mu.Unlock()
			return r, d, nil
		}
	}
	r.stop()
	return nil, declaration{}, err
}

// Close ends the program and waits until it is gone.
func (c *Connector) Close() error {
	c.mu.Lock()
	c.stopped = true
	starting := c.starting
	c.mu.Unlock()
	if starting != nil {
		<-starting // what it has started it ends
	}
	c.mu.Lock()
	r := c.run
	c.run = nil
	c.mu.Unlock()
	if r != nil {
		r.stop()
	}
	return nil
}

// Stats is a copy.
func (c *Connector) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.stats
	s.Program, s.Failure = c.name, c.failure
	if c.run != nil && !c.run.process.Gone() {
		s.Pid = c.run.process.Pid()
	}
	return s
}

// ready is the program's present run. It is started where it does not run and it is time for that. The error is a *Fault; nothing was sent.
func (c *Connector) ready(ctx context.Context) (*run, error) {
	for {
		r, starting, err := c.present()
		if err != nil {
			return nil, err
		}
		if r != nil {
			if !r.silent.Load() {
				return r, nil
			}
			c.look(ctx, r)
			if ctx.Err() != nil {
				return nil, c.down(ctx.Err().Error())
			}
			continue
		}
		select {
		case <-starting:
		case <-ctx.Done():
			return nil, c.down("it is being started")
		}
	}
}

// present is the run that there is, or the start that is under way, or why there is neither.
func (c *Connector) present() (*run, <-chan struct{}, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped {
		f := c.down("the collector is stopping")
		f.Unasked = true
		return nil, nil, f
	}
	if c.run != nil && c.run.process.Gone() {
		c.fell(c.run, "it ended")
	}
	switch {
	case c.run != nil:
		return c.run, nil, nil
	case c.starting != nil:
		return nil, c.starting, nil
	case time.Now().Before(c.notBefore):
		return nil, nil, c.down(fmt.Sprintf("%s; it is started again at %s UTC", c.failure, c.notBefore.UTC().Format(time.TimeOnly)))
	}
	c.starting = make(chan struct{})
	go c.again(c.starting)
	return nil, c.starting, nil
}

func (c *Connector) down(why string) *connector.Fault {
	return &connector.Fault{Class: docklinev1.FaultClass_FAULT_CLASS_TECHNICAL, Code: CodeDown, Text: "program " + c.name + " does not run: " + why,
		Remedy: "It is started again by itself. Look at its last words in the log where it ends over and over."}
}

// fell notes the end of a run; the lock is held.
func (c *Connector) fell(r *run, how string) {
	if c.run != r {
		return
	}
	c.run = nil
	if time.Since(r.began) >= steady {
		c.failures = 0
	}
	r.unpace()
	if r.process.Gone() {
		how += " (" + r.ended() + ")"
	}
	if words := r.log.lastWords(); words != "" {
		how += "; its last words: " + words
	}
	c.failed(how)
	go r.stop() // what is left of it: pipes and the socket's folder
}

// failed notes that it does not run, and when it is started again; the lock is held.
func (c *Connector) failed(why string) {
	first, longest := cmp.Or(c.settings.BackoffFirst, time.Second), cmp.Or(c.settings.BackoffLongest, time.Minute)
	wait := first
	for range min(c.failures, 20) {
		wait = min(2*wait, longest)
	}
	c.failures++
	c.failure, c.notBefore = why, time.Now().Add(wait)
	c.log.Warn("the connector's program does not run; it is started again", "program", c.name, "why", why, "after", wait)
}

// again starts the program once more.
func (c *Connector) again(done chan struct{}) {
	r, d, err := c.launch(context.Background())
	if err == nil {
		if text := c.differs(d); text != "" {
			err = errors.New("it is another program now: " + text + "; restart the collector to take that up")
			r.stop()
		}
	}
	c.mu.Lock()
	c.starting = nil
	stopped := c.stopped
	switch {
	case err != nil:
		c.failed(err.Error())
	case !stopped:
		c.run = r
	}
	c.mu.Unlock()
	if err == nil && stopped {
		r.stop()
	}
	close(done)
}

// look asks a silent program for a sign of life, and ends one that gives none.
func (c *Connector) look(ctx context.Context, r *run) {
	lives := r.lives(ctx)
	if !lives && ctx.Err() != nil {
		return // we had no time to wait for it
	}
	r.silent.Store(false)
	if lives {
		return
	}
	r.process.End()
	<-r.process.Exited()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fell(r, "it hung, and was ended")
}

// with makes a call of the program as it runs now.
func with[T any](ctx context.Context, c *Connector, call func(*run) (T, error)) (T, error) {
	var none T
	r, err := c.ready(ctx)
	if err != nil {
		return none, err
	}
	out, err := call(r)
	if f, ok := errors.AsType[*connector.Fault](err); ok {
		switch {
		case f.Code == CodeTimeout && errors.Is(f.Err, context.DeadlineExceeded):
			r.silent.Store(true)
		case f.Code == CodeEnded:
			r.silent.Store(true) // where it is there all the same, it answers nobody
			r.fallen(ctx)
			f.Err = r.describeEnd(f.Err)
		}
	}
	return out, err
}

// Probe, as all that follow, asks the system through the program.
func (c *Connector) Probe(ctx context.Context) (connector.Metadata, error) {
	return with(ctx, c, func(r *run) (connector.Metadata, error) { return r.Probe(ctx) })
}

// Kinds are those that the program declared.
func (c *Connector) Kinds() map[connector.Kind]connector.Style { return maps.Clone(c.kinds) }

// SettleTime is what the program declared.
func (c *Connector) SettleTime() time.Duration { return c.settle }

// Find asks the system.
func (c *Connector) Find(ctx context.Context, p *connector.Posting) ([]connector.Found, error) {
	return with(ctx, c, func(r *run) ([]connector.Found, error) { return r.Find(ctx, p) })
}

// Apply has an unknown outcome where the program ends or does not answer.
func (c *Connector) Apply(ctx context.Context, p *connector.Posting) (connector.Result, error) {
	return with(ctx, c, func(r *run) (connector.Result, error) { return r.Apply(ctx, p) })
}

// Changes asks the system.
func (c *Connector) Changes(ctx context.Context, since connector.Cursor) (connector.Changes, error) {
	return with(ctx, c, func(r *run) (connector.Changes, error) { return r.Changes(ctx, since) })
}

// Snapshot asks the system.
func (c *Connector) Snapshot(ctx context.Context, scope connector.Scope) ([]*docklinev1.Event, error) {
	return with(ctx, c, func(r *run) ([]*docklinev1.Event, error) { return r.Snapshot(ctx, scope) })
}

// Lists are those that the program declared.
func (c *Connector) Lists() []connector.Kind { return slices.Clone(c.lists) }

// List asks the system.
func (c *Connector) List(ctx context.Context, l connector.Listing) (connector.ListedPage, error) {
	return with(ctx, c, func(r *run) (connector.ListedPage, error) { return r.List(ctx, l) })
}

// Records are those that the program declared.
func (c *Connector) Records() []connector.Kind { return slices.Clone(c.records) }

// ListRecords asks the system.
func (c *Connector) ListRecords(ctx context.Context, l connector.Listing) (connector.ListedPage, error) {
	return with(ctx, c, func(r *run) (connector.ListedPage, error) { return r.ListRecords(ctx, l) })
}

// MasterKinds are those that the program declared.
func (c *Connector) MasterKinds() []docklinev1.MasterKind { return slices.Clone(c.master) }

// Master asks the system.
func (c *Connector) Master(ctx context.Context, kind docklinev1.MasterKind, since connector.Cursor) (connector.MasterPage, error) {
	return with(ctx, c, func(r *run) (connector.MasterPage, error) { return r.Master(ctx, kind, since) })
}

// ToldKinds are those that the program declared.
func (c *Connector) ToldKinds() []docklinev1.MasterKind { return slices.Clone(c.told) }

// Tell asks the system to take master data.
func (c *Connector) Tell(ctx context.Context, kind docklinev1.MasterKind, records []*docklinev1.MasterRecord) ([]connector.RefusedRecord, error) {
	return with(ctx, c, func(r *run) ([]connector.RefusedRecord, error) { return r.Tell(ctx, kind, records) })
}
