package enroltest

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dockline/dockline/agent/health"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv/world"
)

// Invitation is what `site add --json` prints.
type Invitation struct {
	Tenant, Site, Token, Collector, Fingerprint, Broker, Linux, Windows string
}

// Invite makes a site known and gives it a token.
func (c *Centre) Invite(site string, more ...string) Invitation {
	c.T.Helper()
	var i Invitation
	if err := json.Unmarshal([]byte(c.Must(append([]string{"site", "add", Tenant + "/" + site, "--json"}, more...)...)), &i); err != nil {
		c.T.Fatal(err)
	}
	return i
}

// Site is one agent with its folders.
type Site struct {
	T                   testing.TB
	Name                string
	Dir, Data, Identity string
	Config              string
	Agent               *world.Process
	rows                int
}

// NewSite prepares one; program is dockline-agent or agent-clock. Nothing is enrolled or started.
func NewSite(t testing.TB, name, program string) *Site {
	t.Helper()
	dir, err := os.MkdirTemp("", "dockline-enrol-site-")
	if err != nil {
		t.Fatal(err)
	}
	s := &Site{T: t, Name: name, Dir: dir, Data: filepath.Join(dir, "data"), Identity: filepath.Join(dir, "data", "identity"), Config: filepath.Join(dir, "agent.yaml")}
	s.Agent = world.NewProcess("agent-"+name, dir, filepath.Join(Bin(t), program), "run", "--config", s.Config)
	t.Cleanup(func() {
		s.Agent.Stop()
		if t.Failed() {
			t.Logf("agent of %s: %s", name, s.Agent.LogTail())
			return
		}
		_ = os.RemoveAll(dir)
	})
	return s
}

// Enrol runs the agent's enrol with the token on its standard input.
func (s *Site) Enrol(i Invitation, more ...string) (string, error) {
	return s.enrol(s.T.Context(), i, more...)
}

func (s *Site) enrol(ctx context.Context, i Invitation, more ...string) (string, error) {
	argv := append([]string{"enrol", "--config", s.Config, "--data-dir", s.Data, "--collector", i.Collector, "--fingerprint", i.Fingerprint, "--token-file", "-"}, more...)
	cmd := exec.CommandContext(ctx, filepath.Join(Bin(s.T), "dockline-agent"), argv...)
	cmd.Stdin = strings.NewReader(i.Token + "\n")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// Configure writes agent.yaml with a source of so many rows, 0 for no end, at a pace; more is YAML at top level.
func (s *Site) Configure(broker string, rows int, perSecond float64, more string) {
	s.T.Helper()
	s.rows = rows
	text := fmt.Sprintf("site: {tenant: %s, id: %s}\ndata_dir: %q\nmqtt: {url: %q, takeover_pause: 10s}\nhealth: {listen: \"127.0.0.1:0\"}\nuplink: {heartbeat: 1s}\n%s\nplugins:\n  - {id: wms, path: %q, config: {acks: %q, rows: %d, per_second: %v}}\n",
		Tenant, s.Name, s.Data, broker, more, filepath.Join(Bin(s.T), "rows"), filepath.Join(s.Dir, "acks"), rows, perSecond)
	if err := os.WriteFile(s.Config, []byte(text), 0o644); err != nil {
		s.T.Fatal(err)
	}
}

// Start starts the agent.
func (s *Site) Start() {
	s.T.Helper()
	if err := s.Agent.Start(); err != nil {
		s.T.Fatal(err)
	}
}

// Join invites, enrols, configures and starts a site.
func (c *Centre) Join(name, program string, rows int, perSecond float64, more string) *Site {
	c.T.Helper()
	s := NewSite(c.T, name, program)
	i := c.Invite(name)
	if out, err := s.Enrol(i); err != nil {
		c.T.Fatalf("%v: %s", err, out)
	}
	s.Configure(i.Broker, rows, perSecond, more)
	s.Start()
	return s
}

// Captured is how many rows the source was promised.
func (s *Site) Captured() int {
	text, err := os.ReadFile(filepath.Join(s.Dir, "acks"))
	if err != nil {
		return 0
	}
	var highest int
	for line := range strings.Lines(string(text)) {
		var n int
		if _, err := fmt.Sscan(line, &n); err == nil {
			highest = max(highest, n)
		}
	}
	return highest
}

// Status is what the running agent says of itself, nil where it does not answer.
func (s *Site) Status() *docklinev1.Heartbeat {
	h, err := health.Ask(s.T.Context(), s.Data)
	if err != nil {
		return nil
	}
	return h
}

// Condition is one that the agent shows, nil where it does not.
func (s *Site) Condition(code string) *docklinev1.Condition {
	for _, c := range s.Status().GetConditions() {
		if c.GetCode() == code {
			return c
		}
	}
	return nil
}
