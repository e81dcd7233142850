package host

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"
)

// trial is how long a plugin with a new section must run to be called running.
const trial = 2 * time.Second

// Configure gives plugins new sections, by id. Each is stopped in order and started with its own; where one does not run with it, all
// get back what they had, and the error says why. A plugin whose section stays as it is is not touched.
func (h *Host) Configure(ctx context.Context, sections map[string][]byte) error {
	former := map[string][]byte{}
	var fault error
	for _, s := range h.supervisors {
		section, changes := sections[s.plugin.ID]
		if !changes || string(section) == string(s.section()) || fault != nil {
			continue
		}
		former[s.plugin.ID] = s.section()
		if fault = s.configure(ctx, section); fault == nil {
			fault = s.settle(ctx)
		}
	}
	if fault == nil {
		return nil
	}
	for _, s := range h.supervisors {
		if section, changed := former[s.plugin.ID]; changed {
			// Also where ctx has ended: what is on trial does not stay.
			back, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*h.config.Limits.Drain)
			fault = errors.Join(fault, s.configure(back, section))
			cancel()
		}
	}
	return fault
}

// Settle waits until the named plugins run and have done so for a while, or says which one does not and why.
func (h *Host) Settle(ctx context.Context, ids []string) error {
	for _, id := range ids {
		if s, _ := h.source(id); s != nil {
			if err := s.settle(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *supervisor) configure(ctx context.Context, section []byte) error {
	return s.between(ctx, func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.plugin.Config = section
		s.policy.forgive() // with another section it is another plugin
		s.state, s.since, s.text, s.failed = stateStarting, s.config.Now(), "", ""
		return nil
	})
}

// section is the plugin's config section.
func (s *supervisor) section() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.plugin.Config
}

// settings is the plugin's entry as it is now.
func (s *supervisor) settings() PluginConfig {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.plugin
}

func (s *supervisor) dataDir() string {
	return filepath.Join(s.config.DataDir, "plugins", s.plugin.ID)
}

// settle waits until the plugin has run for a while.
func (s *supervisor) settle(ctx context.Context) error {
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for {
		s.mu.Lock()
		state, failed, since := s.state, s.failed, s.since
		s.mu.Unlock()
		switch {
		case failed != "":
			return fmt.Errorf("plugin %s does not run with it: %s", s.plugin.ID, failed)
		case state == stateRunning && s.config.Now().Sub(since) >= trial:
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-look.C:
		}
	}
}
