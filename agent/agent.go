// Package agent wires the stages of one site: plugins, journal, uplink, downlink and health, from one configuration.
package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dockline/dockline/agent/downlink"
	"github.com/dockline/dockline/agent/enrol"
	"github.com/dockline/dockline/agent/health"
	"github.com/dockline/dockline/agent/host"
	"github.com/dockline/dockline/agent/journal"
	"github.com/dockline/dockline/agent/rule"
	"github.com/dockline/dockline/agent/uplink"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
	"github.com/dockline/dockline/proto/wire"
)

// Agent is one site's agent with its stores open.
type Agent struct {
	// own is the site's file, config what is in force: own with what the centre gave laid over it.
	own, config *Config
	settings    *settings
	// inForce is config with the sections that plugins have been given since; only Deliver touches it.
	inForce *Config
	again   chan struct{}
	// told counts the heartbeats that carried plugins' schemas.
	told      atomic.Int32
	log       *slog.Logger
	journal   *journal.Journal
	inbox     *downlink.Store
	master    *masterData
	rules     *rule.Rules
	host      *host.Host
	uplink    *uplink.Uplink
	machineIs *docklinev1.Machine
	renewal   *enrol.Renewal // nil where the line needs no certificate

	// answers, where there is one, is called once whoever asks the running agent is answered.
	answers func()
	began   time.Time
	board   health.Board
	outlook health.Outlook

	mu          sync.Mutex
	connected   bool
	lineChanged time.Time

	asking    sync.Mutex // guards what follows
	pending   *health.Pending
	pendingAt time.Time // when pending was worked out
}

// Open opens the journal and the inbox, with what the centre gave of the configuration laid over c. What is on trial and does not
// open is refused, and the last good one taken. Nothing runs yet.
func Open(ctx context.Context, c *Config) (*Agent, error) {
	log := newLogger(c.Log)
	if err := os.MkdirAll(c.DataDir, 0o750); err != nil {
		return nil, fmt.Errorf("data_dir: %w", err)
	}
	s, err := openSettings(c.Path("config"))
	if err != nil {
		return nil, fmt.Errorf("what the centre gave: %w", err)
	}
	if err := s.started(); err != nil {
		return nil, err
	}
	if wanted := s.trial; wanted != nil {
		if err := s.try(wanted, true); err != nil {
			return nil, err
		}
		a, err := openWith(c, s, wanted)
		if err == nil {
			return a, nil
		}
		log.Error("the centre's configuration is refused, the one before stays in force", "version", wanted.Version, "err", err)
		if err := s.refuse(wanted, err.Error()); err != nil {
			return nil, err
		}
	}
	if s.accepted != nil {
		a, err := openWith(c, s, s.accepted)
		if err == nil {
			return a, nil
		}
		log.Error("what the centre gave does not fit agent.yaml as it is now; the site's own file is used alone", "version", s.accepted.Version, "err", err)
	}
	return openWith(c, s, nil)
}

func openWith(own *Config, s *settings, centre *given) (*Agent, error) {
	c := own
	if centre != nil {
		over, _, err := own.with(centre.YAML)
		if err != nil {
			return nil, err
		}
		c = over
	}
	began, log := time.Now(), newLogger(c.Log)
	j, err := journal.Open(c.Path("journal"), journal.Options{
		Tenant: c.Site.Tenant, Site: c.Site.ID, LimitBytes: int64(c.Journal.Limit), ReserveBytes: int64(c.Journal.Reserve), RotateBytes: int64(c.Journal.Rotate),
		KeepAcknowledged: c.Journal.KeepAcknowledged, Check: checkInChild(log), Now: now, Log: log.With("part", "journal"),
	})
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	a := &Agent{own: own, config: c, inForce: c, settings: s, again: make(chan struct{}, 1), log: log, journal: j, began: now(), lineChanged: now(),
		outlook: health.Outlook{Path: c.Path("outlook.json")}}
	if err := a.open(); err != nil {
		return nil, errors.Join(err, a.Close())
	}
	log.Info("agent", "site", c.Site.ID, "tenant", c.Site.Tenant, "version", wire.Version, "waiting", j.Stats().Events, "opened_in", time.Since(began).Round(100*time.Microsecond))
	return a, nil
}

// Alive returns where plugins, journal and line are not held up: each is asked how it is, and answers only between two steps of its work.
func (a *Agent) Alive() {
	_ = a.host.Health()
	_ = a.journal.Stats()
	_ = a.uplink.Stats()
}

// Serve runs an agent with the configuration at path until ctx ends, and opens it again where its configuration wants that. ready is
// called with each that captures, once status and pages are answered.
func Serve(ctx context.Context, path string, ready func(*Agent)) error {
	for {
		config, err := LoadConfig(path)
		if err != nil {
			return err
		}
		a, err := Open(ctx, config)
		if err != nil {
			return err
		}
		if ready != nil {
			a.answers = func() { ready(a) }
		}
		err = a.Run(ctx)
		if closed := a.Close(); closed != nil || !errors.Is(err, ErrReopen) || ctx.Err() != nil {
			return errors.Join(err, closed)
		}
	}
}

func (a *Agent) open() (err error) {
	c := a.config
	a.machineIs = ThisMachine(c.DataDir)
	if a.inbox, err = downlink.Open(c.Path("inbox.db"), downlink.Options{Now: now, Log: a.log.With("part", "downlink")}); err != nil {
		return fmt.Errorf("inbox: %w", err)
	}
	a.master = &masterData{look: a.known}
	a.rules = newRules(c.Rules, a.master.known)
	if a.host, err = newHost(c, hostJournal{a.journal}, a.log, hostRules{a.rules}, a.clockAhead); err != nil {
		return err
	}
	line := wire.Config{URL: c.MQTT.URL, KeepAlive: c.MQTT.KeepAlive, Proxy: wire.Proxy{URL: c.MQTT.Proxy, Credentials: c.Path(c.MQTT.ProxyCredentials)}, TakeoverPause: c.MQTT.TakeoverPause}
	if c.MQTT.CA != "" {
		if line.TLS, err = wire.LoadTLS(c.Path(c.MQTT.CA), c.Path(c.MQTT.Certificate), c.Path(c.MQTT.Key)); err != nil {
			return fmt.Errorf("mqtt: %w (`dockline-agent enrol` fetches the certificate)", err)
		}
		line.MakeTLS = a.freshTLS
		a.renewal = a.newRenewal(line.Proxy)
	}
	a.uplink = uplink.New(uplink.Config{
		Tenant: c.Site.Tenant, Site: c.Site.ID, Version: wire.Version, Machine: a.machineIs, Line: line, Journal: UplinkJournal{a.journal}, Heartbeat: a.sentHeartbeat, Positions: a.inbox.Through,
		OnHelloReply: a.greeted, OnCommands: a.inbox.PutCommands, OnReceipts: a.inbox.PutReceipts, OnMaster: a.putMaster, MasterThrough: a.inbox.MasterThrough,
		Window: c.Uplink.Window, RateLimit: c.Uplink.RateLimit * 1000, HeartbeatEvery: c.Uplink.Heartbeat, Now: now, Log: a.log.With("part", "uplink"),
	})
	return nil
}

// greeted takes the collector's answer to Hello before any event is sent: positions begin anew where its database is another one,
// and where this disk is new, the sources go on from where the collector has everything.
func (a *Agent) greeted(r *docklinev1.HelloReply) error {
	for _, c := range r.GetCursors() {
		if err := a.host.Rewind(c.GetPlugin(), func() (bool, error) { return a.journal.GiveBack(c) }); err != nil {
			return err
		}
	}
	defer a.master.forget() // of another database it begins anew
	return a.inbox.SetIncarnation(r.GetIncarnation())
}

// clockAhead is by how much the clock here is known to be ahead, 0 where it is not known.
func (a *Agent) clockAhead() time.Duration {
	if a.uplink == nil { // still being opened
		return 0
	}
	ahead, _ := clockAhead(a.uplink.Stats(), now())
	return ahead
}

func newHost(c *Config, j host.Journal, log *slog.Logger, rules host.Rules, ahead func() time.Duration) (*host.Host, error) {
	plugins := make([]host.PluginConfig, len(c.Plugins))
	for i, p := range c.Plugins {
		path, err := filepath.Abs(p.Path)
		if err != nil {
			return nil, err
		}
		memory, rate := p.limits()
		plugins[i] = host.PluginConfig{ID: p.ID, Path: path, SHA256: p.SHA256, Config: p.Config, MemoryLimit: memory, EventRate: rate}
	}
	return host.New(host.Config{Tenant: c.Site.Tenant, Site: c.Site.ID, Plugins: plugins, DataDir: c.DataDir, Journal: j, Full: journal.ErrFull, Rules: rules, Now: now, ClockAhead: ahead, Log: log.With("part", "host")})
}

// send keeps the line, once the journal has taken up what an unclean stop left: what is held must be known before it is told.
func (a *Agent) send(ctx context.Context) error {
	if err := a.journal.Recover(ctx); err != nil || ctx.Err() != nil {
		return err
	}
	a.recall()
	return a.uplink.Run(ctx)
}

// recall tells the rules of what was captured just before this process began: somebody whose scan got no answer then scans again now.
func (a *Agent) recall() {
	if horizon := a.rules.Horizon(); horizon > 0 {
		a.journal.Recent(now().Add(-horizon), func(e *docklinev1.Event) {
			event.Restore(e)
			a.rules.Recall(e)
		})
	}
}

// Run runs every loop until ctx ends. A loop that ends unasked ends all of them, with its error; so does a configuration for which the
// agent must be opened again, with ErrReopen.
func (a *Agent) Run(ctx context.Context) error {
	delivery := &downlink.Loop{Tenant: a.config.Site.Tenant, Site: a.config.Site.ID, Store: a.inbox, Sink: a, Record: a.record, Now: now, Log: a.log.With("part", "downlink")}
	pages := &health.Server{Listen: a.config.Health.Listen, DataDir: a.config.DataDir, Report: a.report, Facts: a.facts, Pending: a.Pending, Control: a.control(), Release: a.host.Release, Log: a.log, Listens: a.answers}
	g, ctx := errgroup.WithContext(ctx)
	loops := []func(context.Context) error{a.host.Run, a.send, delivery.Run, pages.Run, a.waitReopen, a.watchConfig}
	if a.renewal != nil {
		loops = append(loops, a.renewal.Run)
	}
	for _, run := range loops {
		g.Go(func() error {
			if err := run(ctx); err != nil || ctx.Err() != nil {
				return err
			}
			return errors.New("a part of the agent ended unasked")
		})
	}
	return g.Wait()
}

// Close closes the stores. Run must have returned.
func (a *Agent) Close() error {
	var faults []error
	if a.inbox != nil {
		faults = append(faults, a.inbox.Close())
	}
	return errors.Join(append(faults, a.journal.Close())...)
}

// known says whether the centre knows a code, as far as it has told; where it has told of none of its kind, every code may be one.
func (a *Agent) known(kind docklinev1.MasterKind, code string) bool {
	r, any := a.inbox.Master(kind, code)
	return r != nil || !any
}

// putMaster takes what the centre tells of codes.
func (a *Agent) putMaster(list *docklinev1.MasterList) error {
	defer a.master.forget()
	return a.inbox.PutMaster(list)
}

// record makes the result of a command an event like any other.
func (a *Agent) record(ctx context.Context, e *docklinev1.Event) error {
	if fault := event.Validate(e); fault != nil {
		return fault
	}
	return a.journal.Append(ctx, journal.Entry{Plugin: downlink.Source, Events: []*docklinev1.Event{e}})
}

// hostJournal gives host the journal in the shape that it declares.
type hostJournal struct{ *journal.Journal }

// Append leaves out what the collector works out for itself. The events are the journal's from here on.
func (j hostJournal) Append(ctx context.Context, e host.Entry) error {
	for _, captured := range e.Events {
		event.Slim(captured)
	}
	return j.Journal.Append(ctx, journal.Entry(e))
}

// UplinkJournal gives uplink the journal in the shape that it declares; who runs a site without an agent wires it the same way.
type UplinkJournal struct{ *journal.Journal }

// Next reads what lies behind a position.
func (j UplinkJournal) Next(after uplink.Position, limit int) ([]*docklinev1.Envelope, error) {
	return j.Journal.Next(journal.Position(after), limit)
}

// Urgent reads what is urgent there.
func (j UplinkJournal) Urgent(after uplink.Position, limit int) ([]*docklinev1.Envelope, error) {
	return j.Journal.Urgent(journal.Position(after), limit)
}

// Trim takes an Ack, and says whether the journal must begin anew.
func (j UplinkJournal) Trim(ack *docklinev1.Ack) (bool, error) {
	outcome, err := j.Journal.Trim(ack)
	return outcome == journal.ForkNeeded, err
}

// Resume takes the answer to a Hello, and says the same.
func (j UplinkJournal) Resume(hello *docklinev1.Hello, reply *docklinev1.HelloReply) (bool, error) {
	outcome, err := j.Journal.Resume(hello, reply)
	return outcome == journal.ForkNeeded, err
}
