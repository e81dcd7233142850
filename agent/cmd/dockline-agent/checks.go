package main

import (
	"fmt"

	"github.com/dockline/dockline/agent/health"
)

type checksCommand struct{}

// Run prints the list as the documentation has it.
func (checksCommand) Run() error {
	fmt.Print(health.Table())
	return nil
}
