// Command plugin is what the host's tests run: a source that counts and a sink that keeps a ledger, with every bad habit on demand.
package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/plugins"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

type config struct {
	// Count is how many events there are, Batch how many go together, Garbage that every so many is bad.
	Count   int `yaml:"count"`
	Batch   int `yaml:"batch"`
	Garbage int `yaml:"garbage"`
	// Habit is a bad one: see the switch in main and Capture.
	Habit string `yaml:"habit"`
}

type counter struct {
	config config
	dir    string
}

func (c *counter) Describe() *docklinev1.DescribeResponse {
	return &docklinev1.DescribeResponse{Name: "counter", Version: "1.0.0", ConfigSchema: `{"type":"object"}`, Rereadable: true,
		Kinds: []docklinev1.EventKind{docklinev1.EventKind_EVENT_KIND_PICK_CONFIRMED}}
}

func (c *counter) Check(section []byte, _ string) []*docklinev1.ConfigFault {
	return plugins.Decode(section, &config{})
}

func (c *counter) Try(r *docklinev1.TryRequest) (*docklinev1.TryResponse, error) {
	return &docklinev1.TryResponse{Events: []*docklinev1.Event{{Subject: string(r.GetSample())}}, Proposal: r.GetFileName()}, nil
}

func (c *counter) Capture(ctx context.Context, start plugins.Start, out plugins.Stream) error {
	if faults := plugins.Decode(start.Config, &c.config); len(faults) > 0 {
		return fmt.Errorf("config: %v", faults)
	}
	write(filepath.Join(start.DataDir, "pid"), strconv.Itoa(os.Getpid()))
	write(filepath.Join(start.DataDir, "env"), fmt.Sprint(os.Environ()))
	switch c.config.Habit {
	case "panic":
		panic("the scanner caught fire")
	case "end":
		return nil
	case "child":
		child := exec.Command("sleep", "600")
		if err := child.Start(); err != nil {
			return err
		}
		write(filepath.Join(start.DataDir, "child"), strconv.Itoa(child.Process.Pid))
	case "print":
		os.NewFile(1, "stdout").WriteString("counted\n")
		fmt.Println("counted too")
	case "talk":
		plugins.Log().Info("the counter counts", "device", "RF-7")
	case "complain":
		out.Report(&docklinev1.Condition{Code: "scanner_battery", Title: "battery is low", Severity: docklinev1.Severity_SEVERITY_WARNING, Text: "Charge it."})
	}
	at, _ := strconv.Atoi(string(start.Cursor))
	for at < c.config.Count && ctx.Err() == nil {
		batch := &docklinev1.CaptureBatch{}
		for len(batch.Events) < max(c.config.Batch, 1) && at < c.config.Count {
			at++
			batch.Events = append(batch.Events, c.event(at))
		}
		batch.Cursor = []byte(strconv.Itoa(at))
		batch.CompleteThrough = []*docklinev1.CompleteThrough{{Stream: "counter", Movement: uint64(at), MovesStock: true}}
		if err := out.Emit(ctx, batch); err != nil {
			return err
		}
	}
	<-ctx.Done()
	if c.config.Habit == "deaf" {
		select {}
	}
	return nil
}

// CursorAt implements plugins.Rewinder: event n was n seconds after eight.
func (c *counter) CursorAt(_ context.Context, start plugins.Start, since time.Time) ([]byte, string, error) {
	n := int(since.Sub(time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)).Seconds())
	if n < 1 {
		return nil, "", fmt.Errorf("%w: the counter began at eight", plugins.ErrTooEarly)
	}
	return []byte(strconv.Itoa(n - 1)), fmt.Sprintf("from %d, %s had been told", n, start.Cursor), nil
}

func (c *counter) event(n int) *docklinev1.Event {
	e := &docklinev1.Event{Kind: docklinev1.EventKind_EVENT_KIND_PICK_CONFIRMED, Subject: "SO1", SourceKey: fmt.Sprintf("row/%d", n),
		OccurredAt: timestamppb.New(time.Date(2026, 3, 2, 8, 0, n, 0, time.UTC)), Movement: uint64(n),
		Payload: &docklinev1.Event_Pick{Pick: &docklinev1.Pick{Task: strconv.Itoa(n), Lines: []*docklinev1.Line{
			{Order: "SO1", OrderLine: "1", Item: "A", Quantity: &docklinev1.Quantity{Value: "1"}}}}}}
	if c.config.Garbage > 0 && n%c.config.Garbage == 0 {
		e.GetPick().Lines[0].Quantity.Value = "a dozen"
	}
	return e
}

func (c *counter) Open(_ context.Context, start plugins.Start) error {
	c.dir = start.DataDir
	if len(os.Args) > 1 && os.Args[1] == "idle" {
		return plugins.ErrIdle
	}
	return os.MkdirAll(filepath.Join(c.dir, "orders"), 0o700)
}

func (c *counter) Deliver(ctx context.Context, command *docklinev1.Command) (*docklinev1.CommandResult, error) {
	if command.GetCancelOrder().GetReason() == "hang" {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	_, version, err := c.Find(ctx, command.GetKey())
	if err != nil {
		return nil, err
	}
	outcome := docklinev1.CommandOutcome_COMMAND_OUTCOME_APPLIED
	if version > command.GetVersion() {
		outcome = docklinev1.CommandOutcome_COMMAND_OUTCOME_SUPERSEDED
	} else {
		write(c.path(command.GetKey()), strconv.FormatUint(command.GetVersion(), 10))
	}
	return &docklinev1.CommandResult{Key: command.GetKey(), Version: command.GetVersion(), Outcome: outcome}, nil
}

func (c *counter) Find(_ context.Context, key string) (bool, uint64, error) {
	text, err := os.ReadFile(c.path(key))
	if os.IsNotExist(err) {
		return false, 0, nil
	}
	version, _ := strconv.ParseUint(string(text), 10, 64)
	return err == nil, version, err
}

func (c *counter) path(key string) string {
	return filepath.Join(c.dir, "orders", filepath.Base(key))
}

func write(path, text string) {
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		panic(err)
	}
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "talkative" {
		fmt.Println("Hello, I am a plugin!")
	}
	if len(os.Args) > 1 && os.Args[1] == "future" {
		fmt.Println("1|9|tcp|127.0.0.1:1|grpc|")
		select {}
	}
	c := &counter{}
	if len(os.Args) > 1 && os.Args[1] == "source" {
		plugins.Serve(plugins.Plugin{Source: c})
		return
	}
	plugins.Serve(plugins.Plugin{Source: c, Sink: c})
}
