package service

import (
	"fmt"
	"strings"

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
	r := &registered{Service: s}
	if start, err := r.startType(); err == nil && !strings.HasSuffix(start, "auto") {
		i.Faults = append(i.Faults, "It does not start with the machine: sc.exe config "+Name+" start= delayed-auto")
	}
	i.Faults = append(i.Faults, faults(r, All())...)
	return i, nil
}
