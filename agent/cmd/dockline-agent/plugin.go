package main

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"

	"google.golang.org/protobuf/encoding/protojson"

	"github.com/dockline/dockline/agent"
	"github.com/dockline/dockline/agent/health"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

type pluginCommand struct {
	Try     pluginTryCommand     `cmd:"" help:"Read a sample with a plugin, print its events and faults, propose a mapping where none fits. Changes nothing."`
	Release pluginReleaseCommand `cmd:"" help:"Start a quarantined plugin of the running agent at once, and forgive what it has done before."`
}

type pluginReleaseCommand struct {
	Plugin string `arg:"" help:"Id of a configured plugin."`
}

// Run asks the running agent.
func (c *pluginReleaseCommand) Run(all *commands) error {
	config, err := agent.LoadConfig(all.Config)
	if err != nil {
		return err
	}
	ctx, stop := interruptible()
	defer stop()
	said, err := health.ReleasePlugin(ctx, config.DataDir, c.Plugin)
	if err != nil {
		return err
	}
	fmt.Println(said)
	return nil
}

type pluginTryCommand struct {
	Plugin string `arg:"" help:"Id of a configured plugin, or the path of a plugin's program."`
	Sample string `type:"existingfile" help:"A file as the source writes it; for a plugin that reads a database a query, NAME.sql for the stream of that name. Without it such a plugin reads the tables as configured."`
	Full   bool   `help:"Print every event whole, as JSON."`
}

// Run exits with 1 where the sample has faults.
func (c *pluginTryCommand) Run(all *commands) error {
	var name string
	var sample []byte
	if c.Sample != "" {
		var err error
		if sample, err = os.ReadFile(c.Sample); err != nil {
			return err
		}
		name = filepath.Base(c.Sample)
	}
	ctx, stop := interruptible()
	defer stop()
	tried, err := agent.TryPlugin(ctx, all.Config, c.Plugin, name, sample)
	if err != nil {
		return err
	}
	if tried.GetProposal() != "" {
		fmt.Printf("# A mapping proposed from %s: look at it, then put it under the plugin's config.\n%s\n", name, tried.GetProposal())
	}
	for _, e := range tried.GetEvents() {
		if err := c.print(e); err != nil {
			return err
		}
	}
	for _, f := range tried.GetFaults() {
		fmt.Fprintln(os.Stderr, agent.TriedFault(f))
	}
	fmt.Printf("%s, %s\n", event.Several(len(tried.GetEvents()), "event"), event.Several(len(tried.GetFaults()), "fault"))
	if len(tried.GetFaults()) > 0 {
		return exitCode(1)
	}
	return nil
}

func (c *pluginTryCommand) print(e *docklinev1.Event) error {
	if c.Full {
		text, err := protojson.MarshalOptions{Multiline: true}.Marshal(e)
		if err != nil {
			return err
		}
		fmt.Println(string(text))
		return nil
	}
	fmt.Printf("%-20s %-20s key %s, %s, from %s\n", event.KindName(e.GetKind()), e.GetSubject(), e.GetSourceKey(), e.GetOccurredAt().AsTime().Format("2006-01-02 15:04:05"), cmp.Or(e.GetOrigin(), "the sample"))
	return nil
}
