package badinput_test

import (
	"bytes"
	"context"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/wire"
	"github.com/dockline/dockline/testenv/world"
	"github.com/dockline/dockline/testenv/world/worldtest"
)

const victim = "dc-west"

// intrude speaks with the certificate of dc-west while its agent is away, and lets the agent come back.
func intrude(t *testing.T, w *world.World, messages ...wire.Message) {
	t.Helper()
	site := w.Sites[victim]
	site.Agent.Kill()
	file := func(name string) string { return filepath.Join(site.IdentityDir, name) }
	tls, err := wire.LoadTLS(file("ca.crt"), file("site.crt"), file("site.key"))
	if err != nil {
		t.Fatal(err)
	}
	conn, err := wire.Dial(t.Context(), wire.Config{URL: "mqtts://" + site.Line.Addr(), ClientID: wire.ClientID(w.Config.Tenant, victim), TLS: tls})
	if err != nil {
		t.Fatal(err)
	}
	worldtest.Until(t, "a link to the broker", patience, func() (bool, error) { return conn.Connected(), nil })
	for _, m := range messages {
		if err := conn.Publish(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := conn.Close(ctx); err != nil {
		t.Error(err)
	}
	if err := site.Agent.Start(); err != nil {
		t.Fatal(err)
	}
}

func randomBytes(t *testing.T, w *world.World) {
	r := rand.New(rand.NewPCG(6, 6))
	var messages []wire.Message
	for _, size := range []int{1, 40, 5000} {
		payload := bytes.Repeat([]byte{0xff}, size) // no message begins with a field of this kind
		for i := 1; i < size; i++ {
			payload[i] = byte(r.Uint32())
		}
		messages = append(messages, wire.Message{Topic: wire.UpTopic(w.Config.Tenant, victim, wire.Events), Payload: payload})
	}
	intrude(t, w, messages...)
}

// foreignEnvelope sends a pick of dc-east, well made, on the topic of dc-west.
func foreignEnvelope(t *testing.T, w *world.World) {
	event, err := proto.Marshal(&docklinev1.Event{Id: "intruder-1", Tenant: w.Config.Tenant, Site: world.FileSite, Kind: docklinev1.EventKind_EVENT_KIND_PICK_CONFIRMED, Subject: "SO100001"})
	if err != nil {
		t.Fatal(err)
	}
	pack, crc, err := wire.SealPack([][]byte{event})
	if err != nil {
		t.Fatal(err)
	}
	payload, err := proto.Marshal(&docklinev1.Envelope{Tenant: w.Config.Tenant, Site: world.FileSite, Epoch: "intruder", EpochOrdinal: 1, FirstSeq: 1, LastSeq: 1, Count: 1, Crc: crc, Live: true, Pack: pack})
	if err != nil {
		t.Fatal(err)
	}
	intrude(t, w, wire.Message{Topic: wire.UpTopic(w.Config.Tenant, victim, wire.Events), Payload: payload})
}
