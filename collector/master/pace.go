package master

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/dockline/dockline/collector/connector"
)

// maxBackoff is the longest pause after faults.
const maxBackoff = time.Minute

// rest is how long to wait after work that took so long, so that it takes no more than its share of the time.
func rest(took time.Duration, share float64, least time.Duration) time.Duration {
	if share <= 0 || share > 1 {
		share = 1
	}
	return max(time.Duration(float64(took)*(1-share)/share), least-took)
}

// paced runs step until ctx ends: at its share of the time while there is more, and every poll else.
func paced(ctx context.Context, log *slog.Logger, what string, poll time.Duration, share float64, least time.Duration, step func(context.Context) (bool, error)) error {
	backoff, failing := poll, false
	for {
		began := time.Now()
		more, err := step(ctx)
		if ctx.Err() != nil {
			return nil
		}
		pause := poll
		switch {
		case err != nil:
			if !failing {
				log.Warn("cannot "+what+"; it will be tried again", "err", err)
			}
			failing = true
			backoff = min(2*backoff, max(poll, maxBackoff))
			if pause = backoff; errorAfter(err) > 0 {
				pause = min(max(errorAfter(err), poll), maxBackoff)
			}
		case more:
			pause = rest(time.Since(began), share, least)
			fallthrough
		default:
			if failing {
				log.Info("it goes on: " + what)
			}
			backoff, failing = poll, false
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil
		}
	}
}

// errorAfter is how long the system asks to be left alone.
func errorAfter(err error) time.Duration {
	if fault, ok := errors.AsType[*connector.Fault](err); ok {
		return fault.RetryAfter
	}
	return 0
}
