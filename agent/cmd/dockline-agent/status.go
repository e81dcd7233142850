package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"text/tabwriter"

	"github.com/dockline/dockline/agent"
	"github.com/dockline/dockline/agent/health"
	"github.com/dockline/dockline/agent/service"
)

// Exit codes of status.
const (
	exitUnhealthy    = 1
	exitStopped      = 3
	exitNotInstalled = 4
)

type statusCommand struct {
	JSON bool `name:"json" help:"Print everything, for scripts."`
}

// Run asks the running agent.
func (c *statusCommand) Run(all *commands) error {
	config, err := agent.LoadConfig(all.Config)
	if os.IsNotExist(err) {
		fmt.Printf("not installed: there is no %s\n", all.Config)
		return exitCode(exitNotInstalled)
	}
	if err != nil {
		return err
	}
	status, err := health.Ask(context.Background(), config.DataDir)
	if errors.Is(err, health.ErrStopped) {
		if !service.Installed() {
			fmt.Printf("%v, and no service is installed\n", err)
			return exitCode(exitNotInstalled)
		}
		fmt.Println(err)
		return exitCode(exitStopped)
	}
	if err != nil {
		return err
	}
	if c.JSON {
		text, err := health.JSON(status)
		if err != nil {
			return err
		}
		fmt.Println(text)
	} else {
		w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintf(w, "site\t%s of %s\n", status.GetSite(), status.GetTenant())
		fmt.Fprintf(w, "version\t%s\n", status.GetAgentVersion())
		fmt.Fprintf(w, "line\t%s\n", map[bool]string{true: "up", false: "down"}[status.GetOnline()])
		fmt.Fprintf(w, "not acknowledged\t%d events, journal %d of %d MB\n", status.GetJournalEvents(), status.GetJournalBytes()>>20, status.GetJournalLimitBytes()>>20)
		for _, p := range status.GetPlugins() {
			fmt.Fprintf(w, "plugin %s\t%s %s\n", p.GetId(), p.GetState(), p.GetText())
		}
		for _, condition := range status.GetConditions() {
			fmt.Fprintf(w, "%s\t%s\n", condition.GetTitle(), condition.GetText())
		}
		if err := w.Flush(); err != nil {
			return err
		}
	}
	if !health.Healthy(status.GetConditions()) {
		return exitCode(exitUnhealthy)
	}
	return nil
}
