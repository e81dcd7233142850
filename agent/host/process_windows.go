package host

import (
	"os/exec"

	"github.com/dockline/dockline/proto/child"
)

// containment says by what a plugin is held, for the log.
func containment() string { return "job object" }

// guard ties a plugin to the agent by a job object. What its processes may ask for together lies above the limit by which a plugin is ended with a
// reason: it stops one that grows faster than the agent looks.
type guard struct {
	child.Tie
	plugin string
	memory int64 // the most that it may take; 0 is no limit
}

// Start implements child.Guard.
func (g *guard) Start(cmd *exec.Cmd) error {
	if g.memory > 0 {
		g.Memory = 2*g.memory + growthRoom
	}
	return g.Tie.Start(cmd)
}
