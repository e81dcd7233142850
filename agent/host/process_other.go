//go:build !linux && !windows

package host

import "github.com/dockline/dockline/proto/child"

// containment says by what a plugin is held, for the log.
func containment() string { return "nothing but its own watch over the agent's connection" }

// guard has no help from this system: the plugin itself sees that its agent is gone.
type guard struct {
	child.Tie
	plugin string
	memory int64
}

func (*guard) usage(int) (usage, bool) { return usage{}, false }
