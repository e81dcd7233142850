package service

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/kardianos/service"
	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/svc"
	"golang.org/x/sys/windows/svc/mgr"
)

const lookInto = "the Windows event log (Application, source " + Name + ") says why"

// query needs no administrator.
func query() (condition, error) {
	handle, err := windows.OpenSCManager(nil, nil, windows.SC_MANAGER_CONNECT)
	if err != nil {
		return absent, fmt.Errorf("open the service manager: %w", err)
	}
	defer windows.CloseServiceHandle(handle)
	name, err := windows.UTF16PtrFromString(Name)
	if err != nil {
		return absent, err
	}
	opened, err := windows.OpenService(handle, name, windows.SERVICE_QUERY_STATUS)
	if errors.Is(err, windows.ERROR_SERVICE_DOES_NOT_EXIST) {
		return absent, nil
	}
	if err != nil {
		return absent, fmt.Errorf("open the service: %w", err)
	}
	s := &mgr.Service{Name: Name, Handle: opened}
	defer s.Close()
	status, err := s.Query()
	if err != nil {
		return absent, fmt.Errorf("ask for the service: %w", err)
	}
	switch status.State {
	case svc.Running:
		return running, nil
	case svc.Stopped:
		return stopped, nil
	default:
		return changing, nil
	}
}

func prepare(c Config) (service.KeyValue, error) {
	return nil, os.MkdirAll(c.DataDir, 0o750)
}

func removable() error {
	is, err := query()
	if err != nil {
		return fmt.Errorf("uninstall: %w", err)
	}
	if is == absent {
		return ErrNotInstalled
	}
	return nil
}

// refine sets what makes the service come back after a crash and lets the machine start first. Each is best effort: older and
// emulated service managers know only some, and a service that lacks one is still a service. The library could set one recovery
// action, for crashes alone, and fails whole where delayed start is unknown.
func refine() {
	m, err := mgr.Connect()
	if err != nil {
		warn("connect", err)
		return
	}
	defer m.Disconnect()
	s, err := m.OpenService(Name)
	if err != nil {
		warn("open", err)
		return
	}
	defer s.Close()
	restart := func(after time.Duration) mgr.RecoveryAction {
		return mgr.RecoveryAction{Type: mgr.ServiceRestart, Delay: after}
	}
	const forgetAfter = 24 * 60 * 60 // seconds without a failure
	if err := s.SetRecoveryActions([]mgr.RecoveryAction{restart(2 * time.Second), restart(5 * time.Second), restart(30 * time.Second)}, forgetAfter); err != nil {
		warn("restart after a crash", err)
	}
	if err := s.SetRecoveryActionsOnNonCrashFailures(true); err != nil {
		warn("restart after an error", err)
	}
	config, err := s.Config()
	if err != nil {
		warn("read the configuration", err)
		return
	}
	config.DelayedAutoStart = true
	if err := s.UpdateConfig(config); err != nil {
		warn("delayed start", err)
	}
}

func warn(what string, err error) {
	fmt.Fprintf(os.Stderr, "the service is installed, but without: %s: %v\n", what, err)
}

// adopt: no package of Windows leaves a service that is not installed.
func adopt(Config) error { return ErrInstalled }
