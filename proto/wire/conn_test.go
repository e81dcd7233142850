package wire

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"
)

func TestBackoffGrowsFromHalfASecond(t *testing.T) {
	if d := backoff(0, time.Second); d != 0 {
		t.Errorf("the first attempt waits %s", d)
	}
	for attempt, most := range map[int]time.Duration{1: 500 * time.Millisecond, 2: time.Second, 3: 2 * time.Second, 4: 4 * time.Second, 5: 5 * time.Second, 100: 5 * time.Second} {
		low, high := time.Hour, time.Duration(0)
		for range 2000 {
			d := backoff(attempt, 5*time.Second)
			low, high = min(low, d), max(high, d)
		}
		if low < most*4/10 || high > most || high-low < most/2 {
			t.Errorf("attempt %d waits %s to %s, want 40 to 100 %% of %s", attempt, low, high, most)
		}
	}
}

// What the broker counts is what is on the line: a byte too few here would drop the link on every attempt.
func TestPacketSize(t *testing.T) {
	for _, m := range []Message{{Topic: "a"}, {Topic: "dockline/v1/a/b/up/events", Payload: make([]byte, 90)}, {Topic: "a", Payload: make([]byte, 121)}, {Topic: "a", Payload: make([]byte, 122)},
		{Topic: "a", Payload: make([]byte, 16_377)}, {Topic: "a", Payload: make([]byte, 16_378)}, {Topic: "a", Payload: make([]byte, 3_000_000), Retain: true}} {
		var line bytes.Buffer
		p := (&paho.Publish{Topic: m.Topic, Payload: m.Payload, Retain: m.Retain, QoS: 1}).Packet()
		p.PacketID = 7
		if _, err := p.WriteTo(&line); err != nil {
			t.Fatal(err)
		}
		if got := packetSize(m); got != line.Len() {
			t.Errorf("%d bytes of payload: %d, on the line %d", len(m.Payload), got, line.Len())
		}
	}
}

func TestDialRefusesBadConfig(t *testing.T) {
	for name, c := range map[string]Config{
		"no URL":       {ClientID: "x"},
		"other scheme": {URL: "https://broker", ClientID: "x"},
		"no host":      {URL: "mqtt://:1883", ClientID: "x"},
		"no TLS":       {URL: "mqtts://broker", ClientID: "x"},
		"no client id": {URL: "mqtt://broker"},
		"bad URL":      {URL: "mqtt://bro ker", ClientID: "x"},
	} {
		if conn, err := Dial(context.Background(), c); err == nil {
			t.Errorf("%s was taken", name)
			if err := conn.Close(context.Background()); err != nil {
				t.Error(err)
			}
		}
	}
	ok, err := Dial(context.Background(), Config{URL: "mqtts://127.0.0.1:1", TLS: &tls.Config{}, ClientID: "x"})
	if err != nil {
		t.Fatal(err)
	}
	if err := ok.Publish(context.Background(), Message{Topic: "x"}); !errors.Is(err, ErrDown) {
		t.Errorf("publish without a link: %v", err)
	}
	if err := ok.Close(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestLoadTLSRefuses(t *testing.T) {
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty.pem")
	if err := os.WriteFile(empty, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, ca := range []string{filepath.Join(dir, "absent"), empty} {
		if _, err := LoadTLS(ca, empty, empty); err == nil || !strings.Contains(err.Error(), filepath.Base(ca)) {
			t.Errorf("%s: %v", ca, err)
		}
	}
}

// script is a broker that does as a test says, on a plain line.
type script struct {
	t    *testing.T
	in   net.Listener
	work sync.WaitGroup
}

func play(t *testing.T, scene func(net.Conn)) *script {
	t.Helper()
	in, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &script{t: t, in: in}
	s.work.Add(1)
	go func() {
		defer s.work.Done()
		for {
			c, err := in.Accept()
			if err != nil {
				return
			}
			scene(c)
			if err := c.Close(); err != nil {
				t.Log(err)
			}
		}
	}()
	t.Cleanup(func() {
		if err := in.Close(); err != nil {
			t.Error(err)
		}
		s.work.Wait()
	})
	return s
}

// accept reads CONNECT and answers it.
func accept(t *testing.T, c net.Conn) *packets.Connect {
	p, err := packets.ReadPacket(c)
	if err != nil {
		return nil
	}
	connect := p.Content.(*packets.Connect)
	if _, err := (&packets.Connack{Properties: &packets.Properties{}}).WriteTo(c); err != nil {
		t.Error(err)
	}
	return connect
}

// Every connection begins clean and leaves nothing behind, the second as the first.
func TestEveryConnectionStartsClean(t *testing.T) {
	seen := make(chan *packets.Connect, 10)
	s := play(t, func(c net.Conn) { seen <- accept(t, c) })
	conn, err := Dial(context.Background(), Config{URL: "mqtt://" + s.in.Addr().String(), ClientID: "acme.dc-east", ReceiveMaximum: 77, KeepAlive: 20 * time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		select {
		case p := <-seen:
			if p == nil || !p.CleanStart || p.ClientID != "acme.dc-east" || p.KeepAlive != 600 || *p.Properties.ReceiveMaximum != 77 ||
				p.Properties.SessionExpiryInterval != nil && *p.Properties.SessionExpiryInterval != 0 {
				t.Errorf("connection %d: %+v", i, p)
			}
		case <-time.After(20 * time.Second):
			t.Fatal("no connection")
		}
	}
	if err := conn.Close(context.Background()); err != nil {
		t.Error(err)
	}
}

// With QoS 0 a broker sends as fast as it can. What does not fit is dropped, so that the answer that OnMessage waits for gets through.
func TestFloodDoesNotBlockAnswers(t *testing.T) {
	const flood = 3000
	s := play(t, func(c net.Conn) {
		if accept(t, c) == nil {
			return
		}
		for range flood {
			p := &packets.Publish{Topic: "t", Payload: make([]byte, 1000), Properties: &packets.Properties{}}
			if _, err := p.WriteTo(c); err != nil {
				t.Error(err)
				return
			}
		}
		for { // answers every message
			p, err := packets.ReadPacket(c)
			if err != nil {
				return
			}
			if pub, ok := p.Content.(*packets.Publish); ok {
				if _, err := (&packets.Puback{PacketID: pub.PacketID, Properties: &packets.Properties{}}).WriteTo(c); err != nil {
					return
				}
			}
		}
	})
	answered := make(chan error, flood)
	dialled := make(chan struct{})
	var conn *Conn
	conn, err := Dial(context.Background(), Config{URL: "mqtt://" + s.in.Addr().String(), ClientID: "c", QueueBytes: 100_000, OnMessage: func(Message) {
		<-dialled
		answered <- conn.Publish(context.Background(), Message{Topic: "answer"})
	}})
	if err != nil {
		t.Fatal(err)
	}
	close(dialled)
	for range 20 {
		select {
		case err := <-answered:
			if err != nil {
				t.Fatal(err)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("stuck: %+v", conn.Stats())
		}
	}
	if err := conn.Close(context.Background()); err != nil {
		t.Error(err)
	}
	if s := conn.Stats(); s.Dropped == 0 || s.Received+s.Dropped > flood {
		t.Errorf("%+v", s)
	}
}

// Messages with QoS 1 wait for room and are not lost.
func TestNothingWithQoS1IsDropped(t *testing.T) {
	const count = 400
	acked := make(chan struct{}, count)
	s := play(t, func(c net.Conn) {
		if accept(t, c) == nil {
			return
		}
		window := make(chan struct{}, 50) // as the client's receive maximum says
		go func() {
			for {
				p, err := packets.ReadPacket(c)
				if err != nil {
					return
				}
				if _, ok := p.Content.(*packets.Puback); ok {
					acked <- struct{}{}
					<-window
				}
			}
		}()
		for i := range count {
			window <- struct{}{}
			p := &packets.Publish{Topic: "t", QoS: 1, PacketID: uint16(i + 1), Payload: []byte{byte(i), byte(i >> 8)}, Properties: &packets.Properties{}}
			if _, err := p.WriteTo(c); err != nil {
				return
			}
		}
		for range count {
			<-acked
		}
	})
	got := make(chan int, count)
	conn, err := Dial(context.Background(), Config{URL: "mqtt://" + s.in.Addr().String(), ClientID: "c", QueueBytes: 10_000, ReceiveMaximum: 50, OnMessage: func(m Message) {
		got <- int(m.Payload[0]) | int(m.Payload[1])<<8
	}})
	if err != nil {
		t.Fatal(err)
	}
	for i := range count {
		select {
		case n := <-got:
			if n != i {
				t.Fatalf("message %d came as %d", n, i)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("stuck at %d: %+v", i, conn.Stats())
		}
	}
	if err := conn.Close(context.Background()); err != nil {
		t.Error(err)
	}
	if s := conn.Stats(); s.Dropped != 0 {
		t.Errorf("%+v", s)
	}
}
