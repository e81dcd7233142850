package testenv

import (
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
)

// Container is a booted systemd on a throw-away copy of this machine's root, with a network of its own that has loopback alone.
type Container struct {
	t      *testing.T
	ctx    context.Context
	leader int
	name   string
}

// File is what a container has beside this machine's own files.
type File struct {
	// From is a file of this machine; "" is none: Text is what it holds.
	From, Text string
	// To is its absolute path inside.
	To   string
	Mode os.FileMode
}

// BootContainer skips where the machine cannot boot one. Everything ends with ctx or the test; its mounts go with it.
func BootContainer(t *testing.T, ctx context.Context, files ...File) *Container {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can boot a container")
	}
	for _, tool := range []string{"systemd-nspawn", "nsenter", "systemctl", "/sbin/init"} {
		if _, err := exec.LookPath(tool); err != nil {
			SkipServer(t, "systemd", tool+" is not installed")
		}
	}
	dir := t.TempDir()
	staged := filepath.Join(dir, "files")
	for _, f := range files {
		if err := stage(staged, f); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(staged, 0o755); err != nil {
		t.Fatal(err)
	}
	// The files are staged before the root is covered; basic.target keeps this machine's own services from starting.
	const script = `set -e
mount --make-rprivate /
mount -t tmpfs tmpfs "$1"; mkdir "$1/up" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/up,workdir=$1/work" "$1/root"
: > "$1/root/etc/machine-id"
rm -f "$1/root/usr/sbin/policy-rc.d"
cp -a "$2/." "$1/root/"
exec systemd-nspawn -q -D "$1/root" --register=no --keep-unit --machine="$3" --console=pipe --private-network --boot systemd.unit=basic.target`
	c := &Container{t: t, ctx: ctx, name: "dockline-test-" + strconv.Itoa(os.Getpid()) + "-" + strconv.FormatInt(time.Now().UnixNano()%1e6, 10)}
	mounts := filepath.Join(dir, "mounts")
	if err := os.Mkdir(mounts, 0o700); err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(dir, "boot.log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command("bash", "-c", script, "bash", mounts, staged, c.name)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Setsid: true}
	if err := cmd.Start(); err != nil {
		SkipServer(t, "systemd", fmt.Sprintf("cannot start a container: %v", err))
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	t.Cleanup(func() { c.end(cmd.Process, ended) })
	booted, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		select {
		case <-ended:
		case <-booted.Done():
		case <-time.After(50 * time.Millisecond):
			if c.leader = firstChild(cmd.Process.Pid); c.leader == 0 {
				continue
			}
			if out, _ := c.Try("systemctl", "is-system-running"); !strings.HasPrefix(out, "running") && !strings.HasPrefix(out, "degraded") {
				continue
			}
			return c
		}
		text, _ := os.ReadFile(log.Name())
		SkipServer(t, "systemd", "a container does not boot here: "+string(text))
	}
}

func stage(dir string, f File) error {
	to := filepath.Join(dir, f.To)
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	text := []byte(f.Text)
	if f.From != "" {
		var err error
		if text, err = os.ReadFile(f.From); err != nil {
			return err
		}
	}
	if err := os.WriteFile(to, text, f.Mode); err != nil {
		return err
	}
	return os.Chmod(to, f.Mode)
}

func firstChild(pid int) int {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	first, _, _ := strings.Cut(string(text), " ")
	child, _ := strconv.Atoi(first)
	return child
}

// end powers the container off, or kills it.
func (c *Container) end(nspawn *os.Process, ended <-chan struct{}) {
	if c.leader != 0 {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		c.ctx = ctx
		_, _ = c.Try("systemctl", "poweroff", "--force")
	}
	select {
	case <-ended:
		return
	case <-time.After(10 * time.Second):
	}
	_ = nspawn.Kill() // its init dies with it
	<-ended
}

// Try runs a command inside and returns what it has printed.
func (c *Container) Try(args ...string) (string, error) {
	inside := append([]string{"-t", strconv.Itoa(c.leader), "-m", "-u", "-i", "-n", "-p", "-C"}, args...)
	cmd := exec.CommandContext(c.ctx, "nsenter", inside...)
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C.UTF-8"}
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// Do is Try that must end well; else the test ends with what the journal of the units says.
func (c *Container) Do(args ...string) string {
	c.t.Helper()
	out, err := c.Try(args...)
	if err != nil {
		journal, _ := c.Try("journalctl", "--no-pager", "-n", "40", "-u", "dockline-*")
		c.t.Fatalf("%s: %v\n%s\n%s", strings.Join(args, " "), err, out, journal)
	}
	return out
}

// Shell is Do for a line of sh.
func (c *Container) Shell(line string) string {
	c.t.Helper()
	return c.Do("sh", "-c", line)
}

// Property is one of a unit, as systemctl show has it.
func (c *Container) Property(unit, name string) string {
	c.t.Helper()
	return c.Do("systemctl", "show", "--value", "--property="+name, unit)
}

// Until waits for a property of a unit.
func (c *Container) Until(unit, name, want string) {
	c.t.Helper()
	got := ""
	Eventually(c.t, 2*time.Minute, fmt.Sprintf("%s of %s is %s", name, unit, want), func() bool {
		got = c.Property(unit, name)
		return got == want
	})
}
