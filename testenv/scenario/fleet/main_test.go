// Package fleet_test shows that the centre knows how its sites are: who is there, what was lost, and whether a day agrees.
package fleet_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/fleet"
	"github.com/dockline/dockline/testenv"
	"github.com/dockline/dockline/testenv/world"
	"github.com/dockline/dockline/testenv/world/worldtest"
)

const (
	tenant   = "main"
	patience = 4 * time.Minute
)

func TestMain(m *testing.M) { worldtest.Main(m) }

// centre is a collector and the agent of one site, of real processes, with a line between them.
type centre struct {
	t                *testing.T
	dir, broker      string
	tls              bool
	collector, agent *world.Process
	line             *testenv.Line
	db               *db.DB
}

// openCentre starts both, with the embedded broker or beside one at mqtt://address.
func openCentre(t *testing.T, address string) *centre {
	t.Helper()
	c := &centre{t: t, dir: testenv.Folder(t), broker: address, tls: address == ""}
	mqtt := fmt.Sprintf("{url: %q}", "mqtt://"+address)
	if c.tls {
		c.broker = fmt.Sprintf("127.0.0.1:%d", port(t))
		mqtt = fmt.Sprintf("{listen: %q}", c.broker)
	}
	config := filepath.Join(c.dir, "collector.yaml")
	c.write(config, fmt.Sprintf("data_dir: %q\nmqtt: %s\nhttp: {listen: \"127.0.0.1:%d\"}\n", filepath.Join(c.dir, "collector"), mqtt, port(t)))
	c.collector = world.NewProcess("collector", c.dir, world.Program(worldtest.Bin(t), "dockline-collector"), "run", "--config", config)
	t.Cleanup(c.close)
	c.addSite(config)
	c.startCollector()
	if err := c.agent.Start(); err != nil {
		t.Fatal(err)
	}
	return c
}

func port(t *testing.T) int {
	t.Helper()
	p, err := testenv.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (c *centre) write(path, text string) {
	c.t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		c.t.Fatal(err)
	}
}

func (c *centre) run(argv ...string) string {
	c.t.Helper()
	out, err := world.RunProgram(c.t.Context(), append([]string{world.Program(worldtest.Bin(c.t), argv[0])}, argv[1:]...)...)
	if err != nil {
		c.t.Fatal(err)
	}
	return out
}

// addSite makes the site known and configures its agent, which has nothing to capture.
func (c *centre) addSite(collector string) {
	c.t.Helper()
	data, config := filepath.Join(c.dir, "site"), filepath.Join(c.dir, "agent.yaml")
	identity := filepath.Join(data, "identity")
	c.run("dockline-agent", "init", "--config", config, "--data-dir", data, "--tenant", tenant, "--site", dcWest)
	c.run("dockline-collector", "site", "add", "--config", collector, "--tenant", tenant, "--site", dcWest, "--csr", filepath.Join(identity, "site.csr"), "--out", identity)
	var err error
	if c.line, err = testenv.OpenLine(c.broker); err != nil {
		c.t.Fatal(err)
	}
	mqtt := fmt.Sprintf("{url: %q}", "mqtts://"+c.line.Addr())
	if !c.tls {
		mqtt = fmt.Sprintf("{url: %q, ca: \"\"}", "mqtt://"+c.line.Addr())
	}
	c.write(config, fmt.Sprintf("site: {tenant: %s, id: %s}\ndata_dir: %q\nmqtt: %s\nhealth: {listen: \"127.0.0.1:0\"}\nuplink: {heartbeat: 1s}\n", tenant, dcWest, data, mqtt))
	c.agent = world.NewProcess("agent", c.dir, world.Program(worldtest.Bin(c.t), "dockline-agent"), "run", "--config", config)
}

func (c *centre) startCollector() {
	c.t.Helper()
	if err := c.collector.Start(); err != nil {
		c.t.Fatal(err)
	}
	if c.db == nil {
		var err error
		if c.db, err = db.Open(c.t.Context(), "sqlite:"+filepath.Join(c.dir, "collector", "collector.db")); err != nil {
			c.t.Fatal(err)
		}
	}
}

func (c *centre) close() {
	if c.agent != nil {
		c.agent.Stop()
	}
	if c.line != nil {
		c.line.Close()
	}
	c.collector.Stop()
	if c.db != nil {
		if err := c.db.Close(); err != nil {
			c.t.Error(err)
		}
	}
}

// look is the site as the centre sees it, nil while there is no answer.
func (c *centre) look() *fleet.Site {
	s, err := (&fleet.Fleet{DB: c.db}).Site(c.t.Context(), tenant, dcWest)
	if err != nil {
		return nil
	}
	return s
}

func (c *centre) eventually(what string, is func() bool) {
	c.t.Helper()
	deadline := time.Now().Add(patience)
	for !is() {
		if time.Now().After(deadline) {
			c.t.Fatalf("not within %s: %s; the site is %+v\ncollector: %s\nagent: %s", patience, what, c.look(), c.collector.LogTail(), c.agent.LogTail())
		}
		select {
		case <-c.t.Context().Done():
			c.t.Fatal(c.t.Context().Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// until waits until the site is in a state at the centre, and returns its session.
func (c *centre) until(state fleet.State) (session string) {
	c.t.Helper()
	c.eventually("the site is "+string(state), func() bool {
		s := c.look()
		if s == nil || s.State != state {
			return false
		}
		session = s.Session
		return true
	})
	return session
}

// steady looks until three more heartbeats have come, and fails if the site was offline, or of another session, at any look.
func (c *centre) steady(when string) {
	c.t.Helper()
	in, beat := "", uint64(0)
	c.eventually("three more heartbeats", func() bool {
		s := c.look()
		if s == nil || in == "" && s.Heartbeat.GetSession() != s.Session { // a birth is taken before its first heartbeat
			return false
		}
		if in == "" {
			in, beat = s.Session, s.Heartbeat.GetNumber()
		}
		if s.State != fleet.Online || s.Session != in || s.Heartbeat.GetNumber() < beat {
			c.t.Fatalf("%s: the site is %s in session %s at heartbeat %d, it was online in %s at %d", when, s.State, s.Session, s.Heartbeat.GetNumber(), in, beat)
		}
		return s.Heartbeat.GetNumber() >= beat+3
	})
}
