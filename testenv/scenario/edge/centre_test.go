package edge_test

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
	"github.com/dockline/dockline/proto/wire"
)

// pick is an event as the host would have stamped it.
func pick(plugin string, n int) *docklinev1.Event {
	order := fmt.Sprintf("SO%07d", n/5)
	cause := event.Cause{Tenant: tenant, Site: site, Source: plugin, SourceKey: fmt.Sprintf("row-%d", n), Revision: "1", Kind: "pick.confirmed"}
	return &docklinev1.Event{
		Id: event.ID(cause), Tenant: tenant, Site: site, Source: plugin, Kind: docklinev1.EventKind_EVENT_KIND_PICK_CONFIRMED, Subject: order,
		SourceKey: cause.SourceKey, SourceRevision: "1", OccurredAt: timestamppb.Now(), CapturedAt: timestamppb.Now(), Movement: uint64(n), Actor: fmt.Sprintf("op-%02d", n%60),
		Payload: &docklinev1.Event_Pick{Pick: &docklinev1.Pick{Task: fmt.Sprintf("T%07d", n), Lines: []*docklinev1.Line{{Order: order, OrderLine: fmt.Sprint(n%5 + 1),
			Item: fmt.Sprintf("SKU-%04d", n*7919%5000), Quantity: &docklinev1.Quantity{Value: fmt.Sprint(n%40 + 1), Unit: "EA"}, Bin: fmt.Sprintf("A-%02d-%02d", n%50, n%40)}}}},
	}
}

// centre plays the collector at a real broker where a test needs to see each event arrive: it takes envelopes, keeps ranges and answers.
type centre struct {
	t        *testing.T
	conn     *wire.Conn
	cancel   context.CancelFunc
	incoming chan wire.Message
	wait     sync.WaitGroup

	mu     sync.Mutex
	silent bool
	has    map[string]map[uint64]uint32 // by epoch and Seq: CRC of the pack that ends there, 0 within one
	mark   map[string]uint64
	rows   map[string]int // by source and key: how often it came
	bytes  int            // of packs
	// late is the time from a ship's departure to its arrival here.
	late []time.Duration
	gaps []*docklinev1.StreamGap
	// heartbeats and envelopes that came, answered or not.
	heartbeats, heard int
}

func newCentre(t *testing.T, broker string) *centre {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	c := &centre{t: t, cancel: cancel, incoming: make(chan wire.Message, 4096), has: map[string]map[uint64]uint32{}, mark: map[string]uint64{}, rows: map[string]int{}}
	var err error
	c.conn, err = wire.Dial(ctx, wire.Config{URL: broker, ClientID: wire.CollectorClientID("edge"), Subscribe: []string{wire.SharedUp}, QueueBytes: 256 << 20, MaxBackoff: time.Second,
		OnMessage: func(m wire.Message) {
			select {
			case c.incoming <- m:
			case <-ctx.Done():
			}
		}})
	if err != nil {
		t.Fatal(err)
	}
	c.wait.Go(func() { c.run(ctx) })
	t.Cleanup(func() {
		cancel()
		c.wait.Wait()
		_ = c.conn.Close(context.Background()) // the broker may be gone
	})
	eventually(t, patience, "the centre is linked", c.conn.Connected)
	return c
}

func (c *centre) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case m := <-c.incoming:
			topic, err := wire.ParseTopic(m.Topic)
			if err != nil {
				c.t.Error(err)
				continue
			}
			if answer := c.take(topic, m.Payload); answer != nil {
				payload, err := proto.Marshal(answer)
				if err != nil {
					c.t.Error(err)
				}
				// An answer that is lost because the line falls is asked for again.
				_ = c.conn.Publish(ctx, wire.Message{Topic: wire.DownTopic(topic.Tenant, topic.Site, wire.AckName), Payload: payload})
			}
		}
	}
}

func (c *centre) take(topic wire.Topic, payload []byte) *docklinev1.Answer {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch topic.Name {
	case wire.Hello:
		h := &docklinev1.Hello{}
		if err := proto.Unmarshal(payload, h); err != nil {
			c.t.Error(err)
		}
		if c.silent {
			return nil
		}
		reply := &docklinev1.HelloReply{Session: h.Session, Incarnation: "one", SentAt: timestamppb.Now()}
		for _, e := range h.Epochs {
			if mark := c.mark[e.Epoch]; mark > 0 {
				reply.Received = append(reply.Received, &docklinev1.EpochRange{Epoch: e.Epoch, LastSeq: mark, Ranges: []*docklinev1.SeqRange{{First: 1, Last: mark}}})
			}
		}
		return &docklinev1.Answer{Answer: &docklinev1.Answer_HelloReply{HelloReply: reply}}
	case wire.Events:
		e := &docklinev1.Envelope{}
		if err := proto.Unmarshal(payload, e); err != nil {
			c.t.Error(err)
		}
		if refusal := wire.CheckEnvelope(topic, e); refusal != nil {
			c.t.Errorf("envelope %s %d-%d: %v", e.Epoch, e.FirstSeq, e.LastSeq, refusal)
		}
		if c.heard++; c.silent {
			return nil
		}
		return &docklinev1.Answer{Answer: &docklinev1.Answer_Ack{Ack: c.store(e)}}
	case wire.Status:
		c.heartbeats++
	}
	return nil
}

// store takes an envelope once and returns the Ack of its epoch.
func (c *centre) store(e *docklinev1.Envelope) *docklinev1.Ack {
	has := c.has[e.Epoch]
	if has == nil {
		has = map[uint64]uint32{}
		c.has[e.Epoch] = has
	}
	if _, twice := has[e.LastSeq]; !twice {
		c.bytes += len(e.Pack)
		for seq := e.FirstSeq; seq < e.LastSeq; seq++ {
			has[seq] = 0
		}
		has[e.LastSeq] = e.Crc
		for _, event := range unpack(c.t, e) {
			if gap := event.GetStreamGap(); gap != nil {
				c.gaps = append(c.gaps, gap)
				continue
			}
			c.rows[event.Source+"/"+event.SourceKey]++
			if event.Kind == docklinev1.EventKind_EVENT_KIND_SHIPMENT_DEPARTED {
				c.late = append(c.late, time.Since(event.OccurredAt.AsTime()))
			}
		}
	}
	ack := &docklinev1.Ack{Incarnation: "one", Epoch: e.Epoch, Watermark: c.mark[e.Epoch]}
	for {
		if _, ok := has[ack.Watermark+1]; !ok {
			break
		}
		ack.Watermark++
	}
	c.mark[e.Epoch] = ack.Watermark
	if e.FirstSeq > ack.Watermark {
		ack.Beyond = []*docklinev1.SeqRange{{First: e.FirstSeq, Last: e.LastSeq}}
	}
	ack.Crc = has[ack.Watermark]
	return ack
}

// setSilent makes the centre hear and not answer, as if its database were gone.
func (c *centre) setSilent(silent bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.silent = silent
}

// distinct is how many different rows have arrived.
func (c *centre) distinct() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.rows)
}

// wantRows fails where rows of a source have not arrived, and says how many.
func wantRows(t *testing.T, rows map[string]int, source string, from, to int) (missing int) {
	t.Helper()
	for n := from; n <= to; n++ {
		if rows[fmt.Sprintf("%s/row-%d", source, n)] == 0 {
			if missing++; missing == 1 {
				t.Errorf("row %d of %s is missing", n, source)
			}
		}
	}
	if missing > 1 {
		t.Errorf("%d of %d rows of %s are missing", missing, to-from+1, source)
	}
	return missing
}

// arrived is a copy of what has come, by source and key.
func (c *centre) arrived() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.rows)
}

// through is the highest row of a source up to which all have come.
func (c *centre) through(source string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for c.rows[sprintf("%s/row-%d", source, n+1)] > 0 {
		n++
	}
	return n
}
