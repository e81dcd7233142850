package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/agent"
	"github.com/dockline/dockline/agent/health"
	"github.com/dockline/dockline/agent/service"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
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
	words := os.Stdout
	if c.JSON { // scripts read JSON there or nothing; the exit code says which
		words = os.Stderr
	}
	if os.IsNotExist(err) {
		fmt.Fprintf(words, "not installed: there is no %s\n", all.Config)
		return exitCode(exitNotInstalled)
	}
	if err != nil {
		return err
	}
	status, err := health.Ask(context.Background(), config.DataDir)
	if errors.Is(err, health.ErrStopped) {
		if !service.Installed() {
			fmt.Fprintf(words, "%v, and no service is installed\n", err)
			return exitCode(exitNotInstalled)
		}
		fmt.Fprintln(words, err)
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
		if err := printStatus(os.Stdout, status); err != nil {
			return err
		}
	}
	if !health.Healthy(status.GetConditions()) {
		return exitCode(exitUnhealthy)
	}
	return nil
}

// printStatus says first how the site is, then the numbers, then what is wrong and what to do.
func printStatus(out io.Writer, h *docklinev1.Heartbeat) error {
	fmt.Fprintf(out, "%s\n\n", health.Sentence(h))
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "site\t%s of %s\n", h.GetSite(), h.GetTenant())
	fmt.Fprintf(w, "version\t%s\n", h.GetAgentVersion())
	fmt.Fprintf(w, "line\t%s\n", map[bool]string{true: "up", false: "down"}[h.GetOnline()])
	fmt.Fprintf(w, "not acknowledged\t%s%s\n", event.Several(h.GetJournalEvents(), "event"), since(h.GetOldestEventAt()))
	fmt.Fprintf(w, "journal\t%d of %d MB, %s\n", h.GetJournalBytes()>>20, h.GetJournalLimitBytes()>>20, room(h))
	fmt.Fprintf(w, "not in the ERP\t%s\n", unconfirmed(h))
	if h.GetRefusedEvents() > 0 {
		fmt.Fprintf(w, "refused\t%s; the local page lists them\n", event.Several(h.GetRefusedEvents(), "event"))
	}
	if h.ClockAheadSeconds != nil {
		fmt.Fprintf(w, "clock\t%+.1f s against the collector's\n", h.GetClockAheadSeconds())
	}
	for _, p := range h.GetPlugins() {
		fmt.Fprintf(w, "plugin %s\t%s %s\n", p.GetId(), p.GetState(), p.GetText())
		for _, d := range p.GetDevices() {
			fmt.Fprintf(w, "  %s %s\t%s%s%s\n", d.GetKind(), d.GetId(), map[bool]string{true: "reachable", false: "CANNOT BE REACHED"}[d.GetReachable()], battery(d), seen(d))
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, c := range h.GetConditions() {
		fmt.Fprintf(out, "\n%s (%s%s)\n  %s\n", c.GetTitle(), c.GetCode(), since(c.GetSince()), c.GetText())
	}
	return nil
}

func room(h *docklinev1.Heartbeat) string {
	if h.DaysUntilFull == nil {
		return "days until full: nothing was captured today"
	}
	return fmt.Sprintf("days until full at today's rate: %.1f (%s)", h.GetDaysUntilFull(), health.Days(h.GetDaysUntilFull()))
}

func unconfirmed(h *docklinev1.Heartbeat) string {
	if h.GetOldestUnconfirmedAt() == nil {
		return "nothing that is known of"
	}
	return "oldest event" + since(h.GetOldestUnconfirmedAt())
}

func since(t *timestamppb.Timestamp) string {
	if t == nil {
		return ""
	}
	return ", since " + t.AsTime().Local().Format("2006-01-02 15:04:05")
}

func battery(d *docklinev1.DeviceHealth) string {
	if d.BatteryPercent == nil {
		return ""
	}
	return fmt.Sprintf(", battery %d %%", d.GetBatteryPercent())
}

func seen(d *docklinev1.DeviceHealth) string {
	if d.GetLastSeenAt() == nil {
		return ""
	}
	return ", last seen " + time.Since(d.GetLastSeenAt().AsTime()).Round(time.Second).String() + " ago"
}
