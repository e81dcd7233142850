package host

import (
	"io"

	"github.com/dockline/dockline/proto/child"
)

// growthRoom is what a small program may have asked for and not use.
const growthRoom = 256 << 20

// process is one run of a plugin's executable, and what it takes.
type process struct {
	*child.Process
	guard guard
}

// newProcess prepares a run; what the plugin writes to standard output besides the handshake goes to outside.
func newProcess(p PluginConfig, env []string, outside io.Writer) *process {
	run := &process{guard: guard{plugin: p.ID, memory: p.MemoryLimit}}
	run.Process = child.New(child.Spec{Path: p.Path, Args: p.Args, Env: append(append([]string{}, p.Env...), env...), Outside: outside, Guard: &run.guard, Kind: "plugin",
		Pace: func(from io.ReadCloser, exited <-chan struct{}) io.ReadCloser { return newPacedReader(from, exited) }})
	return run
}

// usage is what the process and its children take now; not ok where it does not run or the system does not tell.
func (p *process) usage() (usage, bool) {
	pid := p.Pid()
	if p.Gone() || pid == 0 {
		return usage{}, false
	}
	return p.guard.usage(pid)
}
