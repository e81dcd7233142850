// Package service installs, starts and stops the agent as a service of systemd or Windows, and is what the service manager runs.
package service

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/kardianos/service"
)

// Name is the service's name, to systemctl as to sc.exe.
const Name = "dockline-agent"

// PackagedConfig is what the unit of a Linux package reads, PackagedDataDir where it writes.
const (
	PackagedConfig  = "/etc/dockline/agent.yaml"
	PackagedDataDir = "/var/lib/dockline-agent"
)

// Verb is the hidden command that the service manager starts. It is explicit because finding out whether a process was started
// by a service manager fails inside Windows containers (golang/go#56335).
const Verb = "service-run"

// How long Start and Stop wait for the service manager; longer than the unit's TimeoutStartSec and TimeoutStopSec.
const (
	startTimeout = 75 * time.Second
	stopTimeout  = 30 * time.Second
	pollInterval = 100 * time.Millisecond
)

// ErrNotInstalled is returned where there is no service to act on.
var ErrNotInstalled = errors.New("the service is not installed: dockline-agent install")

// ErrInstalled is returned by Install where the service is there already.
var ErrInstalled = errors.New("the service is installed already: dockline-agent uninstall removes it and keeps its data")

// Config says what the service runs; all three paths are made absolute, for a service starts in a folder of its manager's choice.
type Config struct{ Executable, ConfigPath, DataDir string }

// condition is what the service manager says of the service.
type condition int

const (
	absent   condition = iota // not installed
	stopped                   // installed, no process, and none will be started
	changing                  // starting, stopping, or waiting to be restarted
	running                   // started and, on systemd, ready
)

// Installed says whether the service manager knows the service.
func Installed() bool {
	is, err := query()
	return err == nil && is != absent
}

// Install registers the service, to be started with the machine and after every crash. It does not start it. Where a package brought the service, it is
// only enabled.
func Install(c Config) error {
	for _, path := range []*string{&c.Executable, &c.ConfigPath, &c.DataDir} {
		if *path == "" {
			return errors.New("install: executable, configuration and data folder are needed")
		}
		absolute, err := filepath.Abs(*path)
		if err != nil {
			return fmt.Errorf("install: %w", err)
		}
		*path = absolute
	}
	if is, err := query(); err != nil {
		return fmt.Errorf("install: %w", err)
	} else if is != absent {
		return adopt(c)
	}
	options, err := prepare(c)
	if err != nil {
		return fmt.Errorf("install: %w", err)
	}
	manager, err := open(c, options)
	if err != nil {
		return fmt.Errorf("install: %w", err)
	}
	if err := manager.Install(); err != nil {
		_ = manager.Uninstall() // what a refused installation left behind would make the next one fail
		return fmt.Errorf("install: %w (administrators only)", err)
	}
	refine(c)
	return nil
}

// Uninstall stops the service and removes it; configuration and data stay.
func Uninstall() error {
	if err := removable(); err != nil {
		return err
	}
	if err := Stop(); err != nil {
		return err
	}
	manager, err := open(Config{}, nil)
	if err != nil {
		return fmt.Errorf("uninstall: %w", err)
	}
	if err := manager.Uninstall(); err != nil {
		return fmt.Errorf("uninstall: %w (administrators only)", err)
	}
	return gone()
}

// gone waits until the service manager has forgotten the service: Windows keeps one, and installs no other, while some program looks at it.
func gone() error {
	for end := time.Now().Add(stopTimeout); ; time.Sleep(pollInterval) {
		is, err := query()
		if err == nil && is == absent {
			return nil
		}
		if time.Now().After(end) {
			return errors.Join(err, errors.New("uninstall: the service is marked for deletion, and goes when the programs that look at it are closed, such as the list of services; its data stays"))
		}
	}
}

// Start starts the service and returns once it runs; it does nothing where it runs already.
func Start() error { return act("start", service.Service.Start, running, startTimeout) }

// Stop stops the service and returns once it is stopped; it does nothing where it is stopped already.
func Stop() error { return act("stop", service.Service.Stop, stopped, stopTimeout) }

// act asks the service manager for something and waits until the service is as wanted. The library's own calls are not enough:
// its start returns at once on Windows and its stop may wait there for ever.
func act(name string, do func(service.Service) error, wanted condition, timeout time.Duration) error {
	is, err := query()
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", name, err)
	case is == absent:
		return ErrNotInstalled
	case is == wanted:
		return nil
	}
	manager, err := open(Config{}, nil)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	asked := make(chan error, 1)
	go func() { asked <- do(manager) }()
	deadline := time.After(timeout)
	poll := time.NewTicker(pollInterval)
	defer poll.Stop()
	accepted := false
	for {
		select {
		case err := <-asked:
			if is, _ := query(); err != nil && is != wanted {
				return fmt.Errorf("%s: %w; %s", name, err, lookInto)
			}
			accepted = true
		case <-deadline:
			return fmt.Errorf("%s: the service was not there after %v; %s", name, timeout, lookInto)
		case <-poll.C:
		}
		is, err := query()
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if is == wanted {
			return nil
		}
		if accepted && wanted == running && is == stopped {
			return fmt.Errorf("%s: the service ended at once; %s", name, lookInto)
		}
	}
}

func open(c Config, options service.KeyValue) (service.Service, error) {
	return service.New(nothing{}, &service.Config{
		Name:        Name,
		DisplayName: "Dockline agent",
		Description: description,
		Executable:  c.Executable,
		Arguments:   []string{Verb, "--config", c.ConfigPath},
		Option:      options,
	})
}

// nothing stands where the library wants a program: it manages the service, Run runs it.
type nothing struct{}

func (nothing) Start(service.Service) error { return nil }
func (nothing) Stop(service.Service) error  { return nil }
