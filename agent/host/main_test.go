package host_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/agent/host"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// counter is the path of the test plugin's executable.
var counter string

func TestMain(m *testing.M) {
	if dir := os.Getenv("DOCKLINE_TEST_AGENT"); dir != "" {
		beAnAgent(dir, os.Getenv("DOCKLINE_TEST_PLUGIN"))
		return
	}
	if _, err := exec.LookPath("go"); err != nil && runtime.GOOS == "windows" {
		os.Exit(m.Run()) // under Wine: only what needs no plugin can run, see testenv/cross.sh
	}
	dir, err := os.MkdirTemp("", "host")
	if err != nil {
		panic(err)
	}
	counter = filepath.Join(dir, "counter")
	if runtime.GOOS == "windows" {
		counter += ".exe"
	}
	if out, err := exec.Command("go", "build", "-o", counter, "./testdata/plugin").CombinedOutput(); err != nil {
		panic(fmt.Sprintf("build the test plugin: %v\n%s", err, out))
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

var errFull = errors.New("full")

// memory is a journal that keeps events and cursor in one step, as the real one does, and can be full.
type memory struct {
	mu      sync.Mutex
	events  []*docklinev1.Event
	cursors map[string][]byte
	through map[string]uint64
	full    bool
	refused int
}

func (m *memory) Append(_ context.Context, entry host.Entry) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.full {
		m.refused++
		return fmt.Errorf("append: %w", errFull)
	}
	for i, e := range entry.Events {
		if i < len(entry.Encoded) && entry.Encoded[i] != nil {
			kept := &docklinev1.Event{}
			if err := proto.Unmarshal(entry.Encoded[i], kept); err != nil {
				return err
			}
			if !proto.Equal(kept, e) {
				return fmt.Errorf("%v is to be kept as %v", e, kept)
			}
			event.Restore(kept)
			e = kept
		}
		m.events = append(m.events, e)
	}
	if m.cursors == nil {
		m.cursors, m.through = map[string][]byte{}, map[string]uint64{}
	}
	if len(entry.Cursor) > 0 {
		m.cursors[entry.Plugin] = entry.Cursor
	}
	for _, t := range entry.CompleteThrough {
		m.through[entry.Plugin+"/"+t.GetStream()] = t.GetMovement()
	}
	return nil
}

func (m *memory) Cursor(_ context.Context, plugin string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.cursors[plugin]), nil
}

func (m *memory) setFull(full bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.full = full
}

func (m *memory) held() []*docklinev1.Event {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.events)
}

// of is what the journal holds of one plugin.
func (m *memory) of(plugin string) []*docklinev1.Event {
	return slices.DeleteFunc(m.held(), func(e *docklinev1.Event) bool { return e.GetSource() != plugin })
}

// world is a host that runs, its journal and its log.
type world struct {
	*host.Host
	t       *testing.T
	dir     string
	journal *memory
	log     *logBook
	// stop ends the host and waits for it.
	stop func()
}

// quick are limits for tests; a plugin is never quarantined unless a test asks for it.
var quick = host.Limits{BackoffMin: time.Millisecond, BackoffMax: 5 * time.Millisecond, Crashes: 1 << 30, Drain: 5 * time.Second}

func run(t *testing.T, limits host.Limits, plugins ...host.PluginConfig) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), journal: &memory{}, log: &logBook{}}
	return w.start(limits, plugins...)
}

// start runs a new host over the world's folder and journal, as a new agent would.
func (w *world) start(limits host.Limits, plugins ...host.PluginConfig) *world {
	w.t.Helper()
	h, err := host.New(host.Config{Tenant: "acme", Site: "dc-east", Plugins: plugins, DataDir: w.dir, Journal: w.journal, Full: errFull, Limits: limits, Log: slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelInfo}))})
	if err != nil {
		w.t.Fatal(err)
	}
	w.Host = h
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- h.Run(ctx) }()
	w.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			w.t.Errorf("the host ended with %v", err)
		}
	})
	w.t.Cleanup(w.stop)
	return w
}

func plugin(id, config string, args ...string) host.PluginConfig {
	return host.PluginConfig{ID: id, Path: counter, Config: []byte(config), Args: args}
}

// eventually waits for a state.
func (w *world) eventually(what string, is func() bool) {
	w.t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for !is() {
		if time.Now().After(deadline) {
			w.t.Fatalf("not within 30 s: %s\nhealth: %v\nlog:\n%s", what, w.Health(), w.log)
		}
		<-time.After(2 * time.Millisecond)
	}
}

func (w *world) health(id string) *docklinev1.PluginHealth {
	for _, h := range w.Health() {
		if h.GetId() == id {
			return h
		}
	}
	w.t.Fatalf("no plugin %s", id)
	return nil
}

func (w *world) condition(code string) *docklinev1.Condition {
	for _, c := range w.Conditions() {
		if c.GetCode() == code {
			return c
		}
	}
	return nil
}

// pid is a number that the plugin has written into its folder, 0 while it has not.
func (w *world) pid(id, file string) int {
	text, _ := os.ReadFile(filepath.Join(w.dir, "plugins", id, file))
	pid, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	return pid
}

// exactly holds what the journal has of a plugin against the rows 1 to n, each once.
func (w *world) exactly(id string, n int) {
	w.t.Helper()
	seen := map[string]int{}
	ids := map[string]bool{}
	for _, e := range w.journal.of(id) {
		seen[e.GetSourceKey()]++
		if ids[e.GetId()] {
			w.t.Errorf("event id %s twice", e.GetId())
		}
		ids[e.GetId()] = true
	}
	for i := 1; i <= n; i++ {
		if key := fmt.Sprintf("row/%d", i); seen[key] != 1 {
			w.t.Errorf("%s of %s is there %d times", key, id, seen[key])
		}
	}
	if len(seen) != n {
		w.t.Errorf("%d different rows, want %d", len(seen), n)
	}
}

// logBook collects the host's log.
type logBook struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logBook) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logBook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
