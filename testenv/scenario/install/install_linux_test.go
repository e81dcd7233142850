// Package install_test installs what a release has on the real thing: packages under a booted systemd, a site by one command.
package install_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dockline/dockline/agent/service"
	"github.com/dockline/dockline/testenv"
	"github.com/dockline/dockline/testenv/world"
)

// The versions of the packages: what is installed, and what it is upgraded to.
const (
	version = "1.0.0"
	newer   = "1.1.0"
)

// patience is how long a step may take on a busy machine.
const patience = 3 * time.Minute

var built struct {
	once sync.Once
	dir  string
	err  error
}

// packages is a folder with the .deb and .rpm of this machine's kind: of agent in both versions, of the collector in the first.
func packages(t *testing.T) string {
	t.Helper()
	built.once.Do(func() { built.dir, built.err = build(t.Context()) })
	if built.err != nil {
		t.Fatal(built.err)
	}
	return built.dir
}

func TestMain(m *testing.M) {
	code := m.Run()
	if built.dir != "" {
		_ = os.RemoveAll(built.dir)
	}
	os.Exit(code)
}

func build(ctx context.Context) (string, error) {
	dir, err := os.MkdirTemp("", "dockline-packages-")
	if err != nil {
		return "", err
	}
	for _, v := range []string{version, newer} {
		programs := filepath.Join(dir, "programs-"+v)
		for _, program := range []string{"agent/cmd/dockline-agent", "plugins/wms-file", "collector/cmd/dockline-collector"} {
			name := filepath.Base(program)
			if name == "wms-file" {
				name = "dockline-plugin-wms-file"
			}
			if name == "dockline-collector" && v == newer {
				continue
			}
			if err := run(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w -X github.com/dockline/dockline/proto/wire.Version="+v, "-o", filepath.Join(programs, name), "./"+program); err != nil {
				return dir, err
			}
		}
		for _, product := range []string{"agent", "collector"} {
			if product == "collector" && v == newer {
				continue
			}
			if err := run(ctx, "installers/linux/packages.sh", product, v, programs, runtime.GOARCH, dir); err != nil {
				return dir, err
			}
		}
	}
	return dir, nil
}

func run(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir = "../../.."
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}

// deb and rpm are the names of an agent's or a collector's package.
func deb(product, v string) string {
	return fmt.Sprintf("dockline-%s_%s_%s.deb", product, v, runtime.GOARCH)
}

func rpm(product, v string) string {
	arch := map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[runtime.GOARCH]
	return fmt.Sprintf("dockline-%s-%s-1.%s.rpm", product, v, arch)
}

// machine is a booted one with the packages in /root, what a collector there hands out, and a plan of what its site's agent runs.
type machine struct {
	*testenv.Container
	t *testing.T
}

func boot(t *testing.T) *machine {
	t.Helper()
	dir := packages(t)
	ctx, cancel := context.WithTimeout(t.Context(), 7*time.Minute)
	t.Cleanup(cancel)
	files := []testenv.File{{Text: world.PicksSection("/usr/lib/dockline/dockline-plugin-wms-file", "/srv/wms"), To: "/root/plugins.yaml", Mode: 0o644},
		// The command that site add prints says sudo, which may not be here.
		{Text: "#!/bin/sh\nexec \"$@\"\n", To: "/usr/local/bin/sudo", Mode: 0o755}}
	for _, name := range []string{deb("agent", version), deb("agent", newer), deb("collector", version), rpm("agent", version), rpm("agent", newer)} {
		files = append(files, testenv.File{From: filepath.Join(dir, name), To: "/root/" + name, Mode: 0o644})
	}
	for _, name := range []string{deb("agent", version), rpm("agent", version)} {
		files = append(files, testenv.File{From: filepath.Join(dir, name), To: "/usr/share/dockline/packages/" + name, Mode: 0o644})
	}
	m := &machine{t: t, Container: testenv.BootContainer(t, ctx, files...)}
	m.Do("dpkg", "-i", "/root/"+deb("collector", version))
	m.Until("dockline-collector", "ActiveState", "active")
	m.Shell("mkdir -p /srv/wms && chmod 777 /srv/wms")
	return m
}

// site is what the centre knows of the one site.
type site struct {
	State   string `json:"state"`
	Logged  int64  `json:"logged"`
	Backlog uint64 `json:"backlog"`
	Version string `json:"agent_version"`
}

func (m *machine) site() (s site) {
	m.t.Helper()
	out := m.Do("dockline-collector", "site", "show", "main/dc-east", "--json")
	if err := json.Unmarshal([]byte(out), &s); err != nil {
		m.t.Fatalf("%v: %s", err, out)
	}
	return s
}

// drop has the WMS write so many picks, from number on, in files of a hundred, and returns the number of the next.
func (m *machine) drop(number, n int) int {
	m.t.Helper()
	m.Do("sh", "-c", fmt.Sprintf(`cd /srv/wms && for first in $(seq %d 100 %d); do
(echo pick_id,order,line,sku,qty,uom,picked_at
for i in $(seq $first $((first + 99))); do echo P-$i,SO$i,10,SKU-1,1,each,2026-07-04T08:01:12Z; done) >picks-$first.tmp && mv picks-$first.tmp picks-$first.csv
done`, number, number+n-1))
	return number + n
}

// captured waits until the agent has taken every file.
func (m *machine) captured() {
	m.t.Helper()
	testenv.Eventually(m.t, patience, "every file is taken", func() bool { return m.Shell("ls /srv/wms | grep -c picks || true") == "0" }, m.said)
}

// exactly waits until so many events are in the log, and fails where one came twice with two contents.
func (m *machine) exactly(n int) {
	m.t.Helper()
	var now site
	testenv.Eventually(m.t, patience, fmt.Sprintf("%d events in the log", n), func() bool {
		now = m.site()
		return now.State == "online" && now.Logged == int64(n) && now.Backlog == 0
	}, func() string { return fmt.Sprintf("%+v\n%s", now, m.said()) })
}

// said is what the agent says of itself.
func (m *machine) said() string {
	out, _ := m.Try("sh", "-c", "dockline-agent status; journalctl --no-pager -n 30 -u dockline-agent -u dockline-collector; ls -la /srv/wms /srv/wms/error")
	return out
}

// become runs the command that site add prints, and says how long it took until the site was online.
func (m *machine) become() time.Duration {
	m.t.Helper()
	out := m.Do("dockline-collector", "site", "add", "main/dc-east", "--plugins", "/root/plugins.yaml", "--json")
	var i struct {
		Linux    string
		Token    string
		Installs bool
	}
	if err := json.Unmarshal([]byte(out), &i); err != nil || !i.Installs {
		m.t.Fatalf("%v: %s", err, out)
	}
	began := time.Now()
	if out, err := m.Try("sh", "-c", i.Linux); err != nil {
		m.t.Fatalf("%s: %v\n%s\n%s", i.Linux, err, out, m.said())
	} else if strings.Contains(out, i.Token) {
		m.t.Errorf("the token is in what was printed:\n%s", out)
	}
	testenv.Eventually(m.t, patience, "the site is online", func() bool { return m.site().State == "online" }, m.said)
	return time.Since(began)
}

// TestInstallOneLiner: a machine with nothing of ours but a collector that it can reach becomes a site that captures by the one command that
// site add prints. Run again, and with a token that was used, it changes nothing.
//
// Shows: E24, S36
func TestInstallOneLiner(t *testing.T) {
	m := boot(t)
	took := m.become()
	next := m.drop(1, 200)
	m.exactly(next - 1)
	t.Logf("one command, and after %s the site was online", took.Round(100*time.Millisecond))
	if got := m.Property(service.Name, "User"); got != "dockline" {
		t.Errorf("it runs as %q", got)
	}
	if out := m.Shell("stat -c '%U %a' /var/lib/dockline-agent /var/lib/dockline-agent/identity/site.key /etc/dockline/agent.yaml"); out != "dockline 750\ndockline 600\nroot 640" {
		t.Errorf("owners and modes: %s", out)
	}
	epoch := m.Shell("dockline-agent journal list --all --limit 1 --json | head -c 200")
	m.become()
	if now := m.Shell("dockline-agent journal list --all --limit 1 --json | head -c 200"); now != epoch {
		t.Errorf("run again, the journal is another one: %s, was %s", now, epoch)
	}
	next = m.drop(next, 100)
	m.exactly(next - 1)
	m.refused()
}

// refused: whatever is wrong with the command, it says what, and a site that is there stays as it is.
func (m *machine) refused() {
	t := m.t
	t.Helper()
	out := m.Do("dockline-collector", "site", "add", "main/dc-west", "--json")
	var i struct{ Linux, Fingerprint, Token string }
	if err := json.Unmarshal([]byte(out), &i); err != nil {
		t.Fatal(err)
	}
	other := strings.Repeat("0", 64)
	for _, c := range []struct{ name, command, says string }{
		{"the token of another site", i.Linux, "is of site dc-east"},
		{"another collector's fingerprint", strings.ReplaceAll(i.Linux, i.Fingerprint, other), ""},
		{"half a token", strings.ReplaceAll(i.Linux, i.Token, i.Token[:8]), "no token"},
		{"plugins that were cut off", i.Linux + " cGx1Z2luc", "not whole"},
	} {
		if out, err := m.Try("sh", "-c", c.command); err == nil || !strings.Contains(out, c.says) {
			t.Errorf("%s: %v\n%s", c.name, err, out)
		}
	}
	if out, err := m.Try("sh", "-c", "curl -fsSk https://localhost:8883/install/collector.yaml"); err == nil {
		t.Errorf("the door hands out what it should not: %s", out)
	}
	m.exactly(300)
}
