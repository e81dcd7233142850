// Package arm_test runs agent and plugin of other processors, by qemu-user, against a collector of this machine.
package arm_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dockline/dockline/testenv"
	"github.com/dockline/dockline/testenv/world"
	"github.com/dockline/dockline/testenv/world/worldtest"
)

// patience is how long a step may take: qemu is some ten times slower than the processor, and a busy machine slower still.
const patience = 5 * time.Minute

func TestMain(m *testing.M) { worldtest.Main(m) }

// TestArmEndToEnd: an agent and its plugin for arm64 and for armv7, run by qemu-user, enrol with a collector of this machine, capture, are killed, and
// go on; every event is in the log once.
//
// Shows: E24
func TestArmEndToEnd(t *testing.T) {
	for _, a := range []struct{ arch, qemu string }{{"arm64", "qemu-aarch64-static"}, {"arm", "qemu-arm-static"}} {
		t.Run(a.arch, func(t *testing.T) {
			qemu, err := exec.LookPath(a.qemu)
			if err != nil {
				testenv.SkipServer(t, a.qemu, "not installed: apt-get install qemu-user-static")
			}
			endToEnd(t, a.arch, qemu)
		})
	}
}

func endToEnd(t *testing.T, arch, qemu string) {
	dir := t.TempDir()
	for program, name := range map[string]string{"agent/cmd/dockline-agent": "dockline-agent", "plugins/wms-file": "dockline-plugin-wms-file"} {
		build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", filepath.Join(dir, name), "github.com/dockline/dockline/"+program)
		build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOARCH="+arch, "GOARM=7")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	// The kernel knows nothing of qemu, so what the agent starts says by itself what it is run by.
	plugin := fmt.Sprintf("#!/bin/sh\nexec %s %s/dockline-plugin-wms-file\n", qemu, dir)
	if err := os.WriteFile(filepath.Join(dir, "plugin"), []byte(plugin), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "logs"), 0o755); err != nil {
		t.Fatal(err)
	}
	c := newCentre(t, dir)
	token, fingerprint := c.invite()
	config, outbound := filepath.Join(dir, "agent.yaml"), filepath.Join(dir, "wms")
	if err := os.Mkdir(outbound, 0o755); err != nil {
		t.Fatal(err)
	}
	plugins := world.PicksSection(filepath.Join(dir, "plugin"), outbound)
	if err := os.WriteFile(filepath.Join(dir, "plugins.yaml"), []byte(plugins), 0o644); err != nil {
		t.Fatal(err)
	}
	enrol := exec.CommandContext(t.Context(), qemu, filepath.Join(dir, "dockline-agent"), "enrol", "--config", config, "--collector", "https://"+c.broker, "--fingerprint", fingerprint,
		"--plugins", filepath.Join(dir, "plugins.yaml"), "--token-file", "-")
	enrol.Stdin = strings.NewReader(token)
	if out, err := enrol.CombinedOutput(); err != nil {
		t.Fatalf("enrol: %v\n%s\nthe collector: %s", err, out, c.process.LogTail())
	}
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	// Two architectures and whatever else runs here must not meet at the supervisor's page.
	if err := os.WriteFile(config, []byte(strings.Replace(string(text), "listen: 127.0.0.1:7370", "listen: 127.0.0.1:0", 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	agent := world.NewProcess("agent", filepath.Join(dir, "logs"), qemu, filepath.Join(dir, "dockline-agent"), "run", "--config", config)
	t.Cleanup(agent.Stop)
	if err := agent.Start(); err != nil {
		t.Fatal(err)
	}
	drop(t, outbound, 1, 200)
	c.exactly(200, agent)
	drop(t, outbound, 201, 500)
	testenv.Eventually(t, patience, "it is at the files", func() bool {
		waiting, err := filepath.Glob(filepath.Join(outbound, "picks*.csv"))
		return err == nil && len(waiting) < 3
	}, agent.LogTail)
	agent.Kill()
	if err := agent.Start(); err != nil {
		t.Fatal(err)
	}
	c.exactly(500, agent)
}

func drop(t *testing.T, dir string, first, last int) {
	t.Helper()
	for ; first <= last; first += 100 {
		var b strings.Builder
		b.WriteString("pick_id,order,line,sku,qty,uom,picked_at\n")
		for i := first; i < first+100; i++ {
			fmt.Fprintf(&b, "P-%d,SO%d,10,SKU-1,1,each,2026-07-04T08:01:12Z\n", i, i)
		}
		name := filepath.Join(dir, fmt.Sprintf("picks-%06d.csv", first))
		if err := os.WriteFile(name+".tmp", []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(name+".tmp", name); err != nil {
			t.Fatal(err)
		}
	}
}

// centre is a collector of this machine.
type centre struct {
	t               *testing.T
	program, config string
	broker          string
	process         *world.Process
}

func newCentre(t *testing.T, dir string) *centre {
	t.Helper()
	c := &centre{t: t, program: world.Program(worldtest.Bin(t), "dockline-collector"), config: filepath.Join(dir, "collector.yaml")}
	var ports [2]int
	for i := range ports {
		port, err := testenv.FreePort()
		if err != nil {
			t.Fatal(err)
		}
		ports[i] = port
	}
	c.broker = fmt.Sprintf("localhost:%d", ports[0])
	text := fmt.Sprintf("data_dir: %q\nmqtt: {listen: \"127.0.0.1:%d\"}\nhttp: {listen: \"127.0.0.1:%d\"}\n", filepath.Join(dir, "collector"), ports[0], ports[1])
	if err := os.WriteFile(c.config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	c.process = world.NewProcess("collector", filepath.Join(dir, "logs"), c.program, "run", "--config", c.config)
	t.Cleanup(c.process.Stop)
	if err := c.process.Start(); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *centre) ask(args ...string) ([]byte, error) {
	return exec.CommandContext(c.t.Context(), c.program, append(args, "--config", c.config)...).Output()
}

func (c *centre) invite() (token, fingerprint string) {
	c.t.Helper()
	var i struct{ Token, Fingerprint string }
	testenv.Eventually(c.t, patience, "an invitation", func() bool {
		out, err := c.ask("site", "add", "main/dc-east", "--json")
		return err == nil && json.Unmarshal(out, &i) == nil
	}, c.process.LogTail)
	return i.Token, i.Fingerprint
}

// exactly waits until so many events are in the log.
func (c *centre) exactly(n int64, agent *world.Process) {
	c.t.Helper()
	var s struct {
		Logged, Backlog int64
	}
	took := testenv.Eventually(c.t, patience, fmt.Sprintf("%d events in the log", n), func() bool {
		out, err := c.ask("site", "show", "main/dc-east", "--json")
		return err == nil && json.Unmarshal(out, &s) == nil && s.Logged == n && s.Backlog == 0
	}, func() string { return fmt.Sprintf("%+v\n%s\n%s", s, agent.LogTail(), c.process.LogTail()) })
	c.t.Logf("%d events in the log after %s", n, took.Round(100*time.Millisecond))
}
