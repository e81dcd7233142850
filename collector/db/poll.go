package db

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// Signal tells a loop of this process that there is work. The zero value is ready; a Set that nobody has waited for is kept.
type Signal struct {
	once sync.Once
	c    chan struct{}
}

// Set wakes the loop. It never blocks.
func (s *Signal) Set() {
	select {
	case s.channel() <- struct{}{}:
	default:
	}
}

// Told is what a loop of its own waits at: it receives once for what was set since.
func (s *Signal) Told() <-chan struct{} { return s.channel() }

func (s *Signal) channel() chan struct{} {
	s.once.Do(func() { s.c = make(chan struct{}, 1) })
	return s.c
}

// Poll runs step again and again until ctx ends, and then returns nil. After a step that found nothing more it waits for wake,
// or for every, since another collector may have written. After an error, which is logged with what, it waits too, longer each
// time up to 5 s: a database that is away for a while comes back.
func Poll(ctx context.Context, wake *Signal, every time.Duration, log *slog.Logger, what string, step func(context.Context) (more bool, err error)) error {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	pause := time.Duration(0)
	for ctx.Err() == nil {
		more, err := step(ctx)
		switch {
		case err == nil:
			pause = 0
		case ctx.Err() != nil:
			return nil
		default:
			log.Error("cannot "+what, "err", err)
			pause, more = min(max(2*pause, 100*time.Millisecond), 5*time.Second), false
		}
		if more {
			continue
		}
		timer := time.NewTimer(max(every, pause))
		woken := wake.channel()
		if pause > 0 {
			woken = nil
		}
		select {
		case <-ctx.Done():
		case <-woken:
		case <-timer.C:
		}
		timer.Stop()
	}
	return nil
}
