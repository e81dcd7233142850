package world

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// Process is one of Dockline's programs at work; it can be killed and started again. Its output goes to a file.
type Process struct {
	Name string
	// Env is added to our own, as KEY=value.
	Env  []string
	argv []string
	log  string

	mu   sync.Mutex
	cmd  *exec.Cmd
	done chan struct{}
}

// NewProcess prepares one; its log goes to name.log in logDir. Env is added to our own.
func NewProcess(name, logDir string, argv ...string) *Process {
	return &Process{Name: name, argv: argv, log: filepath.Join(logDir, name+".log")}
}

// Start starts it, unless it runs.
func (p *Process) Start() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running() {
		return nil
	}
	out, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer out.Close()
	cmd := exec.Command(p.argv[0], p.argv[1:]...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.Env = append(os.Environ(), p.Env...)
	dieWithParent(cmd)
	if err := startLocked(cmd); err != nil {
		return fmt.Errorf("start %s: %w", p.Name, err)
	}
	done := make(chan struct{})
	p.cmd, p.done = cmd, done
	go func() {
		_ = cmd.Wait() // how it ended stands in its log
		close(done)
	}()
	return nil
}

func (p *Process) running() bool {
	if p.cmd == nil {
		return false
	}
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// Running says whether it runs.
func (p *Process) Running() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.running()
}

// Kill ends it at once, as a power cut would.
func (p *Process) Kill() { p.end(func(c *exec.Cmd) error { return c.Process.Kill() }, 10*time.Second) }

// Stop asks it to end, and kills it if it does not within ten seconds.
func (p *Process) Stop() {
	p.end(interrupt, 10*time.Second)
	p.Kill()
}

func (p *Process) end(how func(*exec.Cmd) error, wait time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.running() {
		return
	}
	_ = how(p.cmd) // it may have ended by itself
	select {
	case <-p.done:
	case <-time.After(wait):
	}
}

// Said is how often its output has a text.
func (p *Process) Said(text string) (int, error) {
	said, err := os.ReadFile(p.log)
	return strings.Count(string(said), text), err
}

// LogTail is the end of its output.
func (p *Process) LogTail() string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-15):], "\n")
}
