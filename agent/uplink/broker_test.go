package uplink_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dockline/dockline/agent/journal"
	"github.com/dockline/dockline/agent/uplink"
	"github.com/dockline/dockline/proto/wire"
	"github.com/dockline/dockline/testenv"
)

const patience = 30 * time.Second

func eventually(t *testing.T, what string, is func() bool) {
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

// overBroker runs an uplink and a centre, each with its own connection to a broker, until the test ends.
func overBroker(t *testing.T, url string, config uplink.Config) (*uplink.Uplink, *journal.Journal, *centre) {
	t.Helper()
	c := newCentre(t)
	arrived := make(chan wire.Message, 1000)
	collector, err := wire.Dial(context.Background(), wire.Config{
		URL: url, ClientID: wire.CollectorClientID("1"), Subscribe: []string{wire.SharedUp}, OnMessage: func(m wire.Message) { arrived <- m },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	c.answer = func(m wire.Message) {
		// An answer that is lost because the line falls is asked for again.
		if err := collector.Publish(ctx, m); err != nil {
			t.Logf("answer: %v", err)
		}
	}
	ended := make(chan error, 2)
	go func() {
		for {
			select {
			case m := <-arrived:
				c.take(m)
			case <-ctx.Done():
				ended <- collector.Close(context.Background())
				return
			}
		}
	}()
	eventually(t, "the collector is linked", collector.Connected)
	j := openJournal(t)
	config.Tenant, config.Site, config.Journal = tenant, site, store{j}
	if config.Line.URL == "" {
		config.Line.URL = url
	}
	u := uplink.New(config)
	go func() { ended <- u.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		for range 2 {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
	})
	return u, j, c
}

// With a real broker between: events arrive, also those captured while the broker was down, and also when it comes back without
// anything that it had stored.
// Shows: S52
func TestRealBrokerThatForgets(t *testing.T) {
	mosquitto := testenv.Mosquitto(t, testenv.MosquittoConfig{Persistent: true})
	u, j, c := overBroker(t, mosquitto.URL(), uplink.Config{Line: wire.Config{MaxBackoff: time.Second}})
	capture(t, j, 0, 3000)
	all := func(n int) func() bool {
		return func() bool { return c.count() == n && j.Stats().Events == 0 }
	}
	eventually(t, "the backlog has arrived and is trimmed", all(3000))
	capture(t, j, 3000, 10)
	eventually(t, "what was captured since has arrived", all(3010))

	mosquitto.Stop()
	eventually(t, "the uplink sees that the broker is gone", func() bool { return !u.Stats().Connected })
	capture(t, j, 3010, 500)
	if err := mosquitto.Wipe(); err != nil {
		t.Fatal(err)
	}
	if err := mosquitto.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "all has arrived after the broker came back empty", all(3510))
	if s := u.Stats(); s.Forks != 0 || s.Refusals != 0 {
		t.Errorf("stats %+v", s)
	}
}

// A broker that takes small packets, and few at a time, gets what it takes; what is too large even alone stays and is told.
func TestRealBrokerWithLimits(t *testing.T) {
	mosquitto := testenv.Mosquitto(t, testenv.MosquittoConfig{Options: "max_packet_size 6000\nmax_inflight_messages 3"})
	u, j, c := overBroker(t, mosquitto.URL(), uplink.Config{})
	for n := range 10 {
		add(t, j, large(n*100, 100, 300)...)
	}
	add(t, j, large(5000, 1, 20_000)...)
	capture(t, j, 6000, 500)
	eventually(t, "all but one have arrived", func() bool { return c.count() == 1500 })
	if s := u.Stats(); s.TooLarge != 1 || s.Splits == 0 || s.Line.Connections != 1 || s.Forks != 0 {
		t.Errorf("%+v", s)
	}
}

// Two hosts with one identity on a broker that does not say that a session is taken over, as Mosquitto 2.0.11 does not: it shows as
// links that do not hold. What is captured arrives all the same.
func TestRealBrokerThatDoesNotSayTakenOver(t *testing.T) {
	mosquitto := testenv.Mosquitto(t, testenv.MosquittoConfig{})
	u, j, c := overBroker(t, mosquitto.URL(), uplink.Config{Line: wire.Config{TakeoverPause: time.Second}})
	capture(t, j, 0, 10)
	eventually(t, "events flow", func() bool { return j.Stats().Events == 0 })
	clone, err := wire.Dial(context.Background(), wire.Config{URL: mosquitto.URL(), ClientID: wire.ClientID(tenant, site), TakeoverPause: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the takeover is told, or seen", func() bool {
		s := u.Stats().Line
		return s.ShortLinks >= 5 || s.TakenOver > 0
	})
	if err := clone.Close(context.Background()); err != nil {
		t.Error(err)
	}
	capture(t, j, 10, 10)
	eventually(t, "events flow again", func() bool { return j.Stats().Events == 0 && c.count() == 20 })
}

// The line goes through an HTTP proxy that asks for credentials, to a broker whose name only the proxy knows. Without them, or to
// another port, the reason says what to do.
func TestRealBrokerBehindAProxy(t *testing.T) {
	mosquitto := testenv.Mosquitto(t, testenv.MosquittoConfig{})
	proxy := &testenv.Proxy{Credentials: "dock:s3cret", Names: map[string]string{"broker.test:1883": fmt.Sprintf("127.0.0.1:%d", mosquitto.Port)}}
	if err := proxy.Start(); err != nil {
		t.Fatal(err)
	}
	defer proxy.Close()
	credentials := filepath.Join(t.TempDir(), "proxy")
	if err := os.WriteFile(credentials, []byte("dock:wrong\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	through := wire.Config{URL: "mqtt://broker.test", Proxy: wire.Proxy{URL: proxy.URL(), Credentials: credentials}, MaxBackoff: time.Second}
	u, j, c := overBroker(t, mosquitto.URL(), uplink.Config{Line: through})
	capture(t, j, 0, 500)
	eventually(t, "the reason names the credentials", func() bool { return strings.Contains(u.Stats().Line.LastError, "proxy_credentials") })
	if strings.Contains(u.Stats().Line.LastError, "wrong") {
		t.Error("the reason repeats the password")
	}
	if err := os.WriteFile(credentials, []byte("dock:s3cret\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, "events flow through the proxy", func() bool { return j.Stats().Events == 0 && c.count() == 500 })
	if tunnels, refused := proxy.Seen(); tunnels != 1 || refused == 0 {
		t.Errorf("%d tunnels, %d refused", tunnels, refused)
	}

	t.Setenv("HTTPS_PROXY", strings.Replace(proxy.URL(), "//", "//dock:s3cret@", 1))
	t.Setenv("NO_PROXY", "inside.test")
	for _, tt := range []struct {
		name   string
		config wire.Config
		want   string // a part of the reason why there is no link, "" where there is one
	}{
		{"a port that the proxy does not allow", wire.Config{URL: "mqtt://broker.test:9", Proxy: through.Proxy}, "allow CONNECT"},
		{"what the environment says", wire.Config{URL: "mqtt://broker.test", Proxy: wire.Proxy{URL: wire.ProxyEnvironment}}, ""},
		{"the environment, where it names an exception", wire.Config{URL: "mqtt://inside.test", Proxy: wire.Proxy{URL: wire.ProxyEnvironment}}, "inside.test"},
		{"the environment is left alone unless told", wire.Config{URL: "mqtt://broker.test"}, "broker.test"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.config.ClientID = wire.ClientID(tenant, "dc-west")
			conn, err := wire.Dial(context.Background(), tt.config)
			if err != nil {
				t.Fatal(err)
			}
			eventually(t, "a link, or a reason", func() bool { return conn.Connected() || conn.Stats().LastError != "" })
			if s := conn.Stats(); s.Connected != (tt.want == "") || !strings.Contains(s.LastError, tt.want) {
				t.Errorf("%+v, want %q", s, tt.want)
			}
			if err := conn.Close(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
}
