package host

import (
	"context"
	"fmt"
)

// between is something that is done while the plugin does not run.
type between struct {
	do   func() error
	done chan error
}

// between ends the session at work in order, does something, and lets the next one begin. The error is that of do, or says that it was
// not done; then it will not be.
func (s *supervisor) between(ctx context.Context, do func() error) error {
	b := between{do: func() error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return do()
	}, done: make(chan error, 1)}
	s.mu.Lock()
	if s.over {
		s.mu.Unlock()
		return fmt.Errorf("plugin %s is %s", s.plugin.ID, stateStopped)
	}
	s.waiting = append(s.waiting, b)
	halt := s.halt
	s.mu.Unlock()
	if halt != nil {
		halt()
	}
	select {
	case err := <-b.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// begin notes how the coming session is ended, and does what waits for the moment before it.
func (s *supervisor) begin(halt context.CancelFunc) {
	s.mu.Lock()
	s.halt = halt
	waiting := s.waiting
	s.waiting = nil
	s.mu.Unlock()
	for _, b := range waiting {
		b.done <- b.do()
	}
}

// end answers those who still wait.
func (s *supervisor) end() {
	s.set(stateStopped, "")
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	for _, b := range s.waiting {
		b.done <- fmt.Errorf("plugin %s is %s", s.plugin.ID, stateStopped)
	}
	s.waiting = nil
}
