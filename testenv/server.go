package testenv

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// SkipServer skips a test because a server is not installed. The line is counted by make verify, which fails for it.
func SkipServer(t testing.TB, name, reason string) {
	t.Helper()
	t.Skipf("SKIP-SERVER: %s: %s (make deps installs it)", name, reason)
}

// Ports for servers are taken from below those that systems give to clients (from 32768 on Linux, from 49152 on Windows): a port that
// the system chooses may have gone to somebody's connection before the server listens.
const firstPort, lastPort = 10_000, 32_000

// given are the ports that this process has given out, by number, each with what keeps other processes of tests from giving it out as well: its
// namesake of UDP, which no server here uses, held until this process ends.
var given sync.Map

// FreePort returns a loopback TCP port that was free a moment ago, and that neither this process nor another one of tests that still runs has
// given out.
func FreePort() (int, error) {
	for range 1000 {
		port := firstPort + rand.IntN(lastPort-firstPort)
		address := fmt.Sprintf("127.0.0.1:%d", port)
		hold, err := net.ListenPacket("udp", address)
		if err != nil {
			continue
		}
		l, err := net.Listen("tcp", address)
		if err != nil {
			_ = hold.Close() // the port is somebody's
			continue
		}
		_ = l.Close() // it only tried the port
		given.Store(port, hold)
		return port, nil
	}
	return 0, fmt.Errorf("no free port between %d and %d on 127.0.0.1", firstPort, lastPort)
}

// Server is a child process that ends with this process, however this process ends: a shell holds its pid, reads a pipe that
// we keep open and, when that closes, stops the child by its pid and removes its folder.
type Server struct {
	Dir   string
	log   string
	hold  io.WriteCloser
	shell *exec.Cmd
	done  chan struct{}
	once  sync.Once
}

// serverCommand is what startServer runs.
type serverCommand struct {
	// dir is the server's folder; it must exist. It is removed at the end where remove is set.
	dir    string
	remove bool
	// user to run as when we are root; empty keeps ours.
	user string
	// signal that stops the server in good order: TERM, INT.
	signal string
	argv   []string
	env    []string
}

// The shell's own words: $1 signal, $2 folder to remove or empty, then the command.
const holdScript = `sig=$1; dir=$2; shift 2
"$@" </dev/null & pid=$!
(while kill -0 $pid 2>/dev/null; do sleep 0.2; done; kill -TERM $$ 2>/dev/null) & watch=$!
trap 'exit 3' TERM
finish() { kill -$sig $pid 2>/dev/null; wait $pid 2>/dev/null; kill $watch 2>/dev/null; [ -z "$dir" ] || rm -rf "$dir"; }
trap finish EXIT
read -r _ || true
`

func startServer(c serverCommand) (*Server, error) {
	if runtime.GOOS == "windows" {
		return nil, fmt.Errorf("start %s: servers are run on Linux only", c.argv[0])
	}
	remove := ""
	if c.remove {
		remove = c.dir
	}
	logFile, err := os.OpenFile(filepath.Join(c.dir, "server.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o666)
	if err != nil {
		return nil, err
	}
	defer logFile.Close()
	cmd := exec.Command("/bin/bash", append([]string{"-c", holdScript, "server", c.signal, remove}, c.argv...)...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = c.dir, logFile, logFile
	cmd.Env = append(os.Environ(), c.env...)
	if err := runAs(cmd, c.dir, c.user); err != nil {
		return nil, err
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", c.argv[0], err)
	}
	s := &Server{Dir: c.dir, log: logFile.Name(), hold: in, shell: cmd, done: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // how it ended is read from the log by whoever waits for the server
		close(s.done)
	}()
	return s, nil
}

// Stop ends the server by its pid and waits until it is gone.
func (s *Server) Stop() {
	s.once.Do(func() { _ = s.hold.Close() })
	<-s.done
}

// waitPort waits until the server listens, or says what its log ends with.
func (s *Server) waitPort(port int, limit time.Duration) error {
	deadline := time.Now().Add(limit)
	for time.Now().Before(deadline) {
		conn, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", port), time.Second)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-s.done:
			return fmt.Errorf("server ended at start: %s", s.LogTail())
		case <-time.After(30 * time.Millisecond):
		}
	}
	return fmt.Errorf("server did not listen on port %d within %s: %s", port, limit, s.LogTail())
}

// LogTail returns the last lines of the server's own output.
func (s *Server) LogTail() string {
	text, err := os.ReadFile(s.log)
	if err != nil {
		return "no log: " + err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-6):], " | ")
}

// lookUser returns the ids of a system user, or an error that names the package to install.
func lookUser(name string) (uid, gid uint32, err error) {
	u, err := user.Lookup(name)
	if err != nil {
		return 0, 0, err
	}
	n, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return 0, 0, err
	}
	g, err := strconv.ParseUint(u.Gid, 10, 32)
	return uint32(n), uint32(g), err
}

// tempDir makes a folder that another system user can reach, unlike t.TempDir.
func tempDir(pattern string) (string, error) {
	dir, err := os.MkdirTemp("", pattern)
	if err != nil {
		return "", err
	}
	return dir, os.Chmod(dir, 0o755)
}
