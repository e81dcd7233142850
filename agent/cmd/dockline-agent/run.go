package main

import (
	"context"

	"github.com/dockline/dockline/agent"
)

type runCommand struct{}

// Run runs the agent in the foreground.
func (runCommand) Run(all *commands) error {
	ctx, stop := interruptible()
	defer stop()
	return runAgent(ctx, all.Config, nil)
}

// runAgent runs an agent until ctx ends; ready is called once it captures.
func runAgent(ctx context.Context, path string, ready func()) error {
	return agent.Serve(ctx, path, ready)
}
