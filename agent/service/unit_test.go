package service_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dockline/dockline/agent/service"
	"github.com/dockline/dockline/testenv"
)

// writeUnit writes a derived unit under its real name.
func writeUnit(t *testing.T, c service.Config) (path, text string) {
	t.Helper()
	text, err := service.Unit(c)
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(t.TempDir(), service.Name+".service")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path, text
}

func TestUnitHoldsThePathsAndNothingElseChanges(t *testing.T) {
	_, text := writeUnit(t, service.Config{Executable: "/opt/dock line/100%/agent$1", ConfigPath: "/etc/dockline/a.yaml", DataDir: "/srv/data dir"})
	packaged, derived := strings.Split(service.PackagedUnit, "\n"), strings.Split(text, "\n")
	var changed []string
	for i := range packaged {
		if packaged[i] != derived[i] {
			changed = append(changed, derived[i])
		}
	}
	want := []string{
		`ExecStart="/opt/dock line/100%%/agent$$1" service-run --config /etc/dockline/a.yaml`,
		`ReadWritePaths=-/srv -/mnt -/media "/srv/data dir"`,
	}
	if len(packaged) != len(derived) || strings.Join(changed, "\n") != strings.Join(want, "\n") {
		t.Fatalf("changed:\n%s\nwant:\n%s", strings.Join(changed, "\n"), strings.Join(want, "\n"))
	}
	for _, path := range []string{"/opt/a\nUser=root", "/opt/{{Name}}"} {
		if _, err := service.Unit(service.Config{Executable: "/bin/true", ConfigPath: "/etc/a.yaml", DataDir: path}); err == nil {
			t.Errorf("%q was taken into a unit", path)
		}
	}
}

// TestSystemdAcceptsTheUnit: systemd-analyze verify ends with 0 even for unknown keys, so its words count.
func TestSystemdAcceptsTheUnit(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		testenv.SkipServer(t, "systemd", "systemd-analyze is not installed")
	}
	path, text := writeUnit(t, service.Config{Executable: "/bin/true", ConfigPath: "/etc/dockline/agent.yaml", DataDir: "/var/lib/dockline-agent"})
	if out, err := exec.Command(analyze, "verify", "--man=no", path).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("verify: %v\n%s", err, out)
	}
	if out, err := exec.Command(analyze, "security", "--offline=true", "--threshold=20", "--no-pager", path).CombinedOutput(); err != nil {
		t.Errorf("more exposed than 2.0: %v\n%s", err, out)
	}
	wrong := strings.Replace(text, "Restart=always", "Restart=sometimes", 1)
	if err := os.WriteFile(path, []byte(wrong), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, _ := exec.Command(analyze, "verify", "--man=no", path).CombinedOutput(); len(out) == 0 {
		t.Error("a wrong value went unnoticed: this test cannot fail")
	}
}
