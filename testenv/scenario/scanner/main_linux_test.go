// Package scanner_test holds the plugin scanner to what it says to people: what a reader heard as stored is in the journal, whatever is killed.
package scanner_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/agent/journal"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/wire"
	"github.com/dockline/dockline/testenv"
	"github.com/dockline/dockline/testenv/world"
)

const (
	tenant, site = "main", "dc-scan"
	patience     = 4 * time.Minute
)

var programs = testenv.Programs{List: []testenv.Program{testenv.AgentProgram, {Name: "scanner", Package: "github.com/dockline/dockline/plugins/scanner"}}}

func TestMain(m *testing.M) { programs.Main(m) }

const flows = `
      flows:
        - name: pick
          start: order
          states:
            order: {prompt: "Order?", on: [{pattern: '^(SO[0-9]+)$', take: {order: group.1}, next: item}]}
            item: {prompt: "Item?", on: [{ai: "01", take: {gtin: ai.01, lot: ai.10}, set: {quantity: "2"}, emit: picked, next: order}]}
          events: {picked: {kind: pick.confirmed, constants: {unit: EA}}}
`

// section is the agent's configuration with readers that call a port.
func section(t *testing.T, dataDir string, port int) string {
	return fmt.Sprintf("site: {tenant: %s, id: %s}\ndata_dir: %q\nmqtt: {url: \"mqtt://127.0.0.1:1\", ca: \"\", certificate: \"\", key: \"\"}\nhealth: {listen: \"127.0.0.1:0\"}\nplugins:\n"+
		"  - id: scan\n    path: %q\n    event_rate: 0\n    config:\n      inputs: [{id: dock, tcp: {listen: \"127.0.0.1:%d\", tell_apart: address}}, {id: side, tcp: {listen: \"127.0.0.1:%d\"}}]%s",
		tenant, site, dataDir, filepath.Join(programs.Dir(t), "scanner"), port, port+1, flows)
}

// person scans orders one after the other, each number once, and calls again whenever the line breaks; what was heard as stored is kept.
type person struct {
	address string
	name    int

	mu     sync.Mutex
	number int
	stored map[string]bool
}

func (p *person) work(ctx context.Context) {
	for ctx.Err() == nil {
		conn, err := net.DialTimeout("tcp", p.address, time.Second)
		if err == nil {
			_ = conn.SetDeadline(time.Now().Add(patience))
			stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
			p.scan(conn)
			stop()
			_ = conn.Close()
		}
		select {
		case <-ctx.Done():
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// scan does what the reader's display asks for.
func (p *person) scan(conn net.Conn) {
	for heard := bufio.NewScanner(conn); heard.Scan(); {
		text := heard.Text()
		p.mu.Lock()
		if rest, ok := strings.CutPrefix(text, "STORED "); ok {
			order, _, _ := strings.Cut(rest, " ")
			p.stored[order] = true
		}
		say := ""
		switch {
		case strings.HasSuffix(text, "Order?"):
			p.number++
			say = fmt.Sprintf("SO%d%06d", p.name, p.number)
		case strings.HasSuffix(text, "Item?"):
			say = "]C1010401234567890110A7"
		}
		p.mu.Unlock()
		if say != "" {
			if _, err := fmt.Fprintf(conn, "%s\r", say); err != nil {
				return
			}
		}
	}
}

func (p *person) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.stored)
}

// What a reader heard as stored is in the journal, and each order once, whenever the agent is killed and however often.
//
// Shows: S35, E01
func TestStoredScansSurviveKills(t *testing.T) {
	dir, err := os.MkdirTemp("", "dockline-scanner-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	port, err := testenv.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	dataDir, config := filepath.Join(dir, "data"), filepath.Join(dir, "agent.yaml")
	if err := os.WriteFile(config, []byte(section(t, dataDir, port)), 0o644); err != nil {
		t.Fatal(err)
	}
	agent := world.NewProcess("agent", dir, filepath.Join(programs.Dir(t), "dockline-agent"), "run", "--config", config)
	t.Cleanup(func() {
		agent.Stop()
		if t.Failed() {
			t.Logf("agent: %s", agent.LogTail())
		}
	})
	if err := agent.Start(); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	people := []*person{{address: fmt.Sprintf("127.0.0.1:%d", port), name: 1, stored: map[string]bool{}}, {address: fmt.Sprintf("127.0.0.1:%d", port+1), name: 2, stored: map[string]bool{}}}
	var working sync.WaitGroup
	for _, p := range people {
		working.Go(func() { p.work(ctx) })
	}
	for range testenv.Count("scanner.kills") {
		before := people[0].count()
		testenv.Eventually(t, patience, "more orders stored", func() bool { return people[0].count() > before+5 && people[1].count() > 0 })
		agent.Kill()
		if err := agent.Start(); err != nil {
			t.Fatal(err)
		}
	}
	before := people[1].count()
	testenv.Eventually(t, patience, "work after the last kill", func() bool { return people[1].count() > before+5 })
	stop()
	working.Wait()
	agent.Stop()
	keys := held(t, dataDir)
	for _, p := range people {
		for order := range p.stored {
			if len(keys[order]) != 1 {
				t.Errorf("order %s was heard as stored and has the keys %v in the journal", order, keys[order])
			}
		}
	}
	for order, of := range keys {
		if len(of) != 1 {
			t.Errorf("order %s was scanned once and has the keys %v", order, of)
		}
	}
	t.Logf("%d and %d orders were heard as stored, the journal has %d", people[0].count(), people[1].count(), len(keys))
}

// held are the keys of the events in the journal of a stopped agent, by order.
func held(t *testing.T, dataDir string) map[string]map[string]bool {
	t.Helper()
	j, err := journal.Open(filepath.Join(dataDir, "journal"), journal.Options{Tenant: tenant, Site: site})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	keys := map[string]map[string]bool{}
	for at := (journal.Position{}); ; {
		envelopes, err := j.Next(at, 64)
		if err != nil {
			t.Fatal(err)
		}
		if len(envelopes) == 0 {
			return keys
		}
		for _, e := range envelopes {
			at = journal.Position{Epoch: e.Epoch, Seq: e.LastSeq}
			packed, err := wire.OpenPack(e.Pack, 64<<20)
			if err != nil {
				t.Fatal(err)
			}
			for _, data := range packed {
				event := &docklinev1.Event{}
				if err := proto.Unmarshal(data, event); err != nil {
					t.Fatal(err)
				}
				for _, l := range event.GetPick().GetLines() {
					if keys[l.GetOrder()] == nil {
						keys[l.GetOrder()] = map[string]bool{}
					}
					keys[l.GetOrder()][event.GetSourceKey()] = true
				}
			}
		}
	}
}

// A file of scans is tried before anything is captured: what would be told, and what the reader would hear.
//
// Shows: S35
func TestTryOfScans(t *testing.T) {
	dir := t.TempDir()
	config, sample := filepath.Join(dir, "agent.yaml"), filepath.Join(dir, "dock.txt")
	if err := os.WriteFile(config, []byte(section(t, filepath.Join(dir, "data"), 4001)), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(sample, []byte("SO7\n]C1010401234567890110A7\nSO8\n]C10104012345678902\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	said, err := world.RunProgram(ctx, filepath.Join(programs.Dir(t), "dockline-agent"), "plugin", "try", "scan", "--config", config, "--sample", sample)
	if err == nil {
		t.Error("a sample with a fault exits as if all were well")
	}
	for _, want := range []string{"pick.confirmed", "SO7", "dock.txt:4", "its check digit is 2, but should be 1", "1 event, 1 fault"} {
		if !strings.Contains(said, want) {
			t.Errorf("it does not say %q: %s", want, said)
		}
	}
}
