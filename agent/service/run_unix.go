//go:build !windows

package service

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/dockline/dockline/proto/systemd"
)

// Run runs what the service is until the service manager stops it with SIGTERM. systemd is told when run calls ready, that the
// process lives (twice in each WatchdogSec=, each time after alive has returned), and when it stops. A run that returns unasked is an error.
func Run(run func(ctx context.Context, ready func()) error, alive func()) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	m := systemd.Open()
	defer m.Close()
	var group sync.WaitGroup
	defer group.Wait()
	ended, end := context.WithCancel(context.Background())
	defer end()
	group.Go(func() { m.KeepAlive(ended, alive) })
	group.Go(func() {
		select {
		case <-ctx.Done():
		case <-ended.Done():
		}
		m.Tell("STOPPING=1\nSTATUS=stopping")
	})
	var once sync.Once
	err := run(ctx, func() { once.Do(func() { m.Tell("READY=1\nSTATUS=capturing") }) })
	if err == nil && ctx.Err() == nil {
		return errors.New("the agent ended unasked")
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
