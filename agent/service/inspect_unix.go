//go:build !windows

package service

import (
	"os"
	"os/exec"
	"strings"
)

// Inspect looks at the unit's own file, and at what systemd makes of it where systemd runs. It needs no rights.
func Inspect() (Inspection, error) {
	text := ""
	for _, path := range unitPaths {
		if found, err := os.ReadFile(path); err == nil {
			text = string(found)
			break
		}
	}
	if text == "" {
		return Inspection{}, nil
	}
	i := Inspection{Installed: true, Faults: faultsOf(text)}
	is, err := query()
	i.Running = is == running
	if out, asked := exec.Command("systemctl", "is-enabled", Name+".service").Output(); asked != nil && strings.TrimSpace(string(out)) == "disabled" {
		i.Faults = append(i.Faults, "It does not start with the machine: systemctl enable "+Name+".")
	}
	return i, err
}

// faultsOf reads a unit.
func faultsOf(unit string) (faults []string) {
	set := map[string]string{}
	for line := range strings.Lines(unit) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(key, "#") {
			set[key] = value
		}
	}
	if set["Restart"] != "always" {
		faults = append(faults, "It is not started again after it ends (Restart="+set["Restart"]+"): set Restart=always, or install the service anew.")
	}
	if set["StartLimitIntervalSec"] != "0" {
		faults = append(faults, "systemd gives up after some failures in a row: set StartLimitIntervalSec=0, or install the service anew.")
	}
	program, _, _ := strings.Cut(strings.Trim(set["ExecStart"], `"`), " ")
	if _, err := os.Stat(strings.Trim(program, `"`)); err != nil {
		faults = append(faults, "Its program is not there ("+program+"): install the service anew.")
	}
	return faults
}
