// Command naughty is a plugin with every bad habit that a host must live with; the habit is chosen by its configuration, or by its name
// where it shows before there is one.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/plugins"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

type config struct {
	Habit string `yaml:"habit"`
	// Mended is a file; while it is there the plugin behaves.
	Mended string `yaml:"mended"`
}

type naughty struct{}

func describe() *docklinev1.DescribeResponse {
	return &docklinev1.DescribeResponse{Name: "naughty", Version: "1.0.0", ConfigSchema: `{"type":"object"}`, Rereadable: true,
		Kinds: []docklinev1.EventKind{docklinev1.EventKind_EVENT_KIND_PICK_CONFIRMED}}
}

func (naughty) Describe() *docklinev1.DescribeResponse { return describe() }

func (naughty) Check(section []byte, _ string) []*docklinev1.ConfigFault {
	var c config
	faults := plugins.Decode(section, &c)
	if c.Habit == "mute" {
		select {}
	}
	return faults
}

func (naughty) Capture(ctx context.Context, start plugins.Start, out plugins.Stream) error {
	var c config
	plugins.Decode(start.Config, &c)
	at, _ := strconv.Atoi(string(start.Cursor))
	if _, err := os.Stat(c.Mended); c.Mended != "" && err == nil {
		c.Habit = ""
	}
	switch c.Habit {
	case "crash":
		panic("the label printer is on fire")
	case "freeze":
		if err := syscall.Kill(os.Getpid(), syscall.SIGSTOP); err != nil {
			return err
		}
		select {}
	case "leak":
		leak()
	case "log":
		go chatter()
	case "status":
		for ctx.Err() == nil {
			if err := out.Report(&docklinev1.Condition{Code: "busy", Title: strings.Repeat("busy ", 10_000), Text: strings.Repeat("very ", 10_000)}); err != nil {
				return err
			}
		}
	case "refused":
		for ctx.Err() == nil {
			if at++; out.Emit(ctx, &docklinev1.CaptureBatch{Events: []*docklinev1.Event{{SourceKey: strconv.Itoa(at)}}, Cursor: []byte(strconv.Itoa(at))}) != nil {
				break
			}
		}
	}
	return tell(ctx, out, c.Habit == "flood", at)
}

// tell counts rows, one a tenth of a second, or as fast as they are taken.
func tell(ctx context.Context, out plugins.Stream, fast bool, at int) error {
	for ctx.Err() == nil {
		batch := &docklinev1.CaptureBatch{}
		for range map[bool]int{true: 500, false: 1}[fast] {
			at++
			batch.Events = append(batch.Events, pick(at))
		}
		batch.Cursor = []byte(strconv.Itoa(at))
		if err := out.Emit(ctx, batch); err != nil {
			return nil // asked to end
		}
		if !fast {
			select {
			case <-ctx.Done():
			case <-time.After(100 * time.Millisecond):
			}
		}
	}
	return nil
}

func pick(n int) *docklinev1.Event {
	return &docklinev1.Event{Kind: docklinev1.EventKind_EVENT_KIND_PICK_CONFIRMED, Subject: "SO1", SourceKey: fmt.Sprintf("row-%d", n), SourceRevision: "1",
		OccurredAt: timestamppb.New(time.Date(2026, 3, 2, 8, 0, n, 0, time.UTC)), Movement: uint64(n),
		Payload: &docklinev1.Event_Pick{Pick: &docklinev1.Pick{Lines: []*docklinev1.Line{{Order: "SO1", OrderLine: "1", Item: "A", Quantity: &docklinev1.Quantity{Value: "1"}}}}}}
}

// leak takes memory and touches it, for ever.
func leak() {
	var kept [][]byte
	for {
		block := make([]byte, 4<<20)
		for i := 0; i < len(block); i += 4096 {
			block[i] = 1
		}
		kept = append(kept, block)
		time.Sleep(200 * time.Millisecond)
		if len(kept) > 1<<20 {
			return
		}
	}
}

// chatter logs without end: lines in the known form, lines in none, and one that never ends.
func chatter() {
	log, stderr := plugins.Log(), os.NewFile(2, "stderr")
	for i := 0; ; i++ {
		log.Info("row read", "row", i)
		fmt.Fprintln(stderr, strings.Repeat("x", 500))
		if i%100 == 0 {
			fmt.Fprint(stderr, strings.Repeat("y", 200_000))
		}
	}
}

func main() {
	self, _ := os.Executable()
	switch filepath.Base(self) {
	case "naughty-future": // what a plugin of a later contract says first
		fmt.Println("1|9|unix|/nowhere|grpc|")
		select {}
	case "naughty-raw":
		serveRaw()
	default:
		plugins.Serve(plugins.Plugin{Source: naughty{}})
	}
}

var errNoStart = errors.New("the host did not start")
