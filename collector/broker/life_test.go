package broker_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/broker"
	"github.com/dockline/dockline/proto/wire"
	"github.com/dockline/dockline/testenv"
)

func TestReconnectAfterBrokerRestarts(t *testing.T) {
	w := open(t, nil)
	births := 0
	site := w.dial(wire.Config{
		ClientID: "acme.dc-east", TLS: w.siteTLS("acme", "dc-east"), Subscribe: []string{wire.DownTopic("acme", "dc-east", "#")},
		Birth: func() []wire.Message {
			births++
			return []wire.Message{{Topic: wire.UpTopic("acme", "dc-east", wire.Status), Payload: fmt.Append(nil, births), Retain: true}}
		},
	}).waitUp()
	for i := range 3 {
		w.stop()
		if err := site.waitDown(); err == nil {
			t.Error("down without a reason")
		}
		if err := site.send(wire.UpTopic("acme", "dc-east", wire.Events), "x"); !errors.Is(err, wire.ErrDown) {
			t.Errorf("publish without a link: %v", err)
		}
		w.start()
		site.waitUp()
		// The birth was sent anew and its subscription is there.
		collector := w.collector(wire.AllTopics).waitUp()
		if m := collector.next(); string(m.Payload) != fmt.Sprint(i+2) {
			t.Errorf("after restart %d the birth is %s", i, m.Payload)
		}
		if err := collector.send(wire.DownTopic("acme", "dc-east", wire.Command), "go"); err != nil {
			t.Fatal(err)
		}
		for string(site.next().Payload) != "go" {
		}
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		if err := collector.Close(ctx); err != nil {
			t.Fatal(err)
		}
		cancel()
	}
	if s := site.Stats(); s.Connections != 4 {
		t.Errorf("%+v", s)
	}
}

// The broker takes the message and never answers; then the line is cut. Nobody may wait for a time-out.
func TestPublishReturnsAtOnceWhenTheLinkFalls(t *testing.T) {
	w := open(t, nil)
	line, err := testenv.OpenLine(w.broker.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer line.Close()
	site := dial(t, "mqtts://"+line.Addr(), wire.Config{ClientID: "acme.dc-east", TLS: w.siteTLS("acme", "dc-east"), KeepAlive: time.Minute}).waitUp()
	line.Hold(true)
	const callers = 300 // more than the broker lets be in flight
	errs := make(chan error, callers)
	var begun sync.WaitGroup
	for range callers {
		begun.Add(1)
		go func() {
			begun.Done()
			errs <- site.Publish(context.Background(), wire.Message{Topic: wire.UpTopic("acme", "dc-east", wire.Events), Payload: []byte("x")})
		}()
	}
	begun.Wait()
	select {
	case err := <-errs:
		t.Fatalf("an answer over a held line: %v", err)
	case <-time.After(50 * time.Millisecond): // nothing is there to wait for; this only gives a fault the time to show
	}
	cut := time.Now()
	line.Cut(true)
	for range callers {
		select {
		case err := <-errs:
			if !errors.Is(err, wire.ErrDown) {
				t.Fatalf("%v, want ErrDown", err)
			}
		case <-time.After(3 * time.Second):
			t.Fatalf("a caller still waits %s after the cut", time.Since(cut))
		}
	}
	if site.Connected() {
		t.Error("still connected")
	}
	line.Hold(false)
	line.Cut(false)
	site.waitUp()
	if err := site.send(wire.UpTopic("acme", "dc-east", wire.Events), "again"); err != nil {
		t.Errorf("after the cut: %v", err)
	}
}

func TestSilentLineIsNoticed(t *testing.T) {
	w := open(t, nil)
	line, err := testenv.OpenLine(w.broker.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer line.Close()
	site := dial(t, "mqtts://"+line.Addr(), wire.Config{ClientID: "acme.dc-east", TLS: w.siteTLS("acme", "dc-east"), KeepAlive: time.Second}).waitUp()
	line.Hold(true)
	if err := site.waitDown(); err == nil {
		t.Error("down without a reason")
	}
	// The broker sees it too.
	await(t, "end at the broker", func() bool { return w.broker.Stats().Clients == 0 })
}

func TestPublishHonoursItsContext(t *testing.T) {
	w := open(t, nil)
	line, err := testenv.OpenLine(w.broker.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer line.Close()
	site := dial(t, "mqtts://"+line.Addr(), wire.Config{ClientID: "acme.dc-east", TLS: w.siteTLS("acme", "dc-east"), KeepAlive: time.Minute}).waitUp()
	line.Hold(true)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if err := site.Publish(ctx, wire.Message{Topic: wire.UpTopic("acme", "dc-east", wire.Events)}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, want the caller's deadline", err)
	}
	if !site.Connected() {
		t.Error("a caller's deadline cost the link")
	}
}

func TestOversizeRefusedBeforeSending(t *testing.T) {
	w := open(t, func(c *broker.Config) { c.MaxPacketBytes = 20_000 })
	collector := w.collector(wire.SharedUp).waitUp()
	site := w.site("acme", "dc-east").waitUp()
	if site.MaxPacket() != 20_000 {
		t.Fatalf("the broker announces %d", site.MaxPacket())
	}
	topic := wire.UpTopic("acme", "dc-east", wire.Events)
	if err := site.send(topic, strings.Repeat("x", 20_001)); !errors.Is(err, wire.ErrTooLarge) {
		t.Errorf("%v, want ErrTooLarge", err)
	}
	// The largest that fits: type, three bytes of length, topic with its length, packet id, no properties.
	fits := 20_000 - (1 + 3 + 2 + len(topic) + 2 + 1)
	if err := site.send(topic, strings.Repeat("x", fits)); err != nil {
		t.Errorf("a packet of exactly the limit: %v", err)
	}
	if m := collector.next(); len(m.Payload) != fits {
		t.Errorf("%d bytes arrived, %d were sent", len(m.Payload), fits)
	}
	if err := site.send(topic, strings.Repeat("x", fits+1)); !errors.Is(err, wire.ErrTooLarge) {
		t.Errorf("one byte more: %v", err)
	}
	if s := site.Stats(); s.Connections != 1 || !s.Connected {
		t.Errorf("it cost the link: %+v", s)
	}
}

func TestWillAndRetainedStatus(t *testing.T) {
	w := open(t, nil)
	status := wire.UpTopic("acme", "dc-east", wire.Status)
	session := 0
	config := wire.Config{
		ClientID: "acme.dc-east", TLS: w.siteTLS("acme", "dc-east"),
		MakeWill: func() *wire.Message {
			session++
			return &wire.Message{Topic: status, Payload: fmt.Appendf(nil, "offline %d", session), Retain: true}
		},
		Birth: func() []wire.Message {
			return []wire.Message{{Topic: status, Payload: fmt.Appendf(nil, "online %d", session), Retain: true}}
		},
	}
	site := w.dial(config).waitUp()
	watch := w.collector(wire.AllTopics).waitUp()
	if m := watch.next(); string(m.Payload) != "online 1" || !m.Retain {
		t.Errorf("who comes later hears %s, retained %v", m.Payload, m.Retain)
	}
	w.broker.Disconnect("acme.dc-east")
	for _, want := range []string{"offline 1", "online 2"} {
		if m := watch.next(); string(m.Payload) != want {
			t.Errorf("after the cut: %s, want %s", m.Payload, want)
		}
	}
	site.waitUp()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := site.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if m := watch.next(); string(m.Payload) != "offline 2" {
		t.Errorf("after a close: %s", m.Payload)
	}
	late := w.dial(wire.Config{ClientID: wire.CollectorClientID("1") + "-late", TLS: watchTLS(t, w), Subscribe: []string{wire.AllTopics}}).waitUp()
	if m := late.next(); string(m.Payload) != "offline 2" || !m.Retain {
		t.Errorf("what is retained is %s", m.Payload)
	}
}

func watchTLS(t *testing.T, w *world) *tls.Config {
	t.Helper()
	config, err := w.authority.CollectorTLS("1")
	if err != nil {
		t.Fatal(err)
	}
	return config
}

func TestOnlyStatusIsRetained(t *testing.T) {
	w := open(t, nil)
	site := w.site("acme", "dc-east").waitUp()
	err := site.Publish(context.Background(), wire.Message{Topic: wire.UpTopic("acme", "dc-east", wire.Events), Payload: []byte("x"), Retain: true})
	var refused *wire.Refused
	if !errors.As(err, &refused) || refused.Code != 0x9a {
		t.Errorf("retained events: %v, want retain not supported", err)
	}
	collector := w.collector(wire.AllTopics).waitUp()
	if err := site.send(wire.UpTopic("acme", "dc-east", wire.Events), "first"); err != nil {
		t.Fatal(err)
	}
	if m := collector.next(); string(m.Payload) != "first" {
		t.Errorf("%s was retained", m.Payload)
	}
}

func TestForeignWillRefused(t *testing.T) {
	w := open(t, nil)
	for _, will := range []wire.Message{{Topic: wire.UpTopic("acme", "dc-west", wire.Status), Retain: true}, {Topic: wire.UpTopic("acme", "dc-east", wire.Events), Retain: true}, {Topic: "x"}} {
		c := w.dial(wire.Config{ClientID: "acme.dc-east", TLS: w.siteTLS("acme", "dc-east"), Will: &will})
		if reason := c.waitRefused(); !strings.Contains(reason, "will") {
			t.Errorf("will on %s: %s", will.Topic, reason)
		}
	}
}

func TestSessionTakeover(t *testing.T) {
	w := open(t, nil)
	topic := wire.DownTopic("acme", "dc-east", "#")
	first := w.site("acme", "dc-east", topic).waitUp()
	second := w.site("acme", "dc-east", topic).waitUp()
	var refused *wire.Refused
	if err := first.waitDown(); !errors.As(err, &refused) || refused.Code != 0x8e {
		t.Errorf("the first host was told %v, want taken over", err)
	}
	if !w.log.has("session taken over", "acme.dc-east") || w.broker.Stats().TakenOver == 0 {
		t.Error("nothing says that a session was taken over")
	}
	// The second one is not deaf.
	collector := w.collector().waitUp()
	if err := collector.send(wire.DownTopic("acme", "dc-east", wire.AckName), "hear"); err != nil {
		t.Fatal(err)
	}
	if m := second.next(); string(m.Payload) != "hear" {
		t.Errorf("heard %s", m.Payload)
	}
}

func TestDrill(t *testing.T) {
	w := open(t, nil)
	site := w.site("acme", "dc-east").waitUp()
	w.broker.SetBlocked("acme.dc-east", true)
	site.waitDown()
	await(t, "refused attempts", func() bool { return site.Stats().Failures >= 2 })
	if site.Connected() || !w.broker.Blocked("acme.dc-east") {
		t.Error("the line is not cut")
	}
	w.broker.SetBlocked("acme.dc-east", false)
	site.waitUp()
}

// Many sites come, go and are cut while messages flow; no connection may be deaf, and the broker must not lock up.
func TestManySitesComeAndGo(t *testing.T) {
	w := open(t, nil)
	const sites, messages = 12, 40
	var heard atomic.Int64
	collectorTLS, err := w.authority.CollectorTLS("1")
	if err != nil {
		t.Fatal(err)
	}
	var collector *client
	ready := make(chan struct{})
	collector = w.dial(wire.Config{ClientID: "collector-1", TLS: collectorTLS, Subscribe: []string{wire.SharedUp}, OnMessage: func(m wire.Message) {
		<-ready
		topic, err := wire.ParseTopic(m.Topic)
		if err != nil {
			t.Error(err)
			return
		}
		heard.Add(1)
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := collector.Publish(ctx, wire.Message{Topic: wire.DownTopic(topic.Tenant, topic.Site, wire.AckName), Payload: m.Payload}); err != nil {
			t.Errorf("answer: %v", err)
		}
	}}).waitUp()
	close(ready)
	var all sync.WaitGroup
	for n := range sites {
		name := fmt.Sprintf("s%d", n)
		site := w.site("acme", name, wire.DownTopic("acme", name, "#")).waitUp()
		all.Add(1)
		go func() {
			defer all.Done()
			for i := range messages {
				if i%15 == 7 {
					w.broker.Disconnect("acme." + name)
				}
				// Send until it is answered, as an uplink does.
				for answered := false; !answered; {
					ctx, cancel := context.WithTimeout(context.Background(), patience)
					err := site.Publish(ctx, wire.Message{Topic: wire.UpTopic("acme", name, wire.Events), Payload: fmt.Append(nil, i)})
					cancel()
					if err != nil && !errors.Is(err, wire.ErrDown) {
						t.Errorf("%s: %v", name, err)
						return
					}
					again := time.After(200 * time.Millisecond)
				wait:
					for {
						select {
						case m := <-site.messages:
							if answered = string(m.Payload) == fmt.Sprint(i); answered {
								break wait
							}
						case <-again:
							break wait
						}
					}
					if heard.Load() > sites*messages*100 {
						t.Errorf("%s hears nothing", name)
						return
					}
				}
			}
		}()
	}
	finished := make(chan struct{})
	go func() { all.Wait(); close(finished) }()
	select {
	case <-finished:
	case <-time.After(60 * time.Second):
		t.Fatalf("stuck: %+v", w.broker.Stats())
	}
	if heard.Load() < sites*messages {
		t.Errorf("heard %d of %d", heard.Load(), sites*messages)
	}
}

// Random bytes before and after the handshake, and broken packets from a known client, cost their own connection only.
func TestRandomBytesDoNotStopTheBroker(t *testing.T) {
	w := open(t, nil)
	witness := w.site("acme", "dc-east").waitUp()
	r := mathrand.New(mathrand.NewPCG(7, 7))
	noise := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		return b
	}
	for range 30 {
		raw, err := net.Dial("tcp", w.broker.Addr())
		if err != nil {
			t.Fatal(err)
		}
		_, _ = raw.Write(noise(1 + r.IntN(300))) // the broker may have closed already
		_ = raw.Close()
	}
	config := w.siteTLS("acme", "dc-west")
	connect := []byte{0x10, 25, 0, 4, 'M', 'Q', 'T', 'T', 5, 2, 0, 60, 0, 0, 12, 'a', 'c', 'm', 'e', '.', 'd', 'c', '-', 'w', 'e', 's', 't'}
	for i := range 150 {
		secure, err := tls.Dial("tcp", w.broker.Addr(), config)
		if err != nil {
			t.Fatal(err)
		}
		if err := secure.SetDeadline(time.Now().Add(300 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		if i%3 > 0 {
			_, _ = secure.Write(connect)
		}
		if i%3 == 2 { // a packet of a valid kind and length with a random body
			body := noise(r.IntN(100))
			_, _ = secure.Write(append([]byte{byte(1+r.IntN(15))<<4 | byte(r.IntN(16)), byte(len(body))}, body...))
		}
		_, _ = secure.Write(noise(1 + r.IntN(300)))
		_ = secure.CloseWrite()
		_, _ = io.Copy(io.Discard, secure) // until the broker closes, or the deadline
		_ = secure.Close()
	}
	if !witness.Connected() || witness.Stats().Connections != 1 {
		t.Errorf("another site lost its link: %+v", witness.Stats())
	}
	if err := witness.send(wire.UpTopic("acme", "dc-east", wire.Events), "alive"); err != nil {
		t.Error(err)
	}
	await(t, "end of the noise", func() bool { return w.broker.Stats().Clients == 1 })
	if s := w.broker.Stats(); s.Refused < 50 || s.Accepted < 100 || s.Panics > 0 {
		t.Errorf("%+v", s)
	}
}

// A connection that says nothing is closed, and too many of them from one address are not let in; who is connected stays.
func TestSlowConnectionsAreBounded(t *testing.T) {
	w := open(t, func(c *broker.Config) { c.MaxPending, c.ConnectTimeout = 8, time.Second })
	witness := w.site("acme", "dc-east").waitUp()
	var idle []net.Conn
	for range 30 {
		c, err := net.Dial("tcp", w.broker.Addr())
		if err != nil {
			t.Fatal(err)
		}
		idle = append(idle, c)
	}
	for _, c := range idle {
		if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		if n, err := io.Copy(io.Discard, c); err != nil && errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%d bytes, %v: the broker keeps a silent connection", n, err)
		}
		_ = c.Close()
	}
	if !witness.Connected() || witness.Stats().Connections != 1 {
		t.Errorf("%+v", witness.Stats())
	}
	w.site("acme", "dc-west").waitUp()
}
