package agent_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dockline/dockline/agent"
	"github.com/dockline/dockline/agent/health"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv"
)

// site is an agent with the simulated plugin, whose broker is not there.
type site struct {
	t      *testing.T
	config string
	agent  *agent.Agent
	ended  chan error
	stop   context.CancelFunc
}

func newSite(t *testing.T) *site {
	t.Helper()
	dir := t.TempDir()
	program := filepath.Join(dir, "dockline-plugin-sim")
	if out, err := exec.Command("go", "build", "-o", program, "github.com/dockline/dockline/plugins/sim").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	s := &site{t: t, config: filepath.Join(dir, "agent.yaml")}
	text := fmt.Sprintf("site: {tenant: acme, id: dc-east}\ndata_dir: %q\nmqtt: {url: 'mqtt://127.0.0.1:1', ca: ''}\nhealth: {listen: '127.0.0.1:0'}\nlog: {level: error}\nplugins:\n  - id: wms\n    path: %q\n    config: {seed: 1}\n",
		filepath.Join(dir, "data"), program)
	if err := os.WriteFile(s.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s.open()
	t.Cleanup(func() { s.close() })
	return s
}

func TestAnAgentThatIsAskedToEndEndsWell(t *testing.T) {
	s := newSite(t)
	s.close()
	ctx, stop := context.WithCancelCause(t.Context())
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- agent.Serve(ctx, s.config, func(*agent.Agent) { close(ready) }) }()
	<-ready
	testenv.Eventually(t, time.Minute, "it captures", func() bool {
		status, err := health.Ask(t.Context(), filepath.Join(filepath.Dir(s.config), "data"))
		return err == nil && status.GetPlugins()[0].GetState() == "running"
	})
	stop(errors.New("interrupt signal received")) // a signal's context has such a cause
	if err := <-ended; err != nil {
		t.Errorf("ended with %v", err)
	}
}

func (s *site) open() {
	s.t.Helper()
	config, err := agent.LoadConfig(s.config)
	if err != nil {
		s.t.Fatal(err)
	}
	if s.agent, err = agent.Open(s.t.Context(), config); err != nil {
		s.t.Fatal(err)
	}
	var ctx context.Context
	ctx, s.stop = context.WithCancel(context.Background())
	s.ended = make(chan error, 1)
	go func() { s.ended <- s.agent.Run(ctx) }()
	s.state("running")
}

// close ends the agent and gives back how its run ended.
func (s *site) close() error {
	s.t.Helper()
	s.stop()
	err := <-s.ended
	if err := s.agent.Close(); err != nil {
		s.t.Error(err)
	}
	s.ended <- err // a second close finds it ended
	return err
}

func (s *site) state(want string) {
	s.t.Helper()
	deadline := time.After(time.Minute)
	for s.agent.Heartbeat().GetPlugins()[0].GetState() != want {
		select {
		case <-deadline:
			s.t.Fatalf("the plugin is %v", s.agent.Heartbeat().GetPlugins()[0])
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func applyConfig(version uint64, yaml string) *docklinev1.Command {
	return &docklinev1.Command{Key: "config", Version: version, Work: &docklinev1.Command_ApplyConfig{ApplyConfig: &docklinev1.ApplyConfig{Yaml: yaml}}}
}

func (s *site) deliver(c *docklinev1.Command, want docklinev1.CommandOutcome, text string) {
	s.t.Helper()
	result, err := s.agent.Deliver(s.t.Context(), c)
	if err != nil || result.GetOutcome() != want || !strings.Contains(result.GetText(), text) {
		s.t.Fatalf("version %d: %v, %v; want %v with %q", c.GetVersion(), result, err, want, text)
	}
}

const (
	applied = docklinev1.CommandOutcome_COMMAND_OUTCOME_APPLIED
	refused = docklinev1.CommandOutcome_COMMAND_OUTCOME_REFUSED
)

// A configuration from the centre comes into force, and one with faults is refused with their lines while the one before goes on.
func TestConfigurationFromTheCentre(t *testing.T) {
	s := newSite(t)
	s.deliver(applyConfig(1, "plugins:\n  - id: wms\n    config:\n      seed: 2\n"), applied, "1 plugins")
	s.state("running")
	for version, tt := range []struct{ yaml, want string }{
		{"uplink:\n  window: 8\n  windoww: 9\n", "configuration:3: uplink.windoww: unknown key"},
		{"site: {tenant: other, id: dc-east}\n", "configuration:1: site: unknown key"},
		{"\nuplink:\n  window: 0\n", "configuration:3: uplink.window"},
		{"plugins:\n  - id: north\n    config: {}\n", "configuration:2: plugins[0].id"},
		{"plugins:\n  - id: wms\n    config:\n      seed: 2\n      short_percent: 200\n", "configuration:5: plugins[0] wms: config.short_percent"},
		{"plugins:\n  - id: wms\n    path: /bin/sh\n", "configuration:3: plugins[0].path: unknown key"},
	} {
		s.deliver(applyConfig(uint64(version)+2, tt.yaml), refused, tt.want)
		s.deliver(applyConfig(uint64(version)+2, tt.yaml), refused, tt.want) // the same answer when it comes again
		if !condition(s.agent, "config_refused") {
			t.Error("nobody at the site is told")
		}
	}
	s.state("running")
	if h := s.agent.Heartbeat().GetPlugins()[0]; h.GetRestarts() != 0 {
		t.Errorf("the plugin: %v", h)
	}
	s.deliver(applyConfig(20, "plugins: [{id: wms, config: {seed: 3}}]\n"), applied, "in force")
	if condition(s.agent, "config_refused") {
		t.Error("the refusal is still told")
	}
}

func condition(a *agent.Agent, code string) bool {
	for _, c := range a.Heartbeat().GetConditions() {
		if c.GetCode() == code {
			return true
		}
	}
	return false
}

// What concerns more than plugins' sections has the agent opened again with it. It stays over a restart; one with which the agent did
// not live is not tried twice.
func TestConfigurationThatOpensTheAgentAgain(t *testing.T) {
	s := newSite(t)
	limit := func() uint64 { return s.agent.Heartbeat().GetJournalLimitBytes() }
	before := limit()
	wanted := applyConfig(1, "journal: {limit: 512MiB}\nplugins: [{id: wms, config: {seed: 9}}]\n")
	reopen := func() {
		t.Helper()
		if _, err := s.agent.Deliver(t.Context(), wanted); !errors.Is(err, agent.ErrReopen) {
			t.Fatal(err)
		}
		if err := s.close(); !errors.Is(err, agent.ErrReopen) {
			t.Fatalf("the run ended with %v", err)
		}
		s.open()
	}
	reopen()
	s.deliver(wanted, applied, "in force")
	if limit() != 512<<20 {
		t.Errorf("limit %d", limit())
	}
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	s.open()
	if limit() != 512<<20 {
		t.Errorf("after a restart the limit is %d", limit())
	}
	s.deliver(wanted, applied, "in force")

	wanted = applyConfig(2, "journal: {limit: 256MiB}\n")
	reopen()
	if limit() != 256<<20 {
		t.Errorf("on trial the limit is %d", limit())
	}
	if err := s.close(); err != nil { // before it was found good, as by a power cut
		t.Fatal(err)
	}
	s.open()
	s.deliver(wanted, refused, "ended while it tried")
	if limit() != 512<<20 {
		t.Errorf("the last good one has 512 MiB, the limit is %d", limit())
	}
	wanted = applyConfig(3, "")
	reopen()
	s.deliver(wanted, applied, "in force")
	if limit() != before {
		t.Errorf("given back to the site's own file, the limit is %d", limit())
	}
}
