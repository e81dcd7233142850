// Package child runs a program beside its host: a plugin of the agent, a connector of the centre. It is the runner that go-plugin starts, with what
// go-plugin's own lacks: the system ends the program and what it has started with the host, also when the host is killed; its exit is seen at once;
// and its standard output is held to the handshake.
package child

import (
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

// PipesAfterExit is how long what a dead program wrote may still be read: a child of its own may hold the pipes open for ever.
const PipesAfterExit = time.Second

// passed are variables of the host that a program gets too: where things are and the time zone, no secrets.
var passed = []string{"PATH", "TZ", "ZONEINFO", "TMPDIR", "TEMP", "TMP", "SYSTEMROOT", "PROGRAMDATA"}

// Guard ties a program to its host. Tie is one; a host may do more before it and after.
type Guard interface {
	// Start starts the program so that it ends with the host. It is called on a thread that waits for the program's end and does nothing else.
	Start(*exec.Cmd) error
	// Wait returns when the program has ended, and has ended what it had started.
	Wait(*exec.Cmd) error
	// Kill ends it at once.
	Kill(*exec.Cmd)
}

// Spec says what is run.
type Spec struct {
	Path string
	Args []string
	// Env are variables beside where things are and the time zone: it gets none of the host's own.
	Env []string
	// Stdin gives it a standard input that ends with the host; without, it has none.
	Stdin bool
	// Outside gets what it writes to standard output besides the handshake.
	Outside io.Writer
	Guard   Guard
	// Kind is what it should be, in words: "plugin".
	Kind string
	// Pace is put before each of its outputs where that is not nil; exited is closed when the program is gone.
	Pace func(from io.ReadCloser, exited <-chan struct{}) io.ReadCloser
}

// Process is one run of a program.
type Process struct {
	spec                  Spec
	cmd                   *exec.Cmd
	stdin, stdout, stderr *os.File // our ends

	heard atomic.Int64 // bytes of standard output

	mu      sync.Mutex
	running bool
	doomed  bool // killed before it ran

	exited chan struct{} // closed when the process is gone
	err    error         // of its exit; read after exited
	said   chan struct{} // closed when all that it wrote to standard error has been read
}

// New prepares a run.
func New(s Spec) *Process {
	cmd := exec.Command(s.Path, s.Args...)
	cmd.Env = []string{}
	for _, name := range passed {
		if value, ok := os.LookupEnv(name); ok {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	cmd.Env = append(cmd.Env, s.Env...)
	return &Process{spec: s, cmd: cmd, exited: make(chan struct{}), said: make(chan struct{})}
}

// Start implements runner.Runner.
func (p *Process) Start(context.Context) error {
	var theirs [3]*os.File
	var errs [3]error
	if p.spec.Stdin {
		theirs[0], p.stdin, errs[0] = os.Pipe()
		p.cmd.Stdin = theirs[0]
	}
	p.stdout, theirs[1], errs[1] = os.Pipe()
	p.stderr, theirs[2], errs[2] = os.Pipe()
	defer closeAll(theirs[:]...)
	if err := errors.Join(errs[:]...); err != nil {
		closeAll(p.stdin, p.stdout, p.stderr)
		return err
	}
	p.cmd.Stdout, p.cmd.Stderr = theirs[1], theirs[2]
	started := make(chan error, 1)
	go p.live(started)
	return <-started
}

func closeAll(files ...*os.File) {
	for _, f := range files {
		if f != nil {
			_ = f.Close()
		}
	}
}

// live starts the process and waits for its end on one locked thread: on Linux the signal that ends it with its host is bound to the thread that
// started it, and the Go runtime ends idle threads.
func (p *Process) live(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(p.exited)
	if p.err = p.start(); p.err != nil {
		closeAll(p.stdin, p.stdout, p.stderr)
		started <- p.err
		return
	}
	started <- nil
	p.err = p.spec.Guard.Wait(p.cmd)
	time.AfterFunc(PipesAfterExit, func() { closeAll(p.stdin, p.stdout, p.stderr) })
}

func (p *Process) start() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.doomed {
		return errors.New("stopped before it started")
	}
	if err := p.spec.Guard.Start(p.cmd); err != nil {
		return err
	}
	p.running = true
	return nil
}

// End ends the process at once, or keeps it from starting. It may be called at any time and again.
func (p *Process) End() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.doomed = true
	if p.running {
		p.spec.Guard.Kill(p.cmd)
	}
}

// CloseStdin ends its standard input, by which it knows that it is to end.
func (p *Process) CloseStdin() { closeAll(p.stdin) }

// Pid is 0 before the start.
func (p *Process) Pid() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.running {
		return 0
	}
	return p.cmd.Process.Pid
}

// Gone says that it has ended.
func (p *Process) Gone() bool {
	select {
	case <-p.exited:
		return true
	default:
		return false
	}
}

// Exited is closed when it has ended.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Said is closed when all that it wrote to standard error has been read.
func (p *Process) Said() <-chan struct{} { return p.said }

// Err is that of its exit; only after Exited.
func (p *Process) Err() error { return p.err }

// Heard is how many bytes it has written to standard output.
func (p *Process) Heard() int64 { return p.heard.Load() }

// Wait implements runner.Runner.
func (p *Process) Wait(context.Context) error {
	<-p.exited
	return p.err
}

// Kill implements runner.Runner.
func (p *Process) Kill(context.Context) error {
	p.End()
	return nil
}

// Stdout implements runner.Runner.
func (p *Process) Stdout() io.ReadCloser {
	return &handshakeReader{ReadCloser: p.paced(p.stdout), outside: p.spec.Outside, heard: &p.heard, kind: p.spec.Kind}
}

// Stderr implements runner.Runner.
func (p *Process) Stderr() io.ReadCloser {
	return &endReader{ReadCloser: p.paced(p.stderr), end: sync.OnceFunc(func() { close(p.said) })}
}

func (p *Process) paced(r io.ReadCloser) io.ReadCloser {
	if p.spec.Pace == nil {
		return r
	}
	return p.spec.Pace(r, p.exited)
}

// Name implements runner.Runner.
func (p *Process) Name() string { return p.cmd.Path }

// ID implements runner.Runner: the process id. It is never empty, or the library would leave its socket's folder behind.
func (p *Process) ID() string {
	if pid := p.Pid(); pid != 0 {
		return strconv.Itoa(pid)
	}
	return "not started"
}

// Diagnose implements runner.Runner.
func (p *Process) Diagnose(context.Context) string {
	return fmt.Sprintf("is %s a Dockline %s, built for %s/%s, that writes nothing of its own to standard output?", p.cmd.Path, p.spec.Kind, runtime.GOOS, runtime.GOARCH)
}

// PluginToHost implements runner.Runner: both ends see the same addresses.
func (p *Process) PluginToHost(network, address string) (string, string, error) {
	return network, address, nil
}

// HostToPlugin implements runner.Runner.
func (p *Process) HostToPlugin(network, address string) (string, string, error) {
	return network, address, nil
}
