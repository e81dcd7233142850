package main

import (
	"github.com/dockline/dockline/agent"
)

type runCommand struct{}

// Run runs the agent in the foreground.
func (runCommand) Run(all *commands) error {
	ctx, stop := interruptible()
	defer stop()
	return agent.Serve(ctx, all.Config, nil)
}
