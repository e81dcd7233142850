package agent

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

const (
	// watchTime is how long a configuration of the centre is watched where the centre does not say.
	watchTime = 5 * time.Minute
	// badTime is how long something must be wrong for it to be taken back, a quarter of the watch where that is shorter.
	badTime = 30 * time.Second
	// watchedStarts is how often the agent may start while it watches: more than that is a loop of crashes.
	watchedStarts = 3
)

// standing is how a site is, as far as a configuration could spoil it.
type standing struct {
	// Running are the ids of plugins that run; Online says that the line is up.
	Running []string `json:"running,omitempty"`
	Online  bool     `json:"online,omitempty"`
}

// watch is a configuration in force that is not known to be good yet.
type watch struct {
	// Key and Version are those of the command that brought it.
	Key     string `json:"key"`
	Version uint64 `json:"version"`
	// Former is the last one known to be good, nil for the site's own file.
	Former *given    `json:"former"`
	Until  time.Time `json:"until"`
	Before standing  `json:"before"`
	Starts int       `json:"starts,omitempty"`
}

// standing looks at plugins and line.
func (a *Agent) standing() standing {
	s := standing{Online: a.uplink.Stats().Connected}
	for _, p := range a.host.Health() {
		if p.GetState() == "running" {
			s.Running = append(s.Running, p.GetId())
		}
	}
	return s
}

// lost says what of before is no longer so, "" where all is.
func (now standing) lost(before standing) string {
	for _, id := range before.Running {
		if !slices.Contains(now.Running, id) {
			return fmt.Sprintf("plugin %s, which ran before, does not", id)
		}
	}
	if before.Online && !now.Online {
		return "the line to the collector, which was up before, is down"
	}
	return ""
}

// watchConfig is a loop that keeps a configuration that has proved itself, and takes back one with which the site's health falls.
func (a *Agent) watchConfig(ctx context.Context) error {
	look := time.NewTicker(250 * time.Millisecond)
	defer look.Stop()
	var watched *watch
	var ends, bad time.Time
	var starts map[string]uint32
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-look.C:
		}
		w, g := a.settings.watched()
		if w == nil {
			continue
		}
		if w != watched { // time that passes, not the time of day, which may be set
			watched, bad, ends = w, time.Time{}, time.Now().Add(min(w.Until.Sub(now().Round(0)), g.Trial))
			starts = a.starts()
		}
		reason, looping := a.standing().lost(w.Before), crashed(starts, a.starts())
		if looping != "" {
			if err := a.takeBack(looping); err != nil {
				return err
			}
			continue
		}
		switch {
		case reason == "":
			bad = time.Time{}
		case bad.IsZero():
			bad = time.Now()
		}
		switch {
		case reason != "" && time.Since(bad) >= min(badTime, g.Trial/4):
			if err := a.takeBack(reason); err != nil {
				return err
			}
		case reason == "" && time.Now().After(ends):
			if err := a.settings.keep(); err != nil {
				return err
			}
			a.log.Info("the centre's configuration is kept", "version", g.Version, "desired", g.Desired)
		}
	}
}

// starts is how often each plugin was started again.
func (a *Agent) starts() map[string]uint32 {
	all := make(map[string]uint32)
	for _, p := range a.host.Health() {
		all[p.GetId()] = p.GetRestarts()
	}
	return all
}

// watchedCrashes is how often a plugin may crash while its section is watched.
const watchedCrashes = 2

// crashed says which plugin crashes again and again, though it may run in between; "" for none.
func crashed(before, now map[string]uint32) string {
	for id, n := range now {
		if n > before[id]+watchedCrashes {
			return fmt.Sprintf("plugin %s has ended %d times since", id, n-before[id])
		}
	}
	return ""
}

// takeBack puts the last configuration known to be good in force again.
func (a *Agent) takeBack(reason string) error {
	_, g := a.settings.watched()
	reason = "it was in force and is taken back: " + reason
	a.log.Error("the centre's configuration is taken back, the one before is in force again", "version", g.Version, "desired", g.Desired, "err", reason)
	reportEvent(fmt.Sprintf("Configuration %d of the centre is taken back, the one before is in force again: %s", g.Version, reason))
	if err := a.settings.rollBack(reason); err != nil {
		return err
	}
	a.reopen()
	return nil
}

// watched is what is watched, and the configuration that it is about; nil where nothing is.
func (s *settings) watched() (*watch, *given) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.watching, s.accepted
}

// keep ends the watch: what is in force is known to be good.
func (s *settings) keep() error {
	s.mu.Lock()
	s.watching = nil
	s.mu.Unlock()
	return s.remove(watchFile)
}

// rollBack makes the last one known to be good the one in force, and what was watched a refused one.
func (s *settings) rollBack(reason string) error {
	w, g := s.watched()
	back := *g
	back.Reason, back.TakenBack, back.At = reason, true, now().UTC()
	if err := s.put(refusedFile, &back); err != nil {
		return fmt.Errorf("take a configuration back: %w", err)
	}
	var err error
	if w.Former == nil {
		err = s.remove(acceptedFile)
	} else {
		err = s.put(acceptedFile, w.Former)
	}
	if err != nil {
		return fmt.Errorf("take a configuration back: %w", err)
	}
	s.mu.Lock()
	s.accepted, s.refused, s.watching = w.Former, &back, nil
	s.mu.Unlock()
	return s.remove(watchFile)
}

// started counts a start under watch; one too many is a loop of crashes.
func (s *settings) started() error {
	w, _ := s.watched()
	if w == nil {
		return nil
	}
	w.Starts++
	if w.Starts > watchedStarts {
		return s.rollBack(fmt.Sprintf("it was in force and is taken back: the agent was started %d times while it was watched", w.Starts))
	}
	return s.put(watchFile, w)
}

func (s *settings) remove(name string) error {
	if err := os.Remove(filepath.Join(s.dir, name)); err != nil && !os.IsNotExist(err) {
		return err
	}
	return errors.Join(syncFolder(s.dir))
}

// state is what the site runs of the centre's configuration.
func (s *settings) state() *docklinev1.ConfigState {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &docklinev1.ConfigState{State: "own"}
	var at time.Time
	if g := s.accepted; g != nil {
		c.State, c.Version, c.Sha256, at = "accepted", g.Desired, configHash(g.YAML), g.At
	}
	if s.watching != nil {
		c.State = "trial"
	}
	if r := s.refused; r != nil && r.Desired > 0 {
		c.RefusedVersion, c.Text = r.Desired, r.Reason
		if r.Desired > c.Version && s.watching == nil {
			c.State, at = "refused", r.At
			if r.TakenBack {
				c.State = "rolled_back"
			}
		}
	}
	if !at.IsZero() {
		c.Since = timestamppb.New(at)
	}
	return c
}

func configHash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
