package collector

import (
	"cmp"
	"context"
	"log/slog"
	"time"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/downlink"
	"github.com/dockline/dockline/collector/eventlog"
	"github.com/dockline/dockline/collector/exception"
	"github.com/dockline/dockline/collector/fleet"
	"github.com/dockline/dockline/collector/ingest"
	"github.com/dockline/dockline/collector/master"
	"github.com/dockline/dockline/collector/ownership"
	"github.com/dockline/dockline/collector/policy"
	"github.com/dockline/dockline/collector/posting"
	"github.com/dockline/dockline/collector/rebuild"
	"github.com/dockline/dockline/collector/reconcile"
	"github.com/dockline/dockline/collector/sweep"
	"github.com/dockline/dockline/proto/wire"
)

// Surroundings are what the stages of a centre meet, in the hand of whoever makes them up.
type Surroundings struct {
	DB *db.DB
	// Name is the collector's, by which it holds leases; "" is Name.
	Name   string
	Tenant string
	Policy *policy.Policy
	// PolicyApproval is policy.approval of the configuration.
	PolicyApproval string
	// SweepHeals is sweep.heal of the configuration.
	SweepHeals bool
	Systems    []SurroundingSystem
	// Publish sends one message to a site, Up says whether there is a line to the broker.
	Publish func(ctx context.Context, m wire.Message) error
	Up      func() bool
	Now     func() time.Time
	// Random is the jitter of retries, in [0, 1).
	Random func() float64
	// Log may be nil.
	Log *slog.Logger
}

// SurroundingSystem is one system that is told things.
type SurroundingSystem struct {
	Name      string
	Role      ownership.Role
	Connector connector.Connector
}

// Stages are those of one collector, wired as Run wires them, for who steps them himself: no loop runs, no broker and no page listens.
type Stages struct {
	Ingest    *ingest.Ingest
	Filler    *eventlog.Filler
	Sequencer *eventlog.Sequencer
	Worker    *reconcile.Worker
	Senders   []*posting.Sender
	Intakes   []*connector.Intake
	Downlink  *downlink.Downlink
	Master    *master.Feed
	Keeper    *fleet.Keeper
	// TakeUp looks whether another version of the policy is in force, and takes it up.
	TakeUp    func(context.Context) error
	Escalator *exception.Escalator
	// Sweep compares the targets with what they should hold.
	Sweep        *sweep.Sweep
	SweepTargets func() []*sweep.Target
	// Rebuild holds what is derived against the event log. It reports to nobody.
	Rebuild *rebuild.Rebuild
}

// NewStages wires them, as a collector does that has just been started.
func NewStages(ctx context.Context, s Surroundings) (*Stages, error) {
	if s.Log == nil {
		s.Log = slog.New(slog.DiscardHandler)
	}
	m := &Collector{config: &Config{Policy: PolicyConfig{Approval: s.PolicyApproval}, Sweep: SweepConfig{Heal: s.SweepHeals}}, log: s.Log, db: s.DB, configured: s.Policy, name: cmp.Or(s.Name, Name), clock: s.Now, jitter: s.Random}
	for _, told := range s.Systems {
		m.connectors = append(m.connectors, &system{connector: told.Connector,
			config: ConnectorConfig{Name: told.Name, Tenant: s.Tenant, Role: string(told.Role)}})
	}
	govern(m.connectors, s.Now, m.share)
	r, err := m.newRoad(ctx, surroundingLink(s))
	if err != nil {
		return nil, err
	}
	whole := NewRebuild(m.db, r.filler.Log, r.worker, m.name)
	whole.Now = m.clock
	return &Stages{TakeUp: r.watch.step, Sweep: m.newSweep(), SweepTargets: m.sweepTargets, Rebuild: whole, Ingest: r.ingest, Filler: r.filler, Sequencer: r.sequencer, Worker: r.worker, Senders: r.senders, Intakes: r.intakes, Downlink: r.downlink, Master: r.master.feed, Keeper: r.keeper, Escalator: r.escalator}, nil
}

type surroundingLink Surroundings

func (l surroundingLink) publish(ctx context.Context, m wire.Message) error { return l.Publish(ctx, m) }

func (l surroundingLink) up() bool { return l.Up() }
