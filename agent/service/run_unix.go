//go:build !windows

package service

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// Run runs what the service is until the service manager stops it with SIGTERM. systemd is told when run calls ready, that the
// process lives (twice in each WatchdogSec=), and when it stops. A run that returns unasked is an error.
func Run(run func(ctx context.Context, ready func()) error) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	m := openManager()
	defer m.close()
	var group sync.WaitGroup
	defer group.Wait()
	ended, end := context.WithCancel(context.Background())
	defer end()
	if m.watchdog > 0 {
		group.Go(func() { m.keepAlive(ended) })
	}
	group.Go(func() {
		select {
		case <-ctx.Done():
		case <-ended.Done():
		}
		m.tell("STOPPING=1\nSTATUS=stopping")
	})
	var once sync.Once
	err := run(ctx, func() { once.Do(func() { m.tell("READY=1\nSTATUS=capturing") }) })
	if err == nil && ctx.Err() == nil {
		return errors.New("the agent ended unasked")
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// manager is the socket of systemd's notification protocol (sd_notify(3)); without one, as under another supervisor, it is silent.
type manager struct {
	conn     *net.UnixConn
	watchdog time.Duration
}

// openManager takes the protocol's variables out of the environment: plugins must not speak for the agent.
func openManager() *manager {
	defer func() {
		for _, name := range []string{"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} {
			os.Unsetenv(name)
		}
	}()
	m := &manager{}
	socket := os.Getenv("NOTIFY_SOCKET")
	if socket == "" {
		return m
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		fmt.Fprintln(os.Stderr, "the service manager's socket:", err)
		return m
	}
	m.conn = conn
	if pid := os.Getenv("WATCHDOG_PID"); pid == "" || pid == strconv.Itoa(os.Getpid()) {
		if limit, err := strconv.ParseInt(os.Getenv("WATCHDOG_USEC"), 10, 64); err == nil && limit > 0 {
			m.watchdog = time.Duration(limit) * time.Microsecond
		}
	}
	return m
}

// tell is best effort: a manager that hears nothing restarts the service.
func (m *manager) tell(state string) {
	if m.conn != nil {
		_, _ = m.conn.Write([]byte(state))
	}
}

func (m *manager) keepAlive(ctx context.Context) {
	tick := time.NewTicker(m.watchdog / 2)
	defer tick.Stop()
	for {
		m.tell("WATCHDOG=1")
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (m *manager) close() {
	if m.conn != nil {
		m.conn.Close()
	}
}
