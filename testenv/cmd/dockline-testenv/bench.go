package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/agent/journal"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

type benchCommand struct {
	Area string `env:"AREA" help:"Only this area: journal."`
}

// measure is one line of the output.
type measure struct {
	Name   string  `json:"name"`
	Value  float64 `json:"value"`
	Unit   string  `json:"unit"`
	Beside string  `json:"beside"`
	Ratio  float64 `json:"ratio"`
	Gate   string  `json:"gate"`
	Pass   bool    `json:"pass"`
}

func (m measure) print() { _ = json.NewEncoder(os.Stdout).Encode(m) }

const benchTime = 3 * time.Second

// Run measures the journal beside bare synced writes on the same disk, in one run.
func (c *benchCommand) Run() error {
	if c.Area != "" && c.Area != "journal" {
		return fmt.Errorf("area %q: there is journal", c.Area)
	}
	dir, err := os.MkdirTemp("", "dockline-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	syncs, err := syncsPerSecond(filepath.Join(dir, "limit"))
	if err != nil {
		return err
	}
	for _, callers := range []int{1, 64} {
		accepted, bytes, err := acceptedPerSecond(filepath.Join(dir, fmt.Sprint("journal", callers)), callers)
		if err != nil {
			return err
		}
		gate := 0.2 // one caller pays bbolt's two flushes for each event
		if callers > 1 {
			gate = 2
		}
		measure{fmt.Sprintf("journal: events accepted, synced, %d callers", callers), accepted, "events/s", fmt.Sprintf("4 KiB append + sync: %.0f /s", syncs), accepted / syncs,
			fmt.Sprintf(">= %gx", gate), accepted/syncs >= gate}.print()
		if callers > 1 {
			measure{"journal: bytes on disk an event", bytes, "B", "a pick in JSON: 380 B", bytes / 380, "<= 1x", bytes <= 380}.print()
		}
	}
	return nil
}

// syncsPerSecond is the limit: a block of 4 KiB appended and synced.
func syncsPerSecond(path string) (float64, error) {
	file, err := os.Create(path)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	block, n, begin := make([]byte, 4096), 0, time.Now()
	for ; time.Since(begin) < benchTime; n++ {
		if _, err := file.Write(block); err != nil {
			return 0, err
		}
		if err := file.Sync(); err != nil {
			return 0, err
		}
	}
	return float64(n) / time.Since(begin).Seconds(), nil
}

func acceptedPerSecond(dir string, callers int) (perSecond, bytesEach float64, err error) {
	j, err := journal.Open(dir, journal.Options{Tenant: "bench", Site: "bench"})
	if err != nil {
		return 0, 0, err
	}
	var n atomic.Int64
	var failed atomic.Pointer[error]
	var wait sync.WaitGroup
	begin := time.Now()
	for range callers {
		wait.Go(func() {
			for time.Since(begin) < benchTime {
				if err := j.Append(context.Background(), journal.Entry{Plugin: "bench", Events: []*docklinev1.Event{benchPick(n.Add(1))}}); err != nil {
					failed.Store(&err)
					return
				}
			}
		})
	}
	wait.Wait()
	took, stats := time.Since(begin).Seconds(), j.Stats()
	if f := failed.Load(); f != nil {
		err = *f
	}
	if closed := j.Close(); err == nil {
		err = closed
	}
	return float64(n.Load()) / took, float64(stats.Bytes) / float64(n.Load()), err
}

// benchPick is a pick with the entropy of a real site.
func benchPick(n int64) *docklinev1.Event {
	cause := event.Cause{Tenant: "bench", Site: "bench", Source: "wms", SourceKey: fmt.Sprint("picks/", n), Revision: "1", Kind: "pick.confirmed"}
	return &docklinev1.Event{Id: event.ID(cause), Tenant: "bench", Site: "bench", Source: "wms", Kind: docklinev1.EventKind_EVENT_KIND_PICK_CONFIRMED, Subject: fmt.Sprintf("SO%06d", n/4),
		SourceKey: cause.SourceKey, SourceRevision: "1", OccurredAt: timestamppb.Now(), CapturedAt: timestamppb.Now(), Movement: uint64(n), Actor: fmt.Sprintf("op-%02d", n%60),
		Payload: &docklinev1.Event_Pick{Pick: &docklinev1.Pick{Task: fmt.Sprint("PK", n), Lines: []*docklinev1.Line{{Order: fmt.Sprintf("SO%06d", n/4), OrderLine: fmt.Sprint(n % 20), Item: fmt.Sprintf("SKU-%04d", n*7919%5000),
			Quantity: &docklinev1.Quantity{Value: fmt.Sprint(1 + n%12)}, Bin: fmt.Sprintf("A-%04d", n*104729%2000), Lot: fmt.Sprintf("L%03d", n%800)}}}}}
}
