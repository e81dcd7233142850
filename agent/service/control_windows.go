package service

import (
	"errors"
	"fmt"
	"os"
	"time"
	"unsafe"

	"github.com/kardianos/service"
	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/svc"
	"golang.org/x/sys/windows/svc/mgr"
)

const lookInto = "the Windows event log (Application, source " + Name + ") says why"

// asked is how often the service manager is asked where it answers that the handle is invalid which it has just given: Wine's does so now and then on
// a machine that is busy.
const asked = 5

// query needs no administrator.
func query() (condition, error) {
	status, err := ask()
	for n := 1; n < asked && errors.Is(err, windows.ERROR_INVALID_HANDLE); n++ {
		time.Sleep(pollInterval)
		status, err = ask()
	}
	switch {
	case errors.Is(err, windows.ERROR_SERVICE_DOES_NOT_EXIST):
		return absent, nil
	case err != nil:
		return absent, fmt.Errorf("ask for the service: %w", err)
	case status.State == svc.Running:
		return running, nil
	case status.State == svc.Stopped:
		return stopped, nil
	}
	return changing, nil
}

func ask() (svc.Status, error) {
	handle, err := windows.OpenSCManager(nil, nil, windows.SC_MANAGER_CONNECT)
	if err != nil {
		return svc.Status{}, err
	}
	defer windows.CloseServiceHandle(handle)
	name, err := windows.UTF16PtrFromString(Name)
	if err != nil {
		return svc.Status{}, err
	}
	opened, err := windows.OpenService(handle, name, windows.SERVICE_QUERY_STATUS)
	if err != nil {
		return svc.Status{}, err
	}
	s := &mgr.Service{Name: Name, Handle: opened}
	defer s.Close()
	return s.Query()
}

// programEndLimit is how long a program may take to end after its service has.
const programEndLimit = 10 * time.Second

// programEnd holds on to the program that the service runs now, and returns what waits for its end: the service manager counts a service as
// stopped a moment before, in which its file cannot be replaced.
func programEnd() (wait func()) {
	status, err := ask()
	if err != nil || status.ProcessId == 0 {
		return func() {}
	}
	program, err := windows.OpenProcess(windows.SYNCHRONIZE, false, status.ProcessId)
	if err != nil {
		return func() {} // another user's; it ends all the same
	}
	return func() {
		defer windows.CloseHandle(program)
		if is, err := query(); err == nil && is == stopped {
			_, _ = windows.WaitForSingleObject(program, uint32(programEndLimit.Milliseconds())) // whoever replaces the file says it
		}
	}
}

func prepare(c Config) (service.KeyValue, error) {
	if err := Claim(c.ConfigPath); err != nil {
		return nil, err
	}
	return nil, os.MkdirAll(c.DataDir, 0o750)
}

// upgradeCode is what all versions of the Windows Installer package have in common (installers/windows/agent.wxs).
const upgradeCode = "{DD828AF2-E1DD-4A24-A632-B4C06B9FEBED}"

var enumRelatedProducts = windows.NewLazySystemDLL("msi.dll").NewProc("MsiEnumRelatedProductsW")

// packaged is the product code of the Windows Installer package that is installed here, "" without one
// (https://learn.microsoft.com/windows/win32/api/msi/nf-msi-msienumrelatedproductsw).
func packaged() (string, error) {
	if err := enumRelatedProducts.Find(); err != nil {
		return "", nil // a Windows without Windows Installer has no package of ours
	}
	upgrade, err := windows.UTF16PtrFromString(upgradeCode)
	if err != nil {
		return "", err
	}
	var product [39]uint16
	result, _, _ := enumRelatedProducts.Call(uintptr(unsafe.Pointer(upgrade)), 0, 0, uintptr(unsafe.Pointer(&product[0])))
	switch code := windows.Errno(result); code {
	case windows.ERROR_SUCCESS:
		return windows.UTF16ToString(product[:]), nil
	case windows.ERROR_NO_MORE_ITEMS:
		return "", nil
	default:
		return "", fmt.Errorf("ask Windows Installer for the package: %w", code)
	}
}

func removable() error {
	is, err := query()
	if err != nil {
		return fmt.Errorf("uninstall: %w", err)
	}
	if is == absent {
		return ErrNotInstalled
	}
	product, err := packaged()
	if err != nil {
		return fmt.Errorf("uninstall: %w", err)
	}
	if product != "" {
		return fmt.Errorf("uninstall: a package installed the service: remove the package, in Settings under Apps, or by msiexec /x %s /qn; its data stays", product)
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
