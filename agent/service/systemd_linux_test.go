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
	"syscall"
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

// container is a booted systemd on a throw-away copy of this machine's root.
type container struct {
	t      *testing.T
	ctx    context.Context
	leader int
}

// boot skips where the machine cannot boot a container. Everything ends with ctx; mounts are the container's alone and go with it.
func boot(t *testing.T, ctx context.Context) *container {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can boot a container")
	}
	for _, tool := range []string{"systemd-nspawn", "nsenter", "systemctl", "/sbin/init"} {
		if _, err := exec.LookPath(tool); err != nil {
			testenv.SkipServer(t, "systemd", tool+" is not installed")
		}
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// The test's program is copied before the root is covered; basic.target keeps this machine's own services from starting.
	const script = `set -e
mount --make-rprivate /
mount -t tmpfs tmpfs "$1"; mkdir "$1/up" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/up,workdir=$1/work" "$1/root"
: > "$1/root/etc/machine-id"
mkdir -p "$1/root/etc/dockline" "$1/root/usr/local/bin"; chmod 750 "$1/root/etc/dockline"
install -m 755 "$2" "$1/root` + agentProgram + `"
install -m 600 /dev/null "$1/root` + agentConfig + `"
exec systemd-nspawn -q -D "$1/root" --register=no --keep-unit --machine="$3" --console=pipe --private-network --boot systemd.unit=basic.target`
	name := "dockline-test-" + strconv.Itoa(os.Getpid())
	log, err := os.Create(filepath.Join(t.TempDir(), "boot.log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command("bash", "-c", script, "bash", t.TempDir(), self, name)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Setsid: true}
	if err := cmd.Start(); err != nil {
		testenv.SkipServer(t, "systemd", fmt.Sprintf("cannot start a container: %v", err))
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	c := &container{t: t, ctx: ctx}
	t.Cleanup(func() { c.end(cmd.Process, ended) })
	booted, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for {
		select {
		case <-ended:
		case <-booted.Done():
		case <-time.After(50 * time.Millisecond):
			if c.leader = firstChild(cmd.Process.Pid); c.leader == 0 {
				continue
			}
			if out, _ := c.try("systemctl", "is-system-running"); !strings.HasPrefix(out, "running") && !strings.HasPrefix(out, "degraded") {
				continue
			}
			return c
		}
		text, _ := os.ReadFile(log.Name())
		testenv.SkipServer(t, "systemd", "a container does not boot here: "+string(text))
	}
}

func firstChild(pid int) int {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	first, _, _ := strings.Cut(string(text), " ")
	child, _ := strconv.Atoi(first)
	return child
}

// end powers the container off, or kills it.
func (c *container) end(nspawn *os.Process, ended <-chan struct{}) {
	if c.leader != 0 {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		c.ctx = ctx
		_, _ = c.try("systemctl", "poweroff", "--force")
	}
	select {
	case <-ended:
		return
	case <-time.After(5 * time.Second):
	}
	_ = nspawn.Kill() // its init dies with it
	<-ended
}

// try runs a command inside the container.
func (c *container) try(args ...string) (string, error) {
	inside := append([]string{"-t", strconv.Itoa(c.leader), "-m", "-u", "-i", "-n", "-p", "-C"}, args...)
	cmd := exec.CommandContext(c.ctx, "nsenter", inside...)
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func (c *container) do(args ...string) string {
	c.t.Helper()
	out, err := c.try(args...)
	if err != nil {
		journal, _ := c.try("journalctl", "--no-pager", "-n", "30", "-u", service.Name)
		c.t.Fatalf("%s: %v\n%s\n%s", strings.Join(args, " "), err, out, journal)
	}
	return out
}

func (c *container) property(name string) string {
	c.t.Helper()
	return c.do("systemctl", "show", "--value", "--property="+name, service.Name)
}

// until waits for a property of the service.
func (c *container) until(name, want string) {
	c.t.Helper()
	for {
		got := c.property(name)
		if got == want {
			return
		}
		select {
		case <-c.ctx.Done():
			c.t.Fatalf("%s is %s, want %s", name, got, want)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// report is what the running stand-in wrote.
func (c *container) report() (agent, plugin string, uid int) {
	c.t.Helper()
	text := c.do("cat", agentData+"/report")
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
	if out, err := c.try("test", "-d", "/proc/"+pid); err == nil {
		c.t.Errorf("process %s is still there %s", pid, out)
	}
}

// hang stops the running agent's clock: the watchdog must notice, kill it with its plugin, and start another.
func (c *container) hang() {
	c.t.Helper()
	const folder = "/run/systemd/system/" + service.Name + ".service.d"
	c.do("sh", "-c", "mkdir -p "+folder+"; printf '[Service]\\nWatchdogSec=1\\nTimeoutAbortSec=1\\n' >"+folder+"/test.conf")
	c.do("systemctl", "daemon-reload")
	c.do(agentProgram, "stop")
	c.do(agentProgram, "start")
	_, plugin, _ := c.report()
	c.do("systemctl", "kill", "--signal=STOP", "--kill-whom=main", service.Name)
	c.until("NRestarts", "1")
	c.until("ActiveState", "active")
	c.gone(plugin)
}

// TestServiceUnderSystemd installs, starts, kills, hangs, stops and removes the service under a real systemd.
func TestServiceUnderSystemd(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Second)
	defer cancel()
	c := boot(t, ctx)

	if out, err := c.try(agentProgram, "start"); err == nil || !strings.Contains(out, "not installed") {
		t.Errorf("start before install: %v %s", err, out)
	}
	c.do(agentProgram, "install")
	if out, err := c.try(agentProgram, "install"); err == nil || !strings.Contains(out, "already") {
		t.Errorf("second install: %v %s", err, out)
	}
	if got := c.do("systemctl", "is-enabled", service.Name); got != "enabled" {
		t.Errorf("after install: %s", got)
	}

	c.do(agentProgram, "start")
	if active, status := c.property("ActiveState"), c.property("StatusText"); active != "active" || status != "capturing" {
		t.Errorf("after start: %s, %q", active, status)
	}
	agent, plugin, uid := c.report()
	if want := c.do("id", "-u", "dockline"); strconv.Itoa(uid) != want {
		t.Errorf("runs as user %d, want %s", uid, want)
	}
	if caps := c.do("grep", "CapEff", "/proc/"+agent+"/status"); !strings.HasSuffix(caps, "0000000000000000") {
		t.Errorf("capabilities: %s", caps)
	}

	c.do("systemctl", "kill", "--signal=KILL", "--kill-whom=main", service.Name)
	c.until("NRestarts", "1")
	c.until("ActiveState", "active")
	c.gone(plugin)

	c.hang()

	_, plugin, _ = c.report()
	c.do(agentProgram, "stop")
	c.until("ActiveState", "inactive")
	if got := c.property("Result"); got != "success" {
		t.Errorf("a clean stop ended with %s", got)
	}
	c.gone(plugin)

	c.do("sh", "-c", "echo broken >"+agentConfig)
	if out, err := c.try(agentProgram, "start"); err == nil || !strings.Contains(out, "journalctl") {
		t.Errorf("start with a broken configuration: %v %s", err, out)
	}
	c.do(agentProgram, "uninstall") // while systemd waits to start it again
	if out, err := c.try("systemctl", "cat", service.Name); err == nil {
		t.Errorf("still there: %s", out)
	}
	c.do("test", "-f", agentData+"/report")
}
