package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxHandshake bounds the one line that a program may write to standard output.
	maxHandshake = 64 << 10
	// pipesAfterExit is how long what a dead program wrote may still be read: a child of its own may hold the pipes open for ever.
	pipesAfterExit = time.Second
)

// process is one run of the program. It is the runner that go-plugin starts, with what go-plugin's own lacks: the system ends it with the
// collector, its exit is seen at once, its standard input ends with the collector, and standard output is held to the handshake.
type process struct {
	cmd            *exec.Cmd
	stdout, stderr *os.File // our ends
	stdin          *os.File // ours; the program ends when it closes
	outside        io.Writer
	guard          guard

	heard atomic.Int64 // bytes of standard output

	mu      sync.Mutex
	running bool
	doomed  bool // killed before it ran

	exited chan struct{} // closed when the process is gone
	err    error         // of its exit; read after exited
	said   chan struct{} // closed when all that it wrote to standard error has been read
}

// passed are variables of the collector that a program gets too: where things are and the time zone, no secrets.
var passed = []string{"PATH", "TZ", "ZONEINFO", "TMPDIR", "TEMP", "TMP", "SYSTEMROOT", "PROGRAMDATA"}

// newProcess prepares a run; what the program writes to standard output besides the handshake goes to outside.
func newProcess(s Settings, env []string, outside io.Writer) *process {
	cmd := exec.Command(s.Command, s.Args...)
	cmd.Env = []string{}
	for _, name := range passed {
		if value, ok := os.LookupEnv(name); ok {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	for name, value := range s.Env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	cmd.Env = append(cmd.Env, env...)
	return &process{cmd: cmd, outside: outside, exited: make(chan struct{}), said: make(chan struct{})}
}

// Start implements runner.Runner.
func (p *process) Start(context.Context) error {
	var theirs [3]*os.File
	closeAll := func(files ...*os.File) {
		for _, f := range files {
			if f != nil {
				_ = f.Close()
			}
		}
	}
	var errs [3]error
	theirs[0], p.stdin, errs[0] = os.Pipe()
	p.stdout, theirs[1], errs[1] = os.Pipe()
	p.stderr, theirs[2], errs[2] = os.Pipe()
	if err := errors.Join(errs[:]...); err != nil {
		closeAll(p.stdin, p.stdout, p.stderr)
		closeAll(theirs[:]...)
		return err
	}
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = theirs[0], theirs[1], theirs[2]
	started := make(chan error, 1)
	go p.live(started)
	err := <-started
	closeAll(theirs[:]...)
	return err
}

// live starts the process and waits for its end on one locked thread: on Linux the signal that ends it with the collector is bound to the thread
// that started it, and the Go runtime ends idle threads.
func (p *process) live(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(p.exited)
	close := func() {
		_ = p.stdin.Close()
		_ = p.stdout.Close()
		_ = p.stderr.Close()
	}
	if p.err = p.start(); p.err != nil {
		close()
		started <- p.err
		return
	}
	started <- nil
	p.err = p.guard.wait(p.cmd)
	time.AfterFunc(pipesAfterExit, close)
}

func (p *process) start() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.doomed {
		return errors.New("stopped before it started")
	}
	if err := p.guard.start(p.cmd); err != nil {
		return err
	}
	p.running = true
	return nil
}

// kill ends the process at once, or keeps it from starting. It may be called at any time and again.
func (p *process) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.doomed = true
	if p.running {
		p.guard.kill(p.cmd)
	}
}

// pid is 0 before the start.
func (p *process) pid() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.running {
		return 0
	}
	return p.cmd.Process.Pid
}

func (p *process) gone() bool {
	select {
	case <-p.exited:
		return true
	default:
		return false
	}
}

// Wait implements runner.Runner.
func (p *process) Wait(context.Context) error {
	<-p.exited
	return p.err
}

// Kill implements runner.Runner.
func (p *process) Kill(context.Context) error {
	p.kill()
	return nil
}

// Stdout implements runner.Runner.
func (p *process) Stdout() io.ReadCloser {
	return &handshakeReader{ReadCloser: p.stdout, outside: p.outside, heard: &p.heard}
}

// Stderr implements runner.Runner.
func (p *process) Stderr() io.ReadCloser {
	return &endReader{ReadCloser: p.stderr, end: sync.OnceFunc(func() { close(p.said) })}
}

// Name implements runner.Runner.
func (p *process) Name() string { return p.cmd.Path }

// ID implements runner.Runner: the process id. It is never empty, or the library would leave its socket's folder behind.
func (p *process) ID() string {
	if pid := p.pid(); pid != 0 {
		return strconv.Itoa(pid)
	}
	return "not started"
}

// Diagnose implements runner.Runner.
func (p *process) Diagnose(context.Context) string {
	return fmt.Sprintf("is %s a Dockline connector, built for %s/%s, that writes nothing of its own to standard output?", p.cmd.Path, runtime.GOOS, runtime.GOARCH)
}

// PluginToHost implements runner.Runner: both ends see the same addresses.
func (p *process) PluginToHost(network, address string) (string, string, error) {
	return network, address, nil
}

// HostToPlugin implements runner.Runner.
func (p *process) HostToPlugin(network, address string) (string, string, error) {
	return network, address, nil
}

// endReader says when its reader has dealt with everything: it comes back for more and there is none.
type endReader struct {
	io.ReadCloser
	end func()
}

func (r *endReader) Read(b []byte) (int, error) {
	n, err := r.ReadCloser.Read(b)
	if err != nil {
		r.end()
	}
	return n, err
}

// handshakeReader gives the first line of standard output to the reader, and all that follows to outside.
type handshakeReader struct {
	io.ReadCloser
	outside io.Writer
	heard   *atomic.Int64
	over    bool
}

func (r *handshakeReader) Read(b []byte) (int, error) {
	if r.over {
		_, _ = io.Copy(r.outside, r.ReadCloser)
		return 0, io.EOF
	}
	n, err := r.ReadCloser.Read(b)
	seen := r.heard.Add(int64(n))
	if i := bytes.IndexByte(b[:n], '\n'); i >= 0 {
		r.over = true
		if i+1 < n {
			_, _ = r.outside.Write(b[i+1 : n])
		}
		return i + 1, nil
	}
	if seen > maxHandshake && err == nil {
		err = errors.New("standard output of the program has no end of line")
	}
	return n, err
}
