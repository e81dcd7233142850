package journal_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/agent/journal"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	eventpkg "github.com/dockline/dockline/proto/event"
	"github.com/dockline/dockline/proto/wire"
)

// emulator in the environment names the program that runs this one, where the kernel does not know how to: qemu-user for another
// processor's.
const emulator = "DOCKLINE_EMULATOR"

// again is this test binary as one more process.
func again(ctx context.Context) *exec.Cmd {
	if with := os.Getenv(emulator); with != "" {
		return exec.CommandContext(ctx, with, os.Args[0])
	}
	return exec.CommandContext(ctx, os.Args[0])
}

// pick is an event as a WMS would give it; its id is readable, so that a failing test names it.
func pick(plugin string, n int) *docklinev1.Event {
	r := rand.New(rand.NewPCG(uint64(n), 7))
	return &docklinev1.Event{
		Id:        fmt.Sprintf("%s/%d", plugin, n),
		Tenant:    "acme",
		Site:      "dc-east",
		Source:    plugin,
		Kind:      docklinev1.EventKind_EVENT_KIND_PICK_CONFIRMED,
		Subject:   fmt.Sprintf("SO%05d", n/5),
		SourceKey: fmt.Sprintf("pick-%d", n),
		Actor:     fmt.Sprintf("op%02d", r.IntN(60)),
		OccurredAt: timestamppb.New(time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC).
			Add(time.Duration(n) * time.Second)),
		Payload: &docklinev1.Event_Pick{Pick: &docklinev1.Pick{Task: fmt.Sprintf("T%06d", n), Lines: []*docklinev1.Line{{
			Order: fmt.Sprintf("SO%05d", n/5), OrderLine: fmt.Sprint(n%5 + 1), Item: fmt.Sprintf("SKU-%04d", r.IntN(5000)),
			Quantity: &docklinev1.Quantity{Value: fmt.Sprint(r.IntN(40) + 1), Unit: "EA"},
			Lot:      fmt.Sprintf("L%03d", r.IntN(800)), Bin: fmt.Sprintf("A-%02d-%02d", r.IntN(50), r.IntN(40)),
		}}}},
	}
}

func picks(plugin string, from, count int) []*docklinev1.Event {
	events := make([]*docklinev1.Event, count)
	for i := range events {
		events[i] = pick(plugin, from+i)
	}
	return events
}

func idOf(data []byte) string {
	event := &docklinev1.Event{}
	if err := proto.Unmarshal(data, event); err != nil {
		return err.Error()
	}
	return event.Id
}

func open(t testing.TB, dir string, o journal.Options) *journal.Journal {
	t.Helper()
	o.Tenant, o.Site = "acme", "dc-east"
	j, err := journal.Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := j.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return j
}

func appendEvents(t testing.TB, j *journal.Journal, plugin string, from, count int) {
	t.Helper()
	e := journal.Entry{Plugin: plugin, Events: picks(plugin, from, count), Cursor: fmt.Append(nil, from+count)}
	if err := j.Append(context.Background(), e); err != nil {
		t.Fatal(err)
	}
}

// centre is a collector as the journal sees it: it takes envelopes, keeps ranges and answers with Acks.
type centre struct {
	t           testing.TB
	incarnation string
	epochs      map[string]*received
	events      map[string]int
	gaps        []*docklinev1.StreamGap
	// late: somebody else has taken what came before the first envelope of an epoch.
	late bool
}

type received struct {
	crc  map[uint64]uint32 // by last Seq
	sent map[uint64][]byte // by last Seq: the envelope, which may never change
	has  map[uint64]bool
}

func newCentre(t testing.TB) *centre {
	return &centre{t: t, incarnation: "one", epochs: map[string]*received{}, events: map[string]int{}}
}

func (c *centre) take(e *docklinev1.Envelope) {
	c.t.Helper()
	e = proto.CloneOf(e)
	e.Tenant, e.Site = "acme", "dc-east"
	if refusal := wire.CheckEnvelope(wire.Topic{Tenant: "acme", Site: "dc-east", Direction: wire.Up, Name: wire.Events}, e); refusal != nil {
		c.t.Fatalf("envelope %s %d-%d refused: %v", e.Epoch, e.FirstSeq, e.LastSeq, refusal)
	}
	r := c.epochs[e.Epoch]
	if r == nil {
		r = &received{crc: map[uint64]uint32{}, sent: map[uint64][]byte{}, has: map[uint64]bool{}}
		c.epochs[e.Epoch] = r
		for seq := uint64(1); c.late && seq < e.FirstSeq; seq++ {
			r.has[seq] = true
		}
	}
	whole, err := proto.MarshalOptions{Deterministic: true}.Marshal(e)
	if err != nil {
		c.t.Fatal(err)
	}
	if before, ok := r.sent[e.LastSeq]; ok && !bytes.Equal(before, whole) {
		c.t.Fatalf("envelope %s %d-%d has changed since it was handed out", e.Epoch, e.FirstSeq, e.LastSeq)
	}
	r.sent[e.LastSeq], r.crc[e.LastSeq] = whole, e.Crc
	for seq := e.FirstSeq; seq <= e.LastSeq; seq++ {
		r.has[seq] = true
	}
	events, err := wire.OpenPack(e.Pack, 64<<20)
	if err != nil {
		c.t.Fatal(err)
	}
	for _, data := range events {
		event := &docklinev1.Event{}
		if err := proto.Unmarshal(data, event); err != nil {
			c.t.Fatal(err)
		}
		c.events[event.Id]++
		if gap := event.GetStreamGap(); gap != nil {
			if fault := eventpkg.Validate(event); fault != nil {
				c.t.Errorf("a gap that the collector would refuse: %v", fault)
			}
			c.gaps = append(c.gaps, gap)
		}
	}
}

// ack answers for an epoch as ingest does: the contiguous watermark and the CRC of the pack that ends there.
func (c *centre) ack(epoch string) *docklinev1.Ack {
	a := &docklinev1.Ack{Incarnation: c.incarnation, Epoch: epoch}
	if r := c.epochs[epoch]; r != nil {
		for r.has[a.Watermark+1] {
			a.Watermark++
		}
		a.Crc = r.crc[a.Watermark]
	}
	return a
}

func (c *centre) hello(j *journal.Journal) *docklinev1.Hello {
	return &docklinev1.Hello{Epochs: j.Epochs()}
}

func (c *centre) ranges(hello *docklinev1.Hello) *docklinev1.HelloReply {
	reply := &docklinev1.HelloReply{Incarnation: c.incarnation}
	for _, e := range hello.Epochs {
		if mark := c.ack(e.Epoch).Watermark; mark > 0 {
			reply.Received = append(reply.Received, &docklinev1.EpochRange{Epoch: e.Epoch, LastSeq: mark, Ranges: []*docklinev1.SeqRange{{First: 1, Last: mark}}})
		}
	}
	return reply
}

// drain takes all there is and acknowledges it.
func (c *centre) drain(j *journal.Journal) {
	c.t.Helper()
	for range 10_000 {
		envelopes, err := j.Next(journal.Position{}, 16)
		if err != nil {
			c.t.Fatal(err)
		}
		if len(envelopes) == 0 {
			return
		}
		for _, e := range envelopes {
			c.take(e)
		}
		for _, e := range envelopes {
			outcome, err := j.Trim(c.ack(e.Epoch))
			if err != nil {
				c.t.Fatal(err)
			}
			if outcome == journal.ForkNeeded {
				if err := j.Fork("test"); err != nil {
					c.t.Fatal(err)
				}
				break
			}
		}
	}
	c.t.Fatal("the journal does not drain")
}

func (c *centre) missing(plugin string, from, count int) (missing []string) {
	for n := from; n < from+count; n++ {
		if id := fmt.Sprintf("%s/%d", plugin, n); c.events[id] == 0 {
			missing = append(missing, id)
		}
	}
	return missing
}

func (c *centre) wantAll(plugin string, from, count int) {
	c.t.Helper()
	if missing := c.missing(plugin, from, count); len(missing) > 0 {
		c.t.Errorf("%d events missing: %s ...", len(missing), strings.Join(missing[:min(5, len(missing))], " "))
	}
}
