package service

import (
	"context"
	"errors"
	"testing"
	"time"

	"golang.org/x/sys/windows/svc"
)

// drive has a handler run what the service is, and returns where requests go, what it reports, and its exit code.
func drive(h *handler) (chan<- svc.ChangeRequest, <-chan svc.Status, <-chan uint32) {
	requests, changes, code := make(chan svc.ChangeRequest), make(chan svc.Status, 100), make(chan uint32, 1)
	go func() {
		_, exit := h.Execute(nil, requests, changes)
		code <- exit
	}()
	return requests, changes, code
}

func await(t *testing.T, changes <-chan svc.Status, state svc.State) {
	t.Helper()
	for limit := time.After(time.Minute); ; {
		select {
		case is := <-changes:
			if is.State == state {
				return
			}
		case <-limit:
			t.Fatalf("state %d was not reported", state)
		}
	}
}

func exitOf(t *testing.T, code <-chan uint32) uint32 {
	t.Helper()
	select {
	case is := <-code:
		return is
	case <-time.After(time.Minute):
		t.Fatal("the handler did not return")
		return 0
	}
}

// The service runs when what it runs says so, and ends with 0 when it was asked to.
func TestHandlerStops(t *testing.T) {
	h := &handler{limit: time.Hour, run: func(ctx context.Context, ready func()) error {
		ready()
		<-ctx.Done()
		return ctx.Err()
	}}
	requests, changes, code := drive(h)
	await(t, changes, svc.Running)
	requests <- svc.ChangeRequest{Cmd: svc.Stop}
	await(t, changes, svc.StopPending)
	if is := exitOf(t, code); is != 0 || h.err != nil {
		t.Fatalf("exit code %d, %v", is, h.err)
	}
}

// What does not stop is left behind at its limit, with an error; the service manager would wait on.
func TestHandlerLimitsAStop(t *testing.T) {
	forever := make(chan struct{})
	defer close(forever)
	h := &handler{limit: 10 * time.Millisecond, run: func(_ context.Context, ready func()) error {
		ready()
		<-forever
		return nil
	}}
	requests, changes, code := drive(h)
	await(t, changes, svc.Running)
	requests <- svc.ChangeRequest{Cmd: svc.PreShutdown}
	if is := exitOf(t, code); is != 1 || h.err == nil {
		t.Fatalf("exit code %d, %v", is, h.err)
	}
}

// An end that nobody asked for is a failure, also without an error: the recovery actions start the service again.
func TestHandlerFails(t *testing.T) {
	for _, end := range []error{nil, errors.New("the disk is gone")} {
		h := &handler{limit: time.Hour, run: func(context.Context, func()) error { return end }}
		_, _, code := drive(h)
		if is := exitOf(t, code); is != 1 || h.err == nil || end != nil && !errors.Is(h.err, end) {
			t.Fatalf("exit code %d, %v", is, h.err)
		}
	}
}
