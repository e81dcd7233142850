package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"

	"github.com/dockline/dockline/agent"
	"github.com/dockline/dockline/agent/service"
	"github.com/dockline/dockline/proto/event"
)

type configCommand struct {
	Check configCheckCommand `cmd:"" help:"Look for faults; plugins look at their own sections. Exit code 1 where there are any."`
}

type configCheckCommand struct{}

// Run prints every fault with file, line and key.
func (configCheckCommand) Run(all *commands) error {
	config, err := agent.LoadConfig(all.Config)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return exitCode(1)
	}
	ctx, stop := interruptible()
	defer stop()
	faults, err := agent.CheckPlugins(ctx, config)
	if err != nil {
		return err
	}
	for _, f := range faults {
		fmt.Fprintln(os.Stderr, f)
	}
	if len(faults) > 0 {
		return exitCode(1)
	}
	fmt.Printf("%s: site %s of tenant %s, %s: no faults\n", all.Config, config.Site.ID, config.Site.Tenant, event.Several(len(config.Plugins), "plugin"))
	return nil
}

// interruptible is a context that ends when the process is asked to stop.
func interruptible() (context.Context, context.CancelFunc) {
	return signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
}

// defaultConfig is where a service finds its configuration.
func defaultConfig() string {
	if runtime.GOOS == "windows" {
		return filepath.Join(os.Getenv("ProgramData"), "Dockline", "agent.yaml")
	}
	return service.PackagedConfig
}

// defaultDataDir is the folder of an agent with this configuration, unless another is named: on Linux, for the configuration that packages use,
// the one that their service may write, else beside the configuration.
func defaultDataDir(config string) string {
	if runtime.GOOS != "windows" && config == service.PackagedConfig {
		return service.PackagedDataDir
	}
	return filepath.Join(filepath.Dir(config), "data")
}
