package host

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
	"time"
)

const (
	// maxHandshake bounds the one line that a plugin may write to standard output.
	maxHandshake = 64 << 10
	// pipesAfterExit is how long what a dead plugin wrote may still be read: a child of its own may hold the pipes open for ever.
	pipesAfterExit = time.Second
)

// process is one run of a plugin's executable. It is the runner that go-plugin starts, with three things that go-plugin's own
// lacks: the system ends the process with the agent, its exit is seen at once, and standard output is held to the handshake.
type process struct {
	cmd            *exec.Cmd
	stdout, stderr *os.File // our ends
	outside        io.Writer
	guard          guard
	memory         int64 // the most that it may take; 0 is no limit

	mu      sync.Mutex
	running bool
	doomed  bool // killed before it ran

	exited chan struct{} // closed when the process is gone
	err    error         // of its exit; read after exited
	said   chan struct{} // closed when all that it wrote to standard error has been read
}

// passed are variables of the agent that a plugin gets too: where things are and the time zone, no secrets.
var passed = []string{"PATH", "TZ", "ZONEINFO", "TMPDIR", "TEMP", "TMP", "SYSTEMROOT", "PROGRAMDATA"}

// newProcess prepares a run; what the plugin writes to standard output besides the handshake goes to outside.
func newProcess(p PluginConfig, env []string, outside io.Writer) *process {
	cmd := exec.Command(p.Path, p.Args...)
	for _, name := range passed {
		if value, ok := os.LookupEnv(name); ok {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	cmd.Env = append(append(cmd.Env, p.Env...), env...)
	return &process{cmd: cmd, outside: outside, memory: p.MemoryLimit, exited: make(chan struct{}), said: make(chan struct{})}
}

// Start implements runner.Runner.
func (p *process) Start(context.Context) error {
	var theirs [2]*os.File
	var err error
	if p.stdout, theirs[0], err = os.Pipe(); err != nil {
		return err
	}
	if p.stderr, theirs[1], err = os.Pipe(); err != nil {
		return errors.Join(err, p.stdout.Close(), theirs[0].Close())
	}
	p.cmd.Stdout, p.cmd.Stderr = theirs[0], theirs[1]
	started := make(chan error, 1)
	go p.live(started)
	err = <-started
	theirs[0].Close()
	theirs[1].Close()
	return err
}

// live starts the process and waits for its end on one locked thread: on Linux the signal that ends a plugin with the agent
// is bound to the thread that started it, and the Go runtime ends idle threads.
func (p *process) live(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(p.exited)
	if p.err = p.start(); p.err != nil {
		p.stdout.Close()
		p.stderr.Close()
		started <- p.err
		return
	}
	started <- nil
	p.err = p.guard.wait(p.cmd)
	time.AfterFunc(pipesAfterExit, func() {
		p.stdout.Close()
		p.stderr.Close()
	})
}

func (p *process) start() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.doomed {
		return errors.New("stopped before it started")
	}
	if err := p.guard.start(p.cmd, p.memory); err != nil {
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

// usage is what the process and its children take now; not ok where it does not run or the system does not tell.
func (p *process) usage() (usage, bool) {
	select {
	case <-p.exited:
		return usage{}, false
	default:
	}
	if p.pid() == 0 {
		return usage{}, false
	}
	return p.guard.usage(p.cmd)
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
	return &handshakeReader{ReadCloser: newPacedReader(p.stdout, p.exited), outside: p.outside}
}

// Stderr implements runner.Runner.
func (p *process) Stderr() io.ReadCloser {
	return &endReader{ReadCloser: newPacedReader(p.stderr, p.exited), end: sync.OnceFunc(func() { close(p.said) })}
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
	return fmt.Sprintf("is %s a Dockline plugin, built for %s/%s, that writes nothing of its own to standard output?", p.cmd.Path, runtime.GOOS, runtime.GOARCH)
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
	seen    int
	over    bool
}

func (r *handshakeReader) Read(b []byte) (int, error) {
	if r.over {
		io.Copy(r.outside, r.ReadCloser)
		return 0, io.EOF
	}
	n, err := r.ReadCloser.Read(b)
	if i := bytes.IndexByte(b[:n], '\n'); i >= 0 {
		r.over = true
		if i+1 < n {
			r.outside.Write(b[i+1 : n])
		}
		return i + 1, nil
	}
	if r.seen += n; r.seen > maxHandshake && err == nil {
		err = errors.New("standard output of the plugin has no end of line")
	}
	return n, err
}
