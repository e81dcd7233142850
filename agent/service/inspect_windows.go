package service

import (
	"fmt"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/svc/mgr"
)

// Inspect asks the service manager. Recovery settings need the right to read the service's configuration, which users have.
func Inspect() (Inspection, error) {
	is, err := query()
	if err != nil || is == absent {
		return Inspection{}, err
	}
	i := Inspection{Installed: true, Running: is == running}
	handle, err := windows.OpenSCManager(nil, nil, windows.SC_MANAGER_CONNECT)
	if err != nil {
		return i, fmt.Errorf("open the service manager: %w", err)
	}
	defer windows.CloseServiceHandle(handle)
	name, err := windows.UTF16PtrFromString(Name)
	if err != nil {
		return i, err
	}
	opened, err := windows.OpenService(handle, name, windows.SERVICE_QUERY_CONFIG)
	if err != nil {
		return i, fmt.Errorf("open the service: %w", err)
	}
	s := &mgr.Service{Name: Name, Handle: opened}
	defer s.Close()
	if config, err := s.Config(); err == nil && config.StartType != mgr.StartAutomatic {
		i.Faults = append(i.Faults, "It does not start with the machine: sc.exe config "+Name+" start= delayed-auto")
	}
	actions, err := s.RecoveryActions()
	if err != nil {
		return i, fmt.Errorf("read the recovery settings: %w", err)
	}
	if len(actions) == 0 || actions[0].Type != mgr.ServiceRestart {
		i.Faults = append(i.Faults, "It is not started again after a crash: uninstall and install the service anew, its data stays.")
	}
	return i, nil
}
