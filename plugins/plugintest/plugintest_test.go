package plugintest_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/plugins"
	"github.com/dockline/dockline/plugins/plugintest"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

const rows = 12

// list is a good plugin: a list of picks, and a folder of one file for each command. fault turns one thing bad.
type list struct {
	fault string
	dir   string
}

func (p *list) Describe() *docklinev1.DescribeResponse {
	return &docklinev1.DescribeResponse{Name: "list", Version: "1", ConfigSchema: "{}", Kinds: []docklinev1.EventKind{docklinev1.EventKind_EVENT_KIND_PICK_CONFIRMED}}
}

func (p *list) Check(config []byte, _ string) []*docklinev1.ConfigFault {
	if p.fault == "takes any configuration" {
		return nil
	}
	var into struct{}
	return plugins.Decode(config, &into)
}

func (p *list) Capture(ctx context.Context, start plugins.Start, out plugins.Stream) error {
	at, _ := strconv.Atoi(string(start.Cursor))
	if p.fault == "forgets its cursor" {
		at = 0
	}
	if p.fault == "skips a row" && at > 0 {
		at++
	}
	for ctx.Err() == nil && at < rows {
		batch := &docklinev1.CaptureBatch{}
		for range 3 {
			if at++; at <= rows {
				batch.Events = append(batch.Events, p.pick(at))
			}
		}
		batch.Cursor = []byte(strconv.Itoa(at))
		if p.fault == "gives no cursor" {
			batch.Cursor = nil
		}
		if err := out.Emit(ctx, batch); err != nil {
			return err
		}
	}
	if p.fault == "ends by itself" {
		return errors.New("tired")
	}
	<-ctx.Done()
	return nil
}

func (p *list) pick(n int) *docklinev1.Event {
	e := &docklinev1.Event{Kind: docklinev1.EventKind_EVENT_KIND_PICK_CONFIRMED, Subject: "SO1", SourceKey: strconv.Itoa(n), OccurredAt: timestamppb.Now(),
		Payload: &docklinev1.Event_Pick{Pick: &docklinev1.Pick{Lines: []*docklinev1.Line{{Order: "SO1", OrderLine: "1", Item: "A", Quantity: &docklinev1.Quantity{Value: "1"}}}}}}
	switch p.fault {
	case "gives no key":
		e.SourceKey = ""
	case "gives one key to all":
		e.SourceKey = "1"
	case "gives garbage":
		e.GetPick().Lines[0].Quantity.Value = "1,5"
	case "reports another kind":
		e.Kind = docklinev1.EventKind_EVENT_KIND_PICK_SHORT
	}
	return e
}

func (p *list) Open(_ context.Context, start plugins.Start) error {
	p.dir = start.DataDir
	return nil
}

func (p *list) path(key string) string {
	return filepath.Join(p.dir, strings.ReplaceAll(key, "/", "_"))
}

func (p *list) Deliver(ctx context.Context, c *docklinev1.Command) (*docklinev1.CommandResult, error) {
	found, version, err := p.Find(ctx, c.GetKey())
	if err != nil {
		return nil, err
	}
	result := &docklinev1.CommandResult{Key: c.GetKey(), Version: c.GetVersion(), Outcome: docklinev1.CommandOutcome_COMMAND_OUTCOME_APPLIED}
	if found && version > c.GetVersion() && p.fault != "goes back" {
		result.Outcome = docklinev1.CommandOutcome_COMMAND_OUTCOME_SUPERSEDED
		return result, nil
	}
	if found && version == c.GetVersion() && p.fault != "works twice" {
		return result, nil
	}
	effects := os.Getenv("PLUGINTEST_EFFECTS")
	file, err := os.OpenFile(effects, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	fmt.Fprintln(file, c.GetKey(), c.GetVersion())
	if err := file.Close(); err != nil {
		return nil, err
	}
	return result, os.WriteFile(p.path(c.GetKey()), []byte(strconv.FormatUint(c.GetVersion(), 10)), 0o600)
}

func (p *list) Find(_ context.Context, key string) (bool, uint64, error) {
	if p.fault == "finds nothing" {
		return false, 0, nil
	}
	text, err := os.ReadFile(p.path(key))
	if err != nil {
		return false, 0, nil
	}
	version, err := strconv.ParseUint(string(text), 10, 64)
	return true, version, err
}

func world(fault string) func(t *testing.T) plugintest.World {
	return func(t *testing.T) plugintest.World {
		effects := filepath.Join(t.TempDir(), "effects")
		t.Setenv("PLUGINTEST_EFFECTS", effects)
		patience := 20 * time.Second
		if fault != "" {
			patience = 2 * time.Second
		}
		return plugintest.World{
			Patience: patience,
			Plugin:   func() plugins.Plugin { p := &list{fault: fault}; return plugins.Plugin{Source: p, Sink: p} },
			Config:   []byte("{}"), Events: rows, Command: release,
			Effects: func(*testing.T) int { text, _ := os.ReadFile(effects); return strings.Count(string(text), "\n") },
		}
	}
}

func release(version uint64) *docklinev1.Command {
	return &docklinev1.Command{Key: "release/SO1", Version: version, Work: &docklinev1.Command_CancelOrder{CancelOrder: &docklinev1.CancelOrder{Number: "SO1"}}}
}

func TestAGoodPluginPasses(t *testing.T) { plugintest.Run(t, world("")) }

// TestFaulty is the suite over a plugin with the fault of the environment; TestTheSuiteCatchesFaults runs it and wants it to fail.
func TestFaulty(t *testing.T) {
	fault := os.Getenv("PLUGINTEST_FAULT")
	if fault == "" {
		t.Skip("only for TestTheSuiteCatchesFaults")
	}
	plugintest.Run(t, world(fault))
}

func TestTheSuiteCatchesFaults(t *testing.T) {
	for fault, test := range map[string]string{
		"takes any configuration": "check_refuses_a_bad_configuration",
		"forgets its cursor":      "resumes_after_a_kill",
		"skips a row":             "resumes_after_a_kill",
		"gives no cursor":         "resumes_after_a_kill_when_the_answer_was_lost",
		"ends by itself":          "drain_ends_it",
		"gives no key":            "events_are_valid_and_keyed",
		"gives one key to all":    "reports_everything_once",
		"gives garbage":           "events_are_valid_and_keyed",
		"reports another kind":    "events_are_valid_and_keyed",
		"goes back":               "a_lower_version_is_superseded",
		"works twice":             "delivers_a_version_once",
		"finds nothing":           "finds_what_was_applied",
	} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(os.Args[0], "-test.run=^TestFaulty$/^"+test+"$", "-test.v")
			cmd.Env = append(os.Environ(), "PLUGINTEST_FAULT="+fault)
			out, err := cmd.CombinedOutput()
			if err == nil || !strings.Contains(string(out), "--- FAIL: TestFaulty/"+test) {
				t.Errorf("%s passes for a plugin that %s: %v\n%s", test, fault, err, out)
			}
		})
	}
}

// The plugin of the host's own tests, as a binary.
func TestABinaryPasses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "counter")
	if runtime.GOOS == "windows" {
		path += ".exe"
	}
	if out, err := exec.Command("go", "build", "-o", path, "../../agent/host/testdata/plugin").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	plugintest.RunBinary(t, path, func(*testing.T) plugintest.World {
		return plugintest.World{Config: []byte("count: 12\nbatch: 5"), Events: 12, Command: release}
	})
}
