package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/dockline/dockline/agent"
	"github.com/dockline/dockline/agent/service"
)

type serviceCommand struct {
	Claim     claimCommand     `cmd:"" help:"Windows: close the folder of configuration and data to all but the system, administrators and the service. Refused where an ordinary user has written into it."`
	Configure configureCommand `cmd:"" help:"Windows: set what the service needs to come back by itself and to keep its folder closed (recovery after failures, delayed start, event log, rights), and read it back. Changes nothing that is right. Exit code 1 where something that matters is not as it should be."`
}

type claimCommand struct{}

// Run comes before the configuration is read.
func (claimCommand) Run(all *commands) error { return service.Claim(all.Config) }

type configureCommand struct {
	JSON bool `name:"json" help:"Print everything, for scripts."`
}

// Run needs no valid configuration: the service is registered before the site is enrolled.
func (c *configureCommand) Run(all *commands) error {
	at, err := registeredAt(all.Config)
	if err != nil {
		return err
	}
	registration, closed, err := service.OpenRegistration(at)
	if err != nil {
		return err
	}
	defer closed()
	outcomes := service.Configure(registration, service.All())
	if c.JSON {
		if err := printOutcomesJSON(outcomes); err != nil {
			return err
		}
	} else {
		printOutcomes(outcomes)
	}
	if !service.Confirmed(outcomes) {
		return exitCode(1)
	}
	return nil
}

func stateOf(o service.Outcome) string {
	switch {
	case o.Err != nil && o.Optional:
		return "not here"
	case o.Err != nil:
		return "FAULT"
	case o.Changed:
		return "set"
	}
	return "ok"
}

func printOutcomes(outcomes []service.Outcome) {
	for _, o := range outcomes {
		fmt.Printf("%-8s  %s: %s\n", stateOf(o), o.Aspect, o.Value)
		if o.Err != nil {
			fmt.Printf("          %v: %s\n", o.Err, o.Missing)
		}
	}
}

func printOutcomesJSON(outcomes []service.Outcome) error {
	type row struct {
		Setting string `json:"setting"`
		Wanted  string `json:"wanted"`
		Before  string `json:"before"`
		State   string `json:"state"`
		Error   string `json:"error,omitempty"`
	}
	rows := make([]row, 0, len(outcomes))
	for _, o := range outcomes {
		r := row{Setting: string(o.Aspect), Wanted: o.Value, Before: o.Before, State: strings.ToLower(stateOf(o))}
		if o.Err != nil {
			r.Error = o.Err.Error()
		}
		rows = append(rows, r)
	}
	out := json.NewEncoder(os.Stdout)
	out.SetIndent("", "  ")
	return out.Encode(map[string]any{"confirmed": service.Confirmed(outcomes), "settings": rows})
}

// registeredAt is where the service's files are, as far as the configuration says. A configuration that is none of ours is not read.
func registeredAt(path string) (service.Config, error) {
	c := service.Config{ConfigPath: path}
	if err := service.Guard(path); err != nil {
		return c, err
	}
	if config, err := agent.LoadConfig(path); err == nil {
		c.DataDir = config.DataDir
	}
	return c, nil
}
