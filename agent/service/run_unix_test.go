//go:build !windows

package service_test

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/dockline/dockline/agent/service"
)

// listen stands where systemd listens for notifications.
func listen(t *testing.T) *net.UnixConn {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	t.Setenv("WATCHDOG_USEC", "20000")
	t.Setenv("WATCHDOG_PID", "")
	return conn
}

// await reads notifications until one holds the line, and returns how many it read.
func await(t *testing.T, conn *net.UnixConn, line string) int {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, 4096)
	for read := 1; ; read++ {
		n, err := conn.Read(buffer)
		if err != nil {
			t.Fatalf("waiting for %s: %v", line, err)
		}
		for said := range strings.SplitSeq(string(buffer[:n]), "\n") {
			if said == line {
				return read
			}
		}
	}
}

// heard counts notifications within so long.
func heard(t *testing.T, conn *net.UnixConn, within time.Duration) (n int) {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(within)); err != nil {
		t.Fatal(err)
	}
	for buffer := make([]byte, 4096); ; n++ {
		if _, err := conn.Read(buffer); errors.Is(err, os.ErrDeadlineExceeded) {
			return n
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

func TestRunTellsSystemd(t *testing.T) {
	conn := listen(t)
	ended := make(chan error, 1)
	var held sync.Mutex
	go func() {
		ended <- service.Run(func(ctx context.Context, ready func()) error {
			if os.Getenv("NOTIFY_SOCKET") != "" {
				return errors.New("plugins would speak for the agent")
			}
			ready()
			<-ctx.Done()
			return ctx.Err()
		}, func() {
			held.Lock()
			defer held.Unlock() // to wait for whoever holds it is all
		})
	}()
	await(t, conn, "READY=1")
	await(t, conn, "WATCHDOG=1")
	await(t, conn, "WATCHDOG=1")
	held.Lock()
	if n := heard(t, conn, 500*time.Millisecond); n > 2 { // what was on its way, of some fifty
		t.Errorf("an agent that stands still said %d times that it lives", n)
	}
	held.Unlock()
	await(t, conn, "WATCHDOG=1")
	if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	await(t, conn, "STOPPING=1")
	if err := <-ended; err != nil {
		t.Fatalf("a stop that was asked for: %v", err)
	}
}

func TestRunThatEndsUnaskedIsAnError(t *testing.T) {
	if err := service.Run(func(context.Context, func()) error { return nil }, func() {}); err == nil {
		t.Error("the service manager would take this for a wanted end")
	}
	broken := errors.New("disk gone")
	if err := service.Run(func(context.Context, func()) error { return broken }, func() {}); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}
