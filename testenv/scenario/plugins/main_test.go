// Package plugins_test holds the shipped agent to what it promises of the plugins that it runs: real processes with every bad habit, killed
// agents and plugins, changed programs. Beside each of them another plugin works on undisturbed.
package plugins_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/agent/health"
	"github.com/dockline/dockline/agent/journal"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/wire"
	"github.com/dockline/dockline/testenv"
	"github.com/dockline/dockline/testenv/world"
)

const (
	tenant, site = "main", "dc-plugins"
	// patience is for states that are reached at once on an idle machine; a hung plugin is noticed within 40 s.
	patience = 100 * time.Second
)

var programs = testenv.Programs{
	List: []testenv.Program{testenv.AgentProgram, testenv.RowsProgram, {Name: "naughty", Package: "./testdata/naughty"}, {Name: "scans", Package: "./testdata/scans"}, {Name: "http", Package: "github.com/dockline/dockline/plugins/http"}},
	Also: func(dir string) error {
		naughty := filepath.Join(dir, "naughty")
		return errors.Join(os.Link(naughty, naughty+"-future"), os.Link(naughty, naughty+"-raw"), os.Link(filepath.Join(dir, "rows"), filepath.Join(dir, "rows-killed")))
	},
}

func TestMain(m *testing.M) { programs.Main(m) }

// bin is the folder with the programs.
func bin(t *testing.T) string {
	t.Helper()
	return programs.Dir(t)
}

func eventually(t *testing.T, limit time.Duration, what string, is func() bool) {
	t.Helper()
	testenv.Eventually(t, limit, what, is)
}

// agent is a real agent process without a centre, with its folder.
type agent struct {
	*world.Process
	t            *testing.T
	dir, dataDir string
	config       string
}

// newAgent starts one whose plugins are YAML list entries; PROGRAMS in them is the folder of programs. Beside them the good plugin
// "good" tells 20 rows a second.
func newAgent(t *testing.T, plugins string) *agent {
	t.Helper()
	dir, err := os.MkdirTemp("", "dockline-plugins-agent-")
	if err != nil {
		t.Fatal(err)
	}
	a := &agent{t: t, dir: dir, dataDir: filepath.Join(dir, "data"), config: filepath.Join(dir, "agent.yaml")}
	a.configure(plugins)
	a.Process = world.NewProcess("agent", dir, filepath.Join(bin(t), "dockline-agent"), "run", "--config", a.config)
	t.Cleanup(func() {
		a.Stop()
		if t.Failed() {
			t.Logf("agent: %s", a.LogTail())
		}
		_ = os.RemoveAll(dir)
	})
	if err := a.Start(); err != nil {
		t.Fatal(err)
	}
	return a
}

func (a *agent) configure(plugins string) {
	a.t.Helper()
	text := fmt.Sprintf("site: {tenant: %s, id: %s}\ndata_dir: %q\nmqtt: {url: \"mqtt://127.0.0.1:1\", ca: \"\", certificate: \"\", key: \"\"}\nhealth: {listen: \"127.0.0.1:0\"}\nplugins:\n"+
		"  - {id: good, path: PROGRAMS/rows, config: {per_second: 20}}\n%s\n", tenant, site, a.dataDir, plugins)
	if err := os.WriteFile(a.config, []byte(strings.ReplaceAll(text, "PROGRAMS", bin(a.t))), 0o644); err != nil {
		a.t.Fatal(err)
	}
}

// status is what the agent says of itself; nil where it does not answer.
func (a *agent) status() *docklinev1.Heartbeat {
	h, err := health.Ask(a.t.Context(), a.dataDir)
	if err != nil {
		return nil
	}
	return h
}

func (a *agent) plugin(id string) *docklinev1.PluginHealth {
	for _, p := range a.status().GetPlugins() {
		if p.GetId() == id {
			return p
		}
	}
	return nil
}

// condition is the first one with this code that speaks of the plugin.
func (a *agent) condition(code, plugin string) *docklinev1.Condition {
	for _, c := range a.status().GetConditions() {
		if c.GetCode() == code && strings.Contains(c.GetTitle(), plugin) {
			return c
		}
	}
	return nil
}

// flows waits until the good plugin has told 40 rows more, and holds it against that it was never disturbed.
func (a *agent) flows() {
	a.t.Helper()
	var before uint64
	eventually(a.t, patience, "the good plugin runs", func() bool {
		good := a.plugin("good")
		before = good.GetAcceptedTotal()
		return good.GetState() == "running"
	})
	eventually(a.t, patience, "the good plugin's rows go on", func() bool { return a.plugin("good").GetAcceptedTotal() >= before+40 })
	if good := a.plugin("good"); good.GetRestarts() > 0 || good.GetRefusedTotal() > 0 {
		a.t.Errorf("the good plugin was disturbed: %v", good)
	}
}

// control runs a sub-command of dockline-agent for this agent.
func (a *agent) control(arguments ...string) (string, error) {
	ctx, cancel := context.WithTimeout(a.t.Context(), patience)
	defer cancel()
	return world.RunProgram(ctx, append(append([]string{filepath.Join(bin(a.t), "dockline-agent")}, arguments...), "--config", a.config)...)
}

// held is what the journal of a stopped agent has: every event by source and key, and each plugin's cursor.
func (a *agent) held() (rows map[string][]*docklinev1.Event, cursors map[string]string) {
	a.t.Helper()
	j, err := journal.Open(filepath.Join(a.dataDir, "journal"), journal.Options{Tenant: tenant, Site: site})
	if err != nil {
		a.t.Fatal(err)
	}
	defer j.Close()
	rows, cursors = map[string][]*docklinev1.Event{}, map[string]string{}
	for at := (journal.Position{}); ; {
		envelopes, err := j.Next(at, 64)
		if err != nil {
			a.t.Fatal(err)
		}
		if len(envelopes) == 0 {
			return rows, cursors
		}
		for _, e := range envelopes {
			at = journal.Position{Epoch: e.Epoch, Seq: e.LastSeq}
			for _, c := range e.GetCursors() {
				cursors[c.GetPlugin()] = string(c.GetCursor())
			}
			packed, err := wire.OpenPack(e.Pack, 64<<20)
			if err != nil {
				a.t.Fatal(err)
			}
			for _, data := range packed {
				event := &docklinev1.Event{}
				if err := proto.Unmarshal(data, event); err != nil {
					a.t.Fatal(err)
				}
				key := event.Source + "/" + event.SourceKey
				rows[key] = append(rows[key], event)
			}
		}
	}
}
