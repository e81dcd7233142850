package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/dockline/dockline/agent"
)

type doctorCommand struct {
	BeforeInstall bool   `help:"Look at a machine that has no agent yet: name, proxy and port of the broker, clock, disk, virus scanner."`
	URL           string `name:"url" help:"The broker, with --before-install: mqtts://host:port."`
	DataDir       string `type:"path" help:"Where the data folder is to be, with --before-install."`
	Proxy         string `help:"The proxy, with --before-install: http://host:port, or environment."`
	Collector     string `help:"URL of the collector's console, to hold this machine's clock against its." placeholder:"URL"`
	JSON          bool   `name:"json" help:"Print everything, for scripts."`
}

// Run exits with 1 where anything is at fault.
func (c *doctorCommand) Run(all *commands) error {
	if c.BeforeInstall && c.DataDir == "" {
		c.DataDir = agent.DefaultConfig().DataDir
	}
	if !c.BeforeInstall && (c.URL != "" || c.DataDir != "" || c.Proxy != "") {
		return errors.New("--url, --data-dir and --proxy are for --before-install; an installed agent has them in its configuration")
	}
	ctx, stop := interruptible()
	defer stop()
	found := agent.Examine(ctx, agent.DoctorOptions{ConfigPath: all.Config, BeforeInstall: c.BeforeInstall, DataDir: c.DataDir, URL: c.URL, Proxy: c.Proxy, Collector: c.Collector})
	if c.JSON {
		out := json.NewEncoder(os.Stdout)
		out.SetIndent("", "  ")
		if err := out.Encode(map[string]any{"healthy": !agent.Sick(found), "examined": found}); err != nil {
			return err
		}
	} else {
		printExamined(found)
	}
	if agent.Sick(found) {
		return exitCode(1)
	}
	return nil
}

func printExamined(found []agent.Examined) {
	signs := map[agent.Outcome]string{agent.Fine: "ok     ", agent.Hint: "hint   ", agent.Ill: "FAULT  ", agent.Skipped: "skipped"}
	faults, skipped := 0, false
	for _, e := range found {
		fmt.Printf("%s  %s", signs[e.Outcome], e.Title)
		if e.Text != "" {
			fmt.Printf(": %s", strings.ReplaceAll(e.Text, "\n", "\n         "))
		}
		fmt.Println()
		if e.Remedy != "" {
			fmt.Printf("         %s\n", e.Remedy)
		}
		switch e.Outcome {
		case agent.Ill:
			faults++
		case agent.Skipped:
			skipped = true
		}
	}
	if faults == 0 {
		fmt.Println("\nNothing is at fault." + map[bool]string{true: " What was skipped was not looked at.", false: ""}[skipped])
		return
	}
	fmt.Printf("\nFaults: %d. Each line above says what to do.\n", faults)
}
