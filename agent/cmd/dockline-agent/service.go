package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/dockline/dockline/agent"
	"github.com/dockline/dockline/agent/service"
)

type installCommand struct{}

// Run registers this program, where it lies now, as the service. A configuration with faults is refused.
func (installCommand) Run(all *commands) error {
	config, err := agent.LoadConfig(all.Config)
	if err != nil {
		return err
	}
	executable, err := os.Executable()
	if err != nil {
		return err
	}
	if executable, err = filepath.EvalSymlinks(executable); err != nil {
		return err
	}
	if err := service.Install(service.Config{Executable: executable, ConfigPath: all.Config, DataDir: config.DataDir}); err != nil {
		return err
	}
	fmt.Println("installed; next: dockline-agent start")
	return nil
}

type uninstallCommand struct{}

// Run stops and removes the service.
func (uninstallCommand) Run(*commands) error {
	if err := service.Uninstall(); err != nil {
		return err
	}
	fmt.Println("uninstalled; configuration and data stay")
	return nil
}

type startCommand struct{}

// Run returns once the service runs.
func (startCommand) Run(*commands) error {
	if err := service.Start(); err != nil {
		return err
	}
	fmt.Println("running")
	return nil
}

type stopCommand struct{}

// Run returns once the service is stopped.
func (stopCommand) Run(*commands) error {
	if err := service.Stop(); err != nil {
		return err
	}
	fmt.Println("stopped")
	return nil
}

type serviceRunCommand struct{}

// Run is what the service manager starts.
func (serviceRunCommand) Run(all *commands) error {
	defer service.KeepLog(filepath.Join(filepath.Dir(all.Config), "logs"))()
	return service.Run(func(ctx context.Context, ready func()) error {
		if service.AwaitsConfig {
			if err := awaitConfig(ctx, all.Config, ready); err != nil {
				return err
			}
		}
		c := service.Config{ConfigPath: all.Config}
		if config, err := agent.LoadConfig(all.Config); err == nil {
			c.DataDir = config.DataDir
		}
		if err := service.Heal(c); err != nil {
			fmt.Fprintf(os.Stderr, "the service's registration is not as it should be: %v\n", err)
		}
		return runAgent(ctx, all.Config, ready)
	})
}

// configLook is how often a service without a configuration looks for one.
const configLook = time.Second

// awaitConfig returns once there is a configuration, which is not looked into. The service counts as started while it waits.
func awaitConfig(ctx context.Context, path string, ready func()) error {
	for told := false; ; told = true {
		_, err := os.Stat(path)
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if !told {
			fmt.Fprintf(os.Stderr, "there is no configuration %s yet: `dockline-agent enrol`, as `dockline-collector site add` prints it, writes one; the service waits for it\n", path)
			ready()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(configLook):
		}
	}
}

type serviceCommand struct {
	Configure configureCommand `cmd:"" help:"Windows: set what the service needs to come back by itself and to keep its folder closed (recovery after failures, delayed start, event log, rights), and read it back. Changes nothing that is right. Exit code 1 where something that matters is not as it should be."`
}

type configureCommand struct {
	JSON bool `name:"json" help:"Print everything, for scripts."`
}

// Run needs no valid configuration: the service is registered before the site is enrolled.
func (c *configureCommand) Run(all *commands) error {
	where := service.Config{ConfigPath: all.Config}
	if config, err := agent.LoadConfig(all.Config); err == nil {
		where.DataDir = config.DataDir
	}
	registration, closed, err := service.OpenRegistration(where)
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
