package main

import (
	"context"
	"fmt"
	"net"

	"github.com/eclipse/paho.golang/paho"
)

type mqttTarget struct{ client *paho.Client }

func dialMQTT(ctx context.Context, addr, id string, heard func(paho.PublishReceived) (bool, error)) (*paho.Client, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	config := paho.ClientConfig{Conn: conn}
	if heard != nil {
		config.OnPublishReceived = []func(paho.PublishReceived) (bool, error){heard}
	}
	client := paho.NewClient(config)
	maximum := uint16(1000)
	answer, err := client.Connect(ctx, &paho.Connect{ClientID: id, CleanStart: true, KeepAlive: 60, Properties: &paho.ConnectProperties{ReceiveMaximum: &maximum}})
	if err != nil {
		return nil, err
	}
	if answer.ReasonCode != 0 {
		return nil, fmt.Errorf("mqtt: connect refused with 0x%02x", answer.ReasonCode)
	}
	return client, nil
}

func newMQTT(ctx context.Context, addr string) (target, error) {
	client, err := dialMQTT(ctx, addr, "callers", nil)
	return mqttTarget{client}, err
}

func (t mqttTarget) put(ctx context.Context, events [][]byte) error {
	for _, e := range events {
		if _, err := t.client.Publish(ctx, &paho.Publish{QoS: 1, Topic: "site/pick", Payload: e}); err != nil {
			return err
		}
	}
	return nil
}

func mqttSink(ctx context.Context, addr string, arrived func([]byte, int)) error {
	client, err := dialMQTT(ctx, addr, "centre", func(p paho.PublishReceived) (bool, error) {
		arrived(p.Packet.Payload, 1)
		return true, nil
	})
	if err != nil {
		return err
	}
	if _, err := client.Subscribe(ctx, &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: "site/#", QoS: 1}}}); err != nil {
		return err
	}
	<-client.Done()
	return fmt.Errorf("mqtt: the centre's broker has gone")
}
