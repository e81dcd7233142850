package agent

import (
	"path/filepath"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/svc"
	"golang.org/x/sys/windows/svc/mgr"
)

// remoteDisk says whether dir is on a network drive.
func remoteDisk(dir string) string {
	root, err := windows.UTF16PtrFromString(filepath.VolumeName(dir) + `\`)
	if err == nil && windows.GetDriveType(root) == windows.DRIVE_REMOTE {
		return "a network drive"
	}
	return ""
}

// scanners are services of programs that look at files when they are opened.
var scanners = map[string]string{"WinDefend": "Microsoft Defender", "CSFalconService": "CrowdStrike Falcon", "Sophos Endpoint Defense Service": "Sophos", "mfemms": "Trellix", "ds_agent": "Trend Micro"}

// virusScanner names one that is at work.
func virusScanner() string {
	handle, err := windows.OpenSCManager(nil, nil, windows.SC_MANAGER_CONNECT)
	if err != nil {
		return ""
	}
	defer windows.CloseServiceHandle(handle)
	for name, product := range scanners {
		text, err := windows.UTF16PtrFromString(name)
		if err != nil {
			continue
		}
		opened, err := windows.OpenService(handle, text, windows.SERVICE_QUERY_STATUS)
		if err != nil {
			continue
		}
		one := &mgr.Service{Name: name, Handle: opened}
		status, err := one.Query()
		_ = one.Close() // it was only asked
		if err == nil && status.State == svc.Running {
			return product
		}
	}
	return ""
}
