package service

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/svc"
)

// While starting or stopping, a sign of life every beat; the manager is told to expect one within waitHint.
const (
	beat     = 500 * time.Millisecond
	waitHint = 10 * time.Second
	// stopLimit is how long what runs may take to stop. Beyond it the process ends as it is, which the journal survives; Windows would wait on.
	stopLimit = 20 * time.Second
)

// Run runs what the service is until the service manager stops it. A run that returns unasked is an error, and the manager's
// recovery actions start the service again. Nobody asks here whether it is alive.
func Run(run func(ctx context.Context, ready func()) error, _ func()) error {
	h := &handler{run: run, limit: stopLimit}
	err := svc.Run(Name, h)
	if errors.Is(err, windows.ERROR_FAILED_SERVICE_CONTROLLER_CONNECT) {
		return errors.New("only the service manager can run this: use `dockline-agent start`, or `dockline-agent run` for the foreground")
	}
	return errors.Join(err, h.err)
}

type handler struct {
	run   func(ctx context.Context, ready func()) error
	limit time.Duration
	err   error
}

// Execute answers the service manager; it is called by svc.Run.
func (h *handler) Execute(_ []string, requests <-chan svc.ChangeRequest, changes chan<- svc.Status) (bool, uint32) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	readied, ended := make(chan struct{}, 1), make(chan error, 1)
	go func() {
		ended <- h.run(ctx, func() {
			select {
			case readied <- struct{}{}:
			default:
			}
		})
	}()
	const accepts = svc.AcceptStop | svc.AcceptShutdown | svc.AcceptPreShutdown
	status := svc.Status{State: svc.StartPending, Accepts: accepts, WaitHint: uint32(waitHint.Milliseconds())}
	changes <- status
	tick := time.NewTicker(beat)
	defer tick.Stop()
	limit := make(<-chan time.Time) // never, until a stop is asked for
	for {
		select {
		case <-readied:
			if status.State == svc.StartPending {
				status = svc.Status{State: svc.Running, Accepts: accepts}
				changes <- status
			}
		case <-tick.C:
			if status.State != svc.Running {
				status.CheckPoint++
				changes <- status
			}
		case request := <-requests:
			switch request.Cmd {
			case svc.Interrogate:
				changes <- status
			case svc.Stop, svc.Shutdown, svc.PreShutdown:
				cancel()
				if status.State != svc.StopPending {
					status = svc.Status{State: svc.StopPending, WaitHint: uint32(waitHint.Milliseconds())}
					changes <- status
					limit = time.After(h.limit)
				}
			}
		case err := <-ended:
			return h.end(ctx, err)
		case <-limit:
			return h.end(ctx, fmt.Errorf("it had not stopped after %v, and was ended as it was; nothing that was accepted is lost", h.limit))
		}
	}
}

// end turns the end of run into the service's exit code.
func (h *handler) end(ctx context.Context, err error) (bool, uint32) {
	if ctx.Err() != nil && (err == nil || errors.Is(err, context.Canceled)) {
		return false, 0
	}
	if err == nil {
		err = errors.New("the agent ended unasked")
	}
	h.err = err
	report(fmt.Sprintf("The agent ended: %v", err))
	return true, 1
}
