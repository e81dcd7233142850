package main

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/plugins"
	"github.com/dockline/dockline/plugins/sim/traffic"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

const (
	// ahead is how far traffic is made before it is told, and heldMost how much of it.
	ahead    = 10 * time.Minute
	heldMost = 5000
)

// trafficOf is the section traffic; nil where the dock works on a centre's orders.
func trafficOf(text []byte) *trafficConfig {
	var c config
	_ = plugins.Decode(text, &c) // Check has told what is wrong
	return c.Traffic
}

// trafficCursor is where the telling is, and when the traffic began: with both and the configuration all can be told again, also on a new disk.
type trafficCursor struct {
	began time.Time
	place traffic.Place
}

func (c trafficCursor) encode() []byte {
	return fmt.Appendf(nil, "traffic %d %d %d %d", c.began.UnixMicro(), c.place.At.UnixMicro(), c.place.Order, c.place.Step)
}

func decodeTraffic(cursor []byte) (c trafficCursor, err error) {
	var began, at int64
	if _, err := fmt.Sscanf(string(cursor), "traffic %d %d %d %d", &began, &at, &c.place.Order, &c.place.Step); err != nil {
		return c, fmt.Errorf("cursor %q is not that of traffic: a site that has told of a dock needs another id for it", cursor)
	}
	c.began, c.place.At = time.UnixMicro(began).UTC(), time.UnixMicro(at).UTC()
	return c, nil
}

// trafficSince is the cursor from which everything since a time is told again.
func trafficSince(cursor []byte, since time.Time) ([]byte, string, error) {
	c, err := decodeTraffic(cursor)
	if err != nil {
		return nil, "", err
	}
	if since.Before(c.began) {
		since = c.began
	}
	c.place = traffic.Place{At: since.UTC().Truncate(time.Microsecond)}
	return c.encode(), "what was told since " + since.UTC().Format(time.RFC3339), nil
}

// captureTraffic tells the traffic as it comes.
func captureTraffic(ctx context.Context, c *trafficConfig, start plugins.Start, out plugins.Stream) error {
	whole, _, faults := parse(start.Config, start.ID)
	if len(faults) > 0 {
		return fmt.Errorf("config: %s: %s", faults[0].GetPath(), faults[0].GetText())
	}
	made, _ := c.load(start.Config, whole.Seed, whole.Site)
	cursor := trafficCursor{began: time.Now().UTC().Add(-c.History).Truncate(time.Microsecond)}
	cursor.place.At = cursor.began
	if len(start.Cursor) > 0 {
		var err error
		if cursor, err = decodeTraffic(start.Cursor); err != nil {
			return err
		}
	} else if err := out.Emit(ctx, &docklinev1.CaptureBatch{Cursor: cursor.encode()}); err != nil { // when it began is durable before anything is told
		return err
	}
	made.Began = cursor.began
	source := &trafficSource{traffic: traffic.New(made), cursor: cursor}
	for {
		batch, wait := source.next(time.Now())
		if batch != nil {
			if err := out.Emit(ctx, batch); err != nil {
				return err
			}
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
	}
}

// trafficSource holds what is made and not told yet.
type trafficSource struct {
	traffic *traffic.Traffic
	cursor  trafficCursor
	held    []*traffic.Told
	until   time.Time // all up to this time has been made
	quiet   time.Time // when it was last told that nothing is missing
}

// next is the batch that is due, or how long to wait for one.
func (s *trafficSource) next(now time.Time) (*docklinev1.CaptureBatch, time.Duration) {
	if len(s.held) == 0 && !s.until.After(now) {
		until := now.Add(ahead)
		s.held = s.traffic.Between(s.cursor.place, until, heldMost)
		if s.until = until; len(s.held) == heldMost {
			s.until = s.held[len(s.held)-1].At
		}
	}
	batch := &docklinev1.CaptureBatch{}
	for len(s.held) > 0 && len(batch.Events) < batchSize && !s.held[0].At.After(now) {
		told := s.held[0]
		batch.Events = append(batch.Events, told.Event)
		s.cursor.place = traffic.Place{At: told.At, Order: told.Order, Step: told.Step}
		s.held = s.held[1:]
	}
	through := s.cursor.place.At
	switch {
	case len(batch.Events) > 0:
	case now.Sub(s.quiet) >= idle:
		through = now
	default:
		return nil, idle / 4
	}
	s.quiet = now
	batch.Cursor = s.cursor.encode()
	batch.CompleteThrough = []*docklinev1.CompleteThrough{{Stream: "traffic", Time: timestamppb.New(through), MovesStock: true}}
	return batch, 0
}
