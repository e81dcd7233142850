package sim

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/dockline/dockline/collector"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/eventlog"
	"github.com/dockline/dockline/collector/fleet"
	"github.com/dockline/dockline/collector/ownership"
	"github.com/dockline/dockline/collector/policy"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/wire"
)

// centre is the collector: its database, and its stages, which a crash takes.
type centre struct {
	world  *world
	db     *db.DB
	stages *collector.Stages
	// offered are the messages that the broker has handed over and ingest has not taken.
	offered []wire.Message
	// steps are the stages' steps by name, in a fixed order.
	steps []step
	// quiet says that the database does not fail: nobody works on it but the simulation.
	quiet bool
	// struck says that it has failed since the step at hand began.
	struck bool
}

// step is one synchronous step of a stage; more says that it found something to do.
type step struct {
	name string
	do   func(ctx context.Context) (more bool, err error)
}

// migrated is an empty database of today's schema: to migrate one takes longer than most days.
var migrated = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp(memory(""), "dockline-sim-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "centre.db")
	d, err := db.Open(context.Background(), "sqlite:"+path)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(d.Migrate(context.Background()), d.Close()); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})

// openDatabase makes a database in dir, without data.
func openDatabase(ctx context.Context, path string) (*db.DB, error) {
	empty, err := migrated()
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(path, empty, 0o600); err != nil {
		return nil, err
	}
	return db.Open(ctx, "sqlite:"+path)
}

func (w *world) newCentre(ctx context.Context) (*centre, error) {
	c := &centre{world: w, quiet: true}
	var err error
	if c.db, err = openDatabase(ctx, filepath.Join(w.dir, "centre.db")); err != nil {
		return nil, err
	}
	c.db.Now, c.db.Random, c.db.Fault = w.clock, ids(w.config.Seed, "centre"), c.fault
	known := &fleet.Fleet{DB: c.db, Now: w.clock}
	for _, s := range w.sites {
		if _, err := known.AddSite(ctx, fleet.Registration{Tenant: tenant, ID: s.name}); err != nil {
			return nil, err
		}
	}
	return c, c.start(ctx)
}

// start wires the stages as a collector does that has just been started.
func (c *centre) start(ctx context.Context) error {
	w := c.world
	was := c.quiet
	c.quiet = true
	defer func() { c.quiet = was }()
	stages, err := collector.NewStages(ctx, collector.Surroundings{DB: c.db, Tenant: tenant, Policy: w.policy, Publish: c.publish, Up: func() bool { return true },
		Now: w.clock, Random: w.r.Float64, Systems: []collector.SurroundingSystem{
			{Name: w.erp.name, Role: ownership.SystemOfRecord, Connector: w.erp}, {Name: w.crm.name, Role: ownership.CRM, Connector: w.crm}}})
	if err != nil {
		return err
	}
	keys := stages.Filler.Log.Keys
	stages.Filler.Log.Keys = func(e *docklinev1.Event) []eventlog.Touch { return keys(w.marred(e)) }
	stages.Filler.NoAhead, stages.Filler.MaxEvents, stages.Worker.Batch = true, w.batch, w.batch
	stages.Worker.LargeFrom, stages.Worker.Page = w.large, 3
	c.stages = stages
	c.steps = []step{
		{"ingest", c.ingest},
		{"fill", func(ctx context.Context) (bool, error) { return stages.Filler.Round(ctx) }},
		{"sequence", func(ctx context.Context) (bool, error) { n, err := stages.Sequencer.Step(ctx); return n > 0, err }},
		{"fold", func(ctx context.Context) (bool, error) { n, err := stages.Worker.Step(ctx); return n > 0, err }},
		{"fold large", func(ctx context.Context) (bool, error) { n, err := stages.Worker.StepLarge(ctx); return n > 0, err }},
		{"downlink", func(ctx context.Context) (bool, error) { n, err := stages.Downlink.Step(ctx); return n > 0, err }},
		{"keep", func(ctx context.Context) (bool, error) { return false, stages.Keeper.Step(ctx) }},
	}
	for i, sender := range stages.Senders {
		c.steps = append(c.steps, step{fmt.Sprint("send ", i), func(ctx context.Context) (bool, error) { n, err := sender.Step(ctx); return n > 0, err }})
	}
	for i, intake := range stages.Intakes {
		c.steps = append(c.steps, step{fmt.Sprint("intake ", i), func(ctx context.Context) (bool, error) { n, err := intake.Step(ctx); return n > 0, err }})
	}
	return stages.Filler.Retry(ctx)
}

// crash ends the collector and starts it again: what it had in memory, and what was on its way to it, is gone.
func (c *centre) crash(ctx context.Context) error {
	c.world.trace.add(c.world.now, "centre: the collector crashes")
	c.world.fault(collectorRestarted)
	c.offered = nil
	return c.start(ctx)
}

// run takes one step of a stage. An error is the stage's own affair where the database or a target has failed meanwhile, since the stage
// comes again; else it is a promise broken.
func (c *centre) run(ctx context.Context, s step) (bool, error) {
	w := c.world
	c.struck, w.hit = false, false
	before := len(w.trace.lines)
	more, err := s.do(ctx)
	switch {
	case err != nil:
		w.trace.add(w.now, "centre: %s: %v", s.name, err)
	case more || len(w.trace.lines) != before:
		w.trace.add(w.now, "centre: %s", s.name)
	}
	if err != nil && !c.struck && !w.hit {
		return more, &broken{fmt.Sprintf("%s fails although nothing else has: %v", s.name, err)}
	}
	if s.name == "fill" || s.name == "fold" {
		return more, c.mar(ctx)
	}
	return more, nil
}

// ingest takes some of what was offered.
func (c *centre) ingest(ctx context.Context) (bool, error) {
	if len(c.offered) == 0 {
		return false, nil
	}
	n := 1 + c.world.r.IntN(min(len(c.offered), 6))
	answers, err := c.stages.Ingest.Handle(ctx, c.offered[:n])
	if err != nil {
		return true, err // the same are handed in again
	}
	c.offered = c.offered[n:]
	for _, m := range answers {
		if err := c.publish(ctx, m); err != nil {
			return true, err
		}
	}
	return true, nil
}

// publish gives a message to the broker.
func (c *centre) publish(_ context.Context, m wire.Message) error {
	topic, err := wire.ParseTopic(m.Topic)
	if err != nil {
		return err
	}
	for _, s := range c.world.sites {
		if s.name == topic.Site {
			c.world.carry(s, true, m)
		}
	}
	return nil
}

var errDatabase = errors.New("the disk of the database fails")

// fault is the database: a transaction does not begin, does not commit, or commits and the word of it is lost.
func (c *centre) fault(point string, write bool) error {
	w := c.world
	if c.quiet || !w.chance(w.weather.database/2) {
		return nil
	}
	c.struck = true
	w.fault("database fails at " + point)
	w.trace.add(w.now, "centre: the database fails at %s", point)
	return errDatabase
}

// quietly does the simulation's own work on the database.
func (c *centre) quietly(f func() error) error {
	was := c.quiet
	c.quiet = true
	defer func() { c.quiet = was }()
	return f()
}

func defaultPolicy() (*policy.Policy, error) {
	return policy.Default().WithTargets([]policy.Target{{Name: "erp", Role: ownership.SystemOfRecord}, {Name: "crm", Role: ownership.CRM}})
}
