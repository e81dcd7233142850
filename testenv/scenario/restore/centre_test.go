// Package restore_test shows what becomes of events when a disk, a database or a machine is put back, copied or lost.
package restore_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/fleet"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv"
	"github.com/dockline/dockline/testenv/world"
	"github.com/dockline/dockline/testenv/world/worldtest"
)

const tenant = "main"

func TestMain(m *testing.M) { worldtest.Main(m) }

// centre is a collector at work, of real processes, without systems behind it.
type centre struct {
	t         *testing.T
	dir       string
	collector *world.Process
	config    string
	// broker is host:port; tls says that sites need a certificate.
	broker string
	tls    bool
	log    *db.DB
	sites  []*site
}

// openCentre starts a collector with the embedded broker, or beside a broker at mqtt://address.
func openCentre(t *testing.T, address string) *centre {
	t.Helper()
	dir, err := os.MkdirTemp("", "dockline-restore-")
	if err != nil {
		t.Fatal(err)
	}
	c := &centre{t: t, dir: dir, config: filepath.Join(dir, "collector.yaml"), broker: address, tls: address == ""}
	t.Cleanup(func() { c.close() })
	mqtt := fmt.Sprintf("{url: %q}", "mqtt://"+address)
	if c.tls {
		c.broker = fmt.Sprintf("127.0.0.1:%d", port(t))
		mqtt = fmt.Sprintf("{listen: %q}", c.broker)
	}
	c.write(c.config, fmt.Sprintf("data_dir: %q\nmqtt: %s\nhttp: {listen: \"127.0.0.1:%d\"}\n", c.path("collector"), mqtt, port(t)))
	c.collector = world.NewProcess("collector", c.path("logs"), world.Program(worldtest.Bin(t), "dockline-collector"), "run", "--config", c.config)
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

// path is below the centre's folder; a folder that is not there is made.
func (c *centre) path(parts ...string) string {
	dir := filepath.Join(append([]string{c.dir}, parts...)...)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		c.t.Fatal(err)
	}
	return dir
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

// start starts the collector, for the first time or again.
func (c *centre) start() {
	c.t.Helper()
	if err := c.collector.Start(); err != nil {
		c.t.Fatal(err)
	}
	if c.log == nil {
		var err error
		if c.log, err = db.Open(c.t.Context(), "sqlite:"+filepath.Join(c.path("collector"), "collector.db")); err != nil {
			c.t.Fatal(err)
		}
	}
}

func (c *centre) close() {
	for _, s := range c.sites {
		s.agent.Stop()
		s.line.Close()
	}
	c.collector.Stop()
	if c.log != nil {
		if err := c.log.Close(); err != nil {
			c.t.Error(err)
		}
	}
	if !c.t.Failed() {
		_ = os.RemoveAll(c.dir)
	}
}

// count asks the centre's database; -1 while it has no answer, as when it has no tables yet.
func (c *centre) count(query string, args ...any) int {
	var n int
	if err := c.log.Read(c.t.Context(), func(tx *db.Tx) error { return tx.QueryRow(c.t.Context(), query, args...).Scan(&n) }); err != nil {
		return -1
	}
	return n
}

// logged is how many picks are in the log with a number; every pick has an id of its own, so a second body would show in bodies.
func (c *centre) logged() int {
	return c.count(`SELECT count(DISTINCT id) FROM event WHERE kind = ? AND log_offset IS NOT NULL`, docklinev1.EventKind_EVENT_KIND_PICK_CONFIRMED)
}

// received is how many events the centre has, in the log or on their way into it.
func (c *centre) received() int { return c.count(`SELECT coalesce(sum(hi - lo + 1), 0) FROM received`) }

// exactly waits until so many picks are in the log, and fails if one is there twice.
func (c *centre) exactly(n int, limit time.Duration) {
	c.t.Helper()
	c.eventually(fmt.Sprintf("%d picks in the log", n), limit, func() bool { return c.logged() == n })
	if bodies := c.count(`SELECT count(*) FROM event WHERE kind = ?`, docklinev1.EventKind_EVENT_KIND_PICK_CONFIRMED); bodies != n {
		c.t.Errorf("%d bodies of %d picks", bodies, n)
	}
}

// open is how many cases of a code are open.
func (c *centre) open(code string) int {
	return c.count(`SELECT count(*) FROM exception WHERE state = 'open' AND code = ?`, code)
}

// eventually waits for a state.
func (c *centre) eventually(what string, limit time.Duration, is func() bool) {
	began := time.Now()
	defer func() { c.t.Logf("%s: after %s", what, time.Since(began).Round(time.Millisecond)) }()
	c.t.Helper()
	deadline := time.Now().Add(limit)
	for !is() {
		if time.Now().After(deadline) {
			said := ""
			for _, s := range c.sites {
				said += "\n" + s.agent.Name + ": " + s.agent.LogTail()
			}
			c.t.Fatalf("not within %s: %s; %d picks are in the log\ncollector: %s%s", limit, what, c.logged(), c.collector.LogTail(), said)
		}
		select {
		case <-c.t.Context().Done():
			c.t.Fatal(c.t.Context().Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// fleet is the sites as the centre sees them.
func (c *centre) fleet() []*fleet.Site {
	sites, err := (&fleet.Fleet{DB: c.log}).Sites(c.t.Context(), tenant)
	if err != nil {
		return nil // while the collector makes its tables
	}
	return sites
}
