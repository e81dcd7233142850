package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/proto"

	"github.com/hashicorp/go-plugin"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// missedPings in a row make a plugin count as hung.
const missedPings = 3

// pushPatience is how long a source that can't read again waits for its cursor.
const pushPatience = 20 * time.Millisecond

var (
	errExited = errors.New("nobody asked it to end")
	errHung   = errors.New("it gave no sign of life")
)

// session is one life of the plugin's process, from start to end. It returns nil only after stopping was asked for and went
// in order.
func (s *supervisor) session(stopping context.Context) error {
	dataDir := s.dataDir()
	if err := os.MkdirAll(dataDir, 0o700); err != nil {
		return cursorError{fmt.Errorf("make folder: %w", err)}
	}
	r, err := start(stopping, s.config, s.plugin, s.config.sockets, s.lines)
	if err != nil {
		return err
	}
	defer r.stop()
	described, err := s.greet(stopping, r, dataDir)
	if err != nil {
		return s.ended(r, err)
	}
	cursor, err := s.cursor(stopping, described)
	if err != nil {
		return s.ended(r, err)
	}
	s.journalTold(nil)
	s.set(stateRunning, "")
	s.openFor(r)
	defer s.closeDeliveries()
	err = s.serve(stopping, r, described, &docklinev1.CaptureStart{Config: s.plugin.Config, Cursor: cursor,
		Window: uint32(s.config.Limits.Window), DataDir: dataDir, Id: s.plugin.ID, Bundles: true, Tenant: s.config.Tenant, Site: s.config.Site})
	if errors.Is(err, errDrained) {
		return nil
	}
	return s.ended(r, err)
}

// cursor is what the source goes on from. One that can read again waits for it; one that can't must not, what it would miss meanwhile is
// gone, and it starts without where the cursor is not known yet.
func (s *supervisor) cursor(ctx context.Context, described *docklinev1.DescribeResponse) ([]byte, error) {
	ask, cancel := ctx, context.CancelFunc(func() {})
	if !described.GetRereadable() {
		ask, cancel = context.WithTimeout(ctx, pushPatience)
	}
	defer cancel()
	cursor, err := s.config.Journal.Cursor(ask, s.plugin.ID)
	switch {
	case err == nil, ctx.Err() == nil && ask.Err() != nil:
		return cursor, nil
	case ctx.Err() != nil:
		return nil, errDrained
	}
	return nil, cursorError{fmt.Errorf("read cursor: %w", err)}
}

// greet asks the plugin who it is and whether it likes its configuration, and opens its sink.
func (s *supervisor) greet(ctx context.Context, r *running, dataDir string) (*docklinev1.DescribeResponse, error) {
	described, err := r.describe(ctx, s.config.Limits.Call)
	if err != nil {
		return nil, err
	}
	if !described.GetSource() && !described.GetSink() {
		return nil, errors.New("it is neither a source nor a sink")
	}
	described.Name, described.Version = shortenTo(described.GetName(), maxName), shortenTo(described.GetVersion(), maxName)
	s.mu.Lock()
	s.described = described
	s.mu.Unlock()
	faults, err := r.check(ctx, s.plugin, s.config.Limits.Call)
	if err != nil {
		return nil, err
	}
	if len(faults) > 0 {
		return nil, configFaults(faults)
	}
	if described.GetSink() {
		ctx, cancel := context.WithTimeout(ctx, s.config.Limits.Call)
		defer cancel()
		opened, err := r.api.Sink.Open(ctx, &docklinev1.OpenRequest{Config: s.plugin.Config, DataDir: dataDir, Id: s.plugin.ID})
		if err != nil {
			return nil, unanswered("Open", err, ctx)
		}
		if opened.GetIdle() { // a second wms-file that only reads must not stand between commands and the first
			described = proto.CloneOf(described)
			described.Sink = false
			s.mu.Lock()
			s.described = described
			s.mu.Unlock()
		}
	}
	return described, nil
}

// serve captures and watches until the plugin ends or stopping is asked for; its error is errDrained if all went in order.
func (s *supervisor) serve(stopping context.Context, r *running, described *docklinev1.DescribeResponse, start *docklinev1.CaptureStart) error {
	g, ctx := errgroup.WithContext(context.WithoutCancel(stopping))
	g.Go(func() error { return s.watch(ctx, r) })
	g.Go(func() error { return s.ping(ctx, r) })
	g.Go(func() error { return s.measure(ctx, r) })
	g.Go(func() error {
		if described.GetSource() {
			return s.capture(ctx, stopping, r, described, start)
		}
		select {
		case <-stopping.Done():
			return errDrained
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	return g.Wait()
}

func (s *supervisor) capture(ctx, stopping context.Context, r *running, described *docklinev1.DescribeResponse, start *docklinev1.CaptureStart) error {
	ctx, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	stream, err := r.api.Source.Capture(ctx)
	if err != nil {
		return fmt.Errorf("capture: %w", err)
	}
	c := &capture{stream: stream, plugin: s.plugin.ID, journal: rewindable{s.config.Journal, &s.rewinding}, drain: s.config.Limits.Drain, window: s.config.Limits.Window, bundles: described.GetBundles(),
		stamper: &stamper{tenant: s.config.Tenant, site: s.config.Site, source: s.plugin.ID, kinds: described.GetKinds(), now: s.config.Now, ahead: s.config.ClockAhead}}
	c.rules = s.config.Rules
	c.told.devices = s.seen
	c.told.conditions, c.told.event, c.told.journal, c.told.counted = s.reported, s.captured, s.journalTold, s.counted
	c.patience, c.giveUp, c.flood = s.config.Limits.Call, giveUp, newFlood(s.plugin.EventRate, s.slowed)
	c.send(&docklinev1.CaptureRequest{Message: &docklinev1.CaptureRequest_Start{Start: start}})
	err = c.run(ctx, stopping)
	var against offence
	if cause := context.Cause(ctx); errors.As(cause, &against) {
		return cause // the stream only says that it was ended
	}
	return err
}

// watch returns when the process is gone.
func (s *supervisor) watch(ctx context.Context, r *running) error {
	select {
	case <-r.process.Exited():
		return errExited
	case <-ctx.Done():
		return nil
	}
}

// ping notices a process that lives and does not answer.
func (s *supervisor) ping(ctx context.Context, r *running) error {
	every := time.NewTicker(s.config.Limits.Ping)
	defer every.Stop()
	for missed := 0; missed < missedPings; {
		select {
		case <-ctx.Done():
			return nil
		case <-every.C:
		}
		call, cancel := context.WithTimeout(ctx, s.config.Limits.Ping)
		_, err := r.api.Health.Check(call, &grpc_health_v1.HealthCheckRequest{Service: plugin.GRPCServiceName})
		cancel()
		if missed++; err == nil {
			missed = 0
		}
	}
	return offencef("%w %d times in a row, %s apart", errHung, missedPings, s.config.Limits.Ping)
}

// ended says why a session ended: a stream often breaks a moment before its process is seen to be gone.
func (s *supervisor) ended(r *running, err error) error {
	var faults configFaults
	if errors.As(err, &faults) {
		return err
	}
	var against offence
	var hopeless incurable
	offended, permanent := errors.As(err, &against), errors.As(err, &hopeless)
	if offended {
		r.process.End() // it does not keep to its contract: it would not answer a request to stop either
	}
	select {
	case <-r.process.Exited():
	case <-time.After(200 * time.Millisecond):
	}
	err = r.describeEnd(err)
	switch {
	case permanent:
		return incurable{err}
	case offended:
		return offence{err}
	}
	return err
}
