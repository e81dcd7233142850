package wmssql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/plugins"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// host keeps what a source gives it, as the agent does: events and cursor in one step. It can fail at a chosen batch, before or after that batch has
// become durable.
type host struct {
	events     []*docklinev1.Event
	cursor     []byte
	through    map[string]*docklinev1.CompleteThrough
	conditions []*docklinev1.Condition
	devices    []*docklinev1.DeviceHealth
	batches    int
	failAt     int
	durable    bool
}

var errCrash = errors.New("the process ended here")

func (h *host) Emit(_ context.Context, b *docklinev1.CaptureBatch) error {
	h.batches++
	crash := h.failAt > 0 && h.batches == h.failAt
	if crash && !h.durable {
		return errCrash
	}
	for _, e := range b.GetEvents() {
		h.events = append(h.events, proto.CloneOf(e))
	}
	h.cursor = slices.Clone(b.GetCursor())
	for _, t := range b.GetCompleteThrough() {
		if h.through == nil {
			h.through = map[string]*docklinev1.CompleteThrough{}
		}
		h.through[t.GetStream()] = t
	}
	if crash {
		return errCrash
	}
	return nil
}

func (h *host) OnAck(func(*docklinev1.CaptureAck)) {}
func (h *host) Flush(context.Context) error        { return nil }
func (h *host) Report(c ...*docklinev1.Condition) error {
	h.conditions = c
	return nil
}
func (h *host) Devices(d ...*docklinev1.DeviceHealth) error {
	h.devices = d
	return nil
}

func (h *host) condition(code string) *docklinev1.Condition {
	for _, c := range h.conditions {
		if c.GetCode() == code {
			return c
		}
	}
	return nil
}

// said is each event in short, in the order in which they came: kind and subject's key, and for a declaration what it is about by its place.
func (h *host) said() []string {
	ids := map[string]string{}
	var out []string
	for i, e := range h.events {
		ids[idOf(e)] = fmt.Sprint("#", i)
		text := event.KindName(e.GetKind()) + " " + e.GetSourceKey()
		if d := e.GetErrorDeclaration(); d != nil {
			text = "declared " + ids[d.GetEventId()] + " " + d.GetReason()
			for _, right := range d.GetCorrectiveEventIds() {
				text += " right " + ids[right]
			}
		}
		if d := e.GetDeadLetter(); d != nil {
			text = "refused " + d.GetCode()
		}
		out = append(out, text)
	}
	return out
}

func idOf(e *docklinev1.Event) string {
	return event.ID(event.Cause{Tenant: "t", Site: "s", Source: "wms", SourceKey: e.GetSourceKey(), Revision: e.GetSourceRevision(), ContentHash: e.GetContentHash(),
		Kind: event.KindName(e.GetKind()), Ordinal: e.GetOrdinal()})
}

// site is a WMS's database with the plugin on it, and a clock of its own that each step puts on by a minute.
type site struct {
	t       *testing.T
	host    *host
	db      *sql.DB
	path    string
	dataDir string
	config  string
	clock   time.Time
	capture *capture
}

// newSite makes a database with statements; DATABASE in the config stands for its section.
func newSite(t *testing.T, config string, statements ...string) *site {
	t.Helper()
	s := &site{t: t, host: &host{}, path: filepath.Join(t.TempDir(), "wms.db"), dataDir: t.TempDir(), clock: time.Now()}
	db, err := sql.Open("sqlite", s.path+"?_pragma=busy_timeout(10000)&_pragma=synchronous(OFF)")
	if err != nil {
		t.Fatal(err)
	}
	s.db = db
	s.config = strings.ReplaceAll(config, "DATABASE", fmt.Sprintf("database: {driver: sqlite, file: %q}\nzone: UTC\noverlap: 5s", filepath.ToSlash(s.path)))
	t.Cleanup(func() {
		s.stop()
		_ = db.Close()
	})
	s.run(statements...)
	return s
}

func (s *site) run(statements ...string) {
	s.t.Helper()
	for _, text := range statements {
		if _, err := s.db.ExecContext(s.t.Context(), text); err != nil {
			s.t.Fatalf("%s: %v", text, err)
		}
	}
}

func (s *site) setup() *setup {
	s.t.Helper()
	set, faults := load([]byte(s.config))
	if len(faults) > 0 {
		s.t.Fatal(faults)
	}
	return set
}

// stop ends a life of the plugin; the next step begins another with the cursor that the host holds.
func (s *site) stop() {
	if s.capture != nil {
		if err := s.capture.close(); err != nil {
			s.t.Error(err)
		}
		s.capture = nil
	}
}

// step runs the plugin once, and gives what ended it.
func (s *site) step() error {
	s.t.Helper()
	if s.capture == nil {
		c, err := newCapture(s.t.Context(), s.setup(), plugins.Start{Cursor: s.host.cursor, DataDir: s.dataDir, ID: "wms", Tenant: "t", Site: "s"}, s.host,
			func() time.Time { return s.clock }, slog.New(slog.NewTextHandler(io.Discard, nil)))
		if err != nil {
			s.t.Fatal(err)
		}
		s.capture = c
	}
	s.clock = s.clock.Add(2 * time.Minute)
	_, err := s.capture.step(s.t.Context())
	return err
}

// says runs the plugin and holds what it has told since the last time against what is expected.
func (s *site) says(want ...string) {
	s.t.Helper()
	before := len(s.host.events)
	if err := s.step(); err != nil {
		s.t.Fatal(err)
	}
	if got := s.host.said()[before:]; !slices.Equal(got, want) {
		s.t.Errorf("told %q, want %q", got, want)
	}
}
