// Command rows is a source of numbered rows for tests, like the table of a WMS: row n is always the same event, its cursor is the number of
// the last row told, and after each ack it writes that number to a file, so that a test knows what was promised.
package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/plugins"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// config is the plugin's section.
type config struct {
	// Rows is how many there are, 0 for no end; First is the lowest.
	Rows  int `yaml:"rows"`
	First int `yaml:"first"`
	// PerSecond is the pace, 0 as fast as the host takes them. Batch is how many go together.
	PerSecond float64 `yaml:"per_second"`
	Batch     int     `yaml:"batch"`
	// Acks is the file of what was acked. After is a file without which no row is told.
	Acks  string `yaml:"acks"`
	After string `yaml:"after"`
	// BadEvery makes each n-th row one without a quantity that reads, until the file Mended is there.
	BadEvery int    `yaml:"bad_every"`
	Mended   string `yaml:"mended"`
	// Ship tells departures of shipments, urgent ones, instead of picks.
	Ship bool `yaml:"ship"`
	// DieAfter ends the process with an error when it has run for so long.
	DieAfter time.Duration `yaml:"die_after"`
}

type rows struct {
	// push: it cannot read again.
	push bool
}

func (r rows) Describe() *docklinev1.DescribeResponse {
	return &docklinev1.DescribeResponse{Name: "rows", Version: "1.0.0", ConfigSchema: `{"type":"object","properties":{"rows":{"type":"integer","minimum":0}}}`, Rereadable: !r.push,
		Kinds: []docklinev1.EventKind{docklinev1.EventKind_EVENT_KIND_PICK_CONFIRMED, docklinev1.EventKind_EVENT_KIND_SHIPMENT_DEPARTED}}
}

func (rows) Check(section []byte, _ string) []*docklinev1.ConfigFault {
	return plugins.Decode(section, &config{})
}

func (rows) Capture(ctx context.Context, start plugins.Start, out plugins.Stream) error {
	c := config{First: 1, Batch: 1}
	plugins.Decode(start.Config, &c)
	n := c.First - 1
	if len(start.Cursor) > 0 {
		var err error
		if n, err = strconv.Atoi(string(start.Cursor)); err != nil {
			return fmt.Errorf("cursor %q is not a row", start.Cursor)
		}
	}
	if err := writeAcks(c.Acks, out); err != nil {
		return err
	}
	if err := there(ctx, c.After); err != nil {
		return nil // asked to end
	}
	if c.DieAfter > 0 {
		time.AfterFunc(c.DieAfter, func() {
			fmt.Fprintln(os.Stderr, "rows: it dies now, as its section says")
			os.Exit(3)
		})
	}
	began, told := time.Now(), 0
	for ctx.Err() == nil && (c.Rows == 0 || n < c.First-1+c.Rows) {
		batch := &docklinev1.CaptureBatch{}
		for range c.Batch {
			if c.Rows > 0 && n >= c.First-1+c.Rows {
				break
			}
			n++
			batch.Events = append(batch.Events, c.row(n))
		}
		batch.Cursor = strconv.AppendInt(nil, int64(n), 10)
		if err := out.Emit(ctx, batch); err != nil {
			return nil // asked to end, or the host is gone
		}
		told += len(batch.Events)
		if c.PerSecond > 0 {
			until(ctx, began.Add(time.Duration(float64(told)/c.PerSecond*float64(time.Second))))
		}
	}
	if err := c.again(ctx, out); err != nil {
		return nil // asked to end
	}
	<-ctx.Done()
	return nil
}

// again tells the bad rows once more, and once too often, when somebody has mended them.
func (c config) again(ctx context.Context, out plugins.Stream) error {
	if c.Mended == "" {
		return nil
	}
	if err := there(ctx, c.Mended); err != nil {
		return err
	}
	for range 2 {
		for n := c.First; n < c.First+c.Rows; n++ {
			if n%c.BadEvery != 0 {
				continue
			}
			if err := out.Emit(ctx, &docklinev1.CaptureBatch{Events: []*docklinev1.Event{c.row(n)}}); err != nil {
				return err
			}
		}
	}
	return nil
}

// writeAcks appends the number of every row that was acked to a file, after the ack.
func writeAcks(path string, out plugins.Stream) error {
	if path == "" {
		return nil
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	out.OnAck(func(ack *docklinev1.CaptureAck) { fmt.Fprintf(file, "%s\n", ack.GetCursor()) })
	return nil
}

// row is what is told of row n: five rows are one order.
func (c config) row(n int) *docklinev1.Event {
	order := fmt.Sprintf("SO%07d", n/5)
	line := &docklinev1.Line{Order: order, OrderLine: fmt.Sprint(n%5 + 1), Item: fmt.Sprintf("SKU-%04d", n*7919%5000), Quantity: &docklinev1.Quantity{Value: fmt.Sprint(n%40 + 1), Unit: "EA"}}
	if c.BadEvery > 0 && n%c.BadEvery == 0 && !exists(c.Mended) {
		line.Quantity.Value = "a dozen"
	}
	e := &docklinev1.Event{Subject: order, SourceKey: fmt.Sprintf("row-%d", n), SourceRevision: "1", OccurredAt: timestamppb.New(time.Date(2026, 3, 2, 6, 0, n, 0, time.UTC)), Movement: uint64(n)}
	if c.Ship {
		e.OccurredAt = timestamppb.Now()
		e.Kind, e.Subject = docklinev1.EventKind_EVENT_KIND_SHIPMENT_DEPARTED, fmt.Sprintf("SHIP-%d", n)
		e.Payload = &docklinev1.Event_Shipment{Shipment: &docklinev1.Shipment{Number: e.Subject, Carrier: "DHL", Lines: []*docklinev1.Line{line}}}
		return e
	}
	line.Bin = fmt.Sprintf("A-%02d-%02d", n%50, n%40)
	e.Kind = docklinev1.EventKind_EVENT_KIND_PICK_CONFIRMED
	e.Payload = &docklinev1.Event_Pick{Pick: &docklinev1.Pick{Task: fmt.Sprintf("T%07d", n), Lines: []*docklinev1.Line{line}}}
	return e
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return path != "" && err == nil
}

// there waits for a file.
func there(ctx context.Context, path string) error {
	for path != "" && !exists(path) {
		until(ctx, time.Now().Add(20*time.Millisecond))
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

func until(ctx context.Context, at time.Time) {
	timer := time.NewTimer(time.Until(at))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

func main() {
	// One program under two names, since Describe comes before the configuration.
	self, _ := os.Executable()
	plugins.Serve(plugins.Plugin{Source: rows{push: strings.HasSuffix(self, "-push")}})
}
