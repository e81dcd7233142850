// Package systemd speaks the notification protocol of systemd, sd_notify(3): that a service is ready, that it lives, what it does.
package systemd

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"
)

// Manager is the service manager's socket; without one, as under another supervisor or in the foreground, it is silent.
type Manager struct {
	conn     *net.UnixConn
	watchdog time.Duration
}

// Open takes the protocol's variables out of the environment: what the service starts must not speak for it.
func Open() *Manager {
	defer func() {
		for _, name := range []string{"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} {
			_ = os.Unsetenv(name) // fails for names that cannot be
		}
	}()
	m := &Manager{}
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

// Tell sends assignments such as READY=1, a line each. It is best effort: a manager that hears nothing restarts the service.
func (m *Manager) Tell(state string) {
	if m.conn != nil {
		_, _ = m.conn.Write([]byte(state))
	}
}

// KeepAlive tells until ctx ends that the service lives, twice in each WatchdogSec=, each time after alive has returned: it says nothing
// while alive does not return, so that what stands still is ended and started again. Where nobody watches it returns at once.
func (m *Manager) KeepAlive(ctx context.Context, alive func()) {
	if m.watchdog <= 0 {
		return
	}
	tick := time.NewTicker(m.watchdog / 2)
	defer tick.Stop()
	for {
		alive()
		m.Tell("WATCHDOG=1")
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Close closes the socket.
func (m *Manager) Close() {
	if m.conn != nil {
		_ = m.conn.Close()
	}
}
