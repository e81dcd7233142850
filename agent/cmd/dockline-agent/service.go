package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
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
	refused := service.Claim(all.Config)
	if !errors.Is(refused, service.ErrPlanted) { // what else there may be it says when it heals its registration
		refused = nil
		defer service.KeepLog(filepath.Join(filepath.Dir(all.Config), "logs"))()
	}
	var opened atomic.Pointer[agent.Agent]
	return service.Run(func(ctx context.Context, ready func()) error {
		if refused != nil {
			return refused
		}
		if service.AwaitsConfig {
			if err := awaitConfig(ctx, all.Config, ready); err != nil {
				return err
			}
		}
		if err := heal(all.Config); err != nil {
			fmt.Fprintf(os.Stderr, "the service's registration is not as it should be: %v\n", err)
		}
		return agent.Serve(ctx, all.Config, func(a *agent.Agent) {
			opened.Store(a)
			ready()
		})
	}, func() {
		if a := opened.Load(); a != nil {
			a.Alive()
		}
	})
}

// heal puts the service's registration right.
func heal(path string) error {
	at, err := registeredAt(path)
	if err != nil {
		return err
	}
	return service.Heal(at)
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
