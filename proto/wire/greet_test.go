package wire_test

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/packets"

	"github.com/dockline/dockline/proto/wire"
)

// Over a long line each answer that is awaited by itself costs a round trip: subscription and birth go out in their order before the
// broker has answered any of them, and the link counts as up when it has answered all.
func TestTheGreetingWaitsForNoAnswerInBetween(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	up := make(chan struct{})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	line, err := wire.Dial(ctx, wire.Config{URL: "mqtt://" + listener.Addr().String(), ClientID: "c", Subscribe: []string{"down"},
		Birth: func() []wire.Message { return []wire.Message{{Topic: "first"}, {Topic: "second"}} }, OnUp: func() { close(up) }})
	if err != nil {
		t.Fatal(err)
	}
	defer line.Close(ctx)
	broker, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	broker.SetDeadline(time.Now().Add(10 * time.Second))
	next := func(kind byte) *packets.ControlPacket {
		t.Helper()
		p, err := packets.ReadPacket(broker)
		for err == nil && p.Type == packets.PINGREQ {
			p, err = packets.ReadPacket(broker)
		}
		if err != nil || p.Type != kind {
			t.Fatalf("packet %v, %v; want one of type %d", p, err, kind)
		}
		return p
	}
	answer := func(kind byte, fill func(content any)) {
		t.Helper()
		p := packets.NewControlPacket(kind)
		fill(p.Content)
		if _, err := p.WriteTo(broker); err != nil {
			t.Fatal(err)
		}
	}
	next(packets.CONNECT)
	answer(packets.CONNACK, func(any) {})
	subscribed := next(packets.SUBSCRIBE).Content.(*packets.Subscribe)
	var ids []uint16
	for _, topic := range []string{"first", "second"} {
		birth := next(packets.PUBLISH).Content.(*packets.Publish)
		if birth.Topic != topic {
			t.Errorf("birth on %s where %s was due", birth.Topic, topic)
		}
		ids = append(ids, birth.PacketID)
	}
	for _, id := range ids {
		answer(packets.PUBACK, func(content any) { content.(*packets.Puback).PacketID = id })
	}
	if line.Connected() {
		t.Error("up before the subscription was answered")
	}
	answer(packets.SUBACK, func(content any) {
		ack := content.(*packets.Suback)
		ack.PacketID, ack.Reasons = subscribed.PacketID, []byte{1}
	})
	select {
	case <-up:
	case <-ctx.Done():
		t.Error("never up")
	}
}
