package broker_test

import (
	"testing"
	"time"

	"github.com/dockline/dockline/proto/wire"
	"github.com/dockline/dockline/testenv"
)

func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	deadline := time.After(patience)
	for !is() {
		select {
		case <-deadline:
			t.Fatalf("not within %s: %s", patience, what)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// A second host comes with the identity of a site. The first one is told, stays away for the pause and says until when: two agents never
// fight for a session. When it comes back the other one stays away in its turn, and the alarm ends once a link has held.
func TestSessionTakenOverIsAnAlarm(t *testing.T) {
	w := open(t, nil)
	identity := w.siteTLS("acme", "dc-east")
	first := w.dial(wire.Config{ClientID: "acme.dc-east", TLS: identity, TakeoverPause: 2 * time.Second}).waitUp()
	second := w.dial(wire.Config{ClientID: "acme.dc-east", TLS: identity, TakeoverPause: time.Hour}).waitUp()
	until(t, "the takeover is told", func() bool { return first.Stats().TakenOver == 1 })
	s := first.Stats()
	if s.Connected || s.TakenOverAt.IsZero() || s.NextAttempt.Sub(s.TakenOverAt) < 1600*time.Millisecond || s.Connections != 1 {
		t.Errorf("%+v", s)
	}
	until(t, "the first comes back", func() bool { return first.Stats().Connections == 2 })
	if waited := time.Since(s.TakenOverAt); waited < 1600*time.Millisecond {
		t.Errorf("it came back after %s, the pause is 2 s less a fifth", waited)
	}
	until(t, "the second stays away", func() bool { return second.Stats().TakenOver == 1 })
	if s := second.Stats(); s.NextAttempt.Sub(s.TakenOverAt) < 48*time.Minute || s.Connections != 1 {
		t.Errorf("%+v", s)
	}
	until(t, "the alarm ends once a link has held", func() bool { return first.Stats().TakenOverAt.IsZero() })
	if s := first.Stats(); !s.Connected || s.TakenOver != 1 || s.Connections != 2 {
		t.Errorf("%+v", s)
	}
}

// The line of a site goes through an HTTP proxy, with TLS from end to end: the broker's certificate is checked for the broker's name.
func TestTLSThroughAProxy(t *testing.T) {
	w := open(t, nil)
	proxy := &testenv.Proxy{Names: map[string]string{"localhost:8883": w.broker.Addr(), "other.test:8883": w.broker.Addr()}}
	if err := proxy.Start(); err != nil {
		t.Fatal(err)
	}
	defer proxy.Close()
	site := dial(t, "mqtts://localhost", wire.Config{ClientID: "acme.dc-east", TLS: w.siteTLS("acme", "dc-east"), Proxy: wire.Proxy{URL: proxy.URL()}}).waitUp()
	if err := site.send(wire.UpTopic("acme", "dc-east", wire.Events), "x"); err != nil {
		t.Error(err)
	}
	wrong := dial(t, "mqtts://other.test", wire.Config{ClientID: "acme.dc-west", TLS: w.siteTLS("acme", "dc-west"), Proxy: wire.Proxy{URL: proxy.URL()}})
	until(t, "a broker of another name is refused", func() bool { return wrong.Stats().Failures > 0 })
	if wrong.Connected() {
		t.Error("the certificate of localhost was taken for other.test")
	}
}
