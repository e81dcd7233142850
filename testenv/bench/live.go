package bench

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/wire"
)

const (
	liveRate  = 200
	liveTotal = 2000
)

// live measures what an event that comes now takes to be safe at the centre.
func (s *Suite) live(ctx context.Context) error {
	v, err := s.rounds(func() ([]float64, error) { return s.liveOnce(ctx) })
	if err != nil {
		return err
	}
	bridge := s.peerLive(ctx, mosquittoPeer, s.Rounds)
	leaf := s.peerLive(ctx, natsPeer, 1) // its hub takes half a minute to find it
	s.beside("200 events/s, capture to the collector's Ack after its commit, p50", v[0], "ms", bridge.reference(0), atMost(10))
	s.beside("200 events/s, capture to the collector's Ack after its commit, p99", v[1], "ms", bridge.reference(1), atMost(10))
	s.beside("200 events/s, processor of the agent", v[2], "%", leaf.reference(2), atMost(8/6.9))
	return s.posted(ctx)
}

func (s *Suite) liveOnce(ctx context.Context) ([]float64, error) {
	dir, c, st, err := s.openPair(ctx, centreConfig{Mosquitto: true})
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	defer c.close()
	defer st.close()
	if err := c.start(ctx); err != nil {
		return nil, err
	}
	o := &observer{captured: map[string][]capturedAt{}}
	line, err := wire.Dial(ctx, wire.Config{URL: c.mosquitto.URL(), ClientID: "observer", Prompt: true, Subscribe: []string{wire.UpTopic(tenant, site, wire.Events), wire.DownTopic(tenant, site, wire.AckName)}, OnMessage: o.hear})
	if err != nil {
		return nil, err
	}
	defer line.Close(ctx)
	wait, err := st.begin(ctx, 1, SourceConfig{Batch: 1, Rate: liveRate, Total: liveTotal})
	if err != nil {
		return nil, err
	}
	used, err := processorTime(st.process.PID())
	if err != nil {
		return nil, err
	}
	began := time.Now()
	if _, err := wait(2 * time.Minute); err != nil {
		return nil, err
	}
	after, err := processorTime(st.process.PID())
	if err != nil {
		return nil, err
	}
	lasted := time.Since(began)
	err = waitFor(ctx, "the last Ack", time.Minute, 10*time.Millisecond, func() (bool, error) { return o.count() >= liveTotal, nil })
	if err != nil {
		return nil, fmt.Errorf("%w: %d of %d events seen acknowledged", err, o.count(), liveTotal)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	p50, p99 := Quantile(o.took, 0.5), Quantile(o.took, 0.99)
	s.say("live: p50 %.2f ms, p99 %.2f ms, %.1f%% of a processor; to the broker p50 %.2f ms, p99 %.2f ms", p50, p99,
		100*(after-used).Seconds()/lasted.Seconds(), Quantile(o.sent, 0.5), Quantile(o.sent, 0.99))
	return []float64{p50, p99, 100 * (after - used).Seconds() / lasted.Seconds()}, nil
}

// observer listens on the broker to what the site sends and what the collector answers.
type observer struct {
	mu       sync.Mutex
	captured map[string][]capturedAt // by epoch, those without an Ack, by Seq
	// took is from capture to the Ack, sent to where the envelope is at the broker, in milliseconds.
	took, sent []float64
}

type capturedAt struct {
	seq uint64
	at  time.Time
}

func (o *observer) count() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.took)
}

func (o *observer) hear(m wire.Message) {
	now := time.Now()
	o.mu.Lock()
	defer o.mu.Unlock()
	envelope, answer := &docklinev1.Envelope{}, &docklinev1.Answer{}
	if topic, err := wire.ParseTopic(m.Topic); err == nil && topic.Name == wire.AckName {
		if proto.Unmarshal(m.Payload, answer) == nil && answer.GetAck() != nil {
			o.acked(answer.GetAck(), now)
		}
		return
	}
	if proto.Unmarshal(m.Payload, envelope) != nil {
		return
	}
	raws, err := wire.OpenPack(envelope.GetPack(), 64<<20)
	if err != nil {
		return
	}
	for i, raw := range raws {
		e := &docklinev1.Event{}
		if proto.Unmarshal(raw, e) == nil {
			o.sent = append(o.sent, now.Sub(e.GetCapturedAt().AsTime()).Seconds()*1000)
			o.captured[envelope.GetEpoch()] = append(o.captured[envelope.GetEpoch()], capturedAt{envelope.GetFirstSeq() + uint64(i), e.GetCapturedAt().AsTime()})
		}
	}
}

func (o *observer) acked(ack *docklinev1.Ack, now time.Time) {
	waiting := o.captured[ack.GetEpoch()]
	left := waiting[:0]
	for _, c := range waiting {
		covered := c.seq <= ack.GetWatermark()
		for _, r := range ack.GetBeyond() {
			covered = covered || r.GetFirst() <= c.seq && c.seq <= r.GetLast()
		}
		if covered {
			o.took = append(o.took, now.Sub(c.at).Seconds()*1000)
		} else {
			left = append(left, c)
		}
	}
	o.captured[ack.GetEpoch()] = left
}

// peerLive is p50, p99 and processor of a peer at the same rate: from a caller's put to the counter at the centre.
func (s *Suite) peerLive(ctx context.Context, kind peerKind, times int) peerRuns {
	r := peerRuns{name: string(kind)}
	for range times {
		columns, err := s.peerLiveOnce(ctx, kind)
		if err != nil {
			r.missing = err
			s.say("%s: %v", kind, err)
			return r
		}
		s.say("%s: p50 %.2f ms, p99 %.2f ms, %.1f%% of a processor", kind, columns[0], columns[1], columns[2])
		r.columns = append(r.columns, columns)
	}
	return r
}

func (s *Suite) peerLiveOnce(ctx context.Context, kind peerKind) ([]float64, error) {
	dir, err := s.folder("peer")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	p, err := s.peers.open(ctx, dir, kind)
	if err != nil {
		return nil, err
	}
	defer p.close()
	if err := p.count("-latency"); err != nil {
		return nil, err
	}
	p.line.Cut(false)
	// One event to see that the way is open; its time is one in 2,000.
	if _, err := p.put(ctx, "-total", "1"); err != nil {
		return nil, err
	}
	if err := waitFor(ctx, "the peer's line", time.Minute, 5*time.Millisecond, func() (bool, error) { return p.sink.now().Events > 0, nil }); err != nil {
		return nil, err
	}
	began := time.Now()
	r, err := p.put(ctx, "-callers", "16", "-rate", fmt.Sprint(liveRate), "-total", fmt.Sprint(liveTotal))
	if err != nil {
		return nil, err
	}
	used := r.ProcessorPer100000 * float64(r.Events) / 1e5
	lasted := time.Since(began).Seconds()
	if err := waitFor(ctx, "the peer's last event", time.Minute, 5*time.Millisecond, func() (bool, error) { return p.sink.now().Events > liveTotal, nil }); err != nil {
		return nil, err
	}
	p.sink.close()
	seen := p.sink.now()
	return []float64{seen.P50, seen.P99, 100 * used / lasted}, nil
}
