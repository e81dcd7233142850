package sim

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/dockline/dockline/collector"
	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/eventlog"
	"github.com/dockline/dockline/collector/fleet"
	"github.com/dockline/dockline/collector/ownership"
	"github.com/dockline/dockline/collector/policy"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/wire"
)

// centre is the database and the collectors that share it.
type centre struct {
	world   *world
	path    string
	db      *db.DB
	members []*member
	// quiet says that the database does not fail: nobody works on it but the simulation.
	quiet bool
	// struck says that it has failed since the step at hand began.
	struck bool
	// backup is a copy of the database, "" for none, and when it was made.
	backup string
	// opened counts how often the database was.
	opened   int
	backedUp time.Time
	// backedActs is how many acts of people the copy knows.
	backedActs int64
}

// member is one collector: its stages, which a crash takes, and what is on its way to it.
type member struct {
	name   string
	stages *collector.Stages
	// offered are the messages that the broker has handed over and ingest has not taken.
	offered []wire.Message
	// steps are the stages' steps, in a fixed order.
	steps []step
	// down is until when it is away.
	down time.Time
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
	c := &centre{world: w, path: filepath.Join(w.dir, "centre.db"), quiet: true}
	var err error
	if w.config.Database != "" {
		if c.db, err = db.Open(ctx, w.config.Database); err == nil {
			err = c.db.Migrate(ctx)
		}
	} else {
		c.db, err = openDatabase(ctx, c.path)
	}
	if err != nil {
		return nil, err
	}
	c.adopt()
	for i := range 1 + w.r.IntN(2) {
		c.members = append(c.members, &member{name: strconv.Itoa(i + 1)})
	}
	known := &fleet.Fleet{DB: c.db, Now: w.clock}
	for _, s := range w.sites {
		if _, err := known.AddSite(ctx, fleet.Registration{Tenant: tenant, ID: s.name}); err != nil {
			return nil, err
		}
	}
	return c, c.startAll(ctx)
}

// adopt gives a database that was opened the day's clock, luck and faults.
func (c *centre) adopt() {
	c.opened++
	c.db.Now, c.db.Random, c.db.Fault = c.world.clock, ids(c.world.config.Seed, "centre "+strconv.Itoa(c.opened)), c.fault
}

func (c *centre) startAll(ctx context.Context) error {
	for _, m := range c.members {
		if err := c.start(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

// start wires the stages of a collector as it does that has just been started.
func (c *centre) start(ctx context.Context, m *member) error {
	w := c.world
	was := c.quiet
	c.quiet = true
	defer func() { c.quiet = was }()
	stages, err := collector.NewStages(ctx, collector.Surroundings{DB: c.db, Name: m.name, Tenant: tenant, Policy: w.policy, Publish: c.publish, Up: func() bool { return true },
		Now: w.clock, Random: w.r.Float64, Systems: []collector.SurroundingSystem{
			{Name: w.erp.name, Role: ownership.SystemOfRecord, Connector: w.erp}, {Name: w.crm.name, Role: ownership.CRM, Connector: w.crm}}})
	if err != nil {
		return err
	}
	keys := stages.Filler.Log.Keys
	stages.Filler.Log.Keys = func(e *docklinev1.Event) []eventlog.Touch { return keys(w.marred(e)) }
	stages.Filler.NoAhead, stages.Filler.MaxEvents, stages.Worker.Batch = true, w.batch, w.batch
	stages.Worker.LargeFrom, stages.Worker.Page = w.large, 3
	m.stages, m.offered, m.down = stages, nil, time.Time{}
	m.steps = []step{
		{"ingest", func(ctx context.Context) (bool, error) { return c.ingest(ctx, m) }},
		{"fill", func(ctx context.Context) (bool, error) { return stages.Filler.Round(ctx) }},
		{"sequence", func(ctx context.Context) (bool, error) { n, err := stages.Sequencer.Step(ctx); return n > 0, err }},
		{"fold", func(ctx context.Context) (bool, error) { n, err := stages.Worker.Step(ctx); return n > 0, err }},
		{"fold large", func(ctx context.Context) (bool, error) { n, err := stages.Worker.StepLarge(ctx); return n > 0, err }},
		{"downlink", func(ctx context.Context) (bool, error) { n, err := stages.Downlink.Step(ctx); return n > 0, err }},
		{"escalate", func(ctx context.Context) (bool, error) { n, err := stages.Escalator.Step(ctx); return n > 0, err }},
		{"keep", func(ctx context.Context) (bool, error) { return false, stages.Keeper.Step(ctx) }},
	}
	for i, sender := range stages.Senders {
		m.steps = append(m.steps, step{fmt.Sprint("send ", i), func(ctx context.Context) (bool, error) { n, err := sender.Step(ctx); return n > 0, err }})
	}
	for i, intake := range stages.Intakes {
		m.steps = append(m.steps, step{fmt.Sprint("intake ", i), func(ctx context.Context) (bool, error) { n, err := intake.Step(ctx); return n > 0, err }})
	}
	return stages.Filler.Retry(ctx)
}

// crash ends a collector: what it had in memory, and what was on its way to it, is gone. It is started again at once, or after a while.
func (c *centre) crash(ctx context.Context, m *member) error {
	w := c.world
	w.trace.add(w.now, "centre: collector %s crashes", m.name)
	w.fault(collectorRestarted)
	if err := c.start(ctx, m); err != nil {
		return err
	}
	if w.r.IntN(2) == 0 {
		m.down = w.now.Add(time.Duration(w.r.IntN(120)) * time.Second)
	}
	return nil
}

// hear gives a message to one of the collectors that are there; where none is, it is lost.
func (c *centre) hear(m wire.Message) {
	var there []*member
	for _, one := range c.members {
		if !c.world.now.Before(one.down) {
			there = append(there, one)
		}
	}
	if len(there) > 0 {
		to := there[c.world.r.IntN(len(there))]
		to.offered = append(to.offered, m)
	}
}

// any lets one of the collectors take one step.
func (c *centre) any(ctx context.Context) error {
	w := c.world
	m := c.members[w.r.IntN(len(c.members))]
	if w.now.Before(m.down) {
		return nil
	}
	if w.chance(w.weather.restart) {
		return c.crash(ctx, m)
	}
	_, err := c.run(ctx, m, m.steps[w.r.IntN(len(m.steps))])
	return err
}

// run takes one step of a stage. An error is the stage's own affair where the database or a target has failed meanwhile, since the stage
// comes again; else it is a promise broken.
func (c *centre) run(ctx context.Context, m *member, s step) (bool, error) {
	w := c.world
	c.struck, w.hit = false, false
	before := len(w.trace.lines)
	more, err := s.do(ctx)
	switch {
	case err != nil:
		w.trace.add(w.now, "centre: %s %s: %v", m.name, s.name, err)
	case more || len(w.trace.lines) != before:
		w.trace.add(w.now, "centre: %s %s", m.name, s.name)
	}
	if err != nil && !c.struck && !w.hit && !resting(err) && ctx.Err() == nil {
		return more, &broken{fmt.Sprintf("%s fails although nothing else has: %v", s.name, err)}
	}
	if strings.HasPrefix(s.name, "send") {
		w.once()
		if err := w.verdict(); err != nil {
			return more, err
		}
	}
	if s.name == "fill" || s.name == "fold" {
		return more, c.mar(ctx)
	}
	return more, nil
}

// resting says that a target was not called, because it has failed, or asked for patience, a moment ago.
func resting(err error) bool {
	fault, ok := errors.AsType[*connector.Fault](err)
	return ok && fault.Code == "target_resting"
}

// ingest takes some of what was offered.
func (c *centre) ingest(ctx context.Context, m *member) (bool, error) {
	if len(m.offered) == 0 {
		return false, nil
	}
	n := 1 + c.world.r.IntN(min(len(m.offered), 6))
	answers, err := m.stages.Ingest.Handle(ctx, m.offered[:n])
	if err != nil {
		return true, err // the same are handed in again
	}
	m.offered = m.offered[n:]
	for _, answer := range answers {
		if err := c.publish(ctx, answer); err != nil {
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
