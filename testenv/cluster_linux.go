package testenv

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Cluster is a durable PostgreSQL on a disk of its own, which can be stopped, started, crashed, and run out of room.
type Cluster struct {
	PostgresServer
	t       testing.TB
	dir     string
	command serverCommand
}

// PostgresOnDisk makes a cluster on a disk of so many MiB in memory and starts it, with settings of its own such as wal_level=logical. It ends with the test.
func PostgresOnDisk(t testing.TB, megabytes int, settings ...string) *Cluster {
	t.Helper()
	bin := postgresBin()
	if bin == "" {
		SkipServer(t, "postgresql", "not installed")
	}
	if os.Getuid() != 0 {
		SkipServer(t, "tmpfs", "needs root to mount a disk of its own")
	}
	dir, err := tempDir("dockline-cluster-")
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", fmt.Sprintf("size=%dm", megabytes), "cluster", dir).CombinedOutput(); err != nil {
		SkipServer(t, "tmpfs", string(out))
	}
	c := &Cluster{t: t, dir: dir}
	t.Cleanup(func() {
		c.Stop()
		if out, err := exec.Command("umount", "-l", dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %v: %s", err, out)
		}
		_ = os.Remove(dir) // an empty folder harms nobody
	})
	// Small segments: WAL must meet the full disk too, not only tables.
	more := []string{"-c", "min_wal_size=32MB", "-c", "max_wal_size=48MB"}
	for _, setting := range settings {
		more = append(more, "-c", setting)
	}
	if c.command, c.Port, err = makeCluster(bin, dir, more...); err != nil {
		t.Fatal(err)
	}
	c.Start()
	return c
}

// Start starts it and waits until it listens.
func (c *Cluster) Start() {
	c.t.Helper()
	server, err := startServer(c.command)
	if err == nil {
		c.Server = server
		err = server.waitPort(c.Port, 30*time.Second)
	}
	if err != nil {
		c.t.Fatal(err)
	}
}

// Stop shuts it down in good order.
func (c *Cluster) Stop() {
	if c.Server != nil {
		c.Server.Stop()
	}
}

// Crash ends it as a crash does: nothing is written any more, and the next start recovers what was committed.
func (c *Cluster) Crash() {
	c.t.Helper()
	text, err := os.ReadFile(filepath.Join(c.dir, "data", "postmaster.pid"))
	if err != nil {
		c.t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(first))
	if err == nil {
		err = syscall.Kill(pid, syscall.SIGQUIT)
	}
	if err != nil {
		c.t.Fatalf("crash PostgreSQL: %v", err)
	}
	c.Stop()
}

// Ended says whether it has given up by itself.
func (c *Cluster) Ended() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// Fill takes all the room that the disk has left, until Free.
func (c *Cluster) Fill() {
	c.t.Helper()
	file, err := os.OpenFile(c.ballast(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		c.t.Fatal(err)
	}
	defer file.Close()
	block := make([]byte, 64<<10)
	for size := len(block); size >= 1; {
		if _, err := file.Write(block[:size]); err != nil {
			size /= 2
		}
	}
}

// Free gives the room back.
func (c *Cluster) Free() {
	c.t.Helper()
	if err := os.Remove(c.ballast()); err != nil {
		c.t.Fatal(err)
	}
}

func (c *Cluster) ballast() string { return filepath.Join(c.dir, "ballast") }
