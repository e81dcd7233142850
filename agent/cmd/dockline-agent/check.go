package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/dockline/dockline/agent"
	"github.com/dockline/dockline/agent/journal"
)

type checkFileCommand struct {
	File string `arg:"" help:"The file."`
}

// Run is the child's half of the check after an unclean stop: what happens to it tells of the file.
func (c *checkFileCommand) Run() error {
	err := agent.CheckJournalFile(c.File)
	if errors.Is(err, journal.ErrDamaged) {
		fmt.Fprintln(os.Stderr, err)
		return exitCode(agent.CheckFoundDamage)
	}
	return err
}
