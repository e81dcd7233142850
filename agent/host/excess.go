package host

import (
	"context"
	"fmt"
	"time"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

const (
	// maxReported bounds the conditions of one plugin: they go to the centre with every heartbeat.
	maxReported = 20
	// sayDropped is how long it is shown that lines of a plugin's log were left out.
	sayDropped = 5 * time.Minute
)

// counted adds what became of a plugin's events.
func (s *supervisor) counted(accepted, refused int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.accepted += uint64(accepted)
	s.refused += uint64(refused)
}

// slowed notes whether the plugin is held to its rate.
func (s *supervisor) slowed(is bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !is:
		s.slow = time.Time{}
	case s.slow.IsZero():
		s.slow = s.config.Now()
	}
}

// excess is what a plugin does too much of, without being ended for it.
func (s *supervisor) excess(name string) (all []*docklinev1.Condition) {
	if !s.slow.IsZero() {
		all = append(all, condition("plugin_floods", docklinev1.Severity_SEVERITY_WARNING, s.slow, name+" tells more than it may",
			fmt.Sprintf("It is held to %d events a second, so that the journal lasts for the others; nothing is lost, it waits. Is that much to be told? Then raise plugins[].event_rate in agent.yaml; if not, ask the plugin's author.", s.plugin.EventRate)))
	}
	if total, lately := s.lines.dropped(); total > 0 && s.config.Now().Sub(lately) < sayDropped {
		all = append(all, condition("plugin_log_capped", docklinev1.Severity_SEVERITY_INFO, lately, name+" logs too much",
			fmt.Sprintf("%d of its lines were left out of the log since the agent started; %d a second are kept. The events are not touched; tell the plugin's author.", total, s.config.Limits.LogLines)))
	}
	return all
}

// Release ends the quarantine of a plugin, or the pause before its next start, and starts it at once. What it has done before is
// forgiven. A plugin that runs is left alone.
func (h *Host) Release(ctx context.Context, id string) (text string, err error) {
	for _, s := range h.supervisors {
		if s.plugin.ID != id {
			continue
		}
		s.mu.Lock()
		state := s.state
		s.mu.Unlock()
		if state != stateQuarantined && state != stateRestarting {
			return fmt.Sprintf("plugin %s is %s; there was nothing to release", id, state), nil
		}
		if err := s.between(ctx, func() error { s.policy.forgive(); return nil }); err != nil {
			return "", fmt.Errorf("release plugin %s: %w", id, err)
		}
		s.config.Log.Info("plugin released", "plugin", id)
		return fmt.Sprintf("plugin %s starts again", id), nil
	}
	return "", fmt.Errorf("%w: %q", ErrUnknownPlugin, id)
}
