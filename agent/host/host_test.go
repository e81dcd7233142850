package host_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/agent/host"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

func TestEventsAreStampedAndJournalledWithTheirCursor(t *testing.T) {
	w := run(t, quick, plugin("wms", "count: 100\nbatch: 7"))
	w.eventually("100 events", func() bool { return len(w.journal.held()) >= 100 })
	w.exactly("wms", 100)
	for _, e := range w.journal.held() {
		want := event.ID(event.Cause{Tenant: "acme", Site: "dc-east", Source: "wms", SourceKey: e.GetSourceKey(), Kind: "pick.confirmed"})
		if e.GetId() != want {
			t.Fatalf("%s has id %s, want %s", e.GetSourceKey(), e.GetId(), want)
		}
		if e.GetTenant() != "acme" || e.GetSite() != "dc-east" || e.GetSource() != "wms" || e.GetCapturedAt() == nil {
			t.Fatalf("not stamped: %v", e)
		}
		if trace := event.CorrelationID("acme", "SO1"); !strings.Contains(e.GetTraceparent(), trace) {
			t.Fatalf("traceparent %q is not of the order's trace %s", e.GetTraceparent(), trace)
		}
	}
	if cursor, _ := w.journal.Cursor(t.Context(), "wms"); string(cursor) != "100" {
		t.Errorf("cursor %q, want 100", cursor)
	}
	if through := w.journal.through["wms/counter"]; through != 100 {
		t.Errorf("complete through %d, want 100", through)
	}
	// The journal has the events a moment before the host says so.
	w.eventually("the last event in the health", func() bool { return w.health("wms").GetLastEventAt() != nil })
	if h := w.health("wms"); h.GetState() != "running" || h.GetName() != "counter" || h.GetVersion() != "1.0.0" {
		t.Errorf("health %v", h)
	}
	if c := w.Conditions(); len(c) != 0 {
		t.Errorf("conditions %v", c)
	}
}

func TestTheAgentsEnvironmentStaysWithIt(t *testing.T) {
	t.Setenv("ERP_PASSWORD", "hunter2")
	p := plugin("wms", "count: 1")
	p.Env = []string{"WMS_TOKEN=given"}
	w := run(t, quick, p)
	w.eventually("an event", func() bool { return len(w.journal.held()) == 1 })
	env, err := os.ReadFile(filepath.Join(w.dir, "plugins", "wms", "env"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(env), "hunter2") || !strings.Contains(string(env), "WMS_TOKEN=given") {
		t.Errorf("environment of the plugin: %s", env)
	}
}

func TestAGarbageEventBecomesADeadLetterAndTheRestGoesOn(t *testing.T) {
	w := run(t, quick, plugin("wms", "count: 50\nbatch: 8\ngarbage: 10"))
	w.eventually("50 events", func() bool { return len(w.journal.held()) >= 50 })
	w.exactly("wms", 50)
	letters := 0
	for _, e := range w.journal.held() {
		letter := e.GetDeadLetter()
		if letter == nil {
			continue
		}
		letters++
		var refused docklinev1.Event
		if err := proto.Unmarshal(letter.GetRefusedEvent(), &refused); err != nil || refused.GetPick().GetLines()[0].GetQuantity().GetValue() != "a dozen" {
			t.Errorf("the refused event is not kept whole: %v %v", err, &refused)
		}
		if e.GetKind() != docklinev1.EventKind_EVENT_KIND_RECORD_REFUSED || letter.GetClass() != docklinev1.FaultClass_FAULT_CLASS_DATA ||
			letter.GetCode() == "" || letter.GetText() == "" || e.GetSourceKey() != refused.GetSourceKey() {
			t.Errorf("dead letter %v", e)
		}
		if fault := event.Validate(e); fault != nil {
			t.Errorf("the dead letter itself is not valid: %v", fault)
		}
	}
	if letters != 5 {
		t.Errorf("%d dead letters, want 5", letters)
	}
}

// TestAChangedByteInThePluginIsRefusedWithBothHashes runs a pinned plugin and a changed one side by side.
//
// Shows: E15
func TestAChangedByteInThePluginIsRefusedWithBothHashes(t *testing.T) {
	binary, err := os.ReadFile(counter)
	if err != nil {
		t.Fatal(err)
	}
	good := sha256.Sum256(binary)
	binary[len(binary)/2] ^= 1
	bad := sha256.Sum256(binary)
	path := filepath.Join(t.TempDir(), "counter.exe")
	if err := os.WriteFile(path, binary, 0o700); err != nil {
		t.Fatal(err)
	}
	pinned := plugin("pinned", "count: 10")
	pinned.SHA256 = strings.ToUpper(hex.EncodeToString(good[:]))
	changed := pinned
	changed.ID, changed.Path = "changed", path

	w := run(t, quick, pinned, changed)
	w.eventually("quarantine", func() bool { return w.health("changed").GetState() == "quarantined" })
	w.eventually("events of the right one", func() bool { return len(w.journal.of("pinned")) == 10 })
	c := w.condition("plugin_quarantined")
	for _, part := range []string{hex.EncodeToString(good[:]), hex.EncodeToString(bad[:]), path} {
		if c == nil || !strings.Contains(c.GetText(), part) {
			t.Errorf("the condition does not name %s: %v", part, c)
		}
	}
	if w.pid("changed", "pid") != 0 {
		t.Error("the changed plugin was run")
	}
}

func TestACrashLoopIsQuarantinedWithItsReason(t *testing.T) {
	limits := quick
	limits.Crashes = 5
	w := run(t, limits, plugin("mad", "count: 10\nhabit: panic"), plugin("sane", "count: 10"))
	w.eventually("quarantine", func() bool { return w.health("mad").GetState() == "quarantined" })
	if h := w.health("mad"); h.GetRestarts() != 5 || !strings.Contains(h.GetText(), "the scanner caught fire") {
		t.Errorf("after %d restarts: %q", h.GetRestarts(), h.GetText())
	}
	if c := w.condition("plugin_quarantined"); c == nil || c.GetSeverity() != docklinev1.Severity_SEVERITY_ERROR || !strings.Contains(c.GetText(), "the scanner caught fire") {
		t.Errorf("condition %v", c)
	}
	w.eventually("the other one is not touched", func() bool { return len(w.journal.of("sane")) == 10 })
}

func TestQuarantineEndsWhenTheCauseIsGone(t *testing.T) {
	limits := quick
	limits.Quarantine = 10 * time.Millisecond
	path := filepath.Join(t.TempDir(), "counter.exe")
	p := plugin("late", "count: 10")
	p.Path = path
	limits.Crashes = 2
	w := run(t, limits, p)
	w.eventually("quarantine", func() bool { return w.health("late").GetState() == "quarantined" })
	binary, err := os.ReadFile(counter)
	if err == nil {
		err = os.WriteFile(path+".new", binary, 0o700)
	}
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		t.Fatal(err)
	}
	w.eventually("events", func() bool { return len(w.journal.held()) == 10 })
	w.eventually("no condition", func() bool { return len(w.Conditions()) == 0 })
}

func TestABadConfigurationIsToldWithItsLineAndNotRun(t *testing.T) {
	w := run(t, quick, plugin("wms", "count: 10\ncuont: 11"))
	w.eventually("quarantine", func() bool { return w.health("wms").GetState() == "quarantined" })
	if c := w.condition("plugin_quarantined"); c == nil || !strings.Contains(c.GetText(), "line 2, cuont") {
		t.Errorf("condition %v", c)
	}
	if w.pid("wms", "pid") != 0 {
		t.Error("it captured all the same")
	}
}

func TestAFullJournalPausesTheSourceAndLosesNothing(t *testing.T) {
	w := &world{t: t, dir: t.TempDir(), journal: &memory{full: true}, log: &logBook{}}
	w.start(quick, plugin("wms", "count: 300\nbatch: 3"))
	w.eventually("the condition", func() bool { return w.condition("journal_full") != nil })
	w.eventually("it is asked again", func() bool {
		w.journal.mu.Lock()
		defer w.journal.mu.Unlock()
		return w.journal.refused > 2
	})
	if h := w.health("wms"); h.GetState() != "running" || h.GetRestarts() != 0 {
		t.Errorf("a full journal is not the plugin's fault: %v", h)
	}
	w.journal.setFull(false)
	w.eventually("300 events", func() bool { return len(w.journal.held()) >= 300 })
	w.exactly("wms", 300)
	w.eventually("no condition", func() bool { return len(w.Conditions()) == 0 })
}

func TestStoppingWithAFullJournalKeepsTheCursor(t *testing.T) {
	w := &world{t: t, dir: t.TempDir(), journal: &memory{full: true}, log: &logBook{}}
	w.start(quick, plugin("wms", "count: 30\nbatch: 3"))
	w.eventually("the condition", func() bool { return w.condition("journal_full") != nil })
	w.stop()
	w.journal.setFull(false)
	w.start(quick, plugin("wms", "count: 30\nbatch: 3"))
	w.eventually("30 events", func() bool { return len(w.journal.held()) >= 30 })
	w.exactly("wms", 30)
}

func TestDrainEndsThePluginInOrder(t *testing.T) {
	w := run(t, quick, plugin("wms", "count: 1000000\nbatch: 5"))
	w.eventually("events", func() bool { return len(w.journal.held()) > 50 })
	pid := w.pid("wms", "pid")
	w.stop()
	if !gone(pid) {
		t.Errorf("process %d is still there", pid)
	}
	if h := w.health("wms"); h.GetState() != "stopped" || h.GetRestarts() != 0 {
		t.Errorf("health %v", h)
	}
	if strings.Contains(w.log.String(), "did not stop in order") {
		t.Errorf("it did not stop in order:\n%s", w.log)
	}
	n := len(w.journal.held())
	cursor, _ := w.journal.Cursor(t.Context(), "wms")
	w.exactly("wms", n)
	w.start(quick, plugin("wms", "count: 1000000\nbatch: 5"))
	w.eventually("more events", func() bool { return len(w.journal.held()) > n+50 })
	w.stop()
	w.exactly("wms", len(w.journal.held()))
	t.Logf("stopped at cursor %s and went on", cursor)
}

func TestAPluginThatDoesNotDrainIsEnded(t *testing.T) {
	limits := quick
	limits.Drain = 50 * time.Millisecond
	w := run(t, limits, plugin("wms", "count: 10\nhabit: deaf"))
	w.eventually("events", func() bool { return len(w.journal.held()) == 10 })
	pid := w.pid("wms", "pid")
	w.stop()
	if !gone(pid) {
		t.Errorf("process %d is still there", pid)
	}
	if !strings.Contains(w.log.String(), "did not finish what was in flight") {
		t.Errorf("nothing is said of it:\n%s", w.log)
	}
}

func TestASourceThatEndsUnaskedIsStartedAgain(t *testing.T) {
	w := run(t, quick, plugin("wms", "count: 10\nhabit: end"))
	w.eventually("restarts", func() bool { return w.health("wms").GetRestarts() > 1 })
	w.eventually("the reason", func() bool { return strings.Contains(w.log.String(), "ended without being asked") })
}

func TestAPluginsOwnConditionsAreShown(t *testing.T) {
	w := run(t, quick, plugin("wms", "count: 10\nhabit: complain"))
	w.eventually("the condition", func() bool { return w.condition("scanner_battery") != nil })
	if c := w.condition("scanner_battery"); c.GetTitle() != "plugin wms: battery is low" || c.GetSince() == nil || c.GetText() != "Charge it." {
		t.Errorf("condition %v", c)
	}
}

func TestOnlyTheHandshakeMayGoToStandardOutput(t *testing.T) {
	w := run(t, quick, plugin("wms", "count: 10\nhabit: print"), plugin("talkative", "count: 10", "talkative"))
	w.eventually("events", func() bool { return len(w.journal.of("wms")) == 10 })
	w.eventually("both lines in the log", func() bool {
		return strings.Contains(w.log.String(), "text=counted\n") && strings.Contains(w.log.String(), `text="counted too"`)
	})
	w.eventually("the talkative one is refused", func() bool {
		return strings.Contains(w.health("talkative").GetText(), "Hello, I am a plugin!")
	})
}

func TestWhatAPluginLogsReachesTheAgentsLog(t *testing.T) {
	w := run(t, quick, plugin("wms", "count: 1\nhabit: talk"))
	w.eventually("the line", func() bool {
		return strings.Contains(w.log.String(), `level=INFO msg="the counter counts" plugin=wms device=RF-7`)
	})
}

// TestAPluginOfAnotherProtocolVersionIsRefusedWithBothVersions meets a plugin from the future.
//
// Shows: E15
func TestAPluginOfAnotherProtocolVersionIsRefusedWithBothVersions(t *testing.T) {
	w := run(t, quick, plugin("wms", "count: 10", "future"))
	w.eventually("the reason", func() bool { return strings.Contains(w.health("wms").GetText(), "version") })
	if text := w.health("wms").GetText(); !strings.Contains(text, "9") || !strings.Contains(text, "[1]") {
		t.Errorf("the versions are not named: %q", text)
	}
}

func TestNewNamesEveryFault(t *testing.T) {
	_, err := host.New(host.Config{DataDir: "data", Plugins: []host.PluginConfig{
		{ID: "a.b", Path: "/bin/true"}, {ID: "wms", Path: "wms"}, {ID: "wms", Path: "/bin/true", SHA256: "abc"}}})
	for _, part := range []string{`"data"`, `"a.b"`, `"wms" is not absolute`, "used twice", "64 hex digits"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%s is not named in: %v", part, err)
		}
	}
}

func TestCheckAndTryAskAndStop(t *testing.T) {
	missing := host.PluginConfig{ID: "missing", Path: filepath.Join(t.TempDir(), "nothing")}
	h, err := host.New(host.Config{Tenant: "acme", Site: "dc-east", DataDir: t.TempDir(), Limits: quick,
		Plugins: []host.PluginConfig{plugin("good", "count: 1"), plugin("bad", "nuts: 1"), missing}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	faults := h.Check(ctx)
	if f, asked := faults["good"]; !asked || len(f) != 0 {
		t.Errorf("good: %v", f)
	}
	if f := faults["bad"]; len(f) != 1 || f[0].GetPath() != "nuts" || f[0].GetLine() != 1 {
		t.Errorf("bad: %v", f)
	}
	if f := faults["missing"]; len(f) != 1 || !strings.Contains(f[0].GetText(), "nothing") || !strings.Contains(f[0].GetText(), "correct path in agent.yaml") {
		t.Errorf("missing: %v", f)
	}
	reply, err := h.Try(ctx, "good", "PICK_1.csv", []byte("sample"))
	if err != nil || len(reply.GetEvents()) != 1 || reply.GetEvents()[0].GetSubject() != "sample" || reply.GetProposal() != "PICK_1.csv" {
		t.Errorf("try: %v %v", reply, err)
	}
	if _, err := h.Try(ctx, "unknown", "", nil); err == nil {
		t.Error("an unknown plugin was tried")
	}
	if d, err := h.Describe(ctx, "good"); err != nil || d.GetName() != "counter" || !d.GetSource() || !d.GetSink() {
		t.Errorf("describe: %v %v", d, err)
	}
}
