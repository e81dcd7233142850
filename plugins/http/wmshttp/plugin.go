package wmshttp

import (
	"context"
	_ "embed" // the schema
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/dockline/dockline/plugins"
	"github.com/dockline/dockline/plugins/mapping"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Version is that of the plugin; a release sets it when it links.
var Version = "dev"

//go:embed schema.json
var schema string

// Plugin is Source, Sink, Rewinder and Trier in one.
type Plugin struct {
	// Now gives the time.
	Now func() time.Time
	Log *slog.Logger
	// Bound is told the address that the plugin listens at; nil: nobody.
	Bound func(address string)

	sink *sink
}

// New makes the plugin as it runs under an agent.
func New() *Plugin { return &Plugin{Now: time.Now, Log: plugins.Log()} }

// Describe implements plugins.Described.
func (p *Plugin) Describe() *docklinev1.DescribeResponse {
	return &docklinev1.DescribeResponse{
		Name: "http", Version: Version, ConfigSchema: schema, Rereadable: true,
		Kinds: append(mapping.Kinds(), docklinev1.EventKind_EVENT_KIND_RECORD_REFUSED, docklinev1.EventKind_EVENT_KIND_ERROR_DECLARED),
	}
}

// Check implements plugins.Described. Nobody is asked: a system that is away is no fault of the configuration.
func (p *Plugin) Check(config []byte, _ string) []*docklinev1.ConfigFault {
	_, faults := load(config)
	return faults
}

// Capture implements plugins.Source.
func (p *Plugin) Capture(ctx context.Context, start plugins.Start, out plugins.Stream) error {
	s, err := setupOf(start)
	if err != nil {
		return err
	}
	c, err := newCapture(ctx, s, start, out, p)
	if err != nil {
		return err
	}
	defer c.close()
	return c.run(ctx)
}

// CursorAt implements plugins.Rewinder: what a system that is asked says has changed since then is told again. What was brought cannot be.
func (p *Plugin) CursorAt(_ context.Context, start plugins.Start, since time.Time) (cursor []byte, what string, err error) {
	s, err := setupOf(start)
	if err != nil {
		return nil, "", err
	}
	if len(s.polls) == 0 {
		return nil, "", fmt.Errorf("%w: this plugin only listens, and what was brought to it is with who brought it; have it sent again", plugins.ErrTooEarly)
	}
	cur, err := parseCursor(start.Cursor)
	if err != nil {
		return nil, "", err
	}
	return cur.rewound(since.UTC()).encode(), fmt.Sprintf("what the system says has changed since %s, as it is now; what was brought to this plugin is not told again", since.UTC().Format(time.RFC3339)), nil
}

// Open implements plugins.Sink.
func (p *Plugin) Open(ctx context.Context, start plugins.Start) error {
	s, err := setupOf(start)
	if err != nil {
		return err
	}
	if s.Commands == nil {
		return plugins.ErrIdle
	}
	st, err := openStore(ctx, start.DataDir)
	if err != nil {
		return err
	}
	p.sink = &sink{setup: s, store: st, log: p.Log}
	return nil
}

// Deliver implements plugins.Sink.
func (p *Plugin) Deliver(ctx context.Context, cmd *docklinev1.Command) (*docklinev1.CommandResult, error) {
	return p.sink.deliver(ctx, cmd)
}

// Find implements plugins.Sink.
func (p *Plugin) Find(ctx context.Context, key string) (bool, uint64, error) {
	version, err := p.sink.store.applied(ctx, key)
	return version > 0, version, err
}

func setupOf(start plugins.Start) (*setup, error) {
	s, faults := load(start.Config)
	if len(faults) > 0 {
		return nil, fmt.Errorf("configuration of %s: %s: %s (and %d more faults)", start.ID, faults[0].GetPath(), faults[0].GetText(), len(faults)-1)
	}
	return s, nil
}

// capture is the reading and the listening of one life.
type capture struct {
	setup  *setup
	stream plugins.Stream
	now    func() time.Time
	store  *store
	out    *emitter
	server *server  // nil: it does not listen
	poll   *polling // nil: it does not ask
	// life ends when requests in hand are finished.
	end context.CancelFunc

	mu      sync.Mutex
	reports reports
}

func newCapture(ctx context.Context, s *setup, start plugins.Start, out plugins.Stream, p *Plugin) (*capture, error) {
	c := &capture{setup: s, stream: out, now: p.Now, out: newEmitter(out, p.Now)}
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	c.end = end
	if s.Listen != nil {
		st, err := openStore(ctx, start.DataDir)
		if err != nil {
			return nil, err
		}
		c.store = st
		sweepSpool(start.DataDir, p.Log)
		if err := st.forget(ctx, p.Now().Add(-s.Remember), true); err != nil {
			c.close()
			return nil, err
		}
		c.server = newServer(life, s, start, c.out, st, p.Now, p.Log)
		c.server.bound = p.Bound
	}
	if s.Poll != nil {
		poll, err := newPolling(ctx, s, start, c.out, p.Now, p.Log)
		if err != nil {
			c.close()
			return nil, err
		}
		c.poll = poll
	}
	return c, nil
}

func (c *capture) close() {
	c.end()
	if c.store != nil {
		_ = c.store.close()
	}
	if c.poll != nil {
		_ = c.poll.memory.Close()
	}
}

// run listens and asks until ctx ends, or one of the two cannot go on.
func (c *capture) run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ends := make(chan error, 3)
	running := 0
	begin := func(loop func(context.Context) error) {
		running++
		go func() { ends <- loop(ctx) }()
	}
	if c.server != nil {
		begin(func(ctx context.Context) error { return c.server.run(ctx, c.bound) })
	}
	if c.poll != nil {
		begin(c.ask)
	}
	begin(c.look)
	var first error
	for ; running > 0; running-- {
		if err := <-ends; err != nil && first == nil {
			first = err
		}
		stop()
	}
	return first
}

// ask is the loop around polling's step.
func (c *capture) ask(ctx context.Context) error {
	for {
		wait, err := c.poll.step(ctx)
		if err != nil && ctx.Err() == nil {
			return err
		}
		c.noteStates()
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
	}
}

// forgetSoon is how often what was answered is trimmed.
const forgetSoon = 10 * time.Minute

// look tells now and then how it goes.
func (c *capture) look(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	forgotten := c.now()
	for {
		if err := c.report(); err != nil && ctx.Err() == nil {
			return err
		}
		if c.store != nil && c.now().Sub(forgotten) > forgetSoon {
			forgotten = c.now()
			if err := c.store.forget(ctx, c.now().Add(-c.setup.Remember), false); err != nil && ctx.Err() == nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
