//go:build !windows

package service

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/kardianos/service"
)

const lookInto = "journalctl -u " + Name + " says why"

// installedUnit is where Install writes; packages write into one of the other folders.
const installedUnit = "/etc/systemd/system/" + Name + ".service"

var unitPaths = []string{installedUnit, "/usr/lib/systemd/system/" + Name + ".service", "/lib/systemd/system/" + Name + ".service"}

// query asks systemd; the unit's file decides whether the service is installed, so that a machine without systemd can be asked.
func query() (condition, error) {
	found := false
	for _, path := range unitPaths {
		if _, err := os.Stat(path); err == nil {
			found = true
		}
	}
	if !found {
		return absent, nil
	}
	out, err := exec.Command("systemctl", "show", "--property=ActiveState", Name+".service").Output()
	if err != nil {
		return absent, fmt.Errorf("systemctl show: %w", err)
	}
	switch strings.TrimSpace(strings.TrimPrefix(string(out), "ActiveState=")) {
	case "active", "reloading":
		return running, nil
	case "inactive", "failed":
		return stopped, nil
	default:
		return changing, nil
	}
}

// prepare readies user, folders and unit.
func prepare(c Config) (service.KeyValue, error) {
	if _, err := os.Stat("/run/systemd/system"); err != nil {
		return nil, errors.New("this machine does not run systemd: let its own supervisor run `dockline-agent run`")
	}
	if os.Geteuid() != 0 {
		return nil, errors.New("only root can install a service: use sudo")
	}
	for _, path := range []string{c.Executable, c.ConfigPath, c.DataDir} {
		if err := visible(path); err != nil {
			return nil, err
		}
	}
	unit, err := Unit(c)
	if err != nil {
		return nil, err
	}
	if err := grant(c); err != nil {
		return nil, err
	}
	return service.KeyValue{"SystemdScript": unit}, nil
}

// adopt enables the service that a package brought; what runs from a unit of ours already is installed.
func adopt(c Config) error {
	if _, err := os.Stat(installedUnit); err == nil {
		return ErrInstalled
	}
	if out, err := exec.Command("systemctl", "is-enabled", Name+".service").Output(); err == nil && strings.TrimSpace(string(out)) == "enabled" {
		return ErrInstalled
	}
	if c.ConfigPath != PackagedConfig || filepath.Clean(c.DataDir) != PackagedDataDir {
		return fmt.Errorf("install: the package's service reads %s and writes %s, not %s and %s: use those, or remove the package", PackagedConfig, PackagedDataDir, c.ConfigPath, c.DataDir)
	}
	if os.Geteuid() != 0 {
		return errors.New("install: only root can enable a service: use sudo")
	}
	if err := grant(c); err != nil {
		return fmt.Errorf("install: %w", err)
	}
	if out, err := exec.Command("systemctl", "enable", Name+".service").CombinedOutput(); err != nil {
		return fmt.Errorf("install: systemctl enable: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}

// visible refuses what ProtectHome= and PrivateTmp= hide from the service.
func visible(path string) error {
	for _, hidden := range []string{"/home/", "/root/", "/run/user/", "/tmp/", "/var/tmp/"} {
		if strings.HasPrefix(filepath.Clean(path)+"/", hidden) {
			return fmt.Errorf("%s: a service cannot see %s; put the program into /usr/local/bin, the configuration into /etc/dockline, data into /var/lib/dockline-agent", path, hidden)
		}
	}
	return nil
}

func removable() error {
	is, err := query()
	if err != nil {
		return fmt.Errorf("uninstall: %w", err)
	}
	if is == absent {
		return ErrNotInstalled
	}
	if _, err := os.Stat(installedUnit); err != nil {
		return errors.New("uninstall: a package installed the service: remove the package (apt-get remove dockline-agent, or dnf remove dockline-agent); its data stays")
	}
	for _, path := range unitPaths {
		if _, err := os.Stat(path); err == nil && path != installedUnit {
			return fmt.Errorf("uninstall: %s, which an earlier `dockline-agent install` or a person has written, hides the service of the package. To go on with the package's: "+
				"rm %s && systemctl daemon-reload && systemctl restart %s. To remove all of it remove the package first", installedUnit, installedUnit, Name)
		}
	}
	return nil
}

// programEnd has nothing to wait for: systemd counts a service as stopped when its processes have ended.
func programEnd() (wait func()) { return func() {} }

// refine has nothing to add: the unit says it all.
func refine(Config) {}

// Heal has nothing to set: the unit says it all, and is its administrator's.
func Heal(Config) error { return nil }
