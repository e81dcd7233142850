// Package host runs a site's plugins as processes of their own: it starts, watches, restarts and stops them, stamps and journals
// the events that they report, and hands commands to them. A crash of one touches neither the agent nor another plugin.
package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
	"github.com/dockline/dockline/proto/wire"
)

// Entry is what becomes durable together or not at all: events, and the cursor and stream positions after them.
type Entry struct {
	Plugin string
	Events []*docklinev1.Event
	// Encoded has for each of Events the form in which it is to be kept, where there is one that it came in; nil where it has to be encoded.
	// An event that has one comes without id and traceparent, which follow from its other fields (event.Restore).
	Encoded [][]byte
	// Cursor is empty where the one before stays in force.
	Cursor          []byte
	CompleteThrough []*docklinev1.CompleteThrough
}

// Journal is where events become durable.
type Journal interface {
	// Append returns after a synced commit that holds the whole entry, and with an error only if nothing of it was kept.
	Append(ctx context.Context, entry Entry) error
	// Cursor is the plugin's last durable one, empty for a plugin that has none. After an unclean stop it may have to wait until that is
	// known.
	Cursor(ctx context.Context, plugin string) ([]byte, error)
}

// Rules are those of the site.
type Rules interface {
	// Begin opens what will be kept together or not at all.
	Begin(now time.Time) RuleEntry
	// Conditions is what they have found that a person should know.
	Conditions(now time.Time) []*docklinev1.Condition
}

// RuleEntry looks at the events of one Entry.
type RuleEntry interface {
	// Look marks a stamped event, or says why it is to be refused.
	Look(e *docklinev1.Event) *event.Fault
	// Kept says that the entry is durable. Without it, nothing that was looked at counts.
	Kept()
}

// noRules is a site without any.
type noRules struct{}

func (noRules) Begin(time.Time) RuleEntry                    { return noRules{} }
func (noRules) Conditions(time.Time) []*docklinev1.Condition { return nil }
func (noRules) Look(*docklinev1.Event) *event.Fault          { return nil }
func (noRules) Kept()                                        {}

// PluginConfig is one entry of plugins in agent.yaml.
type PluginConfig struct {
	// ID is unique at the site, stays for ever, and is part of every event's id: letters, digits, '-' and '_', 64 at most.
	ID string
	// Path is the absolute path of the executable. Whoever may write there may run code as the agent.
	Path string
	Args []string
	// SHA256 pins the executable, in hex; empty takes any.
	SHA256 string
	// Config is the plugin's config section as YAML.
	Config []byte
	// Env is what the plugin gets besides a few harmless variables, as KEY=value. The agent's own environment stays with it.
	Env []string
	// MemoryLimit is the most that its processes may take, in bytes; with more they are ended. 0 is no limit.
	MemoryLimit int64
	// EventRate is how many events a second it may tell in the long run, of 1 KiB each; a larger one counts for several. It may save up
	// the rate of 500 s, so that a first reading is not slowed. 0 is no limit.
	EventRate int
}

// Limits are the times and numbers of supervision; a zero value means the default.
type Limits struct {
	// Start is how long a plugin may take until it answers (60 s: virus scanners read a new executable first).
	Start time.Duration
	// Call is how long it may take for one answer (30 s).
	Call time.Duration
	// Drain is how long it may take to finish what is in flight (10 s).
	Drain time.Duration
	// Ping is the time between two signs of life (10 s); a plugin that misses three in a row is restarted.
	Ping time.Duration
	// BackoffMin and BackoffMax bound the time before a restart (200 ms, 30 s).
	BackoffMin, BackoffMax time.Duration
	// Crashes within CrashWindow (5 within 1 min) are a crash loop: the plugin is tried again every Quarantine (5 min) only.
	Crashes     int
	CrashWindow time.Duration
	Quarantine  time.Duration
	// Offences within OffenceWindow (3 within 15 min) lead to quarantine too: it hung, sent what cannot be read, took too much memory.
	Offences      int
	OffenceWindow time.Duration
	// Window is how many batches of one plugin may be unanswered (16).
	Window int
	// LogLines is how many lines a second of one plugin reach the log (20; bursts of ten times that).
	LogLines int
}

// Config is what a Host needs.
type Config struct {
	Tenant, Site string
	Plugins      []PluginConfig
	// DataDir holds a folder for every plugin, plugins/<id>; absolute.
	DataDir string
	Journal Journal
	// Full is the journal's error that means full, for errors.Is; nil where it has none.
	Full error
	// Rules look at every event; nil where there are none.
	Rules  Rules
	Limits Limits
	Now    func() time.Time
	// ClockAhead is by how much the clock here is known to be ahead of the collector's; nil, and 0, where nothing is known.
	ClockAhead func() time.Duration
	Log        *slog.Logger

	sockets string // where plugins' sockets are; empty is the system's folder for temporary files
}

// Host supervises the plugins of one site. Its methods may be called from any goroutine.
type Host struct {
	config      Config
	supervisors []*supervisor
	unrouted    unrouted
}

// New looks at the configuration and starts nothing. The error names every fault.
func New(config Config) (*Host, error) {
	config.Limits = config.Limits.withDefaults()
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	if config.Rules == nil {
		config.Rules = noRules{}
	}
	h := &Host{config: config}
	var faults []error
	if !filepath.IsAbs(config.DataDir) {
		faults = append(faults, fmt.Errorf("data_dir %q is not an absolute path", config.DataDir))
	}
	seen := map[string]bool{}
	for i, p := range config.Plugins {
		if !wire.ValidName(p.ID) {
			faults = append(faults, fmt.Errorf("plugins[%d]: id %q: use 1 to 64 letters, digits, '-' or '_'", i, p.ID))
		}
		if seen[p.ID] {
			faults = append(faults, fmt.Errorf("plugins[%d]: id %q is used twice", i, p.ID))
		}
		if !filepath.IsAbs(p.Path) {
			faults = append(faults, fmt.Errorf("plugins[%d]: path %q is not absolute", i, p.Path))
		}
		if err := validPin(p.SHA256); err != nil {
			faults = append(faults, fmt.Errorf("plugins[%d]: sha256: %w", i, err))
		}
		seen[p.ID] = true
		h.supervisors = append(h.supervisors, newSupervisor(&h.config, p))
	}
	return h, errors.Join(faults...)
}

// Run starts the plugins and keeps them running until ctx ends; then it drains and stops them and returns nil. The journal
// must outlive it.
func (h *Host) Run(ctx context.Context) error {
	h.config.sockets = socketFolder(h.config.DataDir)
	if len(h.supervisors) == 0 {
		// An agent without a plugin yet still has its line, its backlog and its page.
		<-ctx.Done()
		return nil
	}
	h.config.Log.Info("plugins are contained", "by", containment())
	var g errgroup.Group
	for _, s := range h.supervisors {
		g.Go(func() error { return s.Run(ctx) })
	}
	return g.Wait()
}

// ErrUnknownPlugin: no plugin of this id is configured at this site.
var ErrUnknownPlugin = errors.New("no such plugin is configured at this site")

// Health says how every plugin is, in the order of the configuration.
func (h *Host) Health() []*docklinev1.PluginHealth {
	var all []*docklinev1.PluginHealth
	for _, s := range h.supervisors {
		all = append(all, s.health())
	}
	return all
}

// Schemas is what the plugins that have run say of their sections; ok is false while one has not run yet.
func (h *Host) Schemas() (all []*docklinev1.PluginSchema, ok bool) {
	ok = true
	for _, s := range h.supervisors {
		s.mu.Lock()
		d := s.described
		s.mu.Unlock()
		if d == nil {
			ok = false
			continue
		}
		all = append(all, &docklinev1.PluginSchema{Name: d.GetName(), Version: d.GetVersion(), JsonSchema: d.GetConfigSchema()})
	}
	return all, ok
}

// Conditions is what a person should know about the plugins; nothing where all is well.
func (h *Host) Conditions() []*docklinev1.Condition {
	var all []*docklinev1.Condition
	for _, s := range h.supervisors {
		all = append(all, s.conditions()...)
	}
	all = append(all, h.config.Rules.Conditions(h.config.Now())...)
	return append(all, h.unrouted.conditions(h.config.Now())...)
}

func (l Limits) withDefaults() Limits {
	set := func(d *time.Duration, value time.Duration) {
		if *d <= 0 {
			*d = value
		}
	}
	set(&l.Start, time.Minute)
	set(&l.Call, 30*time.Second)
	set(&l.Drain, 10*time.Second)
	set(&l.Ping, 10*time.Second)
	set(&l.BackoffMin, 200*time.Millisecond)
	set(&l.BackoffMax, 30*time.Second)
	set(&l.CrashWindow, time.Minute)
	set(&l.Quarantine, 5*time.Minute)
	set(&l.OffenceWindow, 15*time.Minute)
	if l.Crashes <= 0 {
		l.Crashes = 5
	}
	if l.Offences <= 0 {
		l.Offences = 3
	}
	if l.Window <= 0 {
		l.Window = 16
	}
	if l.LogLines <= 0 {
		l.LogLines = 20
	}
	return l
}
