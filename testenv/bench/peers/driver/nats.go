package main

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

type natsTarget struct{ js jetstream.JetStream }

// newNATS makes the stream of a leaf.
func newNATS(ctx context.Context, addr string) (target, error) {
	conn, err := nats.Connect("nats://" + addr)
	if err != nil {
		return nil, err
	}
	js, err := jetstream.NewWithDomain(conn, "leaf")
	if err != nil {
		return nil, err
	}
	_, err = js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{Name: "SITE", Subjects: []string{"site.>"}, Storage: jetstream.FileStorage})
	return natsTarget{js}, err
}

func (t natsTarget) put(ctx context.Context, events [][]byte) error {
	if len(events) == 1 {
		_, err := t.js.Publish(ctx, "site.pick", events[0])
		return err
	}
	acks := make([]jetstream.PubAckFuture, len(events))
	for i, e := range events {
		var err error
		if acks[i], err = t.js.PublishAsync("site.pick", e); err != nil {
			return err
		}
	}
	for _, ack := range acks {
		select {
		case <-ack.Ok():
		case err := <-ack.Err():
			return err
		case <-time.After(30 * time.Second):
			return fmt.Errorf("nats: no ack within 30 s")
		}
	}
	return nil
}

// natsSink makes the hub's stream, which sources the leaf's, and takes what comes into it.
func natsSink(ctx context.Context, addr string, arrived func([]byte, int)) error {
	conn, err := nats.Connect("nats://" + addr)
	if err != nil {
		return err
	}
	js, err := jetstream.NewWithDomain(conn, "hub")
	if err != nil {
		return err
	}
	stream, err := js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{Name: "CENTRE", Storage: jetstream.FileStorage,
		Sources: []*jetstream.StreamSource{{Name: "SITE", External: &jetstream.ExternalStream{APIPrefix: "$JS.leaf.API"}}}})
	if err != nil {
		return err
	}
	consumer, err := stream.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{})
	if err != nil {
		return err
	}
	consuming, err := consumer.Consume(func(m jetstream.Msg) { arrived(m.Data(), 1) }, jetstream.PullMaxMessages(2000))
	if err != nil {
		return err
	}
	defer consuming.Stop()
	<-ctx.Done()
	return nil
}
