// Package windows_test installs the agent's Windows Installer package as an administrator would, unattended, on a Windows that Wine plays, and
// has it work for a real collector. What Wine cannot show stands in installers/README.md.
package windows_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv"
	"github.com/dockline/dockline/testenv/enroltest"
)

func TestMain(m *testing.M) { enroltest.MainWith(m, build) }

const (
	patience = 3 * time.Minute // a Windows that Wine plays is slow where the machine is busy
	siteName = "dc-wine"
	agentExe = `C:\Program Files\Dockline\dockline-agent.exe`
	home     = `C:\ProgramData\Dockline`
	config   = home + `\agent.yaml`
	acksFile = `C:\acks`
	// refused is how Wine's msiexec ends where a package may not be installed: 1603, of which eight bits are left.
	refused = 1603 & 0xff
)

// site is a Windows machine at a dock, and the centre that it belongs to.
type site struct {
	*testenv.Wine
	t      *testing.T
	centre *enroltest.Centre
	bin    string
}

// TestWindowsUnderWine installs a site with one command that holds its token (a wrong one installs nothing, and neither does the right one where somebody has put a configuration of his in place), lets it capture, cuts the machine's power in mid-write, starts it,
// upgrades it with a cut line, a backlog and an edited configuration, tries to go back, installs over a running copy, starts it with a faulty configuration, and removes it twice, with
// and without its data. Last it installs a machine that is enrolled later. All along every row that the source was promised is at the collector exactly once.
//
// Shows: E24, S36
func TestWindowsUnderWine(t *testing.T) {
	needTools(t)
	testenv.Eventually(t, patience, "port 7370 is free, which an agent takes that nobody has configured", func() bool {
		l, err := net.Listen("tcp", "127.0.0.1:7370")
		return err == nil && l.Close() == nil
	})
	s := &site{Wine: testenv.OpenWine(t), t: t, centre: enroltest.Open(t, "", ""), bin: enroltest.Bin(t)}
	i := s.centre.Invite(siteName)
	t.Run("planted", func(t *testing.T) { s.at(t).planted(i) })
	t.Run("wrong token", func(t *testing.T) { s.at(t).wrongToken(i) })
	s.install(i)
	s.capture()
	t.Run("power cut", func(t *testing.T) { s.at(t).powerCut() })
	t.Run("upgrade", func(t *testing.T) { s.at(t).upgrade() })
	t.Run("uninstall", func(t *testing.T) { s.at(t).uninstall() })
	t.Run("downgrade", func(t *testing.T) { s.at(t).downgrade() })
	t.Run("again", func(t *testing.T) { s.at(t).again() })
	t.Run("fault", func(t *testing.T) { s.at(t).fault() })
	t.Run("remove", func(t *testing.T) { s.at(t).remove() })
	t.Run("enrolled later", func(t *testing.T) { s.at(t).enrolledLater() })
}

// at is the site in a part of the test.
func (s *site) at(t *testing.T) *site {
	if s.t.Failed() {
		t.Fatal("what this begins with has failed")
	}
	return &site{Wine: s.Wine, t: t, centre: s.centre, bin: s.bin}
}

// install gives the token on the command line, as a tool that rolls out software does.
func (s *site) install(i enroltest.Invitation) {
	s.t.Helper()
	log := filepath.Join(s.t.TempDir(), "install.log")
	began := time.Now()
	said, code := s.Run(s.t, "msiexec", "/i", s.file(oldPackage), "/qn", "/l*v", windowsPath(log),
		"COLLECTOR="+i.Collector, "FINGERPRINT="+i.Fingerprint, "TOKEN="+i.Token, "SITE="+siteName) // and no TENANT: the token's
	text, err := os.ReadFile(log)
	if code != 0 || err != nil {
		s.t.Fatalf("msiexec: %d, %v: %s\n%s", code, err, said, tail(string(text)))
	}
	secret := i.Token[strings.LastIndex(i.Token, ".")+1:]
	if len(secret) < 16 || strings.Contains(string(text), secret) {
		s.t.Errorf("the log shows the token")
	}
	for _, name := range []string{agentExe, config, home + `\data\identity\site.crt`, home + `\logs\agent.log`} {
		if _, err := os.Stat(s.Path(name)); err != nil {
			s.t.Errorf("after the installation: %v", err)
		}
	}
	s.awaitState("RUNNING")
	s.t.Logf("installed, enrolled and running after %v", time.Since(began).Round(time.Second))
}

// capture adds a plugin and starts the service anew.
func (s *site) capture() {
	s.t.Helper()
	text, err := os.ReadFile(s.Path(config))
	if err != nil {
		s.t.Fatal(err)
	}
	plugin := fmt.Sprintf("plugins:\n  - {id: rows, path: '%s', config: {acks: '%s', per_second: 20}}\n  - {id: dock, path: 'C:\\Program Files\\Dockline\\dockline-plugin-sim.exe', config: {seed: 1, stock: [{bin: A-01, item: SKU-1, quantity: \"7\", unit: EA}]}}",
		s.file(rowsProgram), acksFile)
	edited := strings.Replace(string(text), "plugins: []", plugin, 1)
	edited = strings.Replace(edited, "heartbeat: 10s", "heartbeat: 1s", 1)
	edited = strings.Replace(edited, "127.0.0.1:7370", "127.0.0.1:0", 1) // of this machine, where other agents may be
	if edited == string(text) {
		s.t.Fatalf("agent.yaml has no place for a plugin: %s", text)
	}
	if err := os.WriteFile(s.Path(config), []byte(edited), 0o644); err != nil {
		s.t.Fatal(err)
	}
	s.agent("config", "check")
	s.agent("stop")
	s.awaitState("STOPPED")
	s.agent("start")
	s.awaitState("RUNNING")
	s.grows("rows at the collector", 40)
}

// agent runs the installed program of what must not fail.
func (s *site) agent(argv ...string) string {
	s.t.Helper()
	said, code := s.Run(s.t, append([]string{agentExe}, append(argv, "--config", config)...)...)
	if code != 0 {
		s.t.Fatalf("dockline-agent %v: %d: %s\n%s", argv, code, said, s.log())
	}
	return said
}

// state is what the service manager says, "" where there is no service.
func (s *site) state() string {
	said, _ := s.Run(s.t, "sc", "query", "dockline-agent")
	for line := range strings.Lines(said) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "STATE" {
			return strings.Fields(value)[1]
		}
	}
	return ""
}

func (s *site) awaitState(wanted string) {
	s.t.Helper()
	testenv.Eventually(s.t, patience, fmt.Sprintf("the service is %q", wanted), func() bool { return s.state() == wanted }, s.log)
}

func (s *site) log() string {
	text, err := os.ReadFile(s.Path(home + `\logs\agent.log`))
	if err != nil {
		return err.Error()
	}
	return tail(string(text))
}

func tail(text string) string {
	lines := strings.Split(text, "\n")
	return strings.Join(lines[max(0, len(lines)-25):], "\n")
}

// promised is the last row of which the source was told that it is kept.
func (s *site) promised() (last int) {
	text, err := os.ReadFile(s.Path(acksFile))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		var n int
		if _, err := fmt.Sscan(line, &n); err == nil {
			last = max(last, n)
		}
	}
	return last
}

// arrived is how often each row is in the collector's log.
func (s *site) arrived() map[uint64]int {
	rows := map[uint64]int{}
	err := s.centre.DB.Read(s.t.Context(), func(tx *db.Tx) error {
		found, err := tx.Query(s.t.Context(), `SELECT body FROM event WHERE site = ? AND source = 'rows' AND log_offset IS NOT NULL`, siteName)
		if err != nil {
			return err
		}
		defer found.Close()
		for found.Next() {
			var body []byte
			if err := found.Scan(&body); err != nil {
				return err
			}
			e := &docklinev1.Event{}
			if err := proto.Unmarshal(body, e); err != nil {
				return err
			}
			rows[e.GetMovement()]++
		}
		return found.Err()
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return rows
}

// grows waits until the collector has so many rows more than now.
func (s *site) grows(what string, more int) {
	s.t.Helper()
	before := len(s.arrived())
	testenv.Eventually(s.t, patience, what, func() bool { return len(s.arrived()) >= before+more }, s.log)
}

// complete holds what the source was promised by now against what the collector has.
func (s *site) complete() {
	s.t.Helper()
	promised := s.promised()
	all := func() bool {
		rows := s.arrived()
		for n := 1; n <= promised; n++ {
			if rows[uint64(n)] == 0 {
				return false
			}
		}
		return true
	}
	testenv.Eventually(s.t, patience, fmt.Sprintf("all of %d promised rows are at the collector", promised), all, s.log)
	for n, times := range s.arrived() {
		if times != 1 {
			s.t.Errorf("row %d is there %d times", n, times)
		}
	}
}

// file is how that Windows names a file beside the collector.
func (s *site) file(name string) string { return windowsPath(filepath.Join(s.bin, name)) }

// windowsPath is how that Windows names a file of this machine.
func windowsPath(path string) string { return "Z:" + strings.ReplaceAll(path, "/", `\`) }
