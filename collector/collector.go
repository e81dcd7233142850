// Package collector wires the centre: broker, ingest, event log, reconciliation, postings, connectors, downlink, console and API.
package collector

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dockline/dockline/collector/broker"
	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/enrol"
	"github.com/dockline/dockline/collector/identity"
	"github.com/dockline/dockline/collector/member"
	"github.com/dockline/dockline/collector/policy"
	"github.com/dockline/dockline/proto/wire"
)

// Name is that of the only collector: the name of its certificate, of its client id and of the holder of its leases, the same after a restart.
const Name = "1"

// Collector is the centre with its database open.
type Collector struct {
	config     *Config
	log        *slog.Logger
	locks      []*os.File
	member     *member.Member
	db         *db.DB
	configured *policy.Policy                // that of the folder
	activated  atomic.Pointer[activations]   // what was in force when
	inForce    atomic.Pointer[policy.Policy] // what sites and people meet; it may become another while the collector runs
	connectors []*system
	authority  *identity.Authority
	keeper     *enrol.Keeper
	door       *enrol.Door
	broker     *broker.Broker
	listener   net.Listener
	name       string
	process    string // names this run
	// clock and jitter are those of the stages; nil is the machine's.
	clock  func() time.Time
	jitter func() float64
}

func (m *Collector) now() time.Time {
	if m.clock == nil {
		return time.Now()
	}
	return m.clock()
}

// Open opens and migrates the database, loads the policy, makes the connectors, and listens for sites and people.
func Open(ctx context.Context, c *Config) (*Collector, error) {
	m := &Collector{config: c, log: newLogger(c.Log), name: c.Name}
	if err := m.open(ctx); err != nil {
		return nil, errors.Join(err, m.Close())
	}
	m.log.Info("collector", "version", wire.Version, "database", m.db.Engine(), "policy", m.policy().Version, "broker", m.BrokerURL(), "console", m.ConsoleURL())
	if len(c.Connectors) == 0 {
		m.log.Warn("no system is configured under connectors: what sites tell is kept and folded, and nothing of it is posted")
	}
	return m, nil
}

func (m *Collector) open(ctx context.Context) (err error) {
	if err := os.MkdirAll(m.config.DataDir, 0o750); err != nil {
		return fmt.Errorf("data_dir: %w", err)
	}
	if err := m.lock(); err != nil {
		return err
	}
	if err := m.openDatabase(ctx); err != nil {
		return err
	}
	if err := m.join(ctx); err != nil {
		return err
	}
	if m.connectors, err = newSystems(ctx, m.config, m.db, m.log); err != nil {
		return err
	}
	govern(m.connectors, m.now, m.share)
	if m.configured, err = loadPolicy(m.config); err != nil {
		return err
	}
	if err := m.amendable(m.configured); err != nil {
		return err
	}
	if err := m.openIdentity(ctx); err != nil {
		return err
	}
	if m.listener, err = net.Listen("tcp", m.config.HTTP.Listen); err != nil {
		return fmt.Errorf("console: %w (http.listen chooses the address)", err)
	}
	return nil
}

// OpenDatabase opens and migrates the configured database.
func OpenDatabase(ctx context.Context, c *Config) (*db.DB, error) {
	if err := os.MkdirAll(c.DataDir, 0o750); err != nil {
		return nil, fmt.Errorf("data_dir: %w", err)
	}
	return openDatabase(ctx, c.DatabaseURL())
}

func openDatabase(ctx context.Context, url string) (*db.DB, error) {
	d, err := db.Open(ctx, url)
	if err != nil {
		return nil, fmt.Errorf("database: %w", err)
	}
	if err := d.Migrate(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("database: %w", err), d.Close())
	}
	return d, nil
}

// amendable refuses a policy that sends order amendments by name to a system that takes none. By role they go to those that do.
func (m *Collector) amendable(p *policy.Policy) error {
	texts := p.Unsupported(func(target string) bool {
		return slices.ContainsFunc(m.connectors, func(s *system) bool {
			_, ok := s.connector.Kinds()[connector.OrderAmendment]
			return s.config.Name == target && ok
		})
	})
	if len(texts) > 0 {
		return fmt.Errorf("policy: %s", strings.Join(texts, "; "))
	}
	return nil
}

// Close closes what Open has opened. Run must have returned.
func (m *Collector) Close() error {
	var faults []error
	for _, s := range m.connectors {
		faults = append(faults, CloseConnector(s.connector))
	}
	if m.door != nil && m.door.Listener != nil {
		if err := m.door.Listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			faults = append(faults, err)
		}
	}
	if m.listener != nil {
		if err := m.listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			faults = append(faults, err)
		}
	}
	if m.db != nil {
		faults = append(faults, m.db.Close())
	}
	for _, lock := range m.locks {
		faults = append(faults, lock.Close())
	}
	return errors.Join(faults...)
}

// Alive returns where the collector's own database takes a change. A server that is away is not its own fault, and is not waited for longer than
// remoteTime.
func (m *Collector) Alive(ctx context.Context) {
	if m.db.Engine() != "sqlite" {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, remoteTime)
		defer cancel()
	}
	_ = m.db.Well(ctx) // what is wrong with it /healthz says
}

// remoteTime bounds how long Alive waits for a database server.
const remoteTime = 20 * time.Second

// BrokerURL is where sites connect.
func (m *Collector) BrokerURL() string {
	if m.broker == nil {
		return m.config.MQTT.URL
	}
	return "mqtts://" + m.broker.Addr()
}

// ConsoleURL is where people look.
func (m *Collector) ConsoleURL() string { return "http://" + m.listener.Addr().String() + "/" }

// Run runs every loop until ctx ends. A loop that ends unasked ends all of them, with its error.
func (m *Collector) Run(ctx context.Context) error {
	line, err := m.newLine(ctx)
	if err != nil {
		return err
	}
	r, err := m.newRoad(ctx, line)
	if err != nil {
		return err
	}
	sweeps := m.newSchedule()
	loops := append(r.loops(), m.newRollout().Run, m.member.Run, sweeps.Run, m.newShapes().Run)
	if m.door != nil {
		loops = append(loops, m.door.Run, m.keeper.Run)
	}
	handler, err := m.handler(ctx, r, sweeps)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second, BaseContext: func(net.Listener) context.Context { return ctx }}
	loops = append(loops, func(ctx context.Context) error {
		stop := context.AfterFunc(ctx, func() { _ = server.Close() })
		defer stop()
		if err := server.Serve(m.listener); ctx.Err() == nil {
			return err
		}
		return nil
	})
	defer m.giveUpShares(ctx)
	asked := ctx
	g, ctx := errgroup.WithContext(asked)
	intake, intakeOver := context.WithCancel(context.WithoutCancel(ctx))
	defer intakeOver()
	g.Go(func() error {
		if err := r.ingest.Run(intake); err != nil || ctx.Err() != nil {
			return err
		}
		return errors.New("ingest ended unasked")
	})
	for _, run := range loops {
		g.Go(func() error {
			if err := run(ctx); err != nil || ctx.Err() != nil {
				return err
			}
			return errors.New("a part of the collector ended unasked")
		})
	}
	// The broker here outlives the line to it, so that what was sent to this collector is stored and answered before it goes.
	carried, lineOver := context.WithCancel(context.WithoutCancel(ctx))
	defer lineOver()
	if m.broker != nil {
		g.Go(func() error {
			if err := m.broker.Run(carried); err != nil || ctx.Err() != nil {
				return err
			}
			return errors.New("the broker ended unasked")
		})
	}
	g.Go(func() error {
		defer lineOver()
		return line.run(ctx, r, intakeOver)
	})
	if err := g.Wait(); asked.Err() == nil || !errors.Is(err, context.Canceled) {
		return err
	}
	return nil // a part was in the middle of something when it was asked to end
}
