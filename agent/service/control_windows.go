package service

import (
	"errors"
	"fmt"
	"os"

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

// refine sets what makes the service come back after a failure, keeps its folder to itself and lets the machine start first. The library could
// set one recovery action, for crashes alone, and fails whole where delayed start is unknown.
func refine(c Config) {
	if err := Heal(c); err != nil {
		fmt.Fprintf(os.Stderr, "the service is installed, but: %v\n", err)
	}
}

// Heal sets what of the service's registration is not as it should be, and returns what could not be.
func Heal(c Config) error {
	r, closed, err := OpenRegistration(c)
	if err != nil {
		return err
	}
	defer closed()
	var faults []error
	for _, o := range Configure(r, All()) {
		if o.Err != nil {
			faults = append(faults, fmt.Errorf("%s: %w: %s", o.Aspect, o.Err, o.Missing))
		}
	}
	return errors.Join(faults...)
}

// adopt: no package of Windows leaves a service that is not installed.
func adopt(Config) error { return ErrInstalled }
