package main

import (
	"fmt"
	"os"

	"github.com/dockline/dockline/testenv/capability"
	"github.com/dockline/dockline/testenv/guarantee"
)

type guaranteesCommand struct {
	Dir string `arg:"" help:"Folder of figures: what DOCKLINE_FIGURES named while the tests ran with FULL=1."`
	Out string `default:"docs/edge-guarantees.md" help:"The page."`
}

// Run makes the page from the figures of full runs.
func (c *guaranteesCommand) Run() error {
	figures, err := guarantee.Read(c.Dir)
	if err != nil {
		return err
	}
	shown, err := capability.Scan(".", module)
	if err != nil {
		return err
	}
	if err := os.WriteFile(c.Out, []byte(guarantee.Page(figures, shown)), 0o644); err != nil {
		return err
	}
	fmt.Printf("%s has the figures of %d tests\n", c.Out, len(figures))
	return nil
}
