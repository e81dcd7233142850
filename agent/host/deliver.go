package host

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// ErrNoSink says that a command cannot be delivered now; it is to come again.
var ErrNoSink = errors.New("no sink for the command")

// Deliver hands a command to the plugin that it names, or to the one sink there is, and returns its result, which is final. An
// error means that the outcome is not known, or that the sink is not there; the command is to come again.
func (h *Host) Deliver(ctx context.Context, command *docklinev1.Command) (*docklinev1.CommandResult, error) {
	s, err := h.route(command)
	h.unrouted.note(command.GetKey(), err, h.config.Now())
	if err != nil {
		return nil, err
	}
	return s.deliver(ctx, command)
}

func (h *Host) route(command *docklinev1.Command) (*supervisor, error) {
	var found *supervisor
	unknown, out := 0, ""
	for _, s := range h.supervisors {
		if command.GetPlugin() == s.plugin.ID {
			return s, nil
		}
		switch isSink, known := s.isSink(); {
		case !known && s.quarantined():
			out = s.plugin.ID
		case !known:
			unknown++
		case isSink && found != nil && command.GetPlugin() == "":
			return nil, fmt.Errorf("%w: %s and %s are sinks, and the command names none; name one where the command is made",
				ErrNoSink, found.plugin.ID, s.plugin.ID)
		case isSink:
			found = s
		}
	}
	switch {
	case command.GetPlugin() != "":
		return nil, fmt.Errorf("%w: plugin %q is not configured at this site", ErrNoSink, command.GetPlugin())
	case unknown > 0:
		return nil, fmt.Errorf("%w: %d plugins have not yet said whether they are one", ErrNoSink, unknown)
	case found == nil && out != "":
		return nil, fmt.Errorf("%w: plugin %s may be the one; it is %s and has not yet said", ErrNoSink, out, stateQuarantined)
	case found == nil:
		return nil, fmt.Errorf("%w: no plugin of this site carries out commands; configure one", ErrNoSink)
	}
	return found, nil
}

// Find asks a plugin whether it has applied a command, and its highest version.
func (h *Host) Find(ctx context.Context, pluginID, key string) (found bool, version uint64, err error) {
	s, err := h.route(&docklinev1.Command{Plugin: pluginID, Key: key})
	if err != nil {
		return false, 0, err
	}
	err = s.ask(ctx, func(ctx context.Context, r *running) error {
		reply, err := r.api.Sink.Find(ctx, &docklinev1.FindRequest{Key: key})
		found, version = reply.GetFound(), reply.GetVersion()
		return err
	})
	return found, version, err
}

// quarantined plugins that have never run do not hold up commands: a site whose commands name no plugin has one sink only.
func (s *supervisor) quarantined() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state == stateQuarantined
}

func (s *supervisor) isSink() (isSink, known bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.described.GetSink(), s.described != nil
}

func (s *supervisor) deliver(ctx context.Context, command *docklinev1.Command) (*docklinev1.CommandResult, error) {
	var result *docklinev1.CommandResult
	err := s.ask(ctx, func(ctx context.Context, r *running) error {
		reply, err := r.api.Sink.Deliver(ctx, &docklinev1.DeliverRequest{Command: command})
		result = reply.GetResult()
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("deliver %s to %s: %w", command.GetKey(), s.plugin.ID, err)
	}
	if result.GetOutcome() == docklinev1.CommandOutcome_COMMAND_OUTCOME_UNSPECIFIED {
		return nil, fmt.Errorf("deliver %s to %s: the plugin does not say what became of it", command.GetKey(), s.plugin.ID)
	}
	result.Key, result.Version = command.GetKey(), command.GetVersion()
	return result, nil
}

// ask makes one call to the sink, if it is there.
func (s *supervisor) ask(ctx context.Context, call func(context.Context, *running) error) error {
	if isSink, known := s.isSink(); known && !isSink {
		return fmt.Errorf("%w: plugin %s carries out no commands", ErrNoSink, s.plugin.ID)
	}
	return s.call(ctx, call)
}

// call makes one call to the plugin, if it runs.
func (s *supervisor) call(ctx context.Context, call func(context.Context, *running) error) error {
	s.mu.Lock()
	open, state := s.open, s.state
	if open != nil {
		open.calls.Add(1)
	}
	s.mu.Unlock()
	if open == nil {
		return fmt.Errorf("%w: plugin %s is %s", ErrNoSink, s.plugin.ID, state)
	}
	defer open.calls.Done()
	ctx, cancel := context.WithTimeout(ctx, s.config.Limits.Call)
	defer cancel()
	return call(ctx, open.plugin)
}

// callable is a plugin that takes calls, and those on their way to it.
type callable struct {
	plugin *running
	calls  sync.WaitGroup
}

func (s *supervisor) openFor(r *running) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open = &callable{plugin: r}
}

// closeDeliveries lets no further command through and waits for those on their way, as long as a drain may take.
func (s *supervisor) closeDeliveries() {
	s.mu.Lock()
	open := s.open
	s.open = nil
	s.mu.Unlock()
	done := make(chan struct{})
	go func() {
		open.calls.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-open.plugin.process.Exited():
	case <-time.After(s.config.Limits.Drain):
	}
}

// forgotten is when a command that found no sink, and has not come again, no longer counts.
const forgotten = 15 * time.Minute

// unrouted remembers the commands that found no sink, for a person to see.
type unrouted struct {
	mu    sync.Mutex
	since time.Time
	why   map[string]unroutedCommand
}

type unroutedCommand struct {
	err error
	at  time.Time
}

func (u *unrouted) note(key string, err error, now time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if err == nil {
		delete(u.why, key)
		return
	}
	if len(u.why) == 0 {
		u.since, u.why = now, map[string]unroutedCommand{}
	}
	if len(u.why) < 1000 {
		u.why[key] = unroutedCommand{err, now}
	}
}

func (u *unrouted) conditions(now time.Time) []*docklinev1.Condition {
	u.mu.Lock()
	defer u.mu.Unlock()
	maps.DeleteFunc(u.why, func(_ string, c unroutedCommand) bool { return now.Sub(c.at) > forgotten })
	for key, c := range u.why {
		text := fmt.Sprintf("%d commands wait, one of them is %s: %s.", len(u.why), key, c.err)
		return []*docklinev1.Condition{condition("command_without_sink", docklinev1.Severity_SEVERITY_WARNING, u.since, "Commands find no plugin", text)}
	}
	return nil
}
