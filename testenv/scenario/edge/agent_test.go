package edge_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/agent/journal"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/wire"
	"github.com/dockline/dockline/testenv/world"
)

const (
	tenant, site = "main", "dc-edge"
	// nowhere is a broker that is never there.
	nowhere = "mqtt://127.0.0.1:1"
	// patience is for states that are reached at once on an idle machine.
	patience = 60 * time.Second
)

// source is one rows plugin of an agent.
type source struct {
	id, config string
	push       bool
}

// agent is a real agent process with its folders.
type agent struct {
	*world.Process
	t            *testing.T
	dir, dataDir string
	config       string
}

// newAgent writes its configuration and starts nothing. program is dockline-agent or agent-clock; more is YAML at top level.
func newAgent(t *testing.T, program, broker, more string, sources ...source) *agent {
	t.Helper()
	dir, err := os.MkdirTemp("", "dockline-edge-agent-")
	if err != nil {
		t.Fatal(err)
	}
	a := &agent{t: t, dir: dir, dataDir: filepath.Join(dir, "data"), config: filepath.Join(dir, "agent.yaml")}
	a.configure(broker, more, sources...)
	a.Process = world.NewProcess("agent", dir, filepath.Join(bin(t), program), "run", "--config", a.config)
	t.Cleanup(func() {
		a.Stop()
		if t.Failed() {
			t.Logf("agent: %s", a.LogTail())
		}
		_ = os.RemoveAll(dir)
	})
	return a
}

func (a *agent) configure(broker, more string, sources ...source) {
	a.t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "site: {tenant: %s, id: %s}\ndata_dir: %q\nmqtt: {url: %q, ca: \"\", certificate: \"\", key: \"\"}\nhealth: {listen: \"127.0.0.1:0\"}\n%s\nplugins:\n", tenant, site, a.dataDir, broker, more)
	for _, s := range sources {
		program := "rows"
		if s.push {
			program = "rows-push"
		}
		fmt.Fprintf(&b, "  - {id: %s, path: %q, config: {acks: %q, %s}}\n", s.id, filepath.Join(bin(a.t), program), a.acksPath(s.id), s.config)
	}
	if err := os.WriteFile(a.config, []byte(b.String()), 0o644); err != nil {
		a.t.Fatal(err)
	}
}

func (a *agent) acksPath(id string) string { return filepath.Join(a.dir, id+".acks") }

func (a *agent) start() {
	a.t.Helper()
	if err := a.Start(); err != nil {
		a.t.Fatal(err)
	}
}

// acks reads what the source was promised: the numbers of last rows, in the order of the acks.
func (a *agent) acks(id string) (rows []int) {
	file, err := os.Open(a.acksPath(id))
	if err != nil {
		return nil
	}
	defer file.Close()
	for in := bufio.NewScanner(file); in.Scan(); {
		if n, err := strconv.Atoi(in.Text()); err == nil {
			rows = append(rows, n)
		}
	}
	return rows
}

// acked is the highest row that was.
func (a *agent) acked(id string) int {
	highest := 0
	for _, n := range a.acks(id) {
		highest = max(highest, n)
	}
	return highest
}

// status asks the running agent, as `dockline-agent status` does; nil where it does not answer.
func (a *agent) status() *docklinev1.Heartbeat {
	control, err := os.ReadFile(filepath.Join(a.dataDir, "control"))
	if err != nil {
		return nil
	}
	address, token, _ := strings.Cut(string(control), " ")
	ctx, cancel := context.WithTimeout(a.t.Context(), 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/status", nil)
	if err != nil {
		return nil
	}
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	h := &docklinev1.Heartbeat{}
	if err != nil || protojson.Unmarshal(text, h) != nil {
		return nil
	}
	return h
}

// condition says whether the agent shows one with this code.
func (a *agent) condition(code string) bool {
	for _, c := range a.status().GetConditions() {
		if c.GetCode() == code {
			return true
		}
	}
	return false
}

// held opens the journal of a stopped agent, as a tool would, and counts every row in it by source and key.
func (a *agent) held() (rows map[string]int, gaps []*docklinev1.StreamGap) {
	a.t.Helper()
	j, err := journal.Open(filepath.Join(a.dataDir, "journal"), journal.Options{Tenant: tenant, Site: site})
	if err != nil {
		a.t.Fatal(err)
	}
	defer j.Close()
	rows = map[string]int{}
	for at := (journal.Position{}); ; {
		envelopes, err := j.Next(at, 64)
		if err != nil {
			a.t.Fatal(err)
		}
		if len(envelopes) == 0 {
			return rows, gaps
		}
		for _, e := range envelopes {
			at = journal.Position{Epoch: e.Epoch, Seq: e.LastSeq}
			for _, event := range unpack(a.t, e) {
				if gap := event.GetStreamGap(); gap != nil {
					gaps = append(gaps, gap)
					continue
				}
				rows[event.Source+"/"+event.SourceKey]++
			}
		}
	}
}

func unpack(t *testing.T, e *docklinev1.Envelope) (events []*docklinev1.Event) {
	t.Helper()
	packed, err := wire.OpenPack(e.Pack, 64<<20)
	if err != nil {
		t.Errorf("pack %s %d: %v", e.Epoch, e.LastSeq, err)
	}
	for _, data := range packed {
		event := &docklinev1.Event{}
		if err := proto.Unmarshal(data, event); err != nil {
			t.Errorf("event in pack %s %d: %v", e.Epoch, e.LastSeq, err)
		}
		events = append(events, event)
	}
	return events
}

// prefill puts events straight into the agent's journal before it starts: a backlog that would take a plugin minutes.
func (a *agent) prefill(plugin string, events int) {
	a.t.Helper()
	j, err := journal.Open(filepath.Join(a.dataDir, "journal"), journal.Options{Tenant: tenant, Site: site})
	if err != nil {
		a.t.Fatal(err)
	}
	const batch = 5000
	for n := 0; n < events; n += batch {
		entry := journal.Entry{Plugin: plugin, Cursor: fmt.Append(nil, min(n+batch, events))}
		for i := n + 1; i <= min(n+batch, events); i++ {
			entry.Events = append(entry.Events, pick(plugin, i))
		}
		if err := j.Append(a.t.Context(), entry); err != nil {
			a.t.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		a.t.Fatal(err)
	}
}
