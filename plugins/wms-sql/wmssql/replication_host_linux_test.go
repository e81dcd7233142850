package wmssql_test

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/plugins"
	"github.com/dockline/dockline/plugins/wms-sql/wmssql"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
	"github.com/dockline/dockline/testenv"
)

const replicationPatience = 90 * time.Second

// logicalCluster is a PostgreSQL whose log can be followed.
func logicalCluster(t *testing.T, settings ...string) *testenv.Cluster {
	return testenv.PostgresOnDisk(t, 700, append([]string{"wal_level=logical"}, settings...)...)
}

// warehouse is a database on a cluster, with a life of the plugin that follows it.
type warehouse struct {
	*sql.DB
	t    *testing.T
	name string
	port int
	// config is the plugin's whole section; journal is what it tells; dataDir is its folder.
	config  string
	journal *journal
	dataDir string
	stopped func() error
}

// newWarehouse makes a database with statements; DATABASE in the config stands for its section, SLOT for the slot's name.
func newWarehouse(t *testing.T, c *testenv.Cluster, config string, statements ...string) *warehouse {
	t.Helper()
	url, err := c.CreateDatabase(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w := &warehouse{t: t, journal: &journal{}, dataDir: t.TempDir(), port: c.Port}
	if w.DB, err = sql.Open("pgx", url); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		w.stop()
		_ = w.DB.Close()
	})
	if err := w.QueryRowContext(t.Context(), "SELECT current_database()").Scan(&w.name); err != nil {
		t.Fatal(err)
	}
	w.config = strings.NewReplacer("DATABASE", w.section("dockline"), "SLOT", w.slot()).Replace(config)
	execute(t, w.DB, statements...)
	return w
}

func (w *warehouse) slot() string { return "slot_" + w.name }

func (w *warehouse) section(user string) string {
	return fmt.Sprintf("database:\n  driver: postgres\n  host: 127.0.0.1\n  port: %d\n  name: %s\n  user: %s\n  tls: 'off'\n", w.port, w.name, user)
}

// start begins a life of the plugin with the cursor that is durable.
func (w *warehouse) start() {
	w.t.Helper()
	p := wmssql.New()
	p.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	if os.Getenv("DOCKLINE_TEST_LOG") != "" {
		p.Log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	start := plugins.Start{Config: []byte(w.config), Cursor: w.journal.begin(), DataDir: w.dataDir, ID: "wms", Tenant: "t", Site: "s"}
	go func() { ended <- p.Capture(ctx, start, w.journal) }()
	w.stopped = func() error {
		cancel()
		return <-ended
	}
}

func (w *warehouse) stop() {
	if w.stopped != nil {
		if err := w.stopped(); err != nil {
			w.t.Errorf("the plugin ended with: %v", err)
		}
		w.stopped = nil
	}
}

// until waits for a state of the journal.
func (w *warehouse) until(what string, is func() bool) {
	w.t.Helper()
	testenv.Eventually(w.t, replicationPatience, what, is, func() string {
		return fmt.Sprintf("told: %v\nconditions: %v\ndevices: %v", w.journal.last(20), w.journal.codes(), w.journal.device(""))
	})
}

// tells waits until just this has been told since the last time, in any order.
func (w *warehouse) tells(want ...string) {
	w.t.Helper()
	slices.Sort(want)
	from := w.journal.read
	w.until(fmt.Sprintf("it tells %q", want), func() bool { return w.journal.count() >= from+len(want) })
	got := w.journal.since(from)
	w.journal.read = from + len(got)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		w.t.Errorf("told %q, want %q", got, want)
	}
}

// condition waits until a condition with this code says all the words.
func (w *warehouse) condition(code string, words ...string) {
	w.t.Helper()
	w.until("condition "+code+" says "+fmt.Sprint(words), func() bool { return w.journal.says(code, words...) })
}

// journal keeps batches as an agent does: events and cursor in one step, then the answer. It can be slow.
type journal struct {
	mu         sync.Mutex
	events     []*docklinev1.Event
	cursor     []byte
	batches    uint64
	onAck      func(*docklinev1.CaptureAck)
	conditions []*docklinev1.Condition
	devices    []*docklinev1.DeviceHealth
	// shut keeps Emit waiting until it is closed; dieAfter ends the life at so many batches more, before or after the last is durable.
	shut     chan struct{}
	dieAfter int
	before   bool
	biggest  int
	read     int
}

var errDied = fmt.Errorf("the process ended here")

// begin gives a new life the cursor.
func (j *journal) begin() []byte {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.batches, j.onAck = 0, nil
	return slices.Clone(j.cursor)
}

func (j *journal) Emit(ctx context.Context, b *docklinev1.CaptureBatch) error {
	j.mu.Lock()
	shut := j.shut
	j.mu.Unlock()
	if shut != nil {
		select {
		case <-shut:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	j.mu.Lock()
	dies := false
	if j.dieAfter > 0 {
		j.dieAfter--
		dies = j.dieAfter == 0
	}
	if dies && j.before {
		j.mu.Unlock()
		return errDied
	}
	for _, e := range b.GetEvents() {
		j.events = append(j.events, proto.CloneOf(e))
	}
	if len(b.GetCursor()) > 0 {
		j.cursor = slices.Clone(b.GetCursor())
	}
	j.biggest = max(j.biggest, len(b.GetEvents()))
	j.batches++
	ack, onAck := &docklinev1.CaptureAck{Batch: j.batches}, j.onAck
	j.mu.Unlock()
	if dies {
		return errDied
	}
	if onAck != nil {
		onAck(ack)
	}
	return nil
}

func (j *journal) OnAck(f func(*docklinev1.CaptureAck)) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.onAck = f
}

func (j *journal) Flush(context.Context) error { return nil }

func (j *journal) Report(c ...*docklinev1.Condition) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.conditions = c
	return nil
}

func (j *journal) Devices(d ...*docklinev1.DeviceHealth) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.devices = d
	return nil
}

func (j *journal) count() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.events)
}

// close makes the journal take nothing until what it returns is called.
func (j *journal) close() (open func()) {
	j.mu.Lock()
	defer j.mu.Unlock()
	shut := make(chan struct{})
	j.shut = shut
	return func() {
		j.mu.Lock()
		defer j.mu.Unlock()
		j.shut = nil
		close(shut)
	}
}

func (j *journal) says(code string, words ...string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.ContainsFunc(j.conditions, func(c *docklinev1.Condition) bool {
		return c.GetCode() == code && !slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(c.GetText(), word) })
	})
}

func (j *journal) codes() (out []string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, c := range j.conditions {
		out = append(out, c.GetCode()+": "+c.GetText())
	}
	return out
}

// device gives the device of a kind, or all in words.
func (j *journal) device(kind string) *docklinev1.DeviceHealth {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, d := range j.devices {
		if d.GetKind() == kind {
			return d
		}
	}
	return nil
}

func (j *journal) last(n int) []string {
	return j.since(max(0, j.count()-n))
}

// since is what was told from a place on, in short: kind and key, and of a declaration which event it takes back, by key and number of version.
func (j *journal) since(from int) []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	names, versions := map[string]string{}, map[string]int{}
	var out []string
	for i, e := range j.events {
		name := ""
		switch {
		case e.GetErrorDeclaration() != nil:
			name = "declared " + names[e.GetErrorDeclaration().GetEventId()] + " " + e.GetErrorDeclaration().GetReason()
		case e.GetDeadLetter() != nil:
			name = "refused " + e.GetDeadLetter().GetCode()
		default:
			versions[e.GetSourceKey()]++
			name = fmt.Sprintf("%s v%d", e.GetSourceKey(), versions[e.GetSourceKey()])
		}
		names[idOfEvent(e)] = name
		if i >= from {
			out = append(out, name)
		}
	}
	return out
}

func idOfEvent(e *docklinev1.Event) string {
	return event.ID(event.Cause{Tenant: "t", Site: "s", Source: "wms", SourceKey: e.GetSourceKey(), Revision: e.GetSourceRevision(), ContentHash: e.GetContentHash(),
		Kind: event.KindName(e.GetKind()), Ordinal: e.GetOrdinal()})
}

// inForce is what counts at the end, by key: each event by its id, less what was taken back.
func (j *journal) inForce(t *testing.T) map[string]*docklinev1.Event {
	t.Helper()
	j.mu.Lock()
	defer j.mu.Unlock()
	byID, withdrawn := map[string]*docklinev1.Event{}, map[string]bool{}
	for _, e := range j.events {
		id := idOfEvent(e)
		if _, twice := byID[id]; twice {
			t.Errorf("%s was told twice", e.GetSourceKey())
		}
		byID[id] = e
	}
	for _, e := range slices.Backward(j.events) { // a declaration that is itself taken back takes nothing back
		if d := e.GetErrorDeclaration(); d != nil && !withdrawn[idOfEvent(e)] {
			withdrawn[d.GetEventId()] = true
		}
	}
	out := map[string]*docklinev1.Event{}
	for _, id := range slices.Sorted(maps.Keys(byID)) {
		if e := byID[id]; e.GetErrorDeclaration() == nil && !withdrawn[id] {
			if out[e.GetSourceKey()] != nil {
				t.Errorf("%s counts twice", e.GetSourceKey())
			}
			out[e.GetSourceKey()] = e
		}
	}
	return out
}
