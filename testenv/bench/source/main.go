// Command dockline-plugin-bench is a source that gives picks as fast as the host takes them, or at a rate, and writes down what the
// host answered and when.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/plugins"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv/bench"
)

type source struct{}

// Describe implements plugins.Described.
func (source) Describe() *docklinev1.DescribeResponse {
	return &docklinev1.DescribeResponse{Name: "bench", Version: "1.0.0", ConfigSchema: `{"type":"object"}`, Rereadable: true,
		Kinds: []docklinev1.EventKind{docklinev1.EventKind_EVENT_KIND_PICK_CONFIRMED}}
}

// Check implements plugins.Described.
func (source) Check(config []byte, _ string) []*docklinev1.ConfigFault {
	return plugins.Decode(config, &bench.SourceConfig{})
}

// Capture implements plugins.Source.
func (source) Capture(ctx context.Context, start plugins.Start, out plugins.Stream) error {
	var c bench.SourceConfig
	if faults := plugins.Decode(start.Config, &c); len(faults) > 0 {
		return fmt.Errorf("config: %s", faults[0].GetText())
	}
	var next uint64
	if len(start.Cursor) > 0 {
		var err error
		if next, err = strconv.ParseUint(string(start.Cursor), 10, 64); err != nil {
			return err
		}
	}
	r := &run{SourceConfig: c, out: out, key: start.ID + c.Run, next: next, sentAt: map[uint64]time.Time{}, callers: make(chan struct{}, callers)}
	out.OnAck(r.acked)
	result := filepath.Join(start.DataDir, "result"+c.Run+".json")
	if _, err := os.Stat(result); err == nil { // this run is done, and the agent was started again
		<-ctx.Done()
		return nil
	}
	r.prepare()
	select {
	case <-time.After(time.Until(time.UnixMilli(c.StartAt))):
	case <-ctx.Done():
		return nil
	}
	if err := r.give(ctx); err != nil {
		return err
	}
	if err := out.Flush(ctx); err != nil {
		return err
	}
	text, err := json.Marshal(r.result())
	if err != nil {
		return err
	}
	if err := os.WriteFile(result+".tmp", text, 0o644); err != nil {
		return err
	}
	if err := os.Rename(result+".tmp", result); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// callers is how many calls are under way at once: as many as the host's window holds.
const callers = 16

// run is one run of giving picks.
type run struct {
	bench.SourceConfig
	out  plugins.Stream
	key  string
	next uint64
	// callers has a place for each call under way.
	callers chan struct{}
	// ready are picks made beforehand, for a load that is measured by what the site takes.
	ready []*docklinev1.Event

	mu          sync.Mutex
	sentAt      map[uint64]time.Time // by the batch's number
	batches     uint64
	events      int64
	begin, last time.Time
	took        []float64 // milliseconds
}

// prepared is how many picks are made beforehand.
const prepared = 5000

// prepare makes picks before the time begins, as the peers' callers have theirs in a file, where only the site's part is measured: by
// time, with the centre out of reach. They are given again and again, each time under a key of its own.
func (r *run) prepare() {
	if r.Milliseconds == 0 {
		return
	}
	for n := range uint64(prepared) {
		r.ready = append(r.ready, bench.Pick(r.key, r.next+n))
	}
}

// pick is the next one.
func (r *run) pick() *docklinev1.Event {
	n := r.next
	r.next++
	if len(r.ready) == 0 {
		return bench.Pick(r.key, n)
	}
	e := r.ready[n%uint64(len(r.ready))]
	e.SourceKey, e.Movement = r.key+"/"+strconv.FormatUint(n, 10), n+1
	return e
}

// give hands out picks until the total or the time is reached, or ctx ends.
func (r *run) give(ctx context.Context) error {
	pool := make([]*docklinev1.Event, 0, r.Batch)
	r.begin = time.Now()
	for n := int64(0); r.Total == 0 || n < r.Total; n += int64(r.Batch) {
		if r.Milliseconds > 0 && time.Since(r.begin) > time.Duration(r.Milliseconds)*time.Millisecond || ctx.Err() != nil {
			return nil
		}
		if r.Rate > 0 {
			due := r.begin.Add(time.Duration(float64(n) / r.Rate * float64(time.Second)))
			select {
			case <-time.After(time.Until(due)):
			case <-ctx.Done():
				return nil
			}
		}
		pool = pool[:0]
		for range r.Batch {
			pool = append(pool, r.pick())
		}
		b := &docklinev1.CaptureBatch{Events: pool, Cursor: strconv.AppendUint(nil, r.next, 10)}
		select {
		case r.callers <- struct{}{}:
		case <-ctx.Done():
			return nil
		}
		r.mu.Lock()
		r.batches++
		r.sentAt[r.batches] = time.Now()
		r.mu.Unlock()
		if err := r.out.Emit(ctx, b); err != nil {
			return err
		}
		if r.OneCaller {
			if err := r.out.Flush(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *run) acked(ack *docklinev1.CaptureAck) {
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	<-r.callers
	r.last = now
	r.events += int64(r.Batch - len(ack.GetRefused()))
	r.took = append(r.took, now.Sub(r.sentAt[ack.GetBatch()]).Seconds()*1000)
	delete(r.sentAt, ack.GetBatch())
}

func (r *run) result() bench.SourceResult {
	r.mu.Lock()
	defer r.mu.Unlock()
	size := proto.Size(bench.Pick(r.key, r.next))
	return bench.SourceResult{Events: r.events, Begin: r.begin, Last: r.last, P50: bench.Quantile(r.took, 0.5), P99: bench.Quantile(r.took, 0.99), EventBytes: size}
}

func main() { plugins.Serve(plugins.Plugin{Source: source{}}) }
