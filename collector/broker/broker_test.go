package broker_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/broker"
	"github.com/dockline/dockline/collector/identity"
	"github.com/dockline/dockline/proto/wire"
)

const patience = 20 * time.Second

// world is an authority and a broker that ends with the test.
type world struct {
	t         testing.TB
	authority *identity.Authority
	config    broker.Config
	broker    *broker.Broker
	log       *logBook
	halt      context.CancelFunc
	ended     chan error
}

func open(t testing.TB, adjust func(*broker.Config)) *world {
	t.Helper()
	authority, err := identity.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	server, err := authority.ServerTLS([]string{"127.0.0.1", "localhost"})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, authority: authority, log: &logBook{}}
	w.config = broker.Config{Listen: "127.0.0.1:0", TLS: server, Log: slog.New(slog.NewTextHandler(w.log, nil))}
	if adjust != nil {
		adjust(&w.config)
	}
	w.start()
	t.Cleanup(func() { w.stop() })
	return w
}

func (w *world) start() {
	w.t.Helper()
	b, err := broker.Open(w.config)
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, halt := context.WithCancel(context.Background())
	w.broker, w.halt, w.ended = b, halt, make(chan error, 1)
	w.config.Listen = b.Addr() // the same port after a restart
	go func() { w.ended <- b.Run(ctx) }()
}

func (w *world) stop() {
	w.t.Helper()
	if w.halt == nil {
		return
	}
	w.halt()
	w.halt = nil
	select {
	case err := <-w.ended:
		if err != nil {
			w.t.Errorf("the broker ended with %v", err)
		}
	case <-time.After(patience):
		w.t.Fatal("the broker does not stop")
	}
}

func (w *world) url() string { return "mqtts://" + w.config.Listen }

func (w *world) siteTLS(tenant, site string) *tls.Config {
	w.t.Helper()
	return siteTLS(w.t, w.authority, w.authority, tenant, site)
}

// siteTLS makes a site's configuration: signed by one authority, trusting another.
func siteTLS(t testing.TB, signer, trusted *identity.Authority, tenant, site string) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := signer.SignSite(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: csr}), tenant, site)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(cert)
	return &tls.Config{RootCAs: trusted.Pool(), Certificates: []tls.Certificate{{Certificate: [][]byte{block.Bytes}, PrivateKey: key}}}
}

// client is a wire.Conn with its memory.
type client struct {
	*wire.Conn
	t        testing.TB
	up, down chan error
	messages chan wire.Message
}

func (w *world) dial(config wire.Config) *client {
	w.t.Helper()
	return dial(w.t, w.url(), config)
}

func dial(t testing.TB, url string, config wire.Config) *client {
	t.Helper()
	c := &client{t: t, up: make(chan error, 100), down: make(chan error, 100), messages: make(chan wire.Message, 10_000)}
	config.URL = url
	config.OnUp = func() { c.up <- nil }
	config.OnDown = func(err error) { c.down <- err }
	if config.OnMessage == nil {
		config.OnMessage = func(m wire.Message) { c.messages <- m }
	}
	conn, err := wire.Dial(context.Background(), config)
	if err != nil {
		t.Fatal(err)
	}
	c.Conn = conn
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := conn.Close(ctx); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return c
}

func (w *world) site(tenant, site string, subscribe ...string) *client {
	w.t.Helper()
	return w.dial(wire.Config{ClientID: wire.ClientID(tenant, site), TLS: w.siteTLS(tenant, site), Subscribe: subscribe})
}

func (w *world) collector(subscribe ...string) *client {
	w.t.Helper()
	config, err := w.authority.CollectorTLS("1")
	if err != nil {
		w.t.Fatal(err)
	}
	return w.dial(wire.Config{ClientID: wire.CollectorClientID("1"), TLS: config, Subscribe: subscribe})
}

func (c *client) waitUp() *client {
	c.t.Helper()
	select {
	case <-c.up:
	case <-time.After(patience):
		c.t.Fatalf("no link: %+v", c.Stats())
	}
	return c
}

func (c *client) waitDown() error {
	c.t.Helper()
	select {
	case err := <-c.down:
		return err
	case <-time.After(patience):
		c.t.Fatalf("the link stays: %+v", c.Stats())
		return nil
	}
}

// waitRefused waits until an attempt failed, and gives the reason.
func (c *client) waitRefused() string {
	c.t.Helper()
	await(c.t, "a refusal", func() bool { return c.Stats().Failures > 0 })
	if c.Connected() {
		c.t.Fatal("connected")
	}
	return c.Stats().LastError
}

func (c *client) next() wire.Message {
	c.t.Helper()
	select {
	case m := <-c.messages:
		return m
	case <-time.After(patience):
		c.t.Fatalf("no message: %+v", c.Stats())
		return wire.Message{}
	}
}

func (c *client) send(topic, payload string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return c.Publish(ctx, wire.Message{Topic: topic, Payload: []byte(payload)})
}

func await(t testing.TB, what string, state func() bool) {
	t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !state() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("no %s within %s", what, patience)
		}
	}
}

// logBook keeps a log for tests to look into.
type logBook struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logBook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logBook) has(words ...string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range strings.Split(l.text.String(), "\n") {
		all := true
		for _, word := range words {
			all = all && strings.Contains(line, word)
		}
		if all {
			return true
		}
	}
	return false
}

func TestMessagesBothWaysInOrder(t *testing.T) {
	w := open(t, nil)
	collector := w.collector(wire.SharedUp).waitUp()
	site := w.site("acme", "dc-east", wire.DownTopic("acme", "dc-east", "#")).waitUp()
	const count = 500
	for i := range count {
		if err := site.send(wire.UpTopic("acme", "dc-east", wire.Events), fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	for i := range count {
		if m := collector.next(); string(m.Payload) != fmt.Sprint(i) || m.Topic != "dockline/v1/acme/dc-east/up/events" {
			t.Fatalf("message %d is %s on %s", i, m.Payload, m.Topic)
		}
	}
	for i := range count {
		if err := collector.send(wire.DownTopic("acme", "dc-east", wire.AckName), fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	for i := range count {
		if m := site.next(); string(m.Payload) != fmt.Sprint(i) {
			t.Fatalf("answer %d is %s", i, m.Payload)
		}
	}
	if s := collector.Stats(); s.Received != count || s.Published != count || s.Dropped != 0 {
		t.Errorf("%+v", s)
	}
}

func TestForeignTopicRefused(t *testing.T) {
	w := open(t, nil)
	all := w.collector(wire.AllTopics).waitUp()
	site := w.site("acme", "dc-east").waitUp()
	for _, topic := range []string{
		wire.UpTopic("acme", "dc-west", wire.Events), wire.UpTopic("evil", "dc-east", wire.Events), wire.DownTopic("acme", "dc-east", wire.AckName), "other/topic",
	} {
		var refused *wire.Refused
		if err := site.send(topic, "x"); !errors.As(err, &refused) || refused.Code != 0x87 {
			t.Errorf("%s: %v, want not authorised", topic, err)
		}
	}
	// The own topic still works, and is the first thing that anyone hears.
	if err := site.send(wire.UpTopic("acme", "dc-east", wire.Hello), "mine"); err != nil {
		t.Fatal(err)
	}
	if m := all.next(); string(m.Payload) != "mine" {
		t.Errorf("a refused message went through: %s on %s", m.Payload, m.Topic)
	}
	if !site.Connected() {
		t.Error("a refused message cost the connection")
	}
}

func TestForeignSubscriptionRefused(t *testing.T) {
	w := open(t, nil)
	for _, filter := range []string{"#", "dockline/v1/acme/+/down/ack", wire.DownTopic("acme", "dc-west", "#"), wire.UpTopic("acme", "dc-east", "#"), wire.SharedUp, "$SYS/#"} {
		site := w.site("acme", "dc-east", filter)
		if reason := site.waitRefused(); !strings.Contains(reason, "0x87") {
			t.Errorf("subscribe %s: %s", filter, reason)
		}
	}
}

func TestWrongClientIDRefused(t *testing.T) {
	w := open(t, nil)
	victim := w.site("acme", "dc-west").waitUp()
	for _, id := range []string{"acme.dc-west", "collector-1", "acme.dc-east-2", "dc-east"} {
		c := w.dial(wire.Config{ClientID: id, TLS: w.siteTLS("acme", "dc-east")})
		if reason := c.waitRefused(); !strings.Contains(reason, "0x85") {
			t.Errorf("%s: %s", id, reason)
		}
	}
	if !victim.Connected() {
		t.Error("another site's connection was lost by it")
	}
	if !w.log.has("connection refused", "acme.dc-west", "dockline://acme/site/dc-east") {
		t.Error("the log does not name who tried what")
	}
}

func TestNoCertificateAndOtherAuthorityRefused(t *testing.T) {
	w := open(t, nil)
	other, err := identity.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	anonymous := w.dial(wire.Config{ClientID: "acme.dc-east", TLS: &tls.Config{RootCAs: w.authority.Pool()}})
	if reason := anonymous.waitRefused(); !strings.Contains(reason, "certificate") {
		t.Errorf("no certificate: %s", reason)
	}
	stranger := w.dial(wire.Config{ClientID: "acme.dc-east", TLS: siteTLS(t, other, w.authority, "acme", "dc-east")})
	stranger.waitRefused()
	// The broker's certificate counts too.
	wary := w.dial(wire.Config{ClientID: "acme.dc-east", TLS: siteTLS(t, w.authority, other, "acme", "dc-east")})
	if reason := wary.waitRefused(); !strings.Contains(reason, "unknown authority") {
		t.Errorf("other broker: %s", reason)
	}
	await(t, "count of refusals", func() bool { return w.broker.Stats().Refused >= 3 })
	if s := w.broker.Stats(); s.Accepted != 0 || s.Clients != 0 {
		t.Errorf("%+v", s)
	}
}

func TestServerCertificateIsNoClient(t *testing.T) {
	w := open(t, nil)
	cert, key, err := w.authority.IssueServer([]string{"127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	c := w.dial(wire.Config{ClientID: "acme.dc-east", TLS: &tls.Config{RootCAs: w.authority.Pool(), Certificates: []tls.Certificate{pair}}})
	c.waitRefused()
}

func TestOpenNeedsClientCertificates(t *testing.T) {
	for name, config := range map[string]*tls.Config{"none": nil, "no client": {}, "unverified": {ClientAuth: tls.RequireAnyClientCert, ClientCAs: x509.NewCertPool()}, "no CA": {ClientAuth: tls.RequireAndVerifyClientCert}} {
		if b, err := broker.Open(broker.Config{Listen: "127.0.0.1:0", TLS: config}); err == nil {
			t.Errorf("%s: opened on %s", name, b.Addr())
		}
	}
}
