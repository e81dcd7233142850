package service_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/dockline/dockline/agent/service"
	"github.com/dockline/dockline/testenv"
)

// Paths inside the container.
const (
	agentProgram = "/usr/local/bin/dockline-agent"
	agentConfig  = "/etc/dockline/agent.yaml"
	agentData    = "/etc/dockline/data"
)

// TestMain lets the test's own program stand for the agent inside the container.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		if do, ok := verbs[os.Args[1]]; ok {
			if err := do(); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			os.Exit(0)
		}
	}
	os.Exit(m.Run())
}

var verbs = map[string]func() error{
	"install": func() error {
		return service.Install(service.Config{Executable: agentProgram, ConfigPath: agentConfig, DataDir: agentData})
	},
	"uninstall":  service.Uninstall,
	"start":      service.Start,
	"stop":       service.Stop,
	service.Verb: func() error { return service.Run(runStandIn, func() {}) },
}

// runStandIn is an agent that starts a plugin, writes what it may do, and leaves the plugin behind when it is stopped.
func runStandIn(ctx context.Context, ready func()) error {
	config, err := os.ReadFile(os.Args[3])
	if err != nil {
		return err
	}
	if bytes.HasPrefix(config, []byte("broken")) {
		return fmt.Errorf("the configuration is broken")
	}
	plugin := exec.Command("sleep", "1000")
	if err := plugin.Start(); err != nil {
		return err
	}
	usr := os.WriteFile("/usr/local/bin/written", nil, 0o600)
	report := fmt.Sprintf("agent=%d plugin=%d uid=%d usr=%t", os.Getpid(), plugin.Process.Pid, os.Getuid(), usr == nil)
	if err := os.WriteFile(filepath.Join(agentData, "report"), []byte(report), 0o600); err != nil {
		return err
	}
	ready()
	<-ctx.Done()
	return nil
}

// container has the test's own program in the agent's place.
type container struct {
	*testenv.Container
	t *testing.T
}

func boot(t *testing.T, ctx context.Context) *container {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := &container{t: t, Container: testenv.BootContainer(t, ctx, testenv.File{From: self, To: agentProgram, Mode: 0o755}, testenv.File{To: agentConfig, Mode: 0o600})}
	c.Do("chmod", "750", filepath.Dir(agentConfig))
	return c
}

func (c *container) property(name string) string {
	c.t.Helper()
	return c.Property(service.Name, name)
}

func (c *container) until(name, want string) {
	c.t.Helper()
	c.Until(service.Name, name, want)
}

// report is what the running stand-in wrote.
func (c *container) report() (agent, plugin string, uid int) {
	c.t.Helper()
	text := c.Do("cat", agentData+"/report")
	var usr bool
	if _, err := fmt.Sscanf(text, "agent=%s plugin=%s uid=%d usr=%t", &agent, &plugin, &uid, &usr); err != nil {
		c.t.Fatalf("%q: %v", text, err)
	}
	if usr {
		c.t.Error("the service may write programs")
	}
	return agent, plugin, uid
}

func (c *container) gone(pid string) {
	c.t.Helper()
	if out, err := c.Try("test", "-d", "/proc/"+pid); err == nil {
		c.t.Errorf("process %s is still there %s", pid, out)
	}
}

// hang stops the running agent's clock: the watchdog must notice, kill it with its plugin, and start another.
func (c *container) hang() {
	c.t.Helper()
	const folder = "/run/systemd/system/" + service.Name + ".service.d"
	c.Do("sh", "-c", "mkdir -p "+folder+"; printf '[Service]\\nWatchdogSec=1\\nTimeoutAbortSec=1\\n' >"+folder+"/test.conf")
	c.Do("systemctl", "daemon-reload")
	c.Do(agentProgram, "stop")
	c.Do(agentProgram, "start")
	_, plugin, _ := c.report()
	c.Do("systemctl", "kill", "--signal=STOP", "--kill-whom=main", service.Name)
	c.until("NRestarts", "1")
	c.until("ActiveState", "active")
	c.gone(plugin)
}

// TestServiceUnderSystemd installs, starts, kills, hangs, stops and removes the service under a real systemd.
func TestServiceUnderSystemd(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	c := boot(t, ctx)

	if out, err := c.Try(agentProgram, "start"); err == nil || !strings.Contains(out, "not installed") {
		t.Errorf("start before install: %v %s", err, out)
	}
	c.Do(agentProgram, "install")
	if out, err := c.Try(agentProgram, "install"); err == nil || !strings.Contains(out, "already") {
		t.Errorf("second install: %v %s", err, out)
	}
	if got := c.Do("systemctl", "is-enabled", service.Name); got != "enabled" {
		t.Errorf("after install: %s", got)
	}

	c.Do(agentProgram, "start")
	if active, status := c.property("ActiveState"), c.property("StatusText"); active != "active" || status != "capturing" {
		t.Errorf("after start: %s, %q", active, status)
	}
	agent, plugin, uid := c.report()
	if want := c.Do("id", "-u", "dockline"); strconv.Itoa(uid) != want {
		t.Errorf("runs as user %d, want %s", uid, want)
	}
	if caps := c.Do("grep", "CapEff", "/proc/"+agent+"/status"); !strings.HasSuffix(caps, "0000000000000000") {
		t.Errorf("capabilities: %s", caps)
	}

	c.Do("systemctl", "kill", "--signal=KILL", "--kill-whom=main", service.Name)
	c.until("NRestarts", "1")
	c.until("ActiveState", "active")
	c.gone(plugin)

	c.hang()

	_, plugin, _ = c.report()
	c.Do(agentProgram, "stop")
	c.until("ActiveState", "inactive")
	if got := c.property("Result"); got != "success" {
		t.Errorf("a clean stop ended with %s", got)
	}
	c.gone(plugin)

	c.Do("sh", "-c", "echo broken >"+agentConfig)
	if out, err := c.Try(agentProgram, "start"); err == nil || !strings.Contains(out, "journalctl") {
		t.Errorf("start with a broken configuration: %v %s", err, out)
	}
	c.Do(agentProgram, "uninstall") // while systemd waits to start it again
	if out, err := c.Try("systemctl", "cat", service.Name); err == nil {
		t.Errorf("still there: %s", out)
	}
	c.Do("test", "-f", agentData+"/report")
}
