package host

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// States of a plugin, as PluginHealth shows them.
const (
	stateStarting    = "starting"
	stateRunning     = "running"
	stateRestarting  = "restarting"
	stateQuarantined = "quarantined"
	stateStopped     = "stopped"
)

// configFaults says that a plugin refuses its configuration; starting it again would not help.
type configFaults []*docklinev1.ConfigFault

func (f configFaults) Error() string {
	text := "its configuration has faults:"
	for _, fault := range f {
		text += " " + faultText(fault) + ";"
	}
	return text[:len(text)-1]
}

func faultText(f *docklinev1.ConfigFault) string {
	switch {
	case f.GetLine() > 0 && f.GetPath() != "":
		return fmt.Sprintf("line %d, %s: %s", f.GetLine(), f.GetPath(), f.GetText())
	case f.GetPath() != "":
		return fmt.Sprintf("%s: %s", f.GetPath(), f.GetText())
	}
	return f.GetText()
}

// cursorError says that the journal could not give a cursor: not the plugin's fault, and not counted as a crash.
type cursorError struct{ error }

func (e cursorError) Unwrap() error { return e.error }

// supervisor keeps one plugin running. Its fields below mu are what others see of it.
type supervisor struct {
	config *Config
	plugin PluginConfig
	policy crashes
	lines  *logBudget
	// rewinding is locked before mu.
	rewinding rewinding

	mu        sync.Mutex
	state     string
	since     time.Time // of the state
	text      string
	restarts  uint32
	failed    string // why it last ended unasked with the section that it has
	lastEvent time.Time
	described *docklinev1.DescribeResponse // by the last process
	own       []*docklinev1.Condition      // what the plugin reports
	devices   []*docklinev1.DeviceHealth   // what it talks to
	journal   error                        // why the journal takes nothing
	journalAt time.Time
	open      *callable // nil while it does not run
	memory    uint64
	cpu       float64
	accepted  uint64
	refused   uint64
	slow      time.Time // since when it is held to its rate; zero while it is not
	// halt ends the session at work in order, and the pause before the next. waiting is what is to be done before that; over says
	// that there will be none.
	halt    context.CancelFunc
	waiting []between
	over    bool
}

func newSupervisor(config *Config, p PluginConfig) *supervisor {
	return &supervisor{config: config, plugin: p, lines: newLogBudget(config.Limits.LogLines, config.Now), policy: crashes{limits: config.Limits, jitter: rand.Float64},
		state: stateStopped, since: config.Now()}
}

// Run keeps the plugin running until ctx ends, and returns nil.
func (s *supervisor) Run(ctx context.Context) error {
	defer s.end()
	for ctx.Err() == nil {
		life, halt := s.rewinding.begin(ctx)
		s.begin(halt)
		s.live(ctx, life)
		halt()
	}
	return nil
}

// live is one session and the pause that follows it, unless life ends before.
func (s *supervisor) live(ctx, life context.Context) {
	log := s.config.Log.With("plugin", s.plugin.ID)
	s.set(stateStarting, "")
	began := s.config.Now()
	err := s.session(life)
	if life.Err() != nil {
		if err != nil && !errors.Is(err, context.Canceled) {
			log.Warn("plugin did not stop in order", "err", err)
		}
		if ctx.Err() == nil {
			log.Info("plugin begins again", "older cursor", s.rewinding.rewound())
			s.set(stateStarting, "")
		}
		return
	}
	delay := s.next(err, s.config.Now().Sub(began))
	log.Warn("plugin ended", "err", err, "state", s.health().GetState(), "next start", delay.Round(time.Millisecond))
	select {
	case <-life.Done():
	case <-time.After(delay):
	}
}

// next decides what follows the end of a session that ran for a while.
func (s *supervisor) next(err error, ran time.Duration) time.Duration {
	var cursor cursorError
	if errors.As(err, &cursor) {
		s.set(stateRestarting, err.Error())
		return s.config.Limits.BackoffMax
	}
	var pin *PinError
	var faults configFaults
	var hopeless incurable
	var against offence
	permanent := errors.As(err, &pin) || errors.As(err, &faults) || errors.As(err, &hopeless)
	if errors.As(err, &against) && s.policy.offended(s.config.Now()) {
		permanent = true
	}
	delay, quarantined := s.policy.failed(s.config.Now(), ran, permanent)
	state := stateRestarting
	if quarantined {
		state = stateQuarantined
	}
	s.set(state, err.Error())
	s.mu.Lock()
	defer s.mu.Unlock()
	s.restarts++
	s.failed = err.Error()
	return delay
}

func (s *supervisor) set(state, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != state {
		s.since = s.config.Now()
	}
	s.state, s.text = state, text
	if state != stateRunning {
		s.own, s.devices, s.slow = nil, nil, time.Time{}
	}
}

func (s *supervisor) health() *docklinev1.PluginHealth {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := &docklinev1.PluginHealth{Id: s.plugin.ID, Name: s.described.GetName(), Version: s.described.GetVersion(),
		State: s.state, Restarts: s.restarts, Text: s.text, MemoryBytes: s.memory, CpuPercent: s.cpu, AcceptedTotal: s.accepted, RefusedTotal: s.refused,
		MemoryLimitBytes: uint64(max(0, s.plugin.MemoryLimit)), Devices: s.devices}
	h.LogDroppedTotal, _ = s.lines.dropped()
	if !s.lastEvent.IsZero() {
		h.LastEventAt = timestamppb.New(s.lastEvent)
	}
	return h
}

func (s *supervisor) conditions() []*docklinev1.Condition {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []*docklinev1.Condition
	name := "plugin " + s.plugin.ID
	switch s.state {
	case stateQuarantined:
		all = append(all, condition("plugin_quarantined", docklinev1.Severity_SEVERITY_ERROR, s.since, name+" does not run",
			fmt.Sprintf("%s. It is tried again every %s. Mend the cause; then `dockline-agent plugin release %s` starts it at once.", s.text, s.config.Limits.Quarantine, s.plugin.ID)))
	case stateRestarting:
		all = append(all, condition("plugin_restarting", docklinev1.Severity_SEVERITY_WARNING, s.since, name+" is being restarted",
			s.text+". It starts again by itself, from where it was."))
	}
	if s.journal != nil {
		code, text := "journal_failed", "The journal takes no events: "+s.journal.Error()+". The source waits, nothing is lost; look at the disk."
		if s.config.Full != nil && errors.Is(s.journal, s.config.Full) {
			code, text = "journal_full", "The journal takes no more, so the source waits; nothing is lost. Restore the line to the collector, or raise journal.limit; if the disk is full, free some space."
		}
		all = append(all, condition(code, docklinev1.Severity_SEVERITY_ERROR, s.journalAt, name+" is paused", text))
	}
	return append(append(all, s.excess(name)...), s.own...)
}

func (s *supervisor) journalTold(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.journal == nil && err != nil {
		s.journalAt = s.config.Now()
	}
	s.journal = err
}

// reported keeps what the plugin wants a person to know; a condition that it reported before keeps its time.
func (s *supervisor) reported(conditions []*docklinev1.Condition) {
	s.mu.Lock()
	defer s.mu.Unlock()
	conditions = conditions[:min(len(conditions), maxReported)]
	for _, c := range conditions {
		c.Title, c.Code, c.Text = fmt.Sprintf("plugin %s: %s", s.plugin.ID, shorten(c.GetTitle())), shorten(c.GetCode()), shorten(c.GetText())
		if c.Since == nil {
			c.Since = timestamppb.New(s.config.Now())
			for _, old := range s.own {
				if old.GetCode() == c.GetCode() && old.GetTitle() == c.GetTitle() {
					c.Since = old.Since
				}
			}
		}
	}
	s.own = conditions
}

func (s *supervisor) captured(at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lastEvent = at
}
