package tenant_test

import (
	"context"
	"crypto/tls"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"github.com/dockline/dockline/proto/wire"
	"github.com/dockline/dockline/testenv"
	"github.com/dockline/dockline/testenv/erp"
	"github.com/dockline/dockline/testenv/world"
	"github.com/dockline/dockline/testenv/world/worldtest"
)

const patience = 4 * time.Minute

// stranger is who has the certificate of a site and wants more than its own.
type stranger struct {
	site        *world.Site
	certificate *tls.Config
	heard       atomic.Int64
}

// steal takes a site's certificate while its agent is away.
func steal(t *testing.T, site *world.Site) *stranger {
	t.Helper()
	site.Agent.Stop()
	file := func(name string) string { return filepath.Join(site.IdentityDir, name) }
	certificate, err := wire.LoadTLS(file("ca.crt"), file("site.crt"), file("site.key"))
	if err != nil {
		t.Fatal(err)
	}
	return &stranger{site: site, certificate: certificate}
}

func (s *stranger) dial(t *testing.T, clientID, subscribe string) *wire.Conn {
	t.Helper()
	conn, err := wire.Dial(t.Context(), wire.Config{URL: "mqtts://" + s.site.Line.Addr(), ClientID: clientID, TLS: s.certificate, Subscribe: []string{subscribe},
		MaxBackoff: time.Second, OnMessage: func(wire.Message) { s.heard.Add(1) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 5*time.Second)
		defer cancel()
		if err := conn.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return conn
}

func connected(t *testing.T, conn *wire.Conn) {
	t.Helper()
	worldtest.Until(t, "a link", patience, func() (bool, error) { return conn.Connected(), nil })
}

func refused(t *testing.T, conn *wire.Conn) {
	t.Helper()
	worldtest.Until(t, "a refusal", patience, func() (bool, error) { return conn.Stats().Failures > 0, nil })
	if s := conn.Stats(); s.Connections > 0 {
		t.Errorf("it has a link: %+v", s)
	}
}

// topics are asked of the embedded broker, which refuses whoever wants more than its own.
func topics(t *testing.T, first, second *world.World) {
	s := steal(t, second.Sites[world.FileSite])
	own, other := wire.ClientID(second.Config.Tenant, world.FileSite), wire.ClientID(first.Config.Tenant, world.FileSite)
	others := wire.DownTopic(first.Config.Tenant, world.FileSite, "#")
	t.Run("its own topics are open", func(t *testing.T) { mayNotPublish(t, s, first, second) })
	t.Run("the other tenant's commands", func(t *testing.T) { refused(t, s.dial(t, own, others)) })
	t.Run("the other tenant's client id", func(t *testing.T) { refused(t, s.dial(t, other, others)) })
	t.Run("everybody's commands", func(t *testing.T) { refused(t, s.dial(t, own, wire.AllTopics)) })
	t.Run("no certificate", func(t *testing.T) {
		bare := &stranger{site: s.site, certificate: &tls.Config{RootCAs: s.certificate.RootCAs, MinVersion: tls.VersionTLS12}}
		refused(t, bare.dial(t, own, wire.DownTopic(second.Config.Tenant, world.FileSite, "#")))
	})
}

func mayNotPublish(t *testing.T, s *stranger, first, second *world.World) {
	conn := s.dial(t, wire.ClientID(second.Config.Tenant, world.FileSite), wire.DownTopic(second.Config.Tenant, world.FileSite, "#"))
	connected(t, conn)
	if err := conn.Publish(t.Context(), wire.Message{Topic: wire.UpTopic(first.Config.Tenant, world.FileSite, wire.Events), Payload: []byte("x")}); err == nil {
		t.Error("it may publish for the other tenant's site of its name")
	}
}

// TestTenantsOnMosquitto asks a Mosquitto with what the product writes for it, made anew when the second tenant came. It takes
// any subscription and delivers nothing on it; and it calls a client by its certificate, whatever it calls itself.
func TestTenantsOnMosquitto(t *testing.T) {
	testenv.NeedMosquitto(t)
	first := worldtest.Open(t, world.Config{Seed: 14, Sites: []string{world.FileSite}, Broker: "mosquitto"})
	second := worldtest.Join(t, first, world.Config{Tenant: "acme", Seed: 15, Sites: []string{world.FileSite}})
	for _, w := range []*world.World{first, second} {
		worldtest.Orders(t, w, 2)
		worldtest.Settle(t, w, 5*time.Minute)
	}
	s := steal(t, second.Sites[world.FileSite])
	mayNotPublish(t, s, first, second)
	links := linksOf(t, first)
	s.heard.Store(0)
	connected(t, s.dial(t, wire.ClientID(first.Config.Tenant, world.FileSite), wire.AllTopics))
	if _, err := first.Order(t.Context(), world.FileSite, anything(first)); err != nil { // commands, acks and receipts go down, events up
		t.Fatal(err)
	}
	worldtest.Settle(t, first, 5*time.Minute)
	if n := s.heard.Load(); n > 0 {
		t.Errorf("it heard %d messages of the other tenant", n)
	}
	if now := linksOf(t, first); now != links {
		t.Errorf("the other tenant's agent was thrown off the line: %d links, then %d", links, now)
	}
}

// linksOf is how often the agent of the world's site has linked up.
func linksOf(t *testing.T, w *world.World) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(w.Config.Dir, "logs", "agent-"+world.FileSite+".log"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(text), "linked to the broker")
}

func anything(w *world.World) erp.NewOrderLine {
	return erp.NewOrderLine{Item: w.ERP.Master().Items[0].Code, Quantity: decimal.NewFromInt(2)}
}
