package rebuild

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/dockline/dockline/collector/db"
)

// Night has the check made once a day. Several may run on one database: one of them works.
type Night struct {
	*Rebuild
	// At is the time of day from which on it is due, as ParseClock gives it, in the zone of this machine.
	At time.Duration
	// Log may be nil.
	Log *slog.Logger

	wake  db.Signal
	began time.Time
}

// ParseClock reads a time of day: "03:00".
func ParseClock(text string) (time.Duration, error) {
	at, err := time.Parse("15:04", text)
	if err != nil {
		return 0, fmt.Errorf("%q is no time of day like 03:00", text)
	}
	return time.Duration(at.Hour())*time.Hour + time.Duration(at.Minute())*time.Minute, nil
}

// Run checks until ctx ends.
func (n *Night) Run(ctx context.Context) error {
	defer n.DB.GiveBack(ctx, "rebuild/"+Nightly, n.Holder)
	return db.Poll(ctx, &n.wake, time.Minute, n.Log, "compare with the event log", func(ctx context.Context) (bool, error) { return false, n.Step(ctx) })
}

// Step makes the check if it is due. It takes at most half of the time for itself: after each page it rests as long as that took.
func (n *Night) Step(ctx context.Context) error {
	due, err := n.due(ctx)
	if err != nil || !due {
		return err
	}
	r, err := n.Begin(ctx, Nightly, Key{})
	if err != nil {
		return busyIsFine(err)
	}
	for !r.Done() {
		began := time.Now()
		if err := n.Rebuild.Step(ctx, r); err != nil {
			return busyIsFine(err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(min(time.Since(began), lease/3)):
		}
	}
	if err := n.End(ctx, r); err != nil {
		return err
	}
	if n.Log != nil {
		n.Log.Info("compared with the event log", "events", r.Events, "facts", r.Facts, "keys", r.Keys, "differing", r.Differing, "not folded yet", r.Pending)
	}
	return nil
}

func busyIsFine(err error) error {
	if errors.Is(err, ErrBusy) {
		return nil
	}
	return err
}

// due: one that was begun is taken up; else there must have been none since the time of day. A collector that has never made one begins with
// the first night.
func (n *Night) due(ctx context.Context) (bool, error) {
	now := n.now()
	if n.began.IsZero() {
		n.began = now
	}
	last, err := n.Last(ctx, Nightly)
	if err != nil {
		return false, err
	}
	since := n.began
	if last != nil {
		if !last.Done() {
			return true, nil
		}
		since = last.StartedAt
	}
	at := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, now.Location()).Add(n.At)
	if at.After(now) {
		at = at.AddDate(0, 0, -1)
	}
	return since.Before(at), nil
}
