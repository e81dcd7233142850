package install_test

import (
	"strings"
	"testing"

	"github.com/dockline/dockline/agent/service"
	"github.com/dockline/dockline/testenv"
)

// TestSystemdLifecycle takes the agent's packages through a machine's life: installed, enrolled, killed, halted, upgraded in the middle of an
// outage with a configuration that somebody has edited, removed, installed again, purged. Every event is in the collector's log once.
//
// Shows: E24, S36
func TestSystemdLifecycle(t *testing.T) {
	t.Run("deb", func(t *testing.T) {
		life(t, manager{
			install: func(m *machine, v string) { m.Do("dpkg", "-i", "/root/"+deb("agent", v)) },
			remove:  func(m *machine) { m.Do("dpkg", "-r", "dockline-agent") },
			purge:   func(m *machine) { m.Do("dpkg", "-P", "dockline-agent") },
		})
	})
	t.Run("rpm", func(t *testing.T) {
		// The root is a Debian's: its rpm knows of nothing that is installed.
		life(t, manager{
			install: func(m *machine, v string) { m.Do("rpm", "-U", "--nodeps", "/root/"+rpm("agent", v)) },
			remove:  func(m *machine) { m.Do("rpm", "-e", "dockline-agent") },
		})
	})
}

// manager is dpkg or rpm. purge is nil where there is no such thing.
type manager struct {
	install       func(m *machine, version string)
	remove, purge func(m *machine)
}

func life(t *testing.T, p manager) {
	m := boot(t)
	p.install(m, version)
	if got := m.Property(service.Name, "ActiveState"); got != "inactive" {
		t.Errorf("without a configuration the service is %s", got)
	}
	m.enrol()
	next := m.drop(1, 200)
	m.exactly(next - 1)

	for i := range 3 {
		next = m.drop(next, 500)
		testenv.Eventually(t, patience, "it is at the files", func() bool { return m.Shell("ls /srv/wms | grep -c picks || true") != "5" }, m.said)
		m.Do("systemctl", "kill", "--signal=KILL", "--kill-whom=main", service.Name)
		m.Until(service.Name, "NRestarts", string(rune('1'+i)))
		m.Until(service.Name, "ActiveState", "active")
	}
	m.captured()
	m.exactly(next - 1)

	m.uninstall()
	next = m.halt(next)
	next = m.upgrade(p, next)
	m.removed(p, next)
}

// enrol makes the site known, as somebody does it by hand whom the package has brought the agent.
func (m *machine) enrol() {
	m.t.Helper()
	m.Shell(`dockline-collector site add main/dc-east --json >/root/invited
field() { sed -n "s/.*\"$1\": \"\(.*\)\".*/\1/p" /root/invited; }
field token | dockline-agent enrol --collector "$(field collector)" --fingerprint "$(field fingerprint)" --plugins /root/plugins.yaml --token-file -
dockline-agent install && dockline-agent start && dockline-agent status`)
	if got := m.Do("systemctl", "is-enabled", service.Name); got != "enabled" {
		m.t.Errorf("after install: %s", got)
	}
}

// uninstall is not for what a package brought, also where somebody has put a unit of his own before it: it says what to do, and the service runs on.
func (m *machine) uninstall() {
	m.t.Helper()
	refused := func(says string) {
		m.t.Helper()
		if out, err := m.Try("dockline-agent", "uninstall"); err == nil || !strings.Contains(out, says) {
			m.t.Errorf("uninstall beside the package: %v, %s", err, out)
		}
		if got := m.Property(service.Name, "ActiveState"); got != "active" {
			m.t.Errorf("after it was refused the service is %s", got)
		}
	}
	refused("remove the package")
	m.Shell("cp /usr/lib/systemd/system/dockline-agent.service /etc/systemd/system/")
	refused("hides the service of the package")
	m.Shell("rm /etc/systemd/system/dockline-agent.service")
}

// halt stops the agent's clock: the watchdog notices, ends it with its plugin, and starts another.
func (m *machine) halt(next int) int {
	m.t.Helper()
	const folder = "/run/systemd/system/" + service.Name + ".service.d"
	m.Shell("mkdir -p " + folder + " && printf '[Service]\\nWatchdogSec=3\\nTimeoutAbortSec=2\\n' >" + folder + "/test.conf && systemctl daemon-reload")
	m.Do("systemctl", "restart", service.Name)
	m.Until(service.Name, "ActiveState", "active")
	plugin := ""
	testenv.Eventually(m.t, patience, "the plugin runs", func() (runs bool) {
		out, err := m.Try("pgrep", "-f", "dockline-plugin-wms-file")
		plugin = out
		return err == nil
	}, m.said)
	next = m.drop(next, 200)
	m.Do("systemctl", "kill", "--signal=STOP", "--kill-whom=main", service.Name)
	m.Until(service.Name, "NRestarts", "1")
	m.Until(service.Name, "ActiveState", "active")
	if out, err := m.Try("test", "-d", "/proc/"+plugin); err == nil {
		m.t.Errorf("the plugin outlived its agent: %s %s", plugin, out)
	}
	if log := m.Do("journalctl", "--no-pager", "-u", service.Name, "--grep", "Watchdog timeout"); log == "" {
		m.t.Error("it was not the watchdog that ended it")
	}
	m.Shell("rm -r " + folder + " && systemctl daemon-reload")
	m.Do("systemctl", "restart", service.Name)
	m.exactly(next - 1)
	return next
}

// upgrade puts a newer version in place while the collector is away and events wait in the journal.
func (m *machine) upgrade(p manager, next int) int {
	m.t.Helper()
	m.Do("systemctl", "stop", "dockline-collector")
	next = m.drop(next, 1000)
	m.captured()
	m.Shell("echo '# edited by hand' >>/etc/dockline/agent.yaml")
	before := m.Do("sha256sum", "/etc/dockline/agent.yaml")
	if waits := m.Shell("dockline-agent journal list --limit 0 --json | wc -l"); waits != "1000" {
		m.t.Errorf("%s events wait, want 1000", waits)
	}
	p.install(m, newer)
	m.Until(service.Name, "ActiveState", "active")
	if got := m.Do("dockline-agent", "version"); got != newer {
		m.t.Errorf("after the upgrade: %s", got)
	}
	if now := m.Do("sha256sum", "/etc/dockline/agent.yaml"); now != before {
		m.t.Errorf("the configuration has changed: %s, was %s", now, before)
	}
	m.Do("systemctl", "start", "dockline-collector")
	m.exactly(next - 1)
	var s site
	testenv.Eventually(m.t, patience, "the newer agent is known", func() bool { s = m.site(); return s.Version == newer }, m.said)
	return next
}

// removed: a removal keeps what is the site's, so that an installation goes on from there; a purge leaves nothing.
func (m *machine) removed(p manager, next int) {
	m.t.Helper()
	p.remove(m)
	if out, err := m.Try("pgrep", "-f", "dockline-(agent|plugin)"); err == nil {
		m.t.Errorf("still at work: %s", out)
	}
	for _, kept := range []string{"/etc/dockline/agent.yaml", "/var/lib/dockline-agent/identity/site.key", "/var/lib/dockline-agent/journal"} {
		m.Do("test", "-e", kept)
	}
	if out, err := m.Try("ls", "-d", "/usr/bin/dockline-agent", "/usr/lib/dockline", "/usr/lib/systemd/system/dockline-agent.service"); err == nil || strings.Contains(out, "\n/usr") {
		m.t.Errorf("still there: %s", out)
	}
	p.install(m, newer)
	m.Until(service.Name, "ActiveState", "active")
	next = m.drop(next, 100)
	m.exactly(next - 1)
	if p.purge == nil {
		return
	}
	p.purge(m)
	m.Do("dpkg", "-P", "dockline-collector")
	left := m.Shell("find /etc /usr /var /opt /srv -xdev \\( -path /usr/share/dockline/packages -o -path /var/log -o -path /var/tmp \\) -prune -o -newer /root/invited -iname '*dockline*' -print")
	if left != "" {
		m.t.Errorf("the purge has left\n%s", left)
	}
	if out, err := m.Try("getent", "passwd", "dockline", "dockline-collector"); err == nil || out != "" {
		m.t.Errorf("the purge has left the users %s", out)
	}
}
