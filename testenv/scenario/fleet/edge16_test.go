package fleet_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/fleet"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/wire"
	"github.com/dockline/dockline/testenv"
	"github.com/dockline/dockline/testenv/world/worldtest"
)

const (
	dcWest = "dc-west"
	// keepAlive is the default of mqtt.keep_alive.
	keepAlive = 15 * time.Second
	// slack is for a busy machine.
	slack = 2 * time.Second
)

// A line that is cut shows within one and a half times keep_alive, also where neither end notices that it is gone, with the embedded broker
// and with Mosquitto. Then the words of the old session come late, behind the birth of the new one: its will, its heartbeats in any order,
// its birth. None flips the newer session, also not after the collector was killed and started again, or the broker.
//
// Shows: E16
func TestEdge16(t *testing.T) {
	t.Parallel()
	t.Run("embedded", func(t *testing.T) { cutAndSilent(t, openCentre(t, "")) })
	t.Run("mosquitto", func(t *testing.T) {
		broker := testenv.Mosquitto(t, testenv.MosquittoConfig{})
		c := openCentre(t, fmt.Sprintf("127.0.0.1:%d", broker.Port))
		o := observe(t, c)
		old, second := cutAndSilent(t, c)
		late := o.replay(c, old, second)
		c.steady("late words of two old sessions")
		c.collector.Kill()
		o.replay(c, old, second)
		c.startCollector()
		c.until("online")
		o.replay(c, old, second)
		c.steady("late words at a collector that starts")
		broker.Stop()
		if err := broker.Start(); err != nil {
			t.Fatal(err)
		}
		c.eventually("a session on the new broker", func() bool { s := c.look(); return s != nil && s.Session != late && s.State == fleet.Online })
		worldtest.Until(t, "a link to the new broker", patience, func() (bool, error) { return o.conn.Connected(), nil })
		o.replay(c, old, second, late)
		c.steady("late words behind a broker that starts")
		testenv.Figure(t, "late words", o.sent, "flips", 0)
	})
}

// cutAndSilent cuts the line, and then lets nothing pass on it although both ends have it, and returns the two sessions that ended so.
func cutAndSilent(t *testing.T, c *centre) (first, second string) {
	first = c.until("online")
	c.eventually("heartbeats of the first session", func() bool { s := c.look(); return s != nil && s.Heartbeat.GetNumber() > 2 })
	began := time.Now()
	c.line.Cut(true)
	c.until("offline")
	cut := time.Since(began)
	c.line.Cut(false)
	second = c.until("online")
	c.eventually("heartbeats of the second session", func() bool { s := c.look(); return s != nil && s.Heartbeat.GetNumber() > 2 })
	began = time.Now()
	c.line.Hold(true)
	c.until("offline")
	held := time.Since(began)
	c.line.Cut(true) // what was held is lost, and both ends notice
	c.line.Hold(false)
	c.line.Cut(false)
	third := c.until("online")
	for what, took := range map[string]time.Duration{"a line that was cut": cut, "a line on which nothing passes": held} {
		if limit := keepAlive * 3 / 2; took > limit+slack {
			t.Errorf("%s showed after %s, %s are allowed", what, took, limit)
		}
	}
	if first == second || second == third || first == third {
		t.Errorf("sessions %s, %s, %s: each connection has its own", first, second, third)
	}
	testenv.Figure(t, "offline after a cut", cut.Round(10*time.Millisecond), "after silence", held.Round(10*time.Millisecond))
	return first, second
}

// observer hears all that the site says of itself, and can say it again.
type observer struct {
	t        *testing.T
	conn     *wire.Conn
	mu       sync.Mutex
	messages []wire.Message
	sent     int
}

func observe(t *testing.T, c *centre) *observer {
	t.Helper()
	o := &observer{t: t}
	var err error
	o.conn, err = wire.Dial(context.WithoutCancel(t.Context()), wire.Config{URL: "mqtt://" + c.broker, ClientID: "observer", MaxBackoff: time.Second,
		Subscribe: []string{wire.UpTopic(tenant, dcWest, wire.Status), wire.UpTopic(tenant, dcWest, wire.Hello)}, OnMessage: func(m wire.Message) {
			o.mu.Lock()
			defer o.mu.Unlock()
			o.messages = append(o.messages, m)
		}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = o.conn.Close(ctx)
	})
	worldtest.Until(t, "a link", patience, func() (bool, error) { return o.conn.Connected(), nil })
	return o
}

// replay says all that the site said in these sessions once more, the newest first, and their wills; it returns the session that is in force.
func (o *observer) replay(c *centre, sessions ...string) string {
	o.t.Helper()
	ctx, cancel := context.WithTimeout(o.t.Context(), patience)
	defer cancel()
	say := func(m wire.Message) {
		o.t.Helper()
		m.Retain = false
		if err := o.conn.Publish(ctx, m); err != nil {
			o.t.Fatal(err)
		}
		o.sent++
	}
	status := wire.UpTopic(tenant, dcWest, wire.Status)
	o.mu.Lock()
	all := slices.Clone(o.messages)
	o.mu.Unlock()
	for _, session := range sessions {
		will, err := proto.Marshal(&docklinev1.Heartbeat{Tenant: tenant, Site: dcWest, Session: session})
		if err != nil {
			o.t.Fatal(err)
		}
		words := 0
		for _, m := range slices.Backward(all) {
			h, hello := &docklinev1.Heartbeat{}, &docklinev1.Hello{}
			if m.Topic == status && proto.Unmarshal(m.Payload, h) == nil && h.GetSession() == session ||
				m.Topic != status && proto.Unmarshal(m.Payload, hello) == nil && hello.GetSession() == session {
				words++
				say(m)
			}
		}
		if words < 3 {
			o.t.Fatalf("%d words were heard of session %s", words, session)
		}
		say(wire.Message{Topic: status, Payload: will})
	}
	if s := c.look(); s != nil {
		return s.Session
	}
	return ""
}
