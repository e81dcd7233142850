package bench

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/agent/journal"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// journal measures what the journal accepts, synced, in process: without plugins and their calls.
func (s *Suite) journal(ctx context.Context) error {
	dir, err := s.folder("journal")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	s.eventSizes()
	for _, load := range []struct {
		name           string
		callers, batch int
		gate           float64
	}{
		// One caller pays two flushes in both. Many share a commit; the journal then also packs, with zstd, and the probe does not.
		{"one caller", 1, 1, 0.7}, {"64 callers", 64, 1, 0.5}, {"4 callers of 100", 4, 100, 0.3},
	} {
		if err := s.journalLoad(dir, load.name, load.callers, load.batch, load.gate); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return s.journalMillion(dir)
}

func (s *Suite) eventSizes() {
	var text, coded int
	const n = 1000
	for i := range uint64(n) {
		text += len(JSON("wms", i))
		coded += proto.Size(Stamped("wms", i))
	}
	s.say("an event is %d bytes in JSON (as peers get it), %d as the journal gets it", text/n, coded/n)
}

// journalRun is what one run of callers came to.
type journalRun struct {
	events                 int64
	perSecond, p99         float64
	commits, bytes, cpuSec float64
}

func runJournal(dir string, callers, batch int) (r journalRun, err error) {
	j, err := journal.Open(filepath.Join(dir, "journal"), journal.Options{Tenant: tenant, Site: site, LimitBytes: 16 << 30})
	if err != nil {
		return r, err
	}
	defer os.RemoveAll(filepath.Join(dir, "journal"))
	defer j.Close()
	pool := make([]*docklinev1.Event, 20_000)
	for i := range pool {
		pool[i] = Stamped("wms", uint64(i))
	}
	var n atomic.Int64
	used, err := processorTime(os.Getpid())
	if err != nil {
		return r, err
	}
	calls, took, lasted, err := callersDo(callers, func(caller, _ int) error {
		at := int(n.Add(int64(batch))) % (len(pool) - batch)
		return j.Append(context.Background(), journal.Entry{Plugin: fmt.Sprint("p", caller), Events: pool[at : at+batch], Cursor: []byte("c")})
	})
	if err != nil {
		return r, err
	}
	after, err := processorTime(os.Getpid())
	if err != nil {
		return r, err
	}
	stats := j.Stats()
	r.events = calls * int64(batch)
	if stats.CapturedTotal != uint64(r.events) {
		return r, fmt.Errorf("journal: %d events accepted, it says %d", r.events, stats.CapturedTotal)
	}
	r.perSecond, r.p99 = float64(r.events)/lasted.Seconds(), Quantile(took, 0.99)
	r.commits, r.bytes, r.cpuSec = float64(stats.Commits), float64(stats.Bytes), (after - used).Seconds()
	return r, nil
}

func (s *Suite) journalLoad(dir, name string, callers, batch int, bar float64) error {
	v, err := s.rounds(func() ([]float64, error) {
		limit, err := groupCommits(dir, callers, batch)
		if err != nil {
			return nil, err
		}
		r, err := runJournal(dir, callers, batch)
		per := float64(r.events)
		return []float64{r.perSecond, limit, r.p99, r.commits / per, r.bytes / per, r.cpuSec / per * 1e5}, err
	})
	if err != nil {
		return err
	}
	s.beside("accepted, synced, "+name, v[0], "events/s", reference{name: "bbolt, same callers and no more", value: v[1]}, atLeast(bar))
	if callers == 64 {
		s.absolute("commits an event, "+name, v[3], "commits", atMost(0.05))
	}
	if batch == 100 {
		s.absolute("disk an event, backlog, "+name, v[4], "B", atMost(150))
	}
	return nil
}

// journalMillion fills a journal with a million events and opens it again.
func (s *Suite) journalMillion(dir string) error {
	dir = filepath.Join(dir, "million")
	options := journal.Options{Tenant: tenant, Site: site, LimitBytes: 16 << 30}
	j, err := journal.Open(dir, options)
	if err != nil {
		return err
	}
	if err := fill(j, million); err != nil {
		return err
	}
	if err := j.Close(); err != nil {
		return err
	}
	bytes, err := folderBytes(dir)
	if err != nil {
		return err
	}
	s.absolute("disk an event, a million", bytes/million, "B", atMost(150))
	v, err := s.rounds(func() ([]float64, error) {
		began := time.Now()
		j, err := journal.Open(dir, options)
		if err != nil {
			return nil, err
		}
		opened := time.Since(began).Seconds() * 1000
		if n := j.Stats().Events; n != million {
			return nil, fmt.Errorf("%d events after opening again, want %d", n, million)
		}
		empty, err := emptyOpen(dir)
		return []float64{opened, empty}, firstError(err, j.Close())
	})
	if err != nil {
		return err
	}
	s.beside("open over a million events", v[0], "ms", reference{name: "open with none", value: v[1]}, atMost(3))
	return nil
}

func emptyOpen(beside string) (float64, error) {
	dir, err := os.MkdirTemp(filepath.Dir(beside), "empty-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	began := time.Now()
	j, err := journal.Open(dir, journal.Options{Tenant: tenant, Site: site})
	if err != nil {
		return 0, err
	}
	return time.Since(began).Seconds() * 1000, j.Close()
}

const million = 1_000_000

// fill appends n picks, 1,000 at a time.
func fill(j *journal.Journal, n uint64) error {
	for at := uint64(0); at < n; {
		events := make([]*docklinev1.Event, 0, 1000)
		for ; len(events) < 1000 && at < n; at++ {
			events = append(events, Stamped("wms", at))
		}
		if err := j.Append(context.Background(), journal.Entry{Plugin: "wms", Events: events, Cursor: []byte(fmt.Sprint(at))}); err != nil {
			return err
		}
	}
	return nil
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
