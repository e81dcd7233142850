package edge_test

import (
	"bytes"
	"crypto/sha256"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/agent/journal"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv"
)

// template is a journal that was filled once and is damaged many times: several files, the newest with a tail.
type template struct {
	dir    string
	events int
	epochs []string
	// sums tell each event from an altered one.
	sums map[string][sha256.Size]byte
}

func newTemplate(t *testing.T) *template {
	t.Helper()
	tm := &template{dir: filepath.Join(t.TempDir(), "journal"), sums: map[string][sha256.Size]byte{}}
	for range 2 {
		j, err := journal.Open(tm.dir, journal.Options{Tenant: tenant, Site: site})
		if err != nil {
			t.Fatal(err)
		}
		for range 20 {
			entry := journal.Entry{Plugin: "old"}
			for range 61 {
				tm.events++
				e := pick("old", tm.events)
				data, err := proto.Marshal(e)
				if err != nil {
					t.Fatal(err)
				}
				tm.sums[e.Id] = sha256.Sum256(data)
				entry.Events = append(entry.Events, e)
			}
			if err := j.Append(t.Context(), entry); err != nil {
				t.Fatal(err)
			}
		}
		tm.epochs = append(tm.epochs, j.Stats().Epoch)
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return tm
}

// life is what became of one damaged journal.
type life struct {
	answered, captured time.Duration
	lost, altered      int
	setAside           int
}

// live starts the agent on a damaged copy of the template, with a source that goes on meanwhile, and reads what it makes of it. hurt
// damages one file; it gets its content.
func (tm *template) live(t *testing.T, seed int, hurt func(r *rand.Rand, data []byte) []byte) (l life) {
	t.Helper()
	a := newAgent(t, "dockline-agent", nowhere, "", source{id: "new", config: "per_second: 100"})
	folder := filepath.Join(a.dataDir, "journal")
	if err := os.CopyFS(folder, os.DirFS(tm.dir)); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(folder, "epoch-*.db"))
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(uint64(seed), 8))
	at := r.IntN(len(files))
	before, err := os.ReadFile(files[at])
	if err != nil {
		t.Fatal(err)
	}
	damaged := hurt(r, slices.Clone(before))
	if err := os.WriteFile(files[at], damaged, 0o600); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	a.start()
	eventually(t, 10*time.Second, sprintf("seed %d: the agent answers", seed), func() bool { return a.status() != nil })
	l.answered = time.Since(began)
	eventually(t, 30*time.Second, sprintf("seed %d: it captures", seed), func() bool { return a.acked("new") > 0 })
	l.captured = time.Since(began)
	if !a.Running() {
		t.Fatalf("seed %d: the agent has ended", seed)
	}
	a.Stop()
	aside, err := filepath.Glob(filepath.Join(folder, "*.damaged"))
	if err != nil {
		t.Fatal(err)
	}
	if l.setAside = len(aside); l.setAside > 0 {
		if kept, err := os.ReadFile(aside[0]); err != nil || !bytes.Equal(kept, damaged) {
			t.Errorf("seed %d: the damaged file was not kept as it was: %v", seed, err)
		}
	}
	tm.judge(t, seed, a, &l)
	return l
}

// judge reads what the agent would forward: nothing altered, and of what is missing each in a gap that names it.
func (tm *template) judge(t *testing.T, seed int, a *agent, l *life) {
	t.Helper()
	j, err := journal.Open(filepath.Join(a.dataDir, "journal"), journal.Options{Tenant: tenant, Site: site})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	arrived, gaps := map[string]bool{}, []*docklinev1.StreamGap{}
	for at := (journal.Position{}); ; {
		envelopes, err := j.Next(at, 64)
		if err != nil {
			t.Fatal(err)
		}
		if len(envelopes) == 0 {
			break
		}
		for _, e := range envelopes {
			at = journal.Position{Epoch: e.Epoch, Seq: e.LastSeq}
			for _, event := range unpack(t, e) {
				if gap := event.GetStreamGap(); gap != nil {
					gaps = append(gaps, gap)
					continue
				}
				if event.Source != "old" {
					continue
				}
				data, err := proto.Marshal(event)
				if err != nil || tm.sums[event.Id] != sha256.Sum256(data) {
					l.altered++
				}
				arrived[event.SourceKey] = true
			}
		}
	}
	each := tm.events / len(tm.epochs)
	unnamed := 0
	for n := 1; n <= tm.events; n++ {
		if arrived[sprintf("row-%d", n)] {
			continue
		}
		l.lost++
		epoch, seq := tm.epochs[(n-1)/each], uint64((n-1)%each+1)
		if !slices.ContainsFunc(gaps, func(g *docklinev1.StreamGap) bool {
			return g.Epoch == epoch && g.FirstSeq <= seq && (seq <= g.LastSeq || strings.Contains(g.Reason, "can't be told"))
		}) {
			unnamed++
		}
	}
	if l.altered > 0 {
		t.Errorf("seed %d: %d altered events", seed, l.altered)
	}
	if unnamed > 0 {
		t.Errorf("seed %d: %d of %d lost events are in none of the gaps %v", seed, unnamed, l.lost, gaps)
	}
}

func (tm *template) lives(t *testing.T, count int, hurt func(*rand.Rand, []byte) []byte) (all []life) {
	t.Helper()
	for seed := range count {
		t.Run(sprintf("%d", seed), func(t *testing.T) { all = append(all, tm.live(t, seed, hurt)) })
	}
	return all
}

// A single flipped byte anywhere in a journal's file never changes an event that is sent on, and whatever it costs is named by its range.
//
// Shows: E08
func TestEdge08(t *testing.T) {
	flips := testenv.Count("edge.flips")
	lost, altered, aside := 0, 0, 0
	for _, l := range newTemplate(t).lives(t, flips, flipByte) {
		lost, altered, aside = lost+l.lost, altered+l.altered, aside+l.setAside
	}
	testenv.Figure(t, "flips", flips, "altered events sent on", altered, "files set aside", aside, "events lost, each named", lost)
}

// flipByte changes one byte in the used part of a file.
func flipByte(r *rand.Rand, data []byte) []byte {
	used := len(bytes.TrimRight(data, "\x00"))
	data[r.IntN(used)] ^= byte(1 + r.IntN(255))
	return data
}

// A damaged store never stops the service: with pages overwritten, pages swapped, the end torn off or the beginning gone the agent answers
// and captures within ten seconds of its start, does not fall over again and again, keeps the file as it found it, and tells what is lost.
//
// Shows: E09
func TestEdge09(t *testing.T) {
	files := testenv.Count("edge.damages")
	lost, aside, slowest := 0, 0, time.Duration(0)
	for _, l := range newTemplate(t).lives(t, files, wreck) {
		lost, aside, slowest = lost+l.lost, aside+l.setAside, max(slowest, l.captured)
		if l.answered > 10*time.Second {
			t.Errorf("the agent answered after %s", l.answered)
		}
	}
	if aside == 0 {
		t.Error("no file was ever set aside: the test shows nothing")
	}
	testenv.Figure(t, "damaged files", files, "set aside and kept", aside, "events lost, each named", lost, "slowest start to capture", slowest.Round(10*time.Millisecond))
}

// wreck damages a file as disks, controllers and people do.
func wreck(r *rand.Rand, data []byte) []byte {
	const page = 4096
	pages := len(bytes.TrimRight(data, "\x00")) / page
	one, other := r.IntN(pages), r.IntN(pages)
	switch r.IntN(6) {
	case 0: // noise in a page
		for i := range page {
			data[one*page+i] = byte(r.Uint32())
		}
	case 1: // a write that went to another place
		copy(data[one*page:(one+1)*page], slices.Clone(data[other*page:(other+1)*page]))
	case 2: // torn off
		return data[:one*page+r.IntN(page)]
	case 3: // zeros for a range
		clear(data[min(one, other)*page : (max(one, other)+1)*page])
	case 4: // the first pages gone
		clear(data[:2*page])
	default: // some bits
		for range 20 {
			data[r.IntN(pages*page)] ^= 1 << r.IntN(8)
		}
	}
	return data
}
