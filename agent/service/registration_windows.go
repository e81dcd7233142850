package service

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/registry"
	"golang.org/x/sys/windows/svc/eventlog"
	"golang.org/x/sys/windows/svc/mgr"
)

// registered is the service as this Windows has it, with the folders of its configuration and data.
type registered struct {
	*mgr.Service
	folders []string
}

// OpenRegistration opens the service's registration for writing; administrators only.
func OpenRegistration(c Config) (Registration, func(), error) {
	m, err := mgr.Connect()
	if err != nil {
		return nil, nil, fmt.Errorf("open the service manager: %w (administrators only)", err)
	}
	defer m.Disconnect()
	s, err := m.OpenService(Name)
	if errors.Is(err, windows.ERROR_SERVICE_DOES_NOT_EXIST) {
		return nil, nil, ErrNotInstalled
	}
	if err != nil {
		return nil, nil, fmt.Errorf("open the service: %w (administrators only)", err)
	}
	return &registered{Service: s, folders: ownFolders(c)}, func() { s.Close() }, nil
}

// ownFolders are those that are the agent's alone: its data's, and that of its configuration where it holds the data or bears our name.
func ownFolders(c Config) []string {
	above := filepath.Dir(c.ConfigPath)
	switch {
	case c.DataDir == "" || strings.EqualFold(filepath.Dir(c.DataDir), above) && filepath.Dir(above) != above:
		return []string{above}
	case strings.EqualFold(filepath.Base(above), "Dockline"):
		return []string{above, c.DataDir}
	}
	return []string{c.DataDir}
}

func (r *registered) Get(a Aspect) (string, error) {
	switch a {
	case Description:
		b, err := r.query(windows.SERVICE_CONFIG_DESCRIPTION)
		if err != nil {
			return "", err
		}
		return windows.UTF16PtrToString((*windows.SERVICE_DESCRIPTION)(unsafe.Pointer(&b[0])).Description), nil
	case StartType:
		return r.startType()
	case RecoveryActions:
		return r.recovery()
	case FailureFlag:
		on, err := r.RecoveryActionsOnNonCrashFailures()
		return map[bool]string{true: "1", false: "0"}[on], known(err)
	case Preshutdown:
		return r.number(windows.SERVICE_CONFIG_PRESHUTDOWN_INFO)
	case SIDType:
		n, err := r.number(windows.SERVICE_CONFIG_SERVICE_SID_INFO)
		return map[string]string{"0": "none", "1": "unrestricted", "3": "restricted"}[n], err
	case EventSource:
		return eventSource()
	case FolderRights:
		if len(r.folders) > 0 {
			return rightsOf(r.folders)
		}
	}
	return "", ErrUnknown
}

func (r *registered) Set(a Aspect, value string) error {
	switch a {
	case Description:
		text, err := windows.UTF16PtrFromString(value)
		if err != nil {
			return err
		}
		return r.change(windows.SERVICE_CONFIG_DESCRIPTION, unsafe.Pointer(&windows.SERVICE_DESCRIPTION{Description: text}))
	case StartType:
		delayed := windows.SERVICE_DELAYED_AUTO_START_INFO{IsDelayedAutoStartUp: 1}
		return r.change(windows.SERVICE_CONFIG_DELAYED_AUTO_START_INFO, unsafe.Pointer(&delayed))
	case RecoveryActions:
		return r.setRecovery(value)
	case FailureFlag:
		return known(r.SetRecoveryActionsOnNonCrashFailures(value == "1"))
	case Preshutdown:
		var milliseconds uint32
		if _, err := fmt.Sscan(value, &milliseconds); err != nil {
			return err
		}
		return r.change(windows.SERVICE_CONFIG_PRESHUTDOWN_INFO, unsafe.Pointer(&milliseconds))
	case SIDType:
		kind := uint32(windows.SERVICE_SID_TYPE_UNRESTRICTED)
		return r.change(windows.SERVICE_CONFIG_SERVICE_SID_INFO, unsafe.Pointer(&kind))
	case EventSource:
		return setEventSource()
	case FolderRights: // value is folderRights
		for _, folder := range r.folders {
			if err := claim(folder); err != nil {
				return err
			}
		}
		return nil
	}
	return ErrUnknown
}

// known gives a level that this Windows, or what stands in for one, lacks its name.
func known(err error) error {
	if errors.Is(err, windows.ERROR_INVALID_LEVEL) {
		return ErrUnknown
	}
	return err
}

func (r *registered) change(level uint32, info unsafe.Pointer) error {
	return known(windows.ChangeServiceConfig2(r.Handle, level, (*byte)(info)))
}

func (r *registered) query(level uint32) ([]byte, error) {
	size := uint32(1024)
	for {
		b := make([]byte, size)
		err := windows.QueryServiceConfig2(r.Handle, level, &b[0], size, &size)
		if !errors.Is(err, windows.ERROR_INSUFFICIENT_BUFFER) || size <= uint32(len(b)) {
			return b, known(err)
		}
	}
}

func (r *registered) number(level uint32) (string, error) {
	b, err := r.query(level)
	if err != nil {
		return "", err
	}
	return fmt.Sprint(*(*uint32)(unsafe.Pointer(&b[0]))), nil
}

func (r *registered) startType() (string, error) {
	var size uint32 = 8192 // as large as Windows makes it (QueryServiceConfigW)
	b := make([]byte, size)
	config := (*windows.QUERY_SERVICE_CONFIG)(unsafe.Pointer(&b[0]))
	if err := windows.QueryServiceConfig(r.Handle, config, size, &size); err != nil {
		return "", err
	}
	switch config.StartType {
	case mgr.StartManual:
		return "demand", nil
	case mgr.StartDisabled:
		return "disabled", nil
	}
	if delayed, err := r.number(windows.SERVICE_CONFIG_DELAYED_AUTO_START_INFO); err == nil && delayed != "0" {
		return "delayed-auto", nil
	}
	return "auto", nil
}

func (r *registered) recovery() (string, error) {
	actions, err := r.Service.RecoveryActions()
	if err != nil {
		return "", known(err)
	}
	reset, err := r.ResetPeriod()
	if err != nil {
		return "", known(err)
	}
	texts := make([]string, 0, len(actions))
	for _, a := range actions {
		kind := map[int]string{mgr.NoAction: "none", mgr.ServiceRestart: "restart", mgr.ComputerReboot: "reboot", mgr.RunCommand: "run"}[a.Type]
		texts = append(texts, fmt.Sprintf("%s/%d", kind, a.Delay.Milliseconds()))
	}
	return fmt.Sprintf("reset=%d %s", reset, strings.Join(texts, "/")), nil
}

// setRecovery takes restarts only.
func (r *registered) setRecovery(value string) error {
	var reset uint32
	var list string
	if _, err := fmt.Sscanf(value, "reset=%d %s", &reset, &list); err != nil {
		return err
	}
	var actions []mgr.RecoveryAction
	for _, delay := range strings.Split(strings.TrimPrefix(list, "restart/"), "/restart/") {
		var milliseconds int64
		if _, err := fmt.Sscan(delay, &milliseconds); err != nil {
			return err
		}
		actions = append(actions, mgr.RecoveryAction{Type: mgr.ServiceRestart, Delay: time.Duration(milliseconds) * time.Millisecond})
	}
	return known(r.SetRecoveryActions(actions, reset))
}

const eventSourceKey = `SYSTEM\CurrentControlSet\Services\EventLog\Application\` + Name

func eventSource() (string, error) {
	key, err := registry.OpenKey(registry.LOCAL_MACHINE, eventSourceKey, registry.QUERY_VALUE)
	if errors.Is(err, registry.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer key.Close()
	file, _, err := key.GetStringValue("EventMessageFile")
	if err != nil && !errors.Is(err, registry.ErrNotExist) {
		return "", err
	}
	types, _, err := key.GetIntegerValue("TypesSupported")
	if err != nil && !errors.Is(err, registry.ErrNotExist) {
		return "", err
	}
	return fmt.Sprintf("types=%d %s", types, file), nil
}

func setEventSource() error {
	err := eventlog.Remove(Name) // half a source is made anew
	if err != nil && !errors.Is(err, registry.ErrNotExist) {
		return err
	}
	return eventlog.InstallAsEventCreate(Name, eventlog.Error|eventlog.Warning|eventlog.Info)
}
