package downlink_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dockline/dockline/agent/downlink"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// sink is a plugin that writes down what it is given.
type sink struct {
	got    []string
	answer func(*docklinev1.Command) (*docklinev1.CommandResult, error)
}

func (s *sink) Deliver(_ context.Context, c *docklinev1.Command) (*docklinev1.CommandResult, error) {
	s.got = append(s.got, fmt.Sprintf("%s@%d", c.Key, c.Version))
	if s.answer != nil {
		return s.answer(c)
	}
	return &docklinev1.CommandResult{Outcome: docklinev1.CommandOutcome_COMMAND_OUTCOME_APPLIED}, nil
}

type world struct {
	t        *testing.T
	path     string
	now      time.Time
	store    *downlink.Store
	sink     *sink
	recorded []*docklinev1.Event
	full     error
	loop     *downlink.Loop
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, path: inbox(t), now: time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC), sink: &sink{}}
	w.reopen()
	return w
}

func (w *world) reopen() {
	if w.store != nil {
		if err := w.store.Close(); err != nil {
			w.t.Fatal(err)
		}
	}
	w.store = open(w.t, w.path, downlink.Options{})
	w.loop = &downlink.Loop{Tenant: "acme", Site: "dc-east", Store: w.store, Sink: w.sink, Now: func() time.Time { return w.now },
		Record: func(_ context.Context, e *docklinev1.Event) error {
			if w.full == nil {
				w.recorded = append(w.recorded, e)
			}
			return w.full
		}}
}

func (w *world) step() time.Duration {
	w.t.Helper()
	wait, err := w.loop.Step(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	return wait
}

func (w *world) wantGot(want string) {
	w.t.Helper()
	if got := strings.Join(w.sink.got, " "); got != want {
		w.t.Errorf("the sink got %s, want %s", got, want)
	}
}

func cancelOrder(order string, position uint64) *docklinev1.Command {
	return &docklinev1.Command{Key: "cancel/" + order, Version: 1, Position: position,
		Work: &docklinev1.Command_CancelOrder{CancelOrder: &docklinev1.CancelOrder{Number: order}}}
}

// Each command is carried out once, in the order in which it came, and its result is a valid event with its correlation id.
// Shows: S52
func TestCommandsAreCarriedOutOnce(t *testing.T) {
	w := newWorld(t)
	put(t, w.store, 0, release("A", 1, 1), release("B", 4, 2))
	w.step()
	w.step()
	w.reopen()
	put(t, w.store, 0, release("A", 1, 1), release("B", 3, 2))
	if err := w.store.SetIncarnation("two"); err != nil {
		t.Fatal(err)
	}
	put(t, w.store, 0, release("A", 1, 1), release("B", 4, 2), release("C", 1, 3))
	w.step()
	w.wantGot("release/A@1 release/B@4 release/C@1")
	if len(w.recorded) != 3 {
		t.Fatalf("%d events, want 3", len(w.recorded))
	}
	e := w.recorded[1]
	if fault := event.Validate(e); fault != nil {
		t.Error(fault)
	}
	r := e.GetCommandResult()
	if e.Subject != "B" || e.CorrelationId != "c-B" || e.SourceKey != "release/B" || e.SourceRevision != "4" || r.Key != "release/B" || r.Version != 4 ||
		r.Outcome != docklinev1.CommandOutcome_COMMAND_OUTCOME_APPLIED || e.Tenant != "acme" || e.Site != "dc-east" || len(e.Id) != 64 {
		t.Errorf("event %v", e)
	}
}

// Work that waits for days, because its sink does not come up, is tried once a minute, outlives restarts, is done once when the sink is
// there, in its newest version alone, and is answered with the correlation id that it came with.
func TestWorkThatWaitsForDays(t *testing.T) {
	w := newWorld(t)
	put(t, w.store, 0, release("A", 1, 1), release("B", 1, 2))
	away := true
	w.sink.answer = func(*docklinev1.Command) (*docklinev1.CommandResult, error) {
		if away {
			return nil, errors.New("the plugin is not there")
		}
		return &docklinev1.CommandResult{Outcome: docklinev1.CommandOutcome_COMMAND_OUTCOME_APPLIED}, nil
	}
	for day := range 5 {
		for range 3 {
			if wait := w.step(); wait > time.Minute {
				t.Fatalf("the next attempt is in %s", wait)
			}
			w.now = w.now.Add(8 * time.Hour)
		}
		w.reopen()
		if day == 2 {
			put(t, w.store, 2, release("A", 2, 3))
		}
	}
	if len(w.recorded) != 0 {
		t.Fatalf("answered before it was done: %v", w.recorded)
	}
	away, w.sink.got = false, nil
	w.step()
	w.step()
	w.wantGot("release/B@1 release/A@2")
	if len(w.recorded) != 2 || w.recorded[1].GetCorrelationId() != "c-A" || w.recorded[1].GetCommandResult().GetVersion() != 2 || !w.recorded[1].GetOccurredAt().AsTime().Equal(w.now) {
		t.Errorf("answers %v", w.recorded)
	}
}

// A refusal is final and told; an error is not: it is tried again, later and later, and what is about the same order waits
// behind it, while other orders go on.
func TestRefusedIsFinalErrorIsNot(t *testing.T) {
	w := newWorld(t)
	down := true
	w.sink.answer = func(c *docklinev1.Command) (*docklinev1.CommandResult, error) {
		switch {
		case down && c.Key == "release/A":
			return nil, errors.New("the WMS does not answer")
		case c.Key == "release/B":
			return &docklinev1.CommandResult{Outcome: docklinev1.CommandOutcome_COMMAND_OUTCOME_REFUSED, Text: "unknown item"}, nil
		}
		return &docklinev1.CommandResult{Outcome: docklinev1.CommandOutcome_COMMAND_OUTCOME_APPLIED}, nil
	}
	put(t, w.store, 0, release("A", 1, 1), release("B", 1, 2), cancelOrder("A", 3))
	if wait := w.step(); wait != time.Second {
		t.Errorf("next try after %s, want 1s", wait)
	}
	w.wantGot("release/A@1 release/B@1")
	w.now = w.now.Add(900 * time.Millisecond)
	if wait := w.step(); wait != 100*time.Millisecond {
		t.Errorf("next try after %s, want 100ms", wait)
	}
	w.wantGot("release/A@1 release/B@1")
	var waits []time.Duration
	for range 8 {
		w.now = w.now.Add(time.Minute)
		waits = append(waits, w.step())
	}
	if got := fmt.Sprint(waits); got != "[2s 4s 8s 16s 32s 1m0s 1m0s 1m0s]" {
		t.Errorf("tried again after %s", got)
	}
	down = false
	w.sink.got = nil
	w.now = w.now.Add(time.Minute)
	w.step()
	w.wantGot("release/A@1 cancel/A@1")
	if len(w.recorded) != 3 || w.recorded[0].GetCommandResult().Text != "unknown item" {
		t.Errorf("events %v", w.recorded)
	}
}

// The journal is full, or the process ends, after a sink has applied a command: it is not given to the sink again, and its
// result is told once it can be, as the same event.
func TestResultSurvives(t *testing.T) {
	w := newWorld(t)
	w.full = errors.New("journal full")
	put(t, w.store, 0, release("A", 1, 1))
	if _, err := w.loop.Step(context.Background()); !errors.Is(err, w.full) {
		t.Fatalf("step: %v", err)
	}
	began := w.now
	w.now = w.now.Add(time.Hour)
	w.reopen()
	put(t, w.store, 1, release("A", 2, 2))
	w.full = nil
	w.step()
	w.wantGot("release/A@1 release/A@2")
	if len(w.recorded) != 2 || w.recorded[0].SourceRevision != "1" || !w.recorded[0].OccurredAt.AsTime().Equal(began) || w.recorded[1].SourceRevision != "2" {
		t.Errorf("events %v", w.recorded)
	}
	w.step()
	if st, err := w.store.Stats(); err != nil || st.Waiting != 0 || st.Untold != 0 || len(w.recorded) != 2 {
		t.Errorf("stats %+v %v, %d events", st, err, len(w.recorded))
	}
}

// A newer version that comes while the older one is with the sink is carried out too, and both results are told.
func TestNewerVersionWhileDelivering(t *testing.T) {
	w := newWorld(t)
	w.sink.answer = func(c *docklinev1.Command) (*docklinev1.CommandResult, error) {
		if c.Version == 1 {
			put(t, w.store, 1, release("A", 2, 2))
		}
		return &docklinev1.CommandResult{Outcome: docklinev1.CommandOutcome_COMMAND_OUTCOME_APPLIED}, nil
	}
	put(t, w.store, 0, release("A", 1, 1))
	w.step()
	w.step()
	w.wantGot("release/A@1 release/A@2")
	if len(w.recorded) != 2 {
		t.Errorf("%d events, want 2", len(w.recorded))
	}
}

// Run needs no clock to notice a command.
func TestRunWakesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- w.loop.Run(ctx) }()
		synctest.Wait()
		put(t, w.store, 0, release("A", 1, 1))
		synctest.Wait()
		w.wantGot("release/A@1")
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// A collector whose database was put back makes a command again, under a version that no site can know. Work that is to the letter what the
// site has in hand is answered for and not begun once more; other work about the order is, also where nobody knows whether its sink has it.
func TestWorkThatIsMadeAgain(t *testing.T) {
	w := newWorld(t)
	again := func(c *docklinev1.Command, version, position uint64) *docklinev1.Command {
		c.Version, c.Position = version, position
		return c
	}
	put(t, w.store, 0, release("A", 1, 1), cancelOrder("B", 2))
	w.step()
	w.reopen()
	if err := w.store.SetIncarnation("two"); err != nil {
		t.Fatal(err)
	}
	put(t, w.store, 0, again(release("A", 1, 0), 1000, 1), again(cancelOrder("B", 0), 1000, 2))
	w.step()
	w.wantGot("release/A@1 cancel/B@1")
	if len(w.recorded) != 4 || w.recorded[2].SourceRevision != "1000" || w.recorded[2].GetCommandResult().Outcome != docklinev1.CommandOutcome_COMMAND_OUTCOME_APPLIED {
		t.Fatalf("%d answers: %v", len(w.recorded), w.recorded)
	}
	w.sink.got = nil
	put(t, w.store, 2, cancelOrder("A", 3))
	w.step()
	put(t, w.store, 3, again(release("A", 1, 0), 1001, 4))
	w.step()
	w.wantGot("cancel/A@1 release/A@1001")
	w.sink.got = nil
	w.sink.answer = func(*docklinev1.Command) (*docklinev1.CommandResult, error) {
		return nil, errors.New("it took it and did not answer")
	}
	put(t, w.store, 4, release("A", 1002, 5))
	w.step()
	w.sink.answer = nil
	put(t, w.store, 5, again(release("A", 1, 0), 1003, 6))
	w.step()
	w.wantGot("release/A@1002 release/A@1003")
}
