package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/dockline/dockline/agent"
)

type bundleCommand struct {
	Out string   `type:"path" help:"The file to write; by default dockline-bundle-TIME.zip in this folder." placeholder:"FILE"`
	Log []string `type:"existingfile" help:"A log whose end is to be in it; may be given several times. What the service manager keeps is in it anyway." placeholder:"FILE"`
}

// Run writes the bundle, and says what is in it and what is not.
func (c *bundleCommand) Run(all *commands) error {
	if c.Out == "" {
		c.Out = "dockline-bundle-" + time.Now().UTC().Format("20060102-150405") + ".zip"
	}
	ctx, stop := interruptible()
	defer stop()
	file, err := os.OpenFile(c.Out, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	parts, err := agent.WriteBundle(ctx, agent.BundleOptions{ConfigPath: all.Config, Logs: c.Log}, file)
	if err := errors.Join(err, file.Close()); err != nil {
		_ = os.Remove(c.Out) // half a bundle helps nobody
		return err
	}
	for _, p := range parts {
		switch {
		case p.Bytes == 0 && p.Left != "":
			fmt.Printf("left out  %s: %s\n", p.Name, p.Left)
		case p.Left != "":
			fmt.Printf("in        %s: %s, without %s\n", p.Name, p.What, p.Left)
		default:
			fmt.Printf("in        %s: %s\n", p.Name, p.What)
		}
	}
	fmt.Printf("\nwrote %s\n", c.Out)
	return nil
}
