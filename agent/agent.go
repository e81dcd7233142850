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
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/agent/downlink"
	"github.com/dockline/dockline/agent/health"
	"github.com/dockline/dockline/agent/host"
	"github.com/dockline/dockline/agent/journal"
	"github.com/dockline/dockline/agent/uplink"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
	"github.com/dockline/dockline/proto/wire"
)

// Agent is one site's agent with its stores open.
type Agent struct {
	config  *Config
	log     *slog.Logger
	journal *journal.Journal
	inbox   *downlink.Store
	host    *host.Host
	uplink  *uplink.Uplink

	mu          sync.Mutex
	connected   bool
	lineChanged time.Time
}

// Open opens the journal and the inbox. Nothing runs yet.
func Open(ctx context.Context, c *Config) (*Agent, error) {
	log := newLogger(c.Log)
	if err := os.MkdirAll(c.DataDir, 0o750); err != nil {
		return nil, fmt.Errorf("data_dir: %w", err)
	}
	j, err := journal.Open(c.Path("journal"), journal.Options{
		Tenant: c.Site.Tenant, Site: c.Site.ID, LimitBytes: int64(c.Journal.Limit), ReserveBytes: int64(c.Journal.Reserve), RotateBytes: int64(c.Journal.Rotate),
		KeepAcknowledged: c.Journal.KeepAcknowledged, Log: log.With("part", "journal"),
	})
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	a := &Agent{config: c, log: log, journal: j, lineChanged: time.Now()}
	if err := a.open(); err != nil {
		return nil, errors.Join(err, a.Close())
	}
	log.Info("agent", "site", c.Site.ID, "tenant", c.Site.Tenant, "version", wire.Version, "waiting", j.Stats().Events)
	return a, nil
}

func (a *Agent) open() (err error) {
	c := a.config
	if a.inbox, err = downlink.Open(c.Path("inbox.db"), downlink.Options{Log: a.log.With("part", "downlink")}); err != nil {
		return fmt.Errorf("inbox: %w", err)
	}
	if a.host, err = newHost(c, hostJournal{a.journal}, a.log); err != nil {
		return err
	}
	line := wire.Config{URL: c.MQTT.URL, KeepAlive: c.MQTT.KeepAlive}
	if c.MQTT.CA != "" {
		if line.TLS, err = wire.LoadTLS(c.Path(c.MQTT.CA), c.Path(c.MQTT.Certificate), c.Path(c.MQTT.Key)); err != nil {
			return fmt.Errorf("mqtt: %w (`dockline-collector site add` gives the certificate)", err)
		}
	}
	a.uplink = uplink.New(uplink.Config{
		Tenant: c.Site.Tenant, Site: c.Site.ID, Version: wire.Version, Line: line, Journal: uplinkJournal{a.journal}, Heartbeat: a.Heartbeat, Positions: a.inbox.Through,
		OnHelloReply: func(r *docklinev1.HelloReply) error { return a.inbox.SetIncarnation(r.GetIncarnation()) },
		OnCommands:   a.inbox.PutCommands, OnReceipts: a.inbox.PutReceipts, Window: c.Uplink.Window, HeartbeatEvery: c.Uplink.Heartbeat, Log: a.log.With("part", "uplink"),
	})
	return nil
}

func newHost(c *Config, j host.Journal, log *slog.Logger) (*host.Host, error) {
	plugins := make([]host.PluginConfig, len(c.Plugins))
	for i, p := range c.Plugins {
		path, err := filepath.Abs(p.Path)
		if err != nil {
			return nil, err
		}
		plugins[i] = host.PluginConfig{ID: p.ID, Path: path, SHA256: p.SHA256, Config: p.Config}
	}
	return host.New(host.Config{Tenant: c.Site.Tenant, Site: c.Site.ID, Plugins: plugins, DataDir: c.DataDir, Journal: j, Full: journal.ErrFull, Log: log.With("part", "host")})
}

// Run runs every loop until ctx ends. A loop that ends unasked ends all of them, with its error.
func (a *Agent) Run(ctx context.Context) error {
	delivery := &downlink.Loop{Tenant: a.config.Site.Tenant, Site: a.config.Site.ID, Store: a.inbox, Sink: a.host, Record: a.record, Log: a.log.With("part", "downlink")}
	pages := &health.Server{Listen: a.config.Health.Listen, DataDir: a.config.DataDir, Report: a.report, Log: a.log}
	g, ctx := errgroup.WithContext(ctx)
	for _, run := range []func(context.Context) error{a.host.Run, a.uplink.Run, delivery.Run, pages.Run} {
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

// record makes the result of a command an event like any other.
func (a *Agent) record(ctx context.Context, e *docklinev1.Event) error {
	if fault := event.Validate(e); fault != nil {
		return fault
	}
	return a.journal.Append(ctx, journal.Entry{Plugin: downlink.Source, Events: []*docklinev1.Event{e}})
}

// Heartbeat says how the site is; the uplink adds who it is and what is stored.
func (a *Agent) Heartbeat() *docklinev1.Heartbeat {
	s, f := a.journal.Stats(), health.Facts{Now: time.Now(), Connected: a.uplink.Stats().Connected}
	a.mu.Lock()
	if f.Connected != a.connected {
		a.connected, a.lineChanged = f.Connected, f.Now
	}
	f.LineChanged = a.lineChanged
	a.mu.Unlock()
	f.JournalBytes, f.JournalLimit, f.Waiting, f.OldestAt = s.Bytes, s.LimitBytes, int64(s.Events), s.OldestAt
	f.Plugins, f.Reported = a.host.Health(), a.host.Conditions()
	h := &docklinev1.Heartbeat{
		JournalEvents: s.Events, JournalBytes: uint64(s.Bytes), JournalLimitBytes: uint64(s.LimitBytes), CapturedTotal: s.CapturedTotal,
		Epoch: s.Epoch, LastSeq: s.LastSeq, Cursors: s.Cursors, Plugins: f.Plugins, Conditions: health.Evaluate(f),
	}
	if !s.OldestAt.IsZero() {
		h.OldestEventAt = timestamppb.New(s.OldestAt)
	}
	return h
}

// report is the heartbeat with the identity that the uplink would add, for people on this machine.
func (a *Agent) report() *docklinev1.Heartbeat {
	h := a.Heartbeat()
	h.Tenant, h.Site, h.AgentVersion, h.SentAt = a.config.Site.Tenant, a.config.Site.ID, wire.Version, timestamppb.Now()
	h.Online = a.uplink.Stats().Connected
	h.Incarnation, h.CommandsThrough, h.ReceiptsThrough = a.inbox.Through()
	return h
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

// uplinkJournal gives uplink the journal in the shape that it declares.
type uplinkJournal struct{ *journal.Journal }

func (j uplinkJournal) Next(after uplink.Position, limit int) ([]*docklinev1.Envelope, error) {
	return j.Journal.Next(journal.Position(after), limit)
}

func (j uplinkJournal) Trim(ack *docklinev1.Ack) (bool, error) {
	outcome, err := j.Journal.Trim(ack)
	return outcome == journal.ForkNeeded, err
}

func (j uplinkJournal) Resume(hello *docklinev1.Hello, reply *docklinev1.HelloReply) (bool, error) {
	outcome, err := j.Journal.Resume(hello, reply)
	return outcome == journal.ForkNeeded, err
}
