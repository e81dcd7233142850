package install_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/dockline/dockline/testenv"
)

// exposureLimit is the most that `systemd-analyze security` may say of a unit, of 10.
const exposureLimit = 2.0

var exposure = regexp.MustCompile(`Overall exposure level for \S+: ([0-9.]+)`)

// confined are the lines that confine a service.
var confined = regexp.MustCompile(`(?m)^(Protect|Restrict|SystemCall|Capability|Private|Lock|Memory|Remove).*$`)

// TestUnitsAreHardened: systemd finds nothing wrong in either unit, and says that each is exposed by no more than 2.0 of 10. Neither is given up after failures,
// each is watched, and each has a user and a folder of its own.
func TestUnitsAreHardened(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		testenv.SkipServer(t, "systemd", "systemd-analyze is not installed")
	}
	for _, path := range []string{"agent/service/dockline-agent.service", "installers/linux/dockline-collector.service"} {
		name := filepath.Base(path)
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join("../../..", path))
			if err != nil {
				t.Fatal(err)
			}
			product := strings.TrimSuffix(name, ".service")
			for _, line := range []string{"Type=notify", "Restart=always", "StartLimitIntervalSec=0", "StateDirectory=" + product, "CapabilityBoundingSet=", "NoNewPrivileges=yes"} {
				if !strings.Contains(string(text), "\n"+line+"\n") {
					t.Errorf("it has not %s", line)
				}
			}
			for _, key := range []string{"WatchdogSec", "TimeoutStopSec", "User"} {
				if !regexp.MustCompile(`(?m)^` + key + `=\w`).Match(text) {
					t.Errorf("it has no %s", key)
				}
			}
			// The program is where the package puts it, not here.
			there := strings.Replace(string(text), "/usr/bin/"+product, "/bin/true", 1)
			if level := judge(t, analyze, name, there); level > exposureLimit {
				t.Errorf("exposed by %.1f, more than %.1f", level, exposureLimit)
			} else {
				t.Logf("exposed by %.1f", level)
			}
			if level := judge(t, analyze, name, confined.ReplaceAllString(there, "")); level <= exposureLimit {
				t.Errorf("with nothing that confines it, it is exposed by %.1f: this cannot fail", level)
			}
		})
	}
}

// judge is the level by which a unit is exposed.
func judge(t *testing.T, analyze, name, text string) float64 {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), analyze, "verify", "--man=no", path).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("verify: %v\n%s", err, out)
	}
	out, err := exec.CommandContext(t.Context(), analyze, "security", "--offline=true", "--no-pager", path).CombinedOutput()
	found := exposure.FindSubmatch(out)
	if found == nil {
		t.Fatalf("security: %v\n%s", err, out)
	}
	level, err := strconv.ParseFloat(string(found[1]), 64)
	if err != nil {
		t.Fatal(err)
	}
	return level
}
