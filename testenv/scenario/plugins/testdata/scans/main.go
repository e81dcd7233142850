// Command scans is a scanner at a packing station for tests: each line of a file is a scan, "KEY UNIT ITEM SECONDS", and into another file it
// writes what the person at the station is shown: "KEY kept", the codes of warnings behind it, or "KEY refused".
package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/plugins"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

type config struct {
	Scans   string `yaml:"scans"`
	Display string `yaml:"display"`
}

type scanner struct{}

func (scanner) Describe() *docklinev1.DescribeResponse {
	return &docklinev1.DescribeResponse{Name: "scans", Version: "1.0.0", ConfigSchema: `{"type":"object"}`, Kinds: []docklinev1.EventKind{docklinev1.EventKind_EVENT_KIND_PACK_CONFIRMED}}
}

func (scanner) Check(section []byte, _ string) []*docklinev1.ConfigFault {
	return plugins.Decode(section, &config{})
}

// Capture reads each line once in the life of the process, and in the next life only those that nobody has answered.
func (scanner) Capture(ctx context.Context, start plugins.Start, out plugins.Stream) error {
	var c config
	plugins.Decode(start.Config, &c)
	display, err := os.OpenFile(c.Display, os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o644)
	if err != nil {
		return err
	}
	answered := lines(c.Display)
	keys := make(chan string, 1000)
	out.OnAck(func(ack *docklinev1.CaptureAck) {
		fmt.Fprintln(display, strings.Join(append([]string{<-keys}, shown(ack)...), " "))
	})
	for told := len(answered); ctx.Err() == nil; {
		if scans := lines(c.Scans); len(scans) > told {
			e, err := scan(scans[told])
			if err != nil {
				return err
			}
			told++
			keys <- e.SourceKey
			if err := out.Emit(ctx, &docklinev1.CaptureBatch{Events: []*docklinev1.Event{e}}); err != nil {
				return nil // asked to end
			}
			continue
		}
		select {
		case <-ctx.Done():
		case <-time.After(10 * time.Millisecond):
		}
	}
	return nil
}

func shown(ack *docklinev1.CaptureAck) []string {
	if len(ack.GetRefused()) > 0 {
		return []string{"refused"}
	}
	words := []string{"kept"}
	for _, w := range ack.GetWarnings() {
		words = append(words, w.GetCode())
	}
	return words
}

// lines are the whole lines of a file.
func lines(path string) (all []string) {
	text, _ := os.ReadFile(path)
	text = text[:bytes.LastIndexByte(text, '\n')+1]
	for in := bufio.NewScanner(bytes.NewReader(text)); in.Scan(); {
		all = append(all, in.Text())
	}
	return all
}

func scan(line string) (*docklinev1.Event, error) {
	var key, unit, item string
	var second int64
	if _, err := fmt.Sscan(line, &key, &unit, &item, &second); err != nil {
		return nil, fmt.Errorf("scan %q: %w", line, err)
	}
	return &docklinev1.Event{Kind: docklinev1.EventKind_EVENT_KIND_PACK_CONFIRMED, Subject: unit, SourceKey: key, SourceRevision: "1", OccurredAt: timestamppb.New(time.Unix(second, 0)),
		Payload: &docklinev1.Event_Pack{Pack: &docklinev1.Pack{HandlingUnit: unit, Lines: []*docklinev1.Line{{Order: "SO1", OrderLine: "1", Item: item, Quantity: &docklinev1.Quantity{Value: "1", Unit: "EA"}}}}}}, nil
}

func main() { plugins.Serve(plugins.Plugin{Source: scanner{}}) }
