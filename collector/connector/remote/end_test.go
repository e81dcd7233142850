package remote_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/connector/connectortest"
	"github.com/dockline/dockline/collector/connector/remote"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

func invoice(key string) *connector.Posting {
	return &connector.Posting{Tenant: "acme", Kind: connector.InvoiceTrigger, Key: key, SourceVersion: 1,
		Document: &docklinev1.Document{Document: &docklinev1.Document_InvoiceTrigger{InvoiceTrigger: &docklinev1.InvoiceTrigger{Order: key}}}}
}

func kill(t *testing.T, pid int) {
	t.Helper()
	process, err := os.FindProcess(pid)
	if err == nil {
		err = process.Kill()
	}
	if err != nil {
		t.Error(err)
	}
}

func faultOf(t *testing.T, err error) *connector.Fault {
	t.Helper()
	f, ok := errors.AsType[*connector.Fault](err)
	if !ok {
		t.Fatalf("no fault: %v", err)
	}
	return f
}

// A program is killed in the middle of Apply, before the document is made and after it: the outcome is unknown, the program is started again by
// itself, who looks finds out, and in the end the document is there once.
//
// Shows: S1, S32
func TestKilledInTheMiddleOfApply(t *testing.T) {
	w := open(t, "[]", "")
	for how, failure := range map[string]connectortest.Failure{"before": connectortest.Silent, "after": connectortest.Lost} {
		t.Run(how, func(t *testing.T) {
			p := invoice("SO-" + how)
			gone := make(chan struct{})
			w.memory.Fail = func(op string, _ *connector.Posting) connectortest.Failure {
				if op != "create" {
					return connectortest.None
				}
				kill(t, w.Stats().Pid)
				<-gone // its answer would find nobody
				return failure
			}
			_, err := w.Apply(t.Context(), p)
			close(gone)
			f := faultOf(t, err)
			if !f.Unknown || f.Class != docklinev1.FaultClass_FAULT_CLASS_TECHNICAL || f.Code != remote.CodeEnded || !strings.Contains(f.Error(), "memory-erp 1.2.0") {
				t.Errorf("fault %+v: %v", f, f)
			}
			w.memory.Fail = nil
			w.answers()
			want := map[string]int{"before": 0, "after": 1}[how]
			w.eventually("what came of it", func() bool { return w.memory.Effects(p.Kind, p.Key) == want })
			found, err := w.Find(t.Context(), p)
			if err != nil || len(found) != want {
				t.Fatalf("found %+v, %v; want %d", found, err, want)
			}
			if want == 0 {
				if _, err := w.Apply(t.Context(), p); err != nil {
					t.Fatal(err)
				}
			}
			if n := w.memory.Effects(p.Kind, p.Key); n != 1 {
				t.Errorf("%d documents", n)
			}
		})
	}
	if s := w.Stats(); s.Starts != 3 || !strings.Contains(s.Failure, "killed") {
		t.Errorf("%+v", s)
	}
}

// What was under way with a program that ends is unknown for what has an effect, and only for that; while it does not run nothing is sent, and who
// asks is told why.
func TestAProgramThatEndsWhileItIsAsked(t *testing.T) {
	w := open(t, "[]", "")
	w.memory.Fail = func(op string, _ *connector.Posting) connectortest.Failure {
		kill(t, w.Stats().Pid)
		return connectortest.Stuck
	}
	_, err := w.Find(t.Context(), invoice("SO1"))
	if f := faultOf(t, err); f.Unknown || f.Code != remote.CodeEnded {
		t.Errorf("a look that was cut is %+v: %v", f, f)
	}
	w.memory.Fail = nil
	w.answers()
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = w.Apply(t.Context(), invoice("SO1"))
	if f := faultOf(t, err); f.Unknown || !f.Unasked || f.Code != remote.CodeDown {
		t.Errorf("after the end it is %+v: %v", f, f)
	}
	if w.Stats().Pid != 0 {
		t.Error("it runs after Close")
	}
}

// A call that is not answered ends with its time, and its outcome is unknown; the program hears that nobody waits any longer, and goes on.
//
// Shows: S1
func TestACallEndsWithItsTime(t *testing.T) {
	w := open(t, "[]", "")
	pid, ended := w.Stats().Pid, make(chan struct{}, 1)
	w.memory.Fail = func(op string, _ *connector.Posting) connectortest.Failure { return connectortest.Stuck }
	w.memory.Fault = func(op string, _ *connector.Posting) error { ended <- struct{}{}; return nil }
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-ended; cancel() }()
	_, err := w.Apply(ctx, invoice("SO1"))
	if f := faultOf(t, err); !f.Unknown || !errors.Is(err, context.Canceled) {
		t.Errorf("a call that was taken back is %+v: %v", f, f)
	}
	w.memory.Fault = nil
	ctx, cancel = context.WithTimeout(t.Context(), 5*time.Second) // long enough for it to be on its way
	defer cancel()
	_, err = w.Apply(ctx, invoice("SO2"))
	if f := faultOf(t, err); !f.Unknown || f.Class != docklinev1.FaultClass_FAULT_CLASS_TECHNICAL || f.Code != remote.CodeTimeout {
		t.Errorf("a call without an answer is %+v: %v", f, f)
	}
	w.memory.Fail = nil
	if _, err := w.Probe(t.Context()); err != nil {
		t.Error(err)
	}
	if s := w.Stats(); s.Pid != pid {
		t.Errorf("it was pid %d, and is %+v", pid, s)
	}
}

// Standard output is for the handshake: what a program writes there later stops neither it nor the collector, and stands in the log.
func TestNoiseOnStandardOutput(t *testing.T) {
	w := open(t, "[]", ", noise: 300000")
	if _, err := w.Apply(t.Context(), invoice("SO1")); err != nil {
		t.Fatal(err)
	}
	w.eventually("the log says so", func() bool { return strings.Contains(w.log.String(), "wrote to standard output") })
	if !strings.Contains(w.log.String(), "the memory ERP is configured") {
		t.Errorf("what the program logs is not in the log:\n%s", w.log)
	}
}

// A program that cannot be used is refused when it is loaded, in words that name it and what is to be mended.
//
// Shows: S1
func TestAProgramThatCannotBeUsed(t *testing.T) {
	target := listen(t, &connectortest.Memory{})
	for _, tc := range []struct {
		name, kind, more string
		says             []string
	}{
		{"talks before the handshake", "garbage", "", []string{"good day", "writes nothing of its own to standard output"}},
		{"another version", "version", "", []string{"version", "99", "1"}},
		{"no connector", "stranger", "", []string{"exit status 1", "plugin of something else"}},
		{"falls at once", "panic", "", []string{"exit status 2", "the licence has run out"}},
		{"is not there", "target", "command: /no/such/erp-connector", []string{"settings:4: command", "no program /no/such/erp-connector"}},
		{"is another one", "target", "sha256: " + strings.Repeat("ab", 32), []string{"not the pinned executable"}},
		{"unknown setting", "target", "commando: x", []string{"settings:4", "commando"}},
		{"lacks a setting", "target", "config: {settle: 1s}", []string{"settings:4: config", "target", "memory-erp 1.2.0"}},
		{"has one of the wrong kind", "target", "config:\n  target: x\n  noise: much", []string{"settings:6: config.noise", "want integer", "memory-erp 1.2.0"}},
		{"the program finds it wrong", "target", "config:\n  target: x\n  settle: soon", []string{"settings:6: config.settle", "memory-erp 1.2.0"}},
		{"the program refuses it", "target", "config: {target: 'localhost:0'}", []string{"settings:4: config", "nobody listens", "memory-erp 1.2.0"}},
		{"a kind that there is not", "target", fmt.Sprintf("config: {target: %q, kinds: [crm_case, telegram]}", target), []string{`"telegram" is no kind of posting`, "memory-erp 1.2.0"}},
		{"a secret that cannot be read", "target", fmt.Sprintf("secrets: {password: /no/such/file}\nconfig: {target: %q}", target), []string{"secret password", "/no/such/file"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			more := tc.more
			s, err := settings(t, tc.kind, strings.TrimPrefix(more, "command: /no/such/erp-connector"))
			if strings.HasPrefix(more, "command: ") {
				_, err = remote.Decode("settings", []byte("args: [x]\nenv: {A: B}\nstart_timeout: 1s\n"+more), func(path string) string { return path })
			}
			if err == nil {
				var c *remote.Connector
				if c, err = remote.New(t.Context(), s, slog.New(slog.DiscardHandler)); err == nil {
					_ = c.Close()
					t.Fatal("it was taken")
				}
			}
			for _, want := range tc.says {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("does not say %q: %v", want, err)
				}
			}
		})
	}
}

// A program that does not come to its handshake is ended when its time is over.
func TestAProgramThatSaysNothing(t *testing.T) {
	s, err := settings(t, "silent", "")
	if err != nil {
		t.Fatal(err)
	}
	s.StartTimeout = time.Second
	if _, err = remote.New(t.Context(), s, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "did not answer within 1s") {
		t.Errorf("%v", err)
	}
}

// beACollector is this test binary in the part of a collector that will be killed.
func beACollector() {
	text := fmt.Sprintf("command: %s\nenv: {%s: parent, %s: %q}\nstart_timeout: 2m\nconfig: {target: 'localhost:1'}",
		os.Args[0], programVariable, childVariable, os.Getenv(childVariable))
	s, err := remote.Decode("settings", []byte(text), func(path string) string { return path })
	if err != nil {
		panic(err)
	}
	c, err := remote.New(context.Background(), s, slog.New(slog.NewTextHandler(os.Stderr, nil)))
	if err != nil {
		panic(err)
	}
	fmt.Println(c.Stats().Pid)
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// No program outlives a collector that is killed, nor does what it has started.
//
// Shows: S1
func TestNoProgramOutlivesAKilledCollector(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	collector := exec.Command(self)
	told := filepath.Join(t.TempDir(), "child")
	collector.Env = append(os.Environ(), programVariable+"=collector", childVariable+"="+told)
	collector.Stderr = os.Stderr
	in, err := collector.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := collector.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := collector.Start(); err != nil {
		t.Fatal(err)
	}
	var pid, child int
	_, scanErr := fmt.Fscan(bufio.NewReader(out), &pid)
	if text, err := os.ReadFile(told); err != nil {
		t.Error(err)
	} else if child, err = strconv.Atoi(string(text)); err != nil || gone(child) {
		t.Errorf("no child of the program's: %q, %v", text, err)
	}
	kill(t, collector.Process.Pid)
	_ = collector.Wait()
	if scanErr != nil || pid == 0 || pid == collector.Process.Pid {
		t.Fatalf("pid %d: %v", pid, scanErr)
	}
	w := &world{t: t, Connector: &remote.Connector{}, log: &logBook{}}
	w.eventually("the program is gone", func() bool { return gone(pid) })
	w.eventually("so is its child", func() bool { return gone(child) })
}
