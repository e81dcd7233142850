package health_test

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/dockline/dockline/agent/health"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv"
	"github.com/dockline/dockline/testenv/world"
	"github.com/dockline/dockline/testenv/world/worldtest"
)

// What the agent may take: its program as it ships, and its resident memory when nothing happens and with a long backlog.
const (
	mostProgram = 20 << 20
	mostIdle    = 40 << 20
	mostBacklog = 150 << 20
)

// built is the agent as a package holds it, and the plugin that the backlog comes from.
func built(t *testing.T) (agent, rows string) {
	t.Helper()
	dir := t.TempDir()
	agent, rows = filepath.Join(dir, "dockline-agent"), filepath.Join(dir, "rows")
	for out, program := range map[string]string{agent: "agent/cmd/dockline-agent", rows: "testenv/rows"} {
		cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", out, "github.com/dockline/dockline/"+program)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if text, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("build %s: %v: %s", program, err, text)
		}
	}
	return agent, rows
}

// resident is what a program's process takes, and what of it is not a mapped file.
func resident(t *testing.T, program string) (all, anonymous int64) {
	t.Helper()
	names, err := filepath.Glob("/proc/[0-9]*/exe")
	must(t, err)
	for _, name := range names {
		if target, err := os.Readlink(name); err != nil || target != program {
			continue
		}
		lines := bufio.NewScanner(bytes.NewReader(read(t, filepath.Join(filepath.Dir(name), "status"))))
		for lines.Scan() {
			key, value, _ := strings.Cut(lines.Text(), ":")
			kb, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			switch key {
			case "VmRSS":
				all = kb << 10
			case "RssAnon":
				anonymous = kb << 10
			}
		}
		return all, anonymous
	}
	t.Fatalf("nobody runs %s", program)
	return 0, 0
}

// A site's agent is light and says how long its room lasts: the program as it ships, its memory with two plugins at rest, and with a long
// backlog behind a broker that is not there, while its page, its numbers and its status are asked for.
//
// Shows: E25
func TestEdge25(t *testing.T) {
	backlog := testenv.Count("health.backlog")
	program, rows := built(t)
	dir := t.TempDir()
	config, dataDir, ready := filepath.Join(dir, "agent.yaml"), filepath.Join(dir, "data"), filepath.Join(dir, "go")
	text := fmt.Sprintf(`site: {tenant: main, id: dc-light}
data_dir: %q
mqtt: {url: "mqtt://127.0.0.1:1", ca: "", certificate: "", key: ""}
health: {listen: "127.0.0.1:0"}
plugins:
  - {id: wms, path: %q, config: {rows: %d, batch: 100, after: %q, acks: %q}}
  - {id: scan, path: %q, config: {rows: 1, after: %q, acks: %q}}
`, dataDir, rows, backlog, ready, filepath.Join(dir, "wms.acks"), rows, filepath.Join(dir, "never"), filepath.Join(dir, "scan.acks"))
	write(t, config, []byte(text), 0o640)
	agent := world.NewProcess("agent", dir, program, "run", "--config", config)
	must(t, agent.Start())
	t.Cleanup(func() {
		agent.Stop()
		if t.Failed() {
			t.Log(agent.LogTail())
		}
	})
	ask := func() *docklinev1.Heartbeat {
		h, err := health.Ask(t.Context(), dataDir)
		if err != nil {
			return &docklinev1.Heartbeat{}
		}
		return h
	}
	wait := func(what string, limit time.Duration, is func(h *docklinev1.Heartbeat) bool) {
		t.Helper()
		worldtest.Until(t, what, limit, func() (bool, error) { return is(ask()), nil })
	}
	wait("two plugins run", patience, func(h *docklinev1.Heartbeat) bool {
		return len(h.GetPlugins()) == 2 && h.GetPlugins()[0].GetState() == "running" && h.GetPlugins()[1].GetState() == "running"
	})
	idle, idleAnonymous := resident(t, program)
	write(t, ready, nil, 0o640)
	wait("the backlog is captured", 8*time.Minute, func(h *docklinev1.Heartbeat) bool { return h.GetJournalEvents() >= uint64(backlog) })
	for _, path := range []string{"/", "/?print=1", "/metrics"} {
		fetch(t, dataDir, path)
	}
	long, longAnonymous := resident(t, program)
	wait("the missing broker shows", patience, func(h *docklinev1.Heartbeat) bool {
		return !health.Healthy(h.GetConditions()) && len(h.GetConditions()) > 0
	})
	out, said, code := runAt(t, program, "status", "--config", config)
	if code != 1 || !strings.Contains(out, "days until full at today's rate: ") {
		t.Errorf("status: %d\n%s%s", code, out, said)
	}
	days := ask().GetDaysUntilFull()
	for what, is := range map[string][2]int64{"the program": {size(t, program), mostProgram}, "idle": {idle, mostIdle}, "with a backlog": {long, mostBacklog}} {
		if is[0] > is[1] {
			t.Errorf("%s: %.1f MiB, %d are promised", what, float64(is[0])/(1<<20), is[1]>>20)
		}
	}
	agent.Stop()
	if out, said, code := runAt(t, program, "status", "--config", config); code != 3 && code != 4 {
		t.Errorf("status of a stopped agent: %d %s%s", code, out, said)
	}
	testenv.Figure(t, "program", mib(size(t, program)), "resident idle with two plugins", mib(idle), "of it anonymous", mib(idleAnonymous), "backlog", backlog,
		"resident with the backlog", mib(long), "anonymous then", mib(longAnonymous), "days until full", fmt.Sprintf("%.2f", days))
}

func mib(bytes int64) string { return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20)) }

// status has exit codes that scripts rely on, and a configuration that is not there is one of them.
func TestStatusOfWhatIsNotInstalled(t *testing.T) {
	if out, _, code := runAt(t, world.Program(worldtest.Bin(t), "dockline-agent"), "status", "--config", filepath.Join(t.TempDir(), "none.yaml")); code != 4 {
		t.Errorf("%d %s", code, out)
	}
}
