package broker

import (
	"errors"
	"fmt"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/dockline/dockline/proto/wire"
)

// guard holds every client to its identity.
type guard struct {
	mqtt.HookBase
	b *Broker
}

func (g *guard) ID() string { return "guard" }

func (g *guard) Provides(hook byte) bool {
	switch hook {
	case mqtt.OnConnect, mqtt.OnConnectAuthenticate, mqtt.OnACLCheck, mqtt.OnPacketEncode, mqtt.OnSubscribe, mqtt.OnPublish, mqtt.OnPublishDropped:
		return true
	}
	return false
}

// errRefused ends a connection that has been told why.
var errRefused = errors.New("refused")

// OnConnect lets a client in or tells it why not. It is the first that is asked, and the last word: the library would give every
// refusal the same reason.
func (g *guard) OnConnect(cl *mqtt.Client, pk packets.Packet) error {
	c, ok := cl.Net.Conn.(*conn)
	if !ok {
		return errRefused
	}
	code, err := g.examine(c, cl, pk)
	if err == nil {
		if err = g.b.claim(c, cl); err == nil {
			g.welcome(c, cl)
			return nil
		}
		code = packets.ErrServerUnavailable
	}
	g.b.mu.Lock()
	g.b.settle(c)
	g.b.mu.Unlock()
	g.b.refuse(c, cl.ID, err)
	if errors.Is(err, errBlocked) {
		return errRefused // without a word, as over a line that is cut
	}
	code.Reason = err.Error()
	if err := g.b.server.SendConnack(cl, code, false, nil); err != nil {
		return fmt.Errorf("say why: %w", err)
	}
	return errRefused
}

func (g *guard) examine(c *conn, cl *mqtt.Client, pk packets.Packet) (packets.Code, error) {
	switch {
	case c.fault != nil:
		g.b.tell(c, cl.ID, c.fault)
		return packets.ErrNotAuthorized, c.fault
	case !c.identity.MayUse(cl.ID):
		g.b.tell(c, cl.ID, fmt.Errorf("%w: %q", ErrForeignClient, cl.ID))
		return packets.ErrClientIdentifierNotValid, fmt.Errorf("client id %q does not belong to the certificate of %s, which may use %q", cl.ID, c.identity.URI(), c.identity.ClientID())
	case pk.Connect.WillFlag:
		// The library publishes a will without asking the ACL.
		if code, err := g.mayPublish(c, pk.Connect.WillTopic, pk.Connect.WillRetain); err != nil {
			return code, fmt.Errorf("the will: %w", err)
		}
	}
	return packets.CodeSuccess, nil
}

func (g *guard) welcome(c *conn, cl *mqtt.Client) {
	cl.Properties.Will.WillDelayInterval = 0 // no session outlives its connection, so no will is delayed
	if cl.State.Keepalive == 0 || cl.State.Keepalive > longestKeepAlive {
		cl.State.Keepalive, cl.State.ServerKeepalive = longestKeepAlive, true
	}
	g.b.accepted.Add(1)
	g.b.config.Log.Info("client connected", "client", cl.ID, "remote", c.RemoteAddr().String())
}

// OnConnectAuthenticate says yes to what OnConnect let through.
func (g *guard) OnConnectAuthenticate(*mqtt.Client, packets.Packet) bool { return true }

// OnACLCheck is asked before a publish, before a subscription, with its filter, and before each delivery.
func (g *guard) OnACLCheck(cl *mqtt.Client, topic string, write bool) bool {
	c, ok := cl.Net.Conn.(*conn)
	if !ok || c.fault != nil {
		return false
	}
	may := c.identity.MaySubscribe
	if write {
		may = c.identity.MayPublish
	}
	if may(topic) {
		return true
	}
	g.b.tell(c, cl.ID, fmt.Errorf("%w: %q", ErrForeignTopic, topic))
	return false
}

// OnPacketEncode adds to CONNACK what the library enforces and does not announce.
func (g *guard) OnPacketEncode(_ *mqtt.Client, pk packets.Packet) packets.Packet {
	if pk.FixedHeader.Type == packets.Connack && pk.ReasonCode == packets.CodeSuccess.Code {
		pk.Properties.MaximumPacketSize = g.b.config.MaxPacketBytes
	}
	return pk
}

// OnSubscribe grants QoS 0 whatever was asked for. The library keeps deliveries with QoS 1 in one map with the client's own messages,
// which loses them and their quota when packet ids meet, and takes a lock of that map twice, which may stop a client for good. What a
// QoS 0 delivery can lose is sent again by its sender, as is everything that a broker loses.
func (g *guard) OnSubscribe(_ *mqtt.Client, pk packets.Packet) packets.Packet {
	for i := range pk.Filters {
		pk.Filters[i].Qos = 0
	}
	return pk
}

// OnPublish is asked after the ACL. See answer for what may be returned.
func (g *guard) OnPublish(cl *mqtt.Client, pk packets.Packet) (packets.Packet, error) {
	c, ok := cl.Net.Conn.(*conn)
	if !ok {
		return pk, answer(pk, packets.ErrNotAuthorized)
	}
	code, err := g.mayPublish(c, pk.TopicName, pk.FixedHeader.Retain)
	if err == nil {
		return pk, nil
	}
	if ok, more := g.b.warned.allow(time.Now()); ok {
		g.b.config.Log.Warn("message refused", "client", cl.ID, "err", err, "unlogged", more)
	}
	return pk, answer(pk, code)
}

// answer makes the error by which the library refuses a message. Any other error than a bare code it would take for success, a wrapped
// code makes it panic, and a message with QoS 0 it would pass on.
func answer(pk packets.Packet, code packets.Code) error {
	if pk.FixedHeader.Qos == 0 {
		return packets.ErrRejectPacket
	}
	return code
}

func (g *guard) mayPublish(c *conn, topic string, retain bool) (packets.Code, error) {
	if !c.identity.MayPublish(topic) {
		return packets.ErrNotAuthorized, fmt.Errorf("%s may not publish to %q", c.identity.URI(), topic)
	}
	t, err := wire.ParseTopic(topic)
	if err != nil {
		return packets.ErrTopicNameInvalid, err
	}
	if retain && (t.Direction != wire.Up || t.Name != wire.Status) {
		return packets.ErrRetainNotSupported, fmt.Errorf("only presence is retained, not %q", topic)
	}
	return packets.CodeSuccess, nil
}

// OnPublishDropped counts what a subscriber was too slow for.
func (g *guard) OnPublishDropped(cl *mqtt.Client, pk packets.Packet) {
	g.b.dropped.Add(1)
	if ok, more := g.b.warned.allow(time.Now()); ok {
		g.b.config.Log.Warn("subscriber too slow; a message was dropped and will be sent again", "client", cl.ID, "topic", pk.TopicName, "unlogged", more)
	}
}
