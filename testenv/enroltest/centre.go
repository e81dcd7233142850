// Package enroltest is a collector with its embedded broker and sites that have enrolled at it, as real processes: what the scenarios of
// identity and configuration begin with.
package enroltest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/testenv"
	"github.com/dockline/dockline/testenv/world"
)

// Tenant of all sites here.
const Tenant = "main"

// Patience is for states that are reached at once on an idle machine.
const Patience = 90 * time.Second

var programs = testenv.Programs{List: []testenv.Program{testenv.CollectorProgram, testenv.AgentProgram, testenv.AgentClockProgram, testenv.RowsProgram}}

// Main runs the tests and removes the programs.
func Main(m *testing.M) { programs.Main(m) }

// MainWith is Main of tests whose sites are not processes of this machine: of the programs only the collector is built, and also puts what they
// need beside it.
func MainWith(m *testing.M, also func(dir string) error) {
	programs.List, programs.Also = []testenv.Program{testenv.CollectorProgram}, also
	programs.Main(m)
}

// Bin is the folder with the programs: dockline-agent, agent-clock (whose clock a test can set), dockline-collector and rows.
func Bin(t testing.TB) string {
	t.Helper()
	return programs.Dir(t)
}

// Centre is a collector without systems behind it. Sites reach it by Line.
type Centre struct {
	T         testing.TB
	Dir       string
	Config    string
	Collector *world.Process
	// Line leads to the broker's port, where certificates are given too.
	Line *testenv.Line
	// URL of API and console; DB is the collector's database.
	URL string
	DB  *db.DB
}

// Open starts one. more is YAML at top level of collector.yaml, and identity what is added to that section.
func Open(t testing.TB, more, identity string) *Centre {
	t.Helper()
	dir, err := os.MkdirTemp("", "dockline-enrol-centre-")
	if err != nil {
		t.Fatal(err)
	}
	c := &Centre{T: t, Dir: dir, Config: filepath.Join(dir, "collector.yaml")}
	broker, web := port(t), port(t)
	if c.Line, err = testenv.OpenLine(fmt.Sprintf("127.0.0.1:%d", broker)); err != nil {
		t.Fatal(err)
	}
	c.URL = fmt.Sprintf("http://127.0.0.1:%d/", web)
	text := fmt.Sprintf("data_dir: %q\nmqtt: {listen: \"127.0.0.1:%d\", hosts: [127.0.0.1]}\nhttp: {listen: \"127.0.0.1:%d\"}\nidentity: {url: \"https://%s\", broker: \"mqtts://%s\"%s}\n%s",
		filepath.Join(dir, "data"), broker, web, c.Line.Addr(), c.Line.Addr(), identity, more)
	if err := os.WriteFile(c.Config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	c.Collector = world.NewProcess("collector", dir, filepath.Join(Bin(t), "dockline-collector"), "run", "--config", c.Config)
	t.Cleanup(c.close)
	c.Start()
	if c.DB, err = db.Open(t.Context(), "sqlite:"+filepath.Join(dir, "data", "collector.db")); err != nil {
		t.Fatal(err)
	}
	return c
}

func port(t testing.TB) int {
	t.Helper()
	p, err := testenv.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Start starts the collector, for the first time or again.
func (c *Centre) Start() {
	c.T.Helper()
	if err := c.Collector.Start(); err != nil {
		c.T.Fatal(err)
	}
	testenv.Eventually(c.T, Patience, "the collector answers", func() bool { return c.Get("healthz", nil) })
}

func (c *Centre) close() {
	c.Collector.Stop()
	c.Line.Close()
	if c.DB != nil {
		_ = c.DB.Close()
	}
	if c.T.Failed() {
		c.T.Logf("collector: %s", c.Collector.LogTail())
		return
	}
	_ = os.RemoveAll(c.Dir)
}

// Get asks the collector; false where it does not answer as it should.
func (c *Centre) Get(path string, into any) bool {
	response, err := http.Get(c.URL + path)
	if err != nil {
		return false
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return err == nil && response.StatusCode == http.StatusOK && (into == nil || json.Unmarshal(body, into) == nil)
}

// Run runs dockline-collector with this centre's configuration and returns what it said.
func (c *Centre) Run(argv ...string) (string, error) {
	all := append([]string{"--config", c.Config}, argv...)
	return world.RunProgram(c.T.Context(), append([]string{filepath.Join(Bin(c.T), "dockline-collector")}, all...)...)
}

// Must is Run of what may not fail.
func (c *Centre) Must(argv ...string) string {
	c.T.Helper()
	out, err := c.Run(argv...)
	if err != nil {
		c.T.Fatal(err)
	}
	return out
}

// Count asks the collector's database; -1 while it has no answer.
func (c *Centre) Count(query string, args ...any) int {
	var n int
	if err := c.DB.Read(c.T.Context(), func(tx *db.Tx) error { return tx.QueryRow(c.T.Context(), query, args...).Scan(&n) }); err != nil {
		return -1
	}
	return n
}

// Condition is one of a site, as the centre shows it.
type Condition struct{ Code, Title, Text, Severity string }

// View is a site as the centre shows it.
type View struct {
	ID, State, Health string
	Logged, Backlog   int64
	Conditions        []Condition
	Heartbeat         struct {
		Config      struct{ Version, State, Text, Sha256 string }
		Certificate struct{ Serial, Issuer, Text string }
	}
}

// Has is the condition with this code, nil where the site has none.
func (v View) Has(code string) *Condition {
	for i := range v.Conditions {
		if v.Conditions[i].Code == code {
			return &v.Conditions[i]
		}
	}
	return nil
}

// Site is one site as the centre shows it.
func (c *Centre) Site(name string) View {
	var page struct{ Sites []View }
	c.Get("api/v1/sites", &page)
	for _, s := range page.Sites {
		if s.ID == name {
			return s
		}
	}
	return View{}
}

// Exception is one that is open, by its code and site; its text is "" where there is none.
func (c *Centre) Exception(site, code string) (title, text string) {
	_ = c.DB.Read(c.T.Context(), func(tx *db.Tx) error { // absent is what it says
		return tx.QueryRow(c.T.Context(), `SELECT title, text FROM exception WHERE site = ? AND code = ? AND state = 'open'`, site, code).Scan(&title, &text)
	})
	return title, text
}
