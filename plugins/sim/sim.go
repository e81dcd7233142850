package main

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/plugins"
	"github.com/dockline/dockline/plugins/sim/day"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

const (
	version = "1.0.0"
	// batchSize bounds how many movements of a backlog go at once.
	batchSize = 50
	// idle is how often a dock with nothing to do says that it has told everything.
	idle = time.Second
)

// sim is Source and Sink of one simulated dock.
type sim struct {
	once  sync.Once
	err   error
	floor *floor
	rate  float64
}

func newSim() *sim { return &sim{} }

// Describe implements plugins.Described.
func (s *sim) Describe() *docklinev1.DescribeResponse {
	return &docklinev1.DescribeResponse{Name: "sim", Version: version, ConfigSchema: configSchema, Rereadable: true, Kinds: []docklinev1.EventKind{
		docklinev1.EventKind_EVENT_KIND_PICK_CONFIRMED, docklinev1.EventKind_EVENT_KIND_PICK_SHORT, docklinev1.EventKind_EVENT_KIND_PACK_CONFIRMED,
		docklinev1.EventKind_EVENT_KIND_SHIPMENT_DEPARTED, docklinev1.EventKind_EVENT_KIND_COUNT_OBSERVED,
		docklinev1.EventKind_EVENT_KIND_PICK_SUBSTITUTED, docklinev1.EventKind_EVENT_KIND_PACK_REOPENED, docklinev1.EventKind_EVENT_KIND_SHIPMENT_VOIDED,
		docklinev1.EventKind_EVENT_KIND_ORDER_CANCEL_REQUESTED, docklinev1.EventKind_EVENT_KIND_DELIVERY_PROVED, docklinev1.EventKind_EVENT_KIND_RETURN_RECEIVED,
		docklinev1.EventKind_EVENT_KIND_RECORD_REFUSED,
	}}
}

// Check implements plugins.Described.
func (s *sim) Check(config []byte, id string) []*docklinev1.ConfigFault {
	_, _, faults := parse(config, id)
	return faults
}

func stockPath(i int) string { return fmt.Sprintf("stock[%d]", i) }

// open builds the floor once; Capture and the Sink share it.
func (s *sim) open(start plugins.Start) error {
	s.once.Do(func() {
		c, rate, faults := parse(start.Config, start.ID)
		if len(faults) > 0 {
			s.err = fmt.Errorf("config: %s: %s", faults[0].GetPath(), faults[0].GetText())
			return
		}
		s.rate = rate
		s.floor, s.err = openFloor(c, start.DataDir)
	})
	return s.err
}

// Capture tells what the ledger holds beyond the cursor, then lets the dock work at its pace. The cursor is the number of the last
// movement told.
func (s *sim) Capture(ctx context.Context, start plugins.Start, out plugins.Stream) error {
	if c := trafficOf(start.Config); c != nil {
		return captureTraffic(ctx, c, start, out)
	}
	if err := s.open(start); err != nil {
		return err
	}
	var told uint64
	if len(start.Cursor) > 0 {
		var err error
		if told, err = strconv.ParseUint(string(start.Cursor), 10, 64); err != nil {
			return fmt.Errorf("cursor %q is not a movement number", start.Cursor)
		}
	}
	pace := time.NewTimer(0)
	defer pace.Stop()
	seen := newDevices(start.DataDir)
	seen.used(s.floor.after(0, int(told)))
	for {
		if err := seen.tell(time.Now(), out); err != nil {
			return err
		}
		if batch := s.floor.after(told, batchSize); len(batch) > 0 {
			told = batch[len(batch)-1].Number
			seen.used(batch)
			if err := out.Emit(ctx, batchOf(batch)); err != nil {
				return err
			}
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-pace.C:
		}
		happened := false
		if !seen.down() {
			var err error
			if happened, err = s.floor.happen(time.Now()); err != nil {
				return err
			}
		}
		if happened {
			pace.Reset(s.pause())
			continue
		}
		if err := out.Emit(ctx, &docklinev1.CaptureBatch{CompleteThrough: through(time.Now(), told)}); err != nil {
			return err
		}
		pace.Reset(idle)
		select {
		case <-s.floor.work:
			pace.Reset(0)
		case <-ctx.Done():
			return nil
		case <-pace.C:
			pace.Reset(0)
		}
	}
}

// CursorAt implements plugins.Rewinder: the ledger knows when each movement was.
func (s *sim) CursorAt(_ context.Context, start plugins.Start, since time.Time) (cursor []byte, what string, err error) {
	if trafficOf(start.Config) != nil {
		return trafficSince(start.Cursor, since)
	}
	if err := s.open(start); err != nil {
		return nil, "", err
	}
	before, after := s.floor.since(since)
	return strconv.AppendUint(nil, before, 10), fmt.Sprintf("%d movements since %s", after, since.UTC().Format(time.RFC3339)), nil
}

func (s *sim) pause() time.Duration {
	if s.rate == 0 {
		return 0
	}
	return time.Duration(float64(time.Second) / s.rate)
}

func through(at time.Time, number uint64) []*docklinev1.CompleteThrough {
	return []*docklinev1.CompleteThrough{{Stream: "dock", Time: timestamppb.New(at), Movement: number, MovesStock: true}}
}

func batchOf(movements []day.Movement) *docklinev1.CaptureBatch {
	last := movements[len(movements)-1]
	b := &docklinev1.CaptureBatch{Cursor: strconv.AppendUint(nil, last.Number, 10), CompleteThrough: through(last.At, last.Number)}
	for _, m := range movements {
		e := m.Event()
		if m.Operator != "" {
			e.Device = scannerOf(m.Operator)
		}
		b.Events = append(b.Events, e)
	}
	return b
}
